//! May the answer to a POST answer later GETs of the same URL? (RFC 9110 section 9.3.3)
//!
//! "Responses to POST requests are only cacheable when they include explicit freshness information [...] and a Content-Location
//! header field that has the same value as the POST's target URI."
//! Invariant: what passes here still has to pass [`super::storing::may_store`], as the answer to a GET.
//! Awkward case: other successful statuses. A 201 or 202 with such a Content-Location is an answer to what was done and not to
//! a GET, so only a 200 counts, in which the content is "a current representation of that resource" (section 8.7).

use super::cache_control::ResponseDirectives;
use super::conditional::single;
use super::key::resolve;
use super::storing::is_explicit;
use crate::{Fields, Name};

/// Decides; `target` is the URL of the request, as a key.
pub fn may_answer_get(
    target: &[u8],
    status: u16,
    response: Fields<'_>,
    cc: &ResponseDirectives,
) -> bool {
    status == 200 && is_explicit(response, cc) && is_located_at(target, response)
}

/// Whether Content-Location, of one line, is the target after conversion to absolute form (section 8.7). An empty reference is
/// the target itself; its fragment does not count.
fn is_located_at(target: &[u8], response: Fields<'_>) -> bool {
    single(response, Name::ContentLocation)
        .and_then(|location| resolve(target, location))
        .is_some_and(|location| location == target)
}
