//! May a shared cache store this response? (RFC 9111 section 3)

use super::cache_control::{RequestDirectives, ResponseDirectives};
use crate::{Fields, Method};

/// Why a response is not stored; the words appear in Cache-Status, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)]
pub enum NoStoreReason {
    #[error("method")] Method, #[error("request-no-store")] RequestNoStore, #[error("no-store")] ResponseNoStore, #[error("private")] Private,
    #[error("authorization")] Authorization, #[error("status")] Status, #[error("vary-star")] VaryStar, #[error("no-freshness")] NoFreshness,
    #[error("partial")] Partial, #[error("set-cookie")] SetCookie, #[error("too-large")] TooLarge, #[error("no-room")] NoRoom, #[error("incomplete")] Incomplete, #[error("disabled")] Disabled,
    #[error("expired-on-arrival")] Expired, #[error("untrusted-host")] UntrustedHost,
}
impl NoStoreReason { 
    /// The word, as in Cache-Status.
    pub fn as_str(self) -> &'static str { todo!() } 
}
/// Decides. `lifetime` as computed by [`super::freshness::Freshness`]; a response without freshness is stored only when it can be revalidated.
#[allow(clippy::too_many_arguments)]
pub fn may_store(method: Method, request: Fields<'_>, request_cc: &RequestDirectives, status: u16, response: Fields<'_>, response_cc: &ResponseDirectives, freshness: &super::freshness::Freshness) -> Result<(), NoStoreReason> { todo!() }
