//! Cache groups: responses that an origin says change together (RFC 9875).
//!
//! Invariant: a group is what a List of Strings says (RFC 9651 section 3.1), compared byte by byte; whose group it is, the origin, is
//! the caller's to add (section 2.1).
//! Awkward case: a field that is malformed anywhere, or has a member that is no String, says nothing at all (RFC 9651 section 4.2):
//! half of a list of what goes would be worse than none, since nobody would notice. Parameters are ignored.

use crate::{Fields, Name};
use sfv::{BareItem, List, ListEntry, Parser};

/// The field of responses that invalidates groups, read on answers to unsafe requests alone.
pub const INVALIDATION: &[u8] = b"Cache-Group-Invalidation";

/// Most groups that one answer invalidates; those behind are ignored (section 3 lets a cache choose, and section 2 has it know 32).
pub const MOST_INVALIDATED: usize = 128;

/// The groups a response belongs to (section 2); none when the field is malformed.
pub fn of(response: Fields<'_>) -> Vec<String> {
    if !response.has(Name::CacheGroups) {
        return Vec::new();
    }
    strings(response.all(Name::CacheGroups))
}

/// The groups that the answer to an unsafe request invalidates (section 3). Whoever asks knows that the request was unsafe: on answers
/// to safe ones the field means nothing.
pub fn invalidated(response: Fields<'_>) -> Vec<String> {
    let mut groups = strings(response.find_all(INVALIDATION));
    groups.truncate(MOST_INVALIDATED);
    groups
}

/// A List of Strings out of a field's lines, which are one list (RFC 9651 section 4.2).
fn strings<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut value = Vec::new();
    for line in lines {
        if !value.is_empty() {
            value.extend_from_slice(b", ");
        }
        value.extend_from_slice(line);
    }
    let Ok(list) = Parser::new(&value).parse::<List>() else {
        return Vec::new();
    };
    let string = |entry: ListEntry| match entry {
        ListEntry::Item(item) => match item.bare_item {
            BareItem::String(text) => Some(String::from(text)),
            _ => None,
        },
        ListEntry::InnerList(_) => None,
    };
    let groups: Option<Vec<String>> = list.into_iter().map(string).collect();
    groups.unwrap_or_default()
}
