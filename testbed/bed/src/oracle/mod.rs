//! What an exchange should have been.
//!
//! - `claims`: what an answer says of itself.
//! - `memory`: what was asked and answered before: what a store can hold.
//! - `judge`: the rules, pure: an expectation and what was seen give the source and the faults.
//! - `body`: bytes compared as they come. `adapted`: answers that modules changed on purpose; `meant`: which are, `coding`: what robots
//!   accept, `through`: all of it together.
//!
//! Invariant: nothing here believes the proxy. Where an answer came from is told by the origin's own field, which a store keeps.

pub mod adapted;
mod body;
mod claims;
mod coding;
mod judge;
mod meant;
mod memory;
pub mod through;

pub use body::{Comparison, Difference};
pub use claims::{CacheControl, Claims, Reply};
pub use coding::{Accept, Coding};
pub use judge::{Expectation, Observed, Outcome, Verdict, judge};
pub(crate) use judge::{fresh_until, may_be_old};
pub use meant::{Adaptations, Meant};
pub use memory::{Earlier, Known, Memory};
