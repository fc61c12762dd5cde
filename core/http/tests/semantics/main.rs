//! The rules of a shared cache, as tables of short cases: one file a rule, one `check` a file.
#![allow(clippy::unwrap_used, missing_docs)]

mod cache_control;
mod cache_status;
mod clock;
mod conditional;
mod date;
mod freshness;
mod head_effects;
mod key;
mod lies;
mod oracle;
mod parts;
mod post;
mod properties;
mod proxy_status;
mod range;
mod reuse;
mod select;
mod storing;
mod support;
mod targeted;
mod update;
mod vary;
mod vary_preferences;
mod withheld;
