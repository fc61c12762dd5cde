//! What robots on another machine ask the origin itself, never through the proxy: under `/.bed/`.
//!
//! - `GET /.bed/hello`: a [`Hello`].
//! - `GET /.bed/clock`: a [`Clock`]; asked for all through a run, for clocks drift and are set.
//! - `GET /.bed/statistics`: [`super::Statistics`].
//! - `POST /.bed/begin` of a [`Begin`]: a run begins, and counting with it.

use super::{
    server::Origin,
    statistics::{Statistics, processor_micros},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web::Payload,
};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What the paths of control begin with.
pub(super) const PREFIX: &str = "/.bed/";

/// The largest body of a [`Begin`].
const LARGEST_BEGIN: usize = 1 << 10;

/// What an origin says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The run's seed.
    pub seed: u64,
    /// The run's beginning, Unix seconds, once it is known.
    pub epoch: Option<i64>,
    /// The text of the workload's file.
    pub workload: String,
    /// The digest of its library, if it was made: robots whose own is another have other bodies, and must not judge these.
    #[serde(default)]
    pub library: Option<u32>,
    /// Where it listens, as it knows itself: the ports count, the host is how it was reached.
    pub addresses: Vec<SocketAddr>,
}

/// What the origin's clock says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Unix microseconds.
    pub clock: i64,
}

/// The beginning of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begin {
    /// Unix seconds.
    pub epoch: i64,
}

/// The answer to a control request; `path` is what stands behind the prefix.
pub(super) async fn handle(
    origin: &Origin,
    path: &str,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    match (request.method(), path) {
        (&Method::GET, "hello") => private().json(Hello {
            seed: origin.told.seed().0,
            epoch: origin.world().map(|w| w.epoch()),
            workload: origin.workload_text.clone(),
            library: origin.digest,
            addresses: origin.addresses.clone(),
        }),
        (&Method::GET, "clock") => private().json(Clock {
            clock: origin.wall.microseconds(),
        }),
        (&Method::GET, "statistics") => private().json(Statistics {
            processor_micros: processor_micros(origin.workers),
            ..origin.counters.snapshot()
        }),
        (&Method::POST, "begin") => begin(origin, payload).await,
        (_, "hello" | "clock" | "statistics") => wrong_method("GET"),
        (_, "begin") => wrong_method("POST"),
        _ => HttpResponse::NotFound()
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body("the origin knows hello, clock, statistics and begin\n"),
    }
}

async fn begin(origin: &Origin, payload: Payload) -> HttpResponse {
    let body = match payload.to_bytes_limited(LARGEST_BEGIN).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) | Err(_) => {
            return HttpResponse::BadRequest().body("a body is wanted: {\"epoch\": SECONDS}\n");
        }
    };
    match serde_json::from_slice::<Begin>(&body) {
        Ok(Begin { epoch }) => {
            origin.begin(epoch);
            HttpResponse::NoContent().finish()
        }
        Err(e) => {
            HttpResponse::BadRequest().body(format!("{e}; wanted is {{\"epoch\": SECONDS}}\n"))
        }
    }
}

/// The answer for objects before a run has begun.
pub(super) fn not_begun() -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body("no run has begun: robots begin it by POST /.bed/begin\n")
}

fn private() -> actix_web::HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response
}

fn wrong_method(allowed: &'static str) -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, allowed))
        .finish()
}
