//! Content management over a running proxy, as modules reach it: every operation, its awkward cases, its bounds.
#![allow(clippy::unwrap_used, unreachable_pub)]

mod bounds;
mod fetching;
mod injection;
mod model;
mod modules;
mod objects;
mod reading;
mod support;
