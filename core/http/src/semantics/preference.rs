//! Accept, Accept-Charset, Accept-Encoding and Accept-Language (RFC 9110 section 12.5) in one form: what a request prefers,
//! whatever way it is written.
//!
//! Invariant: two values have the same form exactly when they have the same members with the same weights. Order, case, white
//! space, empty and repeated members, the division into lines and the spelling of a weight do not count: RFC 9111 section 4.1
//! lets a cache normalise "in a way that is known to have identical semantics, according to the header field's specification".
//! A member that is refused (`q=0`) counts, and so does `identity`.
//! Awkward case: what is not in the grammar has no form, since nobody knows what it means; its lines are compared as they stand.

use super::text::{is_token, members, trim};
use crate::Fields;
use smallvec::SmallVec;
use std::cmp::Reverse;

/// Members that need no allocation; browsers send up to ten.
const USUAL: usize = 16;
/// A longer list has no form: sorting it would be work that a client sets us.
const MOST: usize = 64;

/// A member: what it ranges over, as written, and its weight in thousandths (section 12.4.2).
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    range: &'a [u8],
    weight: u16,
}

/// The members of one field of a request, best first, each once.
#[derive(Debug)]
pub(super) struct Preferences<'a>(SmallVec<[Member<'a>; USUAL]>);

/// Whether this (lower-case) name is one of the fields that say preferences.
pub(super) fn is_preference(name: &[u8]) -> bool {
    matches!(
        name,
        b"accept" | b"accept-charset" | b"accept-encoding" | b"accept-language"
    )
}

impl<'a> Preferences<'a> {
    /// Reads all lines of a field, whose name is in lower case. `None` when one is malformed, or there is none at all.
    pub(super) fn of(request: Fields<'a>, name: &[u8]) -> Option<Preferences<'a>> {
        let media = name == b"accept";
        let coding = name == b"accept-encoding";
        let mut found = SmallVec::<[Member<'a>; USUAL]>::new();
        let mut present = false;
        for member in request.find_all(name).flat_map(members) {
            present = true;
            if member.is_empty() {
                continue;
            }
            let mut member = Member::parse(member, media)?;
            // RFC 9110 sections 8.4.1.1 and 8.4.1.3: equivalent names.
            if coding && member.range.eq_ignore_ascii_case(b"x-gzip") {
                member.range = b"gzip";
            } else if coding && member.range.eq_ignore_ascii_case(b"x-compress") {
                member.range = b"compress";
            }
            if found.len() == MOST {
                return None;
            }
            found.push(member);
        }
        if !present {
            return None;
        }
        found.sort_unstable_by(|a, b| {
            Reverse(a.weight)
                .cmp(&Reverse(b.weight))
                .then_with(|| bytes(a.range).cmp(bytes(b.range)))
        });
        found.dedup_by(|a, b| a.weight == b.weight && bytes(a.range).eq(bytes(b.range)));
        Some(Preferences(found))
    }

    /// Appends the form: again a value of this field, so that a request made from it prefers the same.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.form());
    }

    /// Whether the form is this one; allocates nothing.
    pub(super) fn has_form(&self, form: &[u8]) -> bool {
        self.form().eq(form.iter().copied())
    }

    /// What is preferred to everything else: the one member with the highest weight; none when there are several, or when it is
    /// the wildcard or refused.
    pub(super) fn favourite(&self) -> Option<&'a [u8]> {
        let best = self.0.first()?;
        let tied = self.0.get(1).is_some_and(|next| next.weight == best.weight);
        (!tied && best.weight > 0 && best.range != b"*").then_some(best.range)
    }

    fn form(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().enumerate().flat_map(|(n, member)| {
            let comma: &[u8] = if n == 0 { b"" } else { b"," };
            let weight = Weight::of(member.weight);
            comma
                .iter()
                .copied()
                .chain(bytes(member.range))
                .chain(weight)
        })
    }
}

impl<'a> Member<'a> {
    /// `range [; parameters] [; q=weight]`: parameters for media ranges only, and nothing behind the weight, which was there for
    /// extensions that nobody made (section 12.5.1).
    fn parse(member: &'a [u8], media: bool) -> Option<Member<'a>> {
        let mut end = memchr::memchr(b';', member).unwrap_or(member.len());
        let name = trim(member.get(..end)?);
        let well_formed = if media {
            let slash = memchr::memchr(b'/', name)?;
            is_token(name.get(..slash)?) && is_token(name.get(slash + 1..)?)
        } else {
            is_token(name)
        };
        if !well_formed {
            return None;
        }
        let mut range = name;
        while end < member.len() {
            let start = end + 1;
            let rest = member.get(start..)?;
            end = memchr::memchr(b';', rest).map_or(member.len(), |at| start + at);
            let parameter = trim(member.get(start..end)?);
            let equals = memchr::memchr(b'=', parameter)?;
            let (name, value) = (parameter.get(..equals)?, parameter.get(equals + 1..)?);
            if name.eq_ignore_ascii_case(b"q") {
                let weight = qvalue(value).filter(|_| end == member.len())?;
                return Some(Member { range, weight });
            }
            // A quoted value may hold what looks like a separator; such members are rare enough to be compared as they stand.
            if !media || !is_token(name) || !is_token(value) {
                return None;
            }
            range = trim(member.get(..end)?);
        }
        Some(Member {
            range,
            weight: 1000,
        })
    }
}

/// A range in its form: no white space, lower case but for the values of parameters.
fn bytes(range: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut value = false;
    range
        .iter()
        .filter(|byte| !matches!(byte, b' ' | b'\t'))
        .map(move |byte| {
            value = match byte {
                b'=' => true,
                b';' => false,
                _ => value,
            };
            if value {
                *byte
            } else {
                byte.to_ascii_lowercase()
            }
        })
}

/// `0[.ddd]` or `1[.000]` in thousandths (section 12.4.2).
fn qvalue(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', digits @ ..] if digits.len() <= 3 => (whole, digits),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths = thousandths * 10 + u16::from(digit - b'0');
    }
    match whole {
        b'1' => (thousandths == 0).then_some(1000),
        _ => Some(thousandths),
    }
}

/// A weight in its form: nothing for 1, else `;q=0.` and its three digits.
struct Weight {
    text: [u8; 8],
    at: usize,
}

impl Weight {
    fn of(weight: u16) -> Weight {
        let mut text = *b";q=0.000";
        for (place, divisor) in [(5, 100), (6, 10), (7, 1)] {
            text[place] = b'0' + (weight / divisor % 10) as u8;
        }
        let at = if weight == 1000 { text.len() } else { 0 };
        Weight { text, at }
    }
}

impl Iterator for Weight {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = self.text.get(self.at).copied();
        self.at += 1;
        byte
    }
}
