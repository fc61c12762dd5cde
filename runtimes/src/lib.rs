//! The three execution models of modules behind one trait: [`Runtime`].
//!
//! A module is loaded once ([`load`]) and called by each worker through a [`Link`]. Inline, the call is direct; in threads and in
//! processes an event is sent and its verdict awaited, with the worker's [`Seat`] as the place where verdicts arrive. Every hook is
//! called by [`understudy_module::invoke`] in all three, on the same record. Knows neither the proxy nor the cache.
#![forbid(unsafe_code)]

pub mod accounts;
mod actor;
mod attention;
mod costs;
pub mod counts;
mod failure;
mod inline;
mod life;
mod link;
mod loaded;
pub mod marker;
mod nursery;
mod office;
pub mod process;
mod runtime;
mod seat;
mod spec;
pub mod stages;
mod threads;
mod visit;

pub use costs::HookCost;
pub use failure::Failure;
pub use inline::Instance;
pub use link::{BREAK_AFTER, Call, Called, Link, PAUSE};
pub use loaded::{Environment, Loaded, load};
pub use office::{Mailboxes, Office, Services, number};
pub use runtime::{Done, Door, Entered, Far, Notice, Runtime};
pub use seat::{Letter, MAX_INJECTED, Mailbox, Reply, Seat, Waiting};
pub use spec::{Kind, Library, Limits, OnFailure, Spec};
pub use visit::{Cost, Visit};
