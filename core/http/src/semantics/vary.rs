//! Vary (RFC 9111 section 4.1): the secondary key.

use crate::Fields;

/// What a response's Vary nominates and what the request that fetched it had there, normalised, in one comparable buffer. Empty: no Vary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VaryKey { names: Box<[u8]>, values: Box<[u8]> }
impl VaryKey {
    /// From a response and its request; `None` for `Vary: *`.
    pub fn of(response: Fields<'_>, request: Fields<'_>) -> Option<VaryKey> { todo!() }
    /// Whether the response had no Vary.
    pub fn is_empty(&self) -> bool { self.names.is_empty() }
    /// Whether another request selects the same variant. White space and order within list members as section 4.1 allows to normalise.
    pub fn matches(&self, request: Fields<'_>) -> bool { todo!() }
    /// Bytes held, for accounting.
    pub fn weight(&self) -> usize { self.names.len() + self.values.len() }
}
