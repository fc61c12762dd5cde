//! `/readyz`: whether new work is taken. It fails first of all when the proxy drains, so that balancers turn away in time.

use super::Health;
use actix_web::{HttpResponse, http::StatusCode, web};

/// 200 when ready, else 503.
pub(super) async fn get(health: web::Data<Health>) -> HttpResponse {
    let (status, text) = if health.ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    };
    HttpResponse::build(status)
        .content_type("text/plain; charset=utf-8")
        .insert_header(("cache-control", "no-store"))
        .body(text)
}
