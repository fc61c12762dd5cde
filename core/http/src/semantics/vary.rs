//! Vary (RFC 9111 section 4.1): the secondary key.
//!
//! Invariant: two keys are equal exactly when the same names (in any order or case) were nominated and the requests had
//! the same normalised values there; a field that is absent differs from one that is empty.
//! Normalised: preferences (Accept and its kin) as `preference.rs` says; other fields by their lines joined with `, `,
//! without white space around the commas outside quoted strings. There case and the order of members are kept, since only the
//! syntax of each field could say whether they matter.
//! Awkward cases: a member that is no field name. Nothing could match it, so it counts as `*`. And languages: see
//! [`VaryKey::matches`], which may take a response whose key is not that of the request.

use super::preference::{Preferences, is_preference};
use super::text::{is_token, members};
use crate::wire::hop::Crossing;
use crate::{Fields, Name};

/// What a response's Vary nominates and what the request that fetched it had there, normalised, in one comparable buffer. Empty: no Vary.
#[derive(Debug, Clone, Default)]
pub struct VaryKey {
    /// Lower-cased, sorted, without duplicates, separated by commas.
    names: Box<[u8]>,
    /// For each name: [`ABSENT`], or [`PRESENT`], the length in four bytes (little endian), and the value (of preferences: as
    /// it was sent).
    values: Box<[u8]>,
    /// There only when preferences were nominated.
    preferred: Option<Box<Preferred>>,
}

/// What is kept besides when a nominated field says preferences.
#[derive(Debug, Clone)]
struct Preferred {
    /// As `values`, but with preferences in their form, tagged [`FORM`].
    values: Box<[u8]>,
    /// The language of the response, when Accept-Language was nominated and the response says that it has exactly one.
    language: Box<[u8]>,
}

const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
const FORM: u8 = 2;

/// What two keys are compared by. The language is not part of it: of two responses to equal requests the newer one counts.
impl PartialEq for VaryKey {
    fn eq(&self, other: &VaryKey) -> bool {
        self.names == other.names && self.compared() == other.compared()
    }
}

impl Eq for VaryKey {}

impl std::hash::Hash for VaryKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.names.hash(state);
        self.compared().hash(state);
    }
}

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
        // A field that Connection nominates does not reach the origin (RFC 9110 section 7.6.1), so this response is for requests
        // without one: or a client could plant the wrong variant under whatever it names.
        let crossing = Crossing::of(request);
        let sent = |name: &[u8]| match crossing.is_nominated(name) {
            true => Fields::new(&[], &[], &[]),
            false => request,
        };
        let mut values = Vec::new();
        for name in &nominated {
            write_values_as_sent(sent(name), name, &mut values);
        }
        let preferences = nominated.iter().any(|name| is_preference(name));
        Some(VaryKey {
            preferred: preferences.then(|| Preferred::of(&nominated, response, sent)),
            names: nominated.join(&b',').into_boxed_slice(),
            values: values.into_boxed_slice(),
        })
    }

    /// Whether the response had no Vary.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Whether another request selects the same variant: it would have an equal key; or all but Accept-Language is equal and the
    /// response is in the one language that the request prefers to every other. The second goes by "when a nominated request
    /// header field has a known mechanism for ranking preference (e.g., qvalues on Accept and similar request header fields),
    /// that mechanism MAY be used to choose a preferred response" (section 4.1).
    #[inline]
    pub fn matches(&self, request: Fields<'_>) -> bool {
        self.is_empty() || self.matches_values(request)
    }

    /// Whether a request has each nominated field just as the one before had it: what nearly every hit is decided by, and at no
    /// more than a comparison a field. A `false` says nothing; [`VaryKey::matches`] does.
    #[inline]
    pub fn matches_as_sent(&self, request: Fields<'_>) -> bool {
        let mut values = Values(&self.values);
        self.names
            .split(|&b| b == b',')
            .all(|name| match values.next() {
                Some((PRESENT, expected)) => is_as_it_stands(request, name, expected),
                Some(_) => request.find(name).is_none(),
                None => false,
            })
    }

    /// Whether both nominate the same fields: then one request is equal to both only when they are equal to each other.
    #[inline]
    pub fn nominates_as(&self, other: &VaryKey) -> bool {
        self.names == other.names
    }

    /// Compares piece by piece, without building the request's key: as it stands first, which decides nearly all hits.
    fn matches_values(&self, request: Fields<'_>) -> bool {
        let mut values = Values(&self.values);
        for (at, name) in self.names.split(|&b| b == b',').enumerate() {
            let Some((tag, expected)) = values.next() else {
                return false;
            };
            if tag == PRESENT && is_as_it_stands(request, name, expected) {
                continue;
            }
            let same = match self.preferred.as_deref().filter(|_| is_preference(name)) {
                Some(preferred) => preferred.matches(at, name, request),
                None => has_pieces(request, name, (tag == PRESENT).then_some(expected)),
            };
            if !same {
                return false;
            }
        }
        true
    }

    fn compared(&self) -> &[u8] {
        match &self.preferred {
            Some(preferred) => &preferred.values,
            None => &self.values,
        }
    }

    /// The nominated fields that the request had, with their normalised values: a request with these selects the same variant.
    pub fn present(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let names = self.names.split(|&b| b == b',');
        names
            .zip(Values(&self.values))
            .filter(|(_, (tag, _))| *tag == PRESENT)
            .map(|(name, (_, value))| (name, value))
    }

    /// Bytes held, for accounting.
    #[inline]
    pub fn weight(&self) -> usize {
        // Three more allocations where there are preferences: each may be rounded up.
        let preferred = self.preferred.as_ref().map_or(0, |preferred| {
            size_of::<Preferred>() + preferred.values.len() + preferred.language.len() + 48
        });
        self.names.len() + self.values.len() + preferred
    }
}

impl Preferred {
    fn of<'a>(
        names: &[Vec<u8>],
        response: Fields<'_>,
        sent: impl Fn(&[u8]) -> Fields<'a>,
    ) -> Box<Preferred> {
        let mut values = Vec::new();
        for name in names {
            let request = sent(name);
            let preferences = is_preference(name).then(|| Preferences::of(request, name));
            match preferences.flatten() {
                Some(preferences) => write_sized(FORM, &mut values, |out| preferences.write(out)),
                None => write_value(request, name, &mut values),
            }
        }
        let ranked = names.iter().any(|name| name == b"accept-language");
        let mut languages = response.find_all(b"content-language").flat_map(members);
        let language = match (languages.next(), languages.next()) {
            (Some(language), None) if ranked => language.into(),
            _ => Box::default(),
        };
        Box::new(Preferred {
            values: values.into_boxed_slice(),
            language,
        })
    }

    /// Whether the request's preferences in the field at this place are those kept, or ask for the language that is there.
    fn matches(&self, at: usize, name: &[u8], request: Fields<'_>) -> bool {
        let Some((tag, expected)) = Values(&self.values).nth(at) else {
            return false;
        };
        let Some(preferences) = Preferences::of(request, name) else {
            // The request has none, or none that can be read.
            return match tag {
                FORM => false,
                _ => has_pieces(request, name, (tag == PRESENT).then_some(expected)),
            };
        };
        (tag == FORM && preferences.has_form(expected))
            || (name == b"accept-language"
                && !self.language.is_empty()
                && preferences
                    .favourite()
                    .is_some_and(|language| language.eq_ignore_ascii_case(&self.language)))
    }
}

/// Tags and values of a key, in the order of its names.
struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = (u8, &'a [u8]);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        if *tag == ABSENT {
            self.0 = rest;
            return Some((ABSENT, &[]));
        }
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        self.0 = rest;
        Some((*tag, value))
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
#[inline]
fn is_as_it_stands(request: Fields<'_>, name: &[u8], normalised: &[u8]) -> bool {
    let mut lines = request.find_all(name);
    lines.next() == Some(normalised)
        && lines.next().is_none()
        && memchr::memchr(b'"', normalised).is_none()
}

/// Whether the field's value, joined and without white space around commas, is this; `None`: it is absent.
fn has_pieces(request: Fields<'_>, name: &[u8], expected: Option<&[u8]>) -> bool {
    let mut unmatched = expected.unwrap_or_default();
    let pieces = value_pieces(request, name, |piece| match unmatched.strip_prefix(piece) {
        Some(tail) => {
            unmatched = tail;
            true
        }
        None => false,
    });
    match pieces {
        Pieces::Absent => expected.is_none(),
        Pieces::All => expected.is_some() && unmatched.is_empty(),
        Pieces::Refused => false,
    }
}

/// What a later request is compared with first. The one line of a preference is kept as it was sent, since its form is kept
/// besides and clients send the same line again and again.
fn write_values_as_sent(request: Fields<'_>, name: &[u8], out: &mut Vec<u8>) {
    let mut lines = request.find_all(name);
    match (lines.next(), lines.next()) {
        (Some(line), None) if is_preference(name) => {
            write_sized(PRESENT, out, |out| out.extend_from_slice(line));
        }
        _ => write_value(request, name, out),
    }
}

fn write_value(request: Fields<'_>, name: &[u8], out: &mut Vec<u8>) {
    if request.find(name).is_none() {
        out.push(ABSENT);
        return;
    }
    write_sized(PRESENT, out, |out| {
        value_pieces(request, name, |piece| {
            out.extend_from_slice(piece);
            true
        });
    });
}

/// A tag, the length of what `write` writes, and that.
fn write_sized(tag: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0, 0, 0, 0]);
    let start = out.len();
    write(out);
    let len = u32::try_from(out.len() - start).expect("the spans of a head are 31 bits wide");
    if let Some(slot) = out.get_mut(start - 4..start) {
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
