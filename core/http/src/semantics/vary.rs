//! Vary (RFC 9111 section 4.1): the secondary key.
//!
//! Invariant: two keys are equal exactly when the same names (in any order or case) were nominated and the requests had
//! the same normalised values there; a field that is absent differs from one that is empty.
//! Normalised: the lines of a field joined by `, `, without white space around the commas outside quoted strings. Case and
//! the order of members are kept, since only the syntax of each field could say whether they matter.
//! Awkward case: a member that is no field name. Nothing could match it, so it counts as `*`.

use super::text::{is_token, members};
use crate::{Fields, Name};

/// What a response's Vary nominates and what the request that fetched it had there, normalised, in one comparable buffer. Empty: no Vary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VaryKey {
    /// Lower-cased, sorted, without duplicates, separated by commas.
    names: Box<[u8]>,
    /// For each name: [`ABSENT`], or [`PRESENT`], the length in four bytes (little endian), and the value.
    values: Box<[u8]>,
}

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;

impl VaryKey {
    /// From a response and its request; `None` for `Vary: *`.
    pub fn of(response: Fields<'_>, request: Fields<'_>) -> Option<VaryKey> {
        if !response.has(Name::Vary) {
            return Some(VaryKey::default());
        }
        if never_matches(response) {
            return None;
        }
        let mut nominated: Vec<Vec<u8>> = nominated(response)
            .map(|name| name.to_ascii_lowercase())
            .collect();
        nominated.sort_unstable();
        nominated.dedup();
        let mut values = Vec::new();
        for name in &nominated {
            write_value(request, name, &mut values);
        }
        Some(VaryKey {
            names: nominated.join(&b',').into_boxed_slice(),
            values: values.into_boxed_slice(),
        })
    }

    /// Whether the response had no Vary.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether another request selects the same variant. White space and the division into lines do not count, as section 4.1
    /// allows; case and order do.
    #[inline]
    pub fn matches(&self, request: Fields<'_>) -> bool {
        self.is_empty() || self.matches_values(request)
    }

    /// Compares piece by piece, without building the request's key.
    fn matches_values(&self, request: Fields<'_>) -> bool {
        let mut rest: &[u8] = &self.values;
        for name in self.names.split(|&b| b == b',') {
            let mut expected: Option<&[u8]> = None;
            match rest {
                [PRESENT, a, b, c, d, tail @ ..] => {
                    let len = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
                    let Some((value, tail)) = tail.split_at_checked(len) else {
                        return false;
                    };
                    expected = Some(value);
                    rest = tail;
                }
                [ABSENT, tail @ ..] => rest = tail,
                _ => return false,
            }
            if expected.is_some_and(|value| is_as_it_stands(request, name, value)) {
                continue;
            }
            let mut unmatched = expected.unwrap_or_default();
            let present =
                value_pieces(request, name, |piece| match unmatched.strip_prefix(piece) {
                    Some(tail) => {
                        unmatched = tail;
                        true
                    }
                    None => false,
                });
            match present {
                Pieces::Absent if expected.is_none() => {}
                Pieces::All if expected.is_some() && unmatched.is_empty() => {}
                _ => return false,
            }
        }
        true
    }

    /// The nominated fields that the request had, with their normalised values: a request with these selects the same variant.
    pub fn present(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest: &[u8] = &self.values;
        self.names.split(|&b| b == b',').filter_map(move |name| {
            let (tag, tail) = rest.split_first()?;
            rest = tail;
            if *tag != PRESENT {
                return None;
            }
            let (len, tail) = tail.split_first_chunk::<4>()?;
            let (value, tail) = tail.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            rest = tail;
            Some((name, value))
        })
    }

    /// Bytes held, for accounting.
    #[inline]
    pub fn weight(&self) -> usize {
        self.names.len() + self.values.len()
    }
}

/// Whether no request could ever match the response: `Vary: *` (section 4.1), or a member that is no field name.
pub(super) fn never_matches(response: Fields<'_>) -> bool {
    nominated(response).any(|name| name == b"*" || !is_token(name))
}

fn nominated(response: Fields<'_>) -> impl Iterator<Item = &[u8]> {
    response
        .all(Name::Vary)
        .flat_map(members)
        .filter(|member| !member.is_empty())
}

/// Whether the request has one line of the field, equal as it stands: the usual case, decided without splitting.
/// Quotes are left to the splitting, as a value that was joined out of lines may have other quoted strings than they had.
fn is_as_it_stands(request: Fields<'_>, name: &[u8], normalised: &[u8]) -> bool {
    let mut lines = request.find_all(name);
    lines.next() == Some(normalised)
        && lines.next().is_none()
        && memchr::memchr(b'"', normalised).is_none()
}

fn write_value(request: Fields<'_>, name: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[PRESENT, 0, 0, 0, 0]);
    let pieces = value_pieces(request, name, |piece| {
        out.extend_from_slice(piece);
        true
    });
    if let Pieces::Absent = pieces {
        out.truncate(start);
        out.push(ABSENT);
        return;
    }
    let len = u32::try_from(out.len() - start - 5).expect("the spans of a head are 31 bits wide");
    if let Some(slot) = out.get_mut(start + 1..start + 5) {
        slot.copy_from_slice(&len.to_le_bytes());
    }
}

enum Pieces {
    /// The request does not have the field.
    Absent,
    /// The receiver refused a piece.
    Refused,
    /// Every piece was taken.
    All,
}

/// Gives the normalised value of a field of the request to `take`, piece by piece, until it answers false.
fn value_pieces(request: Fields<'_>, name: &[u8], mut take: impl FnMut(&[u8]) -> bool) -> Pieces {
    let mut first = true;
    for member in request.find_all(name).flat_map(members) {
        let joined = first || take(b", ");
        first = false;
        if !joined || !take(member) {
            return Pieces::Refused;
        }
    }
    // A line has at least one member, so none means no line.
    if first { Pieces::Absent } else { Pieces::All }
}
