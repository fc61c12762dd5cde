//! The steps of a request.
//!
//! 1. It is counted, and takes its turn on its connection.
//! 2. What is asked for is found; what cannot be answered is refused at once.
//! 3. A POST's body is read whole and compared.
//! 4. The request travels, the origin thinks, the answer travels: one wait.
//! 5. The answer is made for the time when the origin had thought, and sent.
//!
//! Invariant: whatever a request is, it is answered, and it has its turn. Awkward case: a client that goes away drops the future that
//! waits here; its request stays counted.

use super::{
    answer,
    connection::Connection,
    control, drawn,
    network::Path,
    private,
    server::{Origin, seconds},
    statistics::{add, count},
};
use crate::{
    demand,
    seed::Stream,
    workload::{Distribution, Network},
    world::{Object, World},
};
use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, Header},
    },
    web::{Data, Payload},
};
use std::{sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::time::Instant;

/// The largest body of a POST; a mebibyte fits in any address space.
const LARGEST_POST: usize = demand::LARGEST_POST as usize;

/// The longest the origin thinks, whatever was drawn.
const LONGEST_THOUGHT: Duration = Duration::from_secs(3600);

/// Answers a request.
pub(super) async fn handle(
    origin: Data<Origin>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    if let Some(path) = request.path().strip_prefix(control::PREFIX) {
        return control::handle(&origin, path, &request, payload).await;
    }
    let counters = &origin.counters;
    count(&counters.requests);
    let Some(world) = origin.world() else {
        count(&counters.refused);
        return control::not_begun();
    };
    let connection = request.conn_data::<Connection>();
    let turn = connection.map(|c| c.turn(&world));
    let asked = match asked(&origin, &world, &request, payload).await {
        Ok(asked) => asked,
        Err(refusal) => {
            count(&counters.refused);
            return refusal.response(turn.is_some_and(|t| t.last));
        }
    };
    let network = &world.workload().network;
    let path = path(network);
    let stream = |what| world.seed().stream(&drawn::of(what, asked.number));
    let mut travel = path.arrival(asked.posted, stream(drawn::UPLOAD));
    if let (Some(connection), true) = (connection, turn.is_some_and(|t| t.first)) {
        travel += path.handshake(&mut connection.stream(&world, drawn::HANDSHAKE));
    }
    let thought = travel + think(&network.think, &mut stream(drawn::THINK));
    let leaves = thought + path.delay;
    let answered = origin
        .wall
        .milliseconds()
        .saturating_add(i64::try_from(thought.as_millis()).unwrap_or(0));
    if !leaves.is_zero() {
        let due = Instant::now() + leaves;
        tokio::time::sleep_until(due).await;
        let late = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
        add(&counters.late_micros, late);
        counters.latest_micros.fetch_max(late, Relaxed);
    }
    let last = turn.is_some_and(|t| t.last);
    answer::answer(&origin, &world, &request, asked, answered, path, last)
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Its number; 0 if it has none.
    pub(super) number: u64,
    pub(super) object: Object,
    /// Bytes of its body.
    pub(super) posted: u64,
}

/// Why a request is not answered with an object.
enum Refusal {
    Method,
    Number,
    Path,
    TooLong,
    Unread,
    Body,
}

impl Refusal {
    fn response(&self, last: bool) -> HttpResponse {
        let (status, text) = match self {
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "objects answer GET, HEAD and POST\n",
            ),
            Self::Number => (
                StatusCode::BAD_REQUEST,
                "X-Bed-Request is not one hexadecimal number\n",
            ),
            Self::Path => (StatusCode::NOT_FOUND, "no object has this path\n"),
            Self::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request's body is above 1 MiB\n",
            ),
            Self::Unread => (
                StatusCode::BAD_REQUEST,
                "the request's body ended too early\n",
            ),
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "the request's body is not the one of its X-Bed-Request\n",
            ),
        };
        let mut response = HttpResponse::build(status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((header::ALLOW, "GET, HEAD, POST"));
        }
        if last {
            response.force_close();
        }
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("text/plain")
            .body(text)
    }
}

async fn asked(
    origin: &Origin,
    world: &World,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Asked, Refusal> {
    let counters = &origin.counters;
    match *request.method() {
        Method::GET => count(&counters.get),
        Method::HEAD => count(&counters.head),
        Method::POST => count(&counters.post),
        _ => return Err(Refusal::Method),
    }
    let mut numbers = request.headers().get_all(private::REQUEST);
    let number = match (numbers.next(), numbers.next()) {
        (None, _) => {
            count(&counters.unnumbered);
            None
        }
        (Some(value), None) => Some(
            value
                .to_str()
                .ok()
                .and_then(private::number)
                .ok_or(Refusal::Number)?,
        ),
        _ => return Err(Refusal::Number),
    };
    // No object has a query.
    let object = match request.uri().query() {
        None => world.object(request.uri().path()).ok_or(Refusal::Path)?,
        Some(_) => return Err(Refusal::Path),
    };
    let mut posted = 0;
    if request.method() == Method::POST {
        // What says that it is too long is not waited for.
        if header::ContentLength::parse(request).is_ok_and(|length| *length > LARGEST_POST) {
            return Err(Refusal::TooLong);
        }
        let body = payload
            .to_bytes_limited(LARGEST_POST)
            .await
            .map_err(|_| Refusal::TooLong)?
            .map_err(|_| Refusal::Unread)?;
        posted = body.len() as u64;
        if number.is_some_and(|n| private::posted(world.seed(), n, body.len()) != body) {
            count(&counters.wrong_bodies);
            return Err(Refusal::Body);
        }
    }
    Ok(Asked {
        number: number.unwrap_or(0),
        object,
        posted,
    })
}

/// The path between proxy and origin.
fn path(network: &Network) -> Path {
    Path {
        delay: seconds(network.server_delay),
        loss: network.server_loss,
    }
}

/// How long the origin thinks of a request.
pub(super) fn think(think: &Distribution, stream: &mut Stream) -> Duration {
    seconds(think.sample(stream)).min(LONGEST_THOUGHT)
}
