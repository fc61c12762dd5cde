//! The modules of this proxy: where they come from ([`registry`]), which are in force ([`manager`]), how they are changed while the
//! proxy runs ([`change`]), and what they cost ([`report`]).
//!
//! Invariant: what is in force was loaded as a whole; a plan that fails in any part changes nothing.

pub(crate) mod change;
pub(crate) mod manager;
pub(crate) mod registry;
pub(crate) mod report;

pub(crate) use manager::{Manager, Plan, Wanted};
