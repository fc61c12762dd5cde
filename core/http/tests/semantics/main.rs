//! The rules of a shared cache, as tables of short cases: one file a rule, one `check` a file.
#![allow(clippy::unwrap_used, missing_docs)]

mod cache_control;
mod cache_status;
mod conditional;
mod date;
mod freshness;
mod key;
mod parts;
mod properties;
mod range;
mod reuse;
mod storing;
mod support;
mod update;
mod vary;
