//! Fields that an origin keeps out of a shared cache while the rest of its response may be stored: `no-cache="a, b"` and
//! `private="a"` (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
//!
//! Invariant: what is withheld is in no stored head; the client whose request fetched it has it.
//! Awkward case: a directive that names what the proxy itself needs to keep its promises (Cache-Control, Vary, the validators
//! and what describes the body). Nobody is served by an answer without those, so naming one of them counts as naming none: the
//! response as a whole is meant.

use super::cache_control::{ResponseDirectives, withheld as listed};
use crate::{Fields, Name};

/// Makes the directives those of the whole response when a field that cannot be left out is named.
pub(super) fn settle(fields: Fields<'_>, cc: &mut ResponseDirectives) {
    if cc.withholds && listed(fields).any(|name| is_needed(Name::of(name))) {
        cc.withholds = false;
        cc.no_cache = true;
        // Which of the two directives it was does not matter any more: not to store it satisfies both.
        cc.private = true;
    }
}

/// Whether a field of this response is withheld from what is stored.
pub fn withholds(fields: Fields<'_>, cc: &ResponseDirectives, name: &[u8]) -> bool {
    cc.withholds && listed(fields).any(|listed| listed.eq_ignore_ascii_case(name))
}

/// Without these a stored response is not the origin's any more.
fn is_needed(name: Name) -> bool {
    matches!(
        name,
        Name::CacheControl
            | Name::CdnCacheControl
            | Name::ContentEncoding
            | Name::ContentLength
            | Name::ContentRange
            | Name::ContentType
            | Name::Date
            | Name::Expires
            | Name::Location
            | Name::Vary
            | Name::Via
    )
}
