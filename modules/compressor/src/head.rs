//! What is read from and written into heads.
//!
//! Invariant: a head that is changed here says nothing of the bytes that were, and names its content no stronger than is true: the
//! compressed and the plain form share a tag, which is weak for that (RFC 9110 section 8.8.1). Awkward case: the origin knows the
//! strong one, so requests to it name that ([`name_strongly`]).

use crate::coder::Coding;
use crate::options::Options;
use understudy_module::{Refused, Transaction};

/// Fields about the bytes of the form they came with: digests of it (RFC 9530, and what was before), and that parts of it can be had.
/// Parts cannot be put together without a strong tag (RFC 9110 section 13.1.5).
const OF_THE_BYTES: [&str; 5] = [
    "Content-MD5",
    "Digest",
    "Content-Digest",
    "Repr-Digest",
    "Accept-Ranges",
];

/// Whether a list field has this member.
pub(crate) fn lists(tx: &Transaction<'_>, field: &str, member: &str) -> bool {
    let mut members = tx
        .find_all(field)
        .flat_map(|line| line.split(|b| *b == b','));
    members.any(|one| one.trim_ascii().eq_ignore_ascii_case(member.as_bytes()))
}

/// Whether this answer may be given in another coding, and is worth it: no `no-transform` (RFC 9110 section 7.7), and a type that gains.
pub(crate) fn may_change(tx: &Transaction<'_>, options: &Options) -> bool {
    let gains = tx
        .find("Content-Type")
        .is_some_and(|kind| options.gains(kind));
    gains && !lists(tx, "Cache-Control", "no-transform")
}

/// The codings it has (RFC 9110 section 8.4): `Err` for none, `Ok(None)` for what is unknown here or several.
pub(crate) fn coding(tx: &Transaction<'_>) -> Result<Option<Coding>, ()> {
    let all = joined(tx, "Content-Encoding");
    match all.trim_ascii() {
        b"" => Err(()),
        one if one.eq_ignore_ascii_case(b"identity") => Err(()),
        one => Ok(Coding::named(one)),
    }
}

/// The tag, marked as weak, when it is strong.
pub(crate) fn weakened(tx: &Transaction<'_>) -> Option<Vec<u8>> {
    let strong = tx.find("ETag").filter(|tag| tag.starts_with(b"\""))?;
    Some([b"W/", strong].concat())
}

/// Adds Accept-Encoding to what the answer varies by. `*` says that already.
pub(crate) fn vary(tx: &mut Transaction<'_>) -> Result<(), Refused> {
    if lists(tx, "Vary", "Accept-Encoding") || lists(tx, "Vary", "*") {
        return Ok(());
    }
    let mut all = joined(tx, "Vary");
    if !all.is_empty() {
        all.extend_from_slice(b", ");
    }
    all.extend_from_slice(b"Accept-Encoding");
    tx.set("Vary", all)
}

/// The head of another form: its coding and its tag, and nothing of the bytes that were.
pub(crate) fn recode(
    tx: &mut Transaction<'_>,
    coding: Option<Coding>,
    tag: Option<Vec<u8>>,
) -> Result<(), Refused> {
    match coding {
        Some(coding) => tx.set("Content-Encoding", coding.name())?,
        None => tx.delete("Content-Encoding")?,
    }
    retag(tx, tag)
}

/// The tag of all forms in place of that of the origin's, and nothing of the bytes that were.
pub(crate) fn retag(tx: &mut Transaction<'_>, tag: Option<Vec<u8>>) -> Result<(), Refused> {
    if let Some(tag) = tag {
        tx.set("ETag", tag)?;
    }
    OF_THE_BYTES.iter().try_for_each(|field| tx.delete(field))
}

/// In a request to the origin, names tags without the mark of weakness; says whether there were any.
///
/// If-None-Match compares weakly, so to it they are the same (RFC 9110 section 13.1.2), but some origins compare letters. If-Match
/// compares strongly and would always fail for a client that has the compressed form. If-Range stays: parts of two forms do not fit.
pub(crate) fn name_strongly(tx: &mut Transaction<'_>) -> Result<bool, Refused> {
    let mut found = false;
    for field in ["If-None-Match", "If-Match"] {
        let tags = joined(tx, field);
        let strong = strong(&tags);
        if strong.len() < tags.len() {
            tx.set(field, strong)?;
            found = true;
        }
    }
    Ok(found)
}

fn joined(tx: &Transaction<'_>, field: &str) -> Vec<u8> {
    tx.find_all(field).collect::<Vec<_>>().join(&b", "[..])
}

/// A list of tags, without `W/` before any; within quotes that may be part of a tag.
fn strong(mut tags: &[u8]) -> Vec<u8> {
    let (mut out, mut quoted) = (Vec::with_capacity(tags.len()), false);
    while let Some((first, rest)) = tags.split_first() {
        if !quoted && tags.starts_with(b"W/\"") {
            tags = &tags[2..];
            continue;
        }
        quoted ^= *first == b'"';
        out.push(*first);
        tags = rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::strong;

    #[test]
    fn marks_of_weakness_go_and_nothing_else() {
        for (tags, expected) in [
            (r#"W/"a""#, r#""a""#),
            (r#"W/"a", "b",W/"c""#, r#""a", "b","c""#),
            (r#""aW/", W/"W/""#, r#""aW/", "W/""#),
            (r#""W/", "W/", W/"x""#, r#""W/", "W/", "x""#),
            ("*", "*"),
            ("W/a", "W/a"),
            ("w/\"a\"", "w/\"a\""),
            ("", ""),
        ] {
            assert_eq!(strong(tags.as_bytes()), expected.as_bytes(), "{tags}");
        }
    }
}
