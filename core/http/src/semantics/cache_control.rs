//! Cache-Control (RFC 9111 section 5.2), parsed leniently as section 4.2.1 wants: the most restrictive reading of what conflicts.
//!
//! Invariant: parsing never fails. What is unknown is skipped (section 5.2.3); what is repeated counts in its most restrictive
//! form; a time that is missing or malformed counts as 0, which forbids what the directive would have allowed.
//! Awkward case: directives that *permit* something (`public`, `must-understand`, `immutable`) take no argument and are
//! skipped when they have one; those that *forbid* count with any argument.

use super::text::{delta_seconds, is_token, members, trim};
use crate::{Fields, Name};

/// The directives of a request. Times are seconds, saturating at 2^31 (RFC 9111 section 1.2.2).
/// `max_stale` without a value, any staleness, is [`RequestDirectives::ANY_STALENESS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct RequestDirectives {
    pub max_age: Option<u32>,
    pub max_stale: Option<u32>,
    pub min_fresh: Option<u32>,
    pub no_cache: bool,
    pub no_store: bool,
    pub no_transform: bool,
    pub only_if_cached: bool,
    pub stale_if_error: Option<u32>,
}

/// The directives of a response.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ResponseDirectives {
    pub max_age: Option<u32>,
    pub s_maxage: Option<u32>,
    pub no_cache: bool,
    pub no_store: bool,
    pub private: bool,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub no_transform: bool,
    pub immutable: bool,
    pub stale_while_revalidate: Option<u32>,
    pub stale_if_error: Option<u32>,
    /// `no-cache` or `private` named fields: those are not stored ([`super::withheld`]).
    pub withholds: bool,
    /// They are those of a targeted field, so Cache-Control and Expires do not count ([`super::targeted`]).
    pub targeted: bool,
}

impl RequestDirectives {
    /// What `max-stale` without a value means: however stale (RFC 9111 section 5.2.1.2).
    pub const ANY_STALENESS: u32 = u32::MAX;

    /// Reads Cache-Control, and Pragma: no-cache where there is no Cache-Control (RFC 9111 section 5.4).
    #[inline]
    pub fn parse(fields: Fields<'_>) -> Self {
        // Nearly every request on the hit path ends here: two looks at the table and no value read.
        if fields.has(Name::CacheControl) {
            return Self::parse_cache_control(fields);
        }
        if fields.has(Name::Pragma) {
            return Self::parse_pragma(fields);
        }
        Self::default()
    }

    #[cold]
    fn parse_pragma(fields: Fields<'_>) -> Self {
        let no_cache = directives(fields, Name::Pragma).any(|d| d.is(b"no-cache"));
        RequestDirectives {
            no_cache,
            ..Self::default()
        }
    }

    fn parse_cache_control(fields: Fields<'_>) -> Self {
        let mut cc = Self::default();
        for d in directives(fields, Name::CacheControl) {
            if d.is(b"max-age") {
                least(&mut cc.max_age, d.seconds()); // section 5.2.1.1
            } else if d.is(b"no-cache") {
                cc.no_cache = true; // section 5.2.1.4
            } else if d.is(b"max-stale") {
                // Section 5.2.1.2: only this directive means something without a value.
                least(
                    &mut cc.max_stale,
                    if d.argument.is_some() {
                        d.seconds()
                    } else {
                        Self::ANY_STALENESS
                    },
                );
            } else if d.is(b"min-fresh") {
                // Section 5.2.1.3: of several, the greatest asks for most.
                cc.min_fresh = cc.min_fresh.max(Some(d.seconds()));
            } else if d.is(b"no-store") {
                cc.no_store = true; // section 5.2.1.5
            } else if d.is(b"no-transform") {
                cc.no_transform = true; // section 5.2.1.6
            } else if d.is(b"only-if-cached") {
                cc.only_if_cached = true; // section 5.2.1.7
            } else if d.is(b"stale-if-error") {
                least(&mut cc.stale_if_error, d.seconds()); // RFC 5861 section 4
            }
        }
        cc
    }
}

impl ResponseDirectives {
    /// Reads Cache-Control over all its lines. `no-cache` and `private` with field names forbid to store those fields and nothing
    /// else; with an argument that is no list of names they count as without one, which forbids more.
    /// Pragma means nothing in a response (section 5.4).
    pub fn parse(fields: Fields<'_>) -> Self {
        let mut cc = Self::default();
        for d in directives(fields, Name::CacheControl) {
            if d.is(b"max-age") {
                least(&mut cc.max_age, d.seconds()); // section 5.2.2.1
            } else if d.is(b"s-maxage") {
                least(&mut cc.s_maxage, d.seconds()); // section 5.2.2.10
            } else if d.is(b"public") {
                cc.public |= d.argument.is_none(); // section 5.2.2.9
            } else if d.is(b"no-cache") {
                // Section 5.2.2.4: "MUST NOT use the response [...] without successful validation or excluding the listed".
                let names = d.names_fields();
                cc.withholds |= names;
                cc.no_cache |= !names;
            } else if d.is(b"no-store") {
                cc.no_store = true; // section 5.2.2.5
            } else if d.is(b"private") {
                // Section 5.2.2.7: "it only applies to the listed header fields".
                let names = d.names_fields();
                cc.withholds |= names;
                cc.private |= !names;
            } else if d.is(b"must-revalidate") {
                cc.must_revalidate = true; // section 5.2.2.2
            } else if d.is(b"proxy-revalidate") {
                cc.proxy_revalidate = true; // section 5.2.2.8
            } else if d.is(b"must-understand") {
                cc.must_understand |= d.argument.is_none(); // section 5.2.2.3
            } else if d.is(b"no-transform") {
                cc.no_transform = true; // section 5.2.2.6
            } else if d.is(b"immutable") {
                cc.immutable |= d.argument.is_none(); // RFC 8246 section 2
            } else if d.is(b"stale-while-revalidate") {
                least(&mut cc.stale_while_revalidate, d.seconds()); // RFC 5861 section 3
            } else if d.is(b"stale-if-error") {
                least(&mut cc.stale_if_error, d.seconds()); // RFC 5861 section 4
            }
        }
        super::withheld::settle(fields, &mut cc);
        cc
    }
}

/// One directive: its name as written and its argument, still quoted.
struct Directive<'a> {
    name: &'a [u8],
    argument: Option<&'a [u8]>,
}

impl Directive<'_> {
    /// Names are compared without case (section 5.2).
    fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The argument as seconds, in token or quoted-string form (section 5.2 asks to take both); 0 when missing or malformed,
    /// the reading as stale that section 4.2.1 encourages.
    fn seconds(&self) -> u32 {
        let argument = self.argument.unwrap_or_default();
        let digits = match argument {
            [b'"', inner @ .., b'"'] => trim(inner),
            bare => bare,
        };
        delta_seconds(digits).unwrap_or(0)
    }

    /// Whether the argument is a list of field names. The token form, which no sender should use (section 5.2.2.4), is more
    /// often a `private=true` than a field called `true`, and does not count as one.
    fn names_fields(&self) -> bool {
        let mut names = self.argument.into_iter().flat_map(listed).peekable();
        names.peek().is_some() && names.all(is_token)
    }
}

/// The members of a quoted argument, empty ones skipped.
fn listed(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    let names = match argument {
        [b'"', inner @ .., b'"'] => inner,
        _ => &[],
    };
    members(names).filter(|name| !name.is_empty())
}

/// The fields that `no-cache` and `private` of a response name, in no order.
pub(super) fn withheld(fields: Fields<'_>) -> impl Iterator<Item = &[u8]> {
    directives(fields, Name::CacheControl)
        .filter(|d| (d.is(b"no-cache") || d.is(b"private")) && d.names_fields())
        .filter_map(|d| d.argument)
        .flat_map(listed)
}

fn directives(fields: Fields<'_>, id: Name) -> impl Iterator<Item = Directive<'_>> {
    fields
        .all(id)
        .flat_map(members)
        .map(|member| match memchr::memchr(b'=', member) {
            // White space around `=` is not in the grammar; what is meant is plain.
            Some(at) => Directive {
                name: trim(member.get(..at).unwrap_or_default()),
                argument: Some(trim(member.get(at + 1..).unwrap_or_default())),
            },
            None => Directive {
                name: member,
                argument: None,
            },
        })
}

/// Keeps the lesser of several values. Section 4.2.1 wants the first or staleness; the least is never longer than the first.
pub(super) fn least(slot: &mut Option<u32>, value: u32) {
    *slot = Some(slot.map_or(value, |old| old.min(value)));
}
