//! Where stored bytes live: the byte budget, the blocks a body is kept in, and the `Store` seam
//! that tiers implement.
//!
//! Knows neither actors nor connections. Memory is the only tier so far; filesystem and PostgreSQL
//! come behind the same trait.
#![forbid(unsafe_code)]

pub mod blocks;
pub mod budget;
pub mod footprint;
pub mod memory;
pub mod noop;
pub mod tier;

pub use tier::Store;
