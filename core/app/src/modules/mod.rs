//! The modules of this proxy: where they come from ([`registry`]), which are in force ([`manager`]), how one set becomes another ([`plan`]), how they are changed while the
//! proxy runs ([`change`]), and what they cost ([`report`]).
//!
//! Invariant: what is in force was loaded as a whole; a plan that fails in any part changes nothing.

pub(crate) mod change;
mod leaving;
pub(crate) mod manager;
pub(crate) mod plan;
pub(crate) mod registry;
pub(crate) mod report;

pub(crate) use manager::{Manager, Wanted};
pub(crate) use plan::Plan;
