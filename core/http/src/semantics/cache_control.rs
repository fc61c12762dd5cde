//! Cache-Control (RFC 9111 section 5.2), parsed leniently as section 4.2.1 wants: the most restrictive reading of what conflicts.

use crate::Fields;

/// The directives of a request. Times are seconds, saturating at 2^31 (RFC 9111 section 1.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RequestDirectives { pub max_age: Option<u32>, pub max_stale: Option<u32>, pub min_fresh: Option<u32>, pub no_cache: bool, pub no_store: bool, pub no_transform: bool, pub only_if_cached: bool }
/// The directives of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ResponseDirectives { pub max_age: Option<u32>, pub s_maxage: Option<u32>, pub no_cache: bool, pub no_store: bool, pub private: bool, pub public: bool, pub must_revalidate: bool, pub proxy_revalidate: bool, pub must_understand: bool, pub no_transform: bool, pub immutable: bool, pub stale_while_revalidate: Option<u32>, pub stale_if_error: Option<u32> }
impl RequestDirectives { 
    /// Reads Cache-Control, and Pragma: no-cache where there is no Cache-Control (RFC 9111 section 5.4).
    pub fn parse(fields: Fields<'_>) -> Self { todo!() } 
}
impl ResponseDirectives { 
    /// Reads Cache-Control over all its lines. `no-cache` and `private` with field names count as without (section 5.2.2.4 allows it).
    pub fn parse(fields: Fields<'_>) -> Self { todo!() } 
}
