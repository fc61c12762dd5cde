//! What a shared cache may do, as pure functions of request, response, configuration and time (RFC 9110, RFC 9111).
//!
//! Nothing here keeps state, reads a clock or fails loudly: a malformed value has one defined, conservative meaning,
//! and it stands beside the branch that gives it.

pub mod cache_control;
pub mod cache_status;
mod clauses;
pub mod clock;
pub mod conditional;
pub mod date;
pub mod freshness;
pub mod groups;
pub mod head_effects;
pub mod key;
pub mod lifetime;
pub mod policy;
pub mod post;
mod preference;
pub mod proxy_status;
pub mod range;
pub mod reuse;
pub mod select;
pub mod storing;
pub mod tags;
pub mod targeted;
mod text;
pub mod update;
pub mod vary;
pub mod withheld;
