//! Targeted cache control (RFC 9213): CDN-Cache-Control and its kin, which speak to this cache alone.
//!
//! Invariant: the first field of the target list with "a valid, non-empty value" decides, and Cache-Control and Expires are
//! ignored; without one they decide, as if no field of the list were there (section 2.2). The field goes on to clients like any
//! other, "so that downstream CDN caches can use it as well" (section 3).
//! Awkward case: it is a structured dictionary and not Cache-Control's list. `max-age =60`, `Max-Age=60` and a lone `&` are
//! parsing errors, and with one the field "MUST be ignored" (section 2.1), a `no-store` in it included. What parses but has a
//! value of another type than its directive is not consumed as that value: a time counts as 0, a prohibition as given.

use super::cache_control::{ResponseDirectives, least};
use super::text::{DELTA_MAX, is_token};
use crate::Fields;
use sfv::{BareItem, Dictionary, ListEntry, Parser, Version};
use std::borrow::Cow;

/// The name of a field that is targeted at this cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetName(Cow<'static, str>);

/// The target list of a cache that was told nothing else (RFC 9213 section 3).
pub const DEFAULT_TARGETS: &[TargetName] = &[TargetName(Cow::Borrowed("CDN-Cache-Control"))];

impl TargetName {
    /// A field of this name; `None` when it is no field name, or is Cache-Control itself, which is nobody's in particular.
    pub fn new(name: &str) -> Option<TargetName> {
        let good = is_token(name.as_bytes()) && !name.eq_ignore_ascii_case("cache-control");
        good.then(|| TargetName(Cow::Owned(name.to_owned())))
    }

    /// The name, as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The directives that count for this cache: those of the first usable field of `targets`, or those of Cache-Control.
pub fn response_directives(fields: Fields<'_>, targets: &[TargetName]) -> ResponseDirectives {
    targets
        .iter()
        .find_map(|target| parse(fields, target))
        .unwrap_or_else(|| ResponseDirectives::parse(fields))
}

/// The directives of one targeted field; `None` when it is absent, empty or malformed.
fn parse(fields: Fields<'_>, target: &TargetName) -> Option<ResponseDirectives> {
    let mut lines = fields.find_all(target.as_str().as_bytes());
    let first = lines.next()?;
    // RFC 8941 section 4.2: the lines of a field are one, joined by commas.
    let mut joined = Cow::Borrowed(first);
    for line in lines {
        let whole = joined.to_mut();
        whole.extend_from_slice(b", ");
        whole.extend_from_slice(line);
    }
    let members: Dictionary = Parser::new(&*joined)
        .with_version(Version::Rfc8941)
        .parse()
        .ok()?;
    if members.is_empty() {
        return None;
    }
    let mut cc = ResponseDirectives {
        targeted: true,
        ..ResponseDirectives::default()
    };
    for (name, value) in &members {
        directive(&mut cc, name.as_str(), value);
    }
    Some(cc)
}

/// One member. Parameters are ignored (section 2.1), and so is a directive that is not known (RFC 9111 section 5.2.3).
fn directive(cc: &mut ResponseDirectives, name: &str, value: &ListEntry) {
    let set = is_set(value);
    let bare = set && boolean(value) == Some(true);
    match name {
        "max-age" => least(&mut cc.max_age, seconds(value)),
        "s-maxage" => least(&mut cc.s_maxage, seconds(value)),
        "stale-while-revalidate" => least(&mut cc.stale_while_revalidate, seconds(value)),
        "stale-if-error" => least(&mut cc.stale_if_error, seconds(value)),
        // With field names they count as without, which RFC 9111 section 5.2.2.4 allows.
        "no-cache" => cc.no_cache |= set,
        "private" => cc.private |= set,
        "no-store" => cc.no_store |= set,
        "must-revalidate" => cc.must_revalidate |= set,
        "proxy-revalidate" => cc.proxy_revalidate |= set,
        "no-transform" => cc.no_transform |= set,
        "public" => cc.public |= bare,
        "must-understand" => cc.must_understand |= bare,
        "immutable" => cc.immutable |= bare,
        _ => {}
    }
}

fn boolean(value: &ListEntry) -> Option<bool> {
    match value {
        ListEntry::Item(item) => item.bare_item.as_boolean(),
        ListEntry::InnerList(_) => None,
    }
}

/// A prohibition counts with any value but the one that takes it back.
fn is_set(value: &ListEntry) -> bool {
    boolean(value) != Some(false)
}

/// An Integer, saturating; 0 for what is below it or of another type.
fn seconds(value: &ListEntry) -> u32 {
    match value {
        ListEntry::Item(item) => match &item.bare_item {
            BareItem::Integer(n) => {
                u32::try_from(i64::from(*n).clamp(0, i64::from(DELTA_MAX))).unwrap_or(DELTA_MAX)
            }
            _ => 0,
        },
        ListEntry::InnerList(_) => 0,
    }
}
