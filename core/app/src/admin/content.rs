//! `/content`: the verbs of the console, as JSON.
//!
//! The words and what they do are the content manager's ([`understudy_content_manager::verbs`]). Invariant: like every change it is asked
//! for only by a request that no web page can cause (see `modules.rs`); that holds for verbs that only look as well, since what is
//! stored is nobody else's business.

use super::modules::{allowed, refused};
use crate::{messages::Manage, overseer::Overseer};
use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse,
    error::InternalError,
    http::{StatusCode, header},
    web::{self, JsonConfig},
};
use understudy_content_manager::verbs::Request;

/// The most that a request may measure: a body that is injected whole is in it.
const LARGEST: usize = 16 << 20;

/// How bodies are read.
pub(super) fn json_config() -> JsonConfig {
    JsonConfig::default().limit(LARGEST).error_handler(|e, _| {
        let response = HttpResponse::BadRequest().json(refused([e.to_string()]));
        InternalError::from_response(e, response).into()
    })
}

/// Does what is asked for.
pub(super) async fn post(
    request: HttpRequest,
    asked: web::Json<Request>,
    overseer: web::Data<Addr<Overseer>>,
) -> HttpResponse {
    if let Err(why) = allowed(&request) {
        return HttpResponse::Forbidden().json(refused([why]));
    }
    match overseer.send(Manage(asked.into_inner())).await {
        Ok(Ok(document)) => {
            let outcome = document.get("outcome").and_then(|outcome| outcome.as_str());
            HttpResponse::build(match outcome {
                Some("absent") => StatusCode::NOT_FOUND,
                Some("failed") => StatusCode::CONFLICT,
                _ => StatusCode::OK,
            })
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(document)
        }
        Ok(Err(why)) => HttpResponse::BadRequest().json(refused([why])),
        Err(_) => HttpResponse::ServiceUnavailable().json(refused(["the proxy is going down"])),
    }
}
