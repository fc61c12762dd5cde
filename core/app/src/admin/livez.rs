//! `/livez`: the process runs and answers.

use actix_web::HttpResponse;

/// Always 200.
pub(super) async fn get() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body("live\n")
}
