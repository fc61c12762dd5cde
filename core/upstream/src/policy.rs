//! The seam where the application says which addresses may be dialled. Checked on the address actually dialled, so a name cannot be rebound past it.
use std::{fmt::Debug, net::IpAddr};

/// Which addresses a forward proxy may dial.
pub trait DialPolicy: Debug + Send + Sync {
    /// Whether this address may be dialled for a request of a forward or transparent listener. Reverse groups are not asked.
    fn allows(&self, address: IpAddr) -> bool;
}
/// Allows everything.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;
impl DialPolicy for AllowAll {
    fn allows(&self, _: IpAddr) -> bool { true }
}
