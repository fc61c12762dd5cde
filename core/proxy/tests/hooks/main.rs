//! Every hook over a running proxy: when it fires, what it may do, and what comes of its failures. Each case runs inline and in
//! threads: clients must see the same.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod absent;
mod bodies;
mod failures;
mod framing;
mod heads;
mod left;
mod life;
mod order;
mod patience;
mod record;
mod scripted;
mod stored;
#[path = "../content/support.rs"]
#[allow(dead_code)]
mod support;
mod upstream;
mod withheld;
