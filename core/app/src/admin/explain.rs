//! `/explain`: what would become of a request, and why.
//!
//! Invariant: it changes nothing, and is answered all the same only to requests that no web page can cause (see `modules.rs`), since
//! keys may hold what is nobody else's business. Awkward case: a query can name fields as well, each as `header=Name: value`.

use super::modules::{allowed, refused};
use crate::{messages::Explain, overseer::Overseer};
use actix::Addr;
use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{self, Query},
};
use understudy_proxy::explain::Request;

/// Explains what the query asks about: `url=`, and `method=`, `listener=`, `header=` where wanted.
pub(super) async fn get(request: HttpRequest, overseer: web::Data<Addr<Overseer>>) -> HttpResponse {
    match in_query(request.query_string()) {
        Ok(asked) => answer(&request, asked, &overseer).await,
        Err(why) => HttpResponse::BadRequest().json(refused([why])),
    }
}

/// Explains what the body asks about.
pub(super) async fn post(
    request: HttpRequest,
    asked: web::Json<Request>,
    overseer: web::Data<Addr<Overseer>>,
) -> HttpResponse {
    answer(&request, asked.into_inner(), &overseer).await
}

async fn answer(request: &HttpRequest, asked: Request, overseer: &Addr<Overseer>) -> HttpResponse {
    if let Err(why) = allowed(request) {
        return HttpResponse::Forbidden().json(refused([why]));
    }
    match overseer.send(Explain(asked)).await {
        Ok(Ok(explanation)) => HttpResponse::Ok()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .json(explanation),
        Ok(Err(why)) => HttpResponse::BadRequest().json(refused([why])),
        Err(_) => HttpResponse::ServiceUnavailable().json(refused(["the proxy is going down"])),
    }
}

fn in_query(query: &str) -> Result<Request, String> {
    let pairs = Query::<Vec<(String, String)>>::from_query(query);
    let mut asked = Request::default();
    for (name, value) in pairs.map_err(|why| why.to_string())?.into_inner() {
        match name.as_str() {
            "url" => asked.url = value,
            "method" => asked.method = Some(value),
            "listener" => asked.listener = Some(value),
            "header" => asked.headers.push(field(&value)?),
            _ => {
                return Err(format!(
                    "`{name}` is not known; known are url, method, listener, header"
                ));
            }
        }
    }
    Ok(asked)
}

/// `Name: value`.
pub(crate) fn field(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{text:?} is no field: write \"Name: value\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::in_query;
    use understudy_proxy::explain::Request;

    #[test]
    fn a_query_says_the_same_as_json() {
        let want = Request {
            url: "http://a/?b".to_owned(),
            method: Some("HEAD".to_owned()),
            headers: vec![("Accept".to_owned(), "a/b".to_owned())],
            listener: Some("l".to_owned()),
        };
        let query = "url=http://a/%3Fb&method=HEAD&listener=l&header=Accept:%20a/b";
        assert_eq!(in_query(query), Ok(want));
        for bad in ["ulr=http://a/", "header=x"] {
            assert!(in_query(bad).is_err(), "{bad}");
        }
    }
}
