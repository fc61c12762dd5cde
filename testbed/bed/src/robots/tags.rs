//! Strong entity tags of answers that may be adapted: one names one form.
//!
//! Invariant: at most [`MOST`] are remembered; those beyond are not judged. Awkward case: the origin sends none, so each is the proxy's
//! own, and most proxies make none.

use super::head::Tag;
use crate::{oracle::Coding, world::Object};
use std::collections::HashMap;

/// The most tags that are remembered.
const MOST: usize = 100_000;

/// What was seen under each tag.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    seen: HashMap<(Object, Tag), (Coding, u64)>,
}

impl Tags {
    /// Whether this whole answer may have this tag: none that was seen under it had another coding or length (RFC 9110 8.8.1: a strong
    /// tag is another when the bytes are, 8.8.3.3: and so for each coding).
    pub(crate) fn right(&mut self, object: Object, tag: Tag, coding: Coding, bytes: u64) -> bool {
        match self.seen.get(&(object, tag)) {
            Some(before) => *before == (coding, bytes),
            None => {
                if self.seen.len() < MOST {
                    self.seen.insert((object, tag), (coding, bytes));
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strong_tag_names_one_form_of_one_object() {
        let mut tags = Tags::default();
        let object = |id| Object { kind: 0, id };
        let (one, other) = (Tag::of(b"\"a\""), Tag::of(b"\"b\""));
        let (Some(one), Some(other)) = (one, other) else {
            panic!("both are strong");
        };
        assert!(tags.right(object(1), one, Coding::Plain, 10));
        assert!(tags.right(object(1), one, Coding::Plain, 10));
        assert!(!tags.right(object(1), one, Coding::Gzip, 10));
        assert!(!tags.right(object(1), one, Coding::Plain, 9));
        assert!(tags.right(object(1), other, Coding::Gzip, 5));
        assert!(tags.right(object(2), one, Coding::Gzip, 5));
        assert_eq!(Tag::of(b"W/\"a\""), None);
    }
}
