//! A byte budget that is a ceiling: reservations succeed or fail, they never overshoot.

use std::sync::Arc;

/// A shared ceiling in bytes.
#[derive(Debug)]
pub struct Budget { _p: () }
/// Bytes held of a budget; given back when dropped.
#[derive(Debug)]
pub struct Reservation { _p: () }
impl Budget {
    /// A budget of `ceiling` bytes.
    pub fn new(ceiling: u64) -> Arc<Budget> { todo!() }
    /// Bytes reserved now.
    pub fn used(&self) -> u64 { todo!() }
    /// The ceiling.
    pub fn ceiling(&self) -> u64 { todo!() }
    /// Reserves, or not.
    pub fn try_reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> { todo!() }
}
