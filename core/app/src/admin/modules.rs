//! `/modules`: what runs, and changes to it; and who may change anything by way of the admin.
//!
//! Invariant: a change is made only by a request that no web page can cause: not from a page (no `Origin`), not by a name that
//! somebody else may point here (`Host` is an IP address or localhost), and as JSON, which a form cannot send.
//! Awkward case: a browser on this machine reaches loopback, so that being reachable from here only is no protection.

use crate::{
    messages::{Ask, ChangeModules, Receipt},
    modules::{change::Change, report::ModuleReport},
    overseer::Overseer,
};
use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse,
    error::InternalError,
    http::header,
    web::{self, JsonConfig},
};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The most that a change may measure.
const LARGEST: usize = 256 << 10;

/// The modules, in order.
pub(super) async fn get(overseer: web::Data<Addr<Overseer>>) -> HttpResponse {
    match overseer.send(Ask).await {
        Ok(report) => HttpResponse::Ok()
            .insert_header(("cache-control", "no-store"))
            .json(json!({
                "modules": report.modules.iter().map(ModuleReport::document).collect::<Vec<_>>(),
            })),
        Err(_) => HttpResponse::ServiceUnavailable().finish(),
    }
}

/// Makes a change.
pub(super) async fn post(
    request: HttpRequest,
    change: web::Json<Change>,
    overseer: web::Data<Addr<Overseer>>,
) -> HttpResponse {
    if let Err(why) = allowed(&request) {
        return HttpResponse::Forbidden().json(refused([why]));
    }
    match overseer.send(ChangeModules(change.into_inner())).await {
        Ok(Receipt {
            outcome: Ok(parts), ..
        }) => {
            let parts: Map<String, Value> = parts
                .iter()
                .map(|p| (p.name.to_string(), p.done.into()))
                .collect();
            HttpResponse::Ok().json(json!({
                "outcome": "done", "parts": parts, "lasts": "until the next reload or restart",
            }))
        }
        Ok(Receipt {
            outcome: Err(reasons),
            ..
        }) => HttpResponse::Conflict().json(refused(reasons)),
        Err(_) => HttpResponse::ServiceUnavailable().json(refused(["the proxy is going down"])),
    }
}

/// How bodies are read.
pub(super) fn json_config() -> JsonConfig {
    JsonConfig::default().limit(LARGEST).error_handler(|e, _| {
        let response = HttpResponse::BadRequest().json(refused([e.to_string()]));
        InternalError::from_response(e, response).into()
    })
}

pub(super) fn refused<S: Into<String>>(reasons: impl IntoIterator<Item = S>) -> Value {
    let reasons: Vec<String> = reasons.into_iter().map(Into::into).collect();
    json!({"outcome": "refused", "reasons": reasons})
}

pub(super) fn allowed(request: &HttpRequest) -> Result<(), &'static str> {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        return Err("a request with an Origin comes from a web page, and those may change nothing");
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    if !host.is_some_and(is_local) || headers.get_all(header::HOST).count() != 1 {
        return Err(
            "Host must be an IP address or localhost: another name may have been pointed here",
        );
    }
    Ok(())
}

/// An address, or `localhost`, with or without a port.
fn is_local(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, "")) => (name, None),
            Some((name, rest)) => (name, Some(rest.strip_prefix(':').unwrap_or("x"))),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok())
        && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::allowed;
    use actix_web::test::TestRequest;

    #[test]
    fn only_what_no_web_page_can_cause_changes_anything() {
        for (host, origin, want) in [
            (Some("127.0.0.1:3130"), None, true),
            (Some("localhost"), None, true),
            (Some("LocalHost:3130"), None, true),
            (Some("[::1]:3130"), None, true),
            (Some("[::1]"), None, true),
            (Some("192.0.2.1:3130"), None, true),
            (Some("rebound.example:3130"), None, false),
            (Some("127.0.0.1.rebound.example"), None, false),
            (Some("localhost.example"), None, false),
            (Some("127.0.0.1:x"), None, false),
            (Some("[::1]x"), None, false),
            (Some("[::1"), None, false),
            (Some(""), None, false),
            (None, None, false),
            (Some("127.0.0.1:3130"), Some("http://127.0.0.1:3130"), false),
            (Some("127.0.0.1:3130"), Some("null"), false),
        ] {
            let mut request = TestRequest::post().uri("/modules");
            if let Some(host) = host {
                request = request.insert_header(("host", host));
            }
            if let Some(origin) = origin {
                request = request.insert_header(("origin", origin));
            }
            let request = request.to_http_request();
            assert_eq!(allowed(&request).is_ok(), want, "{host:?} {origin:?}");
        }
    }
}
