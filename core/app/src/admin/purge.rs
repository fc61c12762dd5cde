//! `/purge`: removes what is stored, or makes it stale, and answers with a receipt.
//!
//! What is meant comes as JSON, or in the query when there is no body. Invariant: like every change it is made only by a request that
//! no web page can cause (see `modules.rs`). Awkward case: a form can post a query without a body that anybody would notice, but not
//! without an `Origin`.

use super::modules::{allowed, refused};
use crate::{messages::PurgeCache, overseer::Overseer};
use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, PayloadConfig, Query},
};
use understudy_proxy::purge::Request;

/// The most that a request may measure.
const LARGEST: usize = 256 << 10;

/// How bodies are read.
pub(super) fn payload_config() -> PayloadConfig {
    PayloadConfig::new(LARGEST)
}

/// Purges.
pub(super) async fn post(
    request: HttpRequest,
    body: web::Bytes,
    overseer: web::Data<Addr<Overseer>>,
) -> HttpResponse {
    if let Err(why) = allowed(&request) {
        return HttpResponse::Forbidden().json(refused([why]));
    }
    let asked = match asked(&request, &body) {
        Ok(asked) => asked,
        Err(why) => return HttpResponse::BadRequest().json(refused([why])),
    };
    match overseer.send(PurgeCache(asked)).await {
        Ok(Ok(receipt)) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(receipt),
        Ok(Err(reasons)) => HttpResponse::BadRequest().json(refused(reasons)),
        Err(_) => HttpResponse::ServiceUnavailable().json(refused(["the proxy is going down"])),
    }
}

fn asked(request: &HttpRequest, body: &[u8]) -> Result<Request, String> {
    if body.is_empty() {
        return in_query(request.query_string());
    }
    if !request.query_string().is_empty() {
        return Err("say what goes in the body or in the query, not in both".to_owned());
    }
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .split(';')
        .next();
    if !kind.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Err("the body must be JSON: send Content-Type: application/json".to_owned());
    }
    serde_json::from_slice(body).map_err(|why| why.to_string())
}

fn in_query(query: &str) -> Result<Request, String> {
    let pairs = Query::<Vec<(String, String)>>::from_query(query);
    let pairs = pairs.map_err(|why| why.to_string())?.into_inner();
    let mut asked = Request::default();
    for (name, value) in pairs {
        let many = match name.as_str() {
            "url" => &mut asked.url,
            "key" => &mut asked.key,
            "prefix" => &mut asked.prefix,
            "tag" => &mut asked.tag,
            "group" => &mut asked.group,
            "origin" => {
                asked.origin = Some(value);
                continue;
            }
            "soft" => {
                asked.soft = yes(&name, &value)?;
                continue;
            }
            "dry_run" => {
                asked.dry_run = yes(&name, &value)?;
                continue;
            }
            _ => {
                return Err(format!(
                    "`{name}` is not known; known are url, key, prefix, tag, group, origin, soft, dry_run"
                ));
            }
        };
        many.push(value);
    }
    Ok(asked)
}

fn yes(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{name}: {value:?} is neither true nor false")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{asked, in_query};
    use actix_web::test::TestRequest;

    #[test]
    fn a_query_says_the_same_as_json() {
        for (query, json) in [
            (
                "tag=a&tag=b%20c&soft",
                r#"{"tag": ["a", "b c"], "soft": true}"#,
            ),
            (
                "url=http%3A%2F%2Fa%2F%3Fx%3D1&dry_run=1",
                r#"{"url": "http://a/?x=1", "dry_run": true}"#,
            ),
            (
                "prefix=http://a/&key=k%0Ap&group=g&origin=http://b&soft=false",
                r#"{"prefix": "http://a/", "key": "k\np", "group": "g", "origin": "http://b"}"#,
            ),
        ] {
            let want = serde_json::from_str(json).unwrap();
            assert_eq!(in_query(query), Ok(want), "{query}");
        }
        for query in ["tga=a", "soft=perhaps"] {
            assert!(in_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_body_is_json_and_says_so() {
        let json = br#"{"tag": "a"}"#.as_slice();
        for (uri, kind, body, good) in [
            ("/purge", Some("application/json"), json, true),
            (
                "/purge",
                Some("Application/JSON; charset=utf-8"),
                json,
                true,
            ),
            ("/purge?tag=a", None, b"".as_slice(), true),
            ("/purge", None, json, false),
            ("/purge", Some("text/plain"), json, false),
            ("/purge?tag=a", Some("application/json"), json, false),
            ("/purge", Some("application/json"), b"{", false),
        ] {
            let mut request = TestRequest::post().uri(uri);
            if let Some(kind) = kind {
                request = request.insert_header(("content-type", kind));
            }
            let asked = asked(&request.to_http_request(), body);
            assert_eq!(asked.is_ok(), good, "{uri} {kind:?} {asked:?}");
        }
    }
}
