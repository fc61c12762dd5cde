//! Edits, put to use: on heads with a table, and on heads that are text already.

use bytes::Bytes;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use understudy_http::wire::head::HeadError;
use understudy_http::wire::is_same_name;
use understudy_http::wire::lines::FieldLines;
use understudy_http::{Name, RequestHead, ResponseHead};
use understudy_module::{Edit, Edits, words};

/// Whether edits change where a request goes, or what is found for it: then it is routed anew.
pub(crate) fn reroutes(edits: &Edits) -> bool {
    if let Some(lines) = edits.all_set() {
        return lines.has_known(Name::Host);
    }
    edits.iter().any(|edit| match edit {
        Edit::Target(_) => true,
        Edit::Add(name, _) | Edit::Set(name, _) | Edit::Delete(name) => {
            name.eq_ignore_ascii_case(b"host")
        }
        _ => false,
    })
}

/// Puts edits of fields to use. What a module may add was checked when it was added, so a refusal here has no cause.
pub(crate) fn request<B: AsRef<[u8]>>(head: &mut RequestHead<B>, edits: &Edits) {
    if let Some(lines) = edits.all_set() {
        return told(head.set_lines(lines));
    }
    for edit in edits.iter() {
        told(match edit {
            Edit::Add(name, value) => head.append(name, value),
            Edit::Set(name, value) => head.set(name, value),
            Edit::Delete(name) => {
                head.remove_if(|_, n, _| n.eq_ignore_ascii_case(name));
                Ok(())
            }
            _ => Ok(()),
        });
    }
}

fn told(done: Result<(), HeadError>) {
    if let Err(error) = done {
        tracing::warn!(%error, "an edit of a module was refused");
    }
}

/// As [`request`], and the status, unless the body it has (or has not) depends on it: that is refused to modules, but edits may come
/// from another process.
pub(crate) fn response(head: &mut ResponseHead<Bytes>, edits: &Edits) {
    if let Some(lines) = edits.all_set() {
        return told(head.set_lines(lines));
    }
    for edit in edits.iter() {
        told(match edit {
            Edit::Add(name, value) => head.append(name, value),
            Edit::Set(name, value) => head.set(name, value),
            Edit::Delete(name) => {
                head.remove_if(|_, n, _| n.eq_ignore_ascii_case(name));
                Ok(())
            }
            Edit::Status(status) if !words::is_fixed(head.status()) => {
                head.set_status(status, words::status(status).as_bytes());
                Ok(())
            }
            _ => Ok(()),
        });
    }
}

/// What edits make of a serialised head.
#[derive(Debug)]
pub(crate) enum Made<'a> {
    /// It is as they want it.
    Same,
    /// It is as they want it: the lines stand here together, and none of their names elsewhere.
    Stands(Range<usize>),
    /// It gets these lines.
    More(&'a [u8]),
    /// It was written anew.
    Anew(Vec<u8>),
}

/// Puts edits to use on a serialised head, with as little writing as they need: lines that are set to what they are stay, as with
/// an answer that was stored with a module's lines and is returned past the same module. `set`: lines that are known to stand in it,
/// and no others of their names.
pub(crate) fn made<'a>(head: &[u8], edits: &'a Edits, set: &[u8]) -> Made<'a> {
    match edits.all_set() {
        Some(lines) if lines.is_empty() || lines.text() == set => Made::Same,
        Some(lines) => match standing(head, lines) {
            Some(Standing::All(lines)) => Made::Stands(lines),
            Some(Standing::None) => Made::More(lines.text()),
            None => Made::Anew(text(head, edits, None)),
        },
        None if only_adds(edits) => Made::More(edits.lines().text()),
        None => Made::Anew(text(head, edits, None)),
    }
}

/// Which of the lines that are to be set are there.
enum Standing {
    /// Here.
    All(Range<usize>),
    None,
}

/// Whether all the lines stand in the head as they are to be, or none of their names does; `None` where it is neither, or hard to
/// tell.
fn standing(head: &[u8], lines: &FieldLines) -> Option<Standing> {
    if !lines.are_distinct() {
        return None;
    }
    let mut found = None;
    // Says where to look on, past a line that begins here; `None` ends it.
    let mut look = |start: usize| {
        let line = head.get(start..).unwrap_or_default();
        // Written by the same hand before, they stand together and in order.
        if found.is_none() && line.starts_with(lines.text()) {
            let end = start + lines.text().len();
            found = Some(start..end);
            return Some(end);
        }
        let is_one = lines.names().any(|(_, name)| is_of(line, name));
        (!is_one).then_some(start + 1)
    };
    let mut at = 0;
    match only_initial(lines) {
        // They all begin with one letter: there are fewer of that than lines.
        Some(letter) => {
            let (lower, upper) = (letter.to_ascii_lowercase(), letter.to_ascii_uppercase());
            while let Some(next) = memchr::memchr2(lower, upper, head.get(at..)?) {
                let start = at + next;
                at = match start.checked_sub(1).and_then(|before| head.get(before)) {
                    Some(b'\n') => look(start)?,
                    _ => start + 1,
                };
            }
        }
        None => {
            while let Some(next) = memchr::memchr(b'\n', head.get(at..)?) {
                // The line feed before what was looked at is the last of what is behind it.
                at = look(at + next + 1)? - 1;
            }
        }
    }
    Some(found.map_or(Standing::None, Standing::All))
}

/// The letter that all the names begin with, in any case.
fn only_initial(lines: &FieldLines) -> Option<u8> {
    let mut initials = lines.names().filter_map(|(_, name)| name.first());
    let first = initials.next()?;
    initials
        .all(|other| other.eq_ignore_ascii_case(first))
        .then_some(*first)
}

/// A bit for the letter that a name begins with, without its case.
#[inline]
fn initial(name: &[u8]) -> u32 {
    1u32 << (name.first().copied().unwrap_or(0) & 31)
}

/// Whether all that edits do to a head is to append lines.
fn only_adds(edits: &Edits) -> bool {
    !edits.iter().any(|edit| {
        matches!(
            edit,
            Edit::Set(..) | Edit::Delete(_) | Edit::Status(_) | Edit::Target(_)
        )
    })
}

/// Writes a serialised head (start line and lines, no final empty line) anew, with edits; lines of the field `without` go.
/// A target is the path of a request that is on its way out; a status takes its phrase along.
pub(crate) fn text(head: &[u8], edits: &Edits, without: Option<&[u8]>) -> Vec<u8> {
    let start = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    let (start_line, lines) = head.split_at(start);
    let fixed = status_in(start_line).is_some_and(words::is_fixed);
    let mut out = Vec::with_capacity(head.len() + 128);
    let mut status = None;
    let mut target = None;
    for edit in edits.iter() {
        match edit {
            Edit::Status(code) if !fixed => status = Some(code),
            Edit::Target(to) => target = Some(to),
            _ => {}
        }
    }
    match (status, target) {
        (Some(code), _) => {
            let phrase = words::status(code);
            out.extend_from_slice(format!("HTTP/1.1 {code} {phrase}\r\n").as_bytes());
        }
        (None, Some(to)) => {
            let method = start_line.split(|b| *b == b' ').next().unwrap_or_default();
            out.extend_from_slice(method);
            out.push(b' ');
            out.extend_from_slice(&path_of(to));
            out.extend_from_slice(b" HTTP/1.1\r\n");
        }
        (None, None) => out.extend_from_slice(start_line),
    }
    if quick(lines, edits, without, &mut out) {
        return out;
    }
    for (name, value) in understudy_module::all(understudy_module::Lines::Text(lines), edits) {
        if !without.is_some_and(|other| is_same_name(other, name)) {
            line(&mut out, name, value);
        }
    }
    out
}

/// The code in a status line.
pub(crate) fn status_in(line: &[u8]) -> Option<u16> {
    let code = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    std::str::from_utf8(code).ok()?.parse().ok()
}

/// Most edits that are put to use in one pass over the lines.
const QUICK: usize = 16;

/// An edit of field lines, while it is put to use.
struct Op<'a> {
    name: &'a [u8],
    /// What is written: nothing for a deletion.
    value: Option<&'a [u8]>,
    /// Lines of this name go.
    replaces: bool,
    /// It was written already.
    done: bool,
}

/// Writes the lines with edits in one pass, when there are few and each name is edited once: then their order says nothing.
fn quick(lines: &[u8], edits: &Edits, without: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let mut ops: SmallVec<[Op<'_>; QUICK]> = SmallVec::new();
    ops.extend(without.map(|name| Op {
        name,
        value: None,
        replaces: true,
        done: true,
    }));
    for edit in edits.iter() {
        let (name, value, replaces) = match edit {
            Edit::Add(name, value) => (name, Some(value), false),
            Edit::Set(name, value) => (name, Some(value), true),
            Edit::Delete(name) => (name, None, true),
            _ => continue,
        };
        let twice = |op: &Op<'_>| (replaces || op.replaces) && is_same_name(op.name, name);
        if ops.len() == QUICK || ops.iter().any(twice) {
            return false;
        }
        ops.push(Op {
            name,
            value,
            replaces,
            done: value.is_none(),
        });
    }
    let replacing = ops.iter().filter(|op| op.replaces);
    let initials = replacing.fold(0, |all, op| all | initial(op.name));
    // Lines that stay are copied together, from here to before the one looked at.
    let mut kept = 0;
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\n', &lines[at..]) {
        let whole = &lines[at..=at + length];
        if initials & initial(whole) == 0 {
            at += length + 1;
            continue;
        }
        if let Some(op) = ops
            .iter_mut()
            .find(|op| op.replaces && is_of(whole, op.name))
        {
            out.extend_from_slice(&lines[kept..at]);
            if let (Some(value), false) = (op.value, op.done) {
                op.done = true;
                line(out, op.name, value);
            }
            kept = at + length + 1;
        }
        at += length + 1;
    }
    out.extend_from_slice(&lines[kept..at]);
    for op in &ops {
        if let (Some(value), false) = (op.value, op.done) {
            line(out, op.name, value);
        }
    }
    true
}

/// Whether a line is of a field of this name.
#[inline]
fn is_of(whole: &[u8], name: &[u8]) -> bool {
    whole.get(name.len()) == Some(&b':')
        && whole
            .get(..name.len())
            .is_some_and(|of| is_same_name(of, name))
}

/// Whether edits are of fields that neither the cache nor the proxy reads.
pub(crate) fn are_strange(edits: &Edits) -> bool {
    let strange = |id, name: &[u8]| id == Name::Other && !name.eq_ignore_ascii_case(TIMING);
    if let Some(lines) = edits.all_set() {
        // By their lengths none may be one that is read.
        return lines.are_unknown()
            && (!lines.may_have_length(TIMING.len())
                || lines.names().all(|(id, name)| strange(id, name)));
    }
    edits.iter().all(|edit| match edit {
        Edit::Add(name, _) | Edit::Set(name, _) | Edit::Delete(name) => {
            strange(Name::of(name), name)
        }
        Edit::KeepLength | Edit::WithholdHead | Edit::SkipBody | Edit::Note(..) => true,
        _ => false,
    })
}

/// The field with which a request asks for Server-Timing.
pub(crate) const TIMING: &[u8] = b"understudy-timing";

/// The path and query of a target. What is a path already may well have a URL in its query.
fn path_of(target: &[u8]) -> Cow<'_, [u8]> {
    if target.first() == Some(&b'/') {
        return target.into();
    }
    let Some(scheme) = target.windows(3).position(|w| w == b"://") else {
        return target.into();
    };
    let rest = &target[scheme + 3..];
    match rest.iter().position(|b| matches!(b, b'/' | b'?')) {
        Some(at) if rest[at] == b'/' => rest[at..].into(),
        Some(at) => [b"/", &rest[at..]].concat().into(),
        None => b"/"[..].into(),
    }
}

fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What `made` comes to, written out.
    fn written(head: &[u8], edits: &Edits) -> Vec<u8> {
        match made(head, edits, b"") {
            Made::Same | Made::Stands(_) => head.to_vec(),
            Made::More(lines) => [head, lines].concat(),
            Made::Anew(head) => head,
        }
    }

    #[test]
    fn with_little_writing_or_with_much_a_head_comes_out_the_same() {
        let lines: &[&[u8]] = &[
            b"X-1: a\r\n",
            b"x-1: a\r\n",
            b"X-2: b\r\n",
            b"Via: v\r\n",
            b"X-11: a\r\n",
        ];
        let sets: &[&[(&str, &str)]] = &[
            &[("X-1", "a")],
            &[("X-1", "a"), ("X-2", "b")],
            &[("X-2", "b"), ("X-1", "a")],
            &[("X-1", "a"), ("X-1", "b")],
            &[("X-1", "a"), ("x-1", "a")],
            &[("Y-1", "a")],
        ];
        let mut kinds = [0; 4];
        // Every head of up to four of these lines, in every order.
        for number in 0..lines.len().pow(4) * 5 {
            let (count, mut rest) = (number % 5, number / 5);
            let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
            for _ in 0..count {
                head.extend_from_slice(lines[rest % lines.len()]);
                rest /= lines.len();
            }
            for set in sets {
                let mut edits = Edits::new();
                for (name, value) in *set {
                    edits.set(name.as_bytes(), value.as_bytes()).unwrap();
                }
                kinds[match made(&head, &edits, b"") {
                    Made::Same => 3,
                    Made::Stands(at) => {
                        // And the next time it is known.
                        let known = made(&head, &edits, &head[at]);
                        assert!(matches!(known, Made::Same));
                        0
                    }
                    Made::More(_) => 1,
                    Made::Anew(_) => 2,
                }] += 1;
                let plain = text(&head, &edits, None);
                let shown = |head: &[u8]| String::from_utf8_lossy(head).into_owned();
                assert_eq!(shown(&written(&head, &edits)), shown(&plain));
            }
        }
        assert!(kinds[..3].iter().all(|count| *count > 0), "{kinds:?}");
        assert_eq!(kinds[3], 0);
    }

    #[test]
    fn what_a_module_says_beside_the_head_changes_no_line() {
        let head = b"HTTP/1.1 200 OK\r\nA: b\r\n";
        let mut edits = Edits::new();
        edits.keep_length().unwrap();
        edits.note(b"word", b"x").unwrap();
        assert!(matches!(made(head, &edits, b""), Made::Same));
        edits.add(b"C", b"d").unwrap();
        assert!(matches!(made(head, &edits, b""), Made::More(b"C: d\r\n")));
        edits.delete(b"A").unwrap();
        assert_eq!(written(head, &edits), b"HTTP/1.1 200 OK\r\nC: d\r\n");
    }

    #[test]
    fn lines_that_stand_already_are_not_written_again() {
        let head = b"HTTP/1.1 200 OK\r\nX-1: a\r\n";
        let mut edits = Edits::new();
        edits.set(b"X-1", b"a").unwrap();
        edits.keep_length().unwrap();
        assert!(matches!(made(head, &edits, b"X-1: a\r\n"), Made::Same));
        // Others than those that are to be set say nothing.
        for set in [&b"X-1: b\r\n"[..], b"X-2: a\r\n"] {
            let other = [&b"HTTP/1.1 200 OK\r\n"[..], set].concat();
            let out = match made(&other, &edits, set) {
                Made::Same | Made::Stands(_) => other,
                Made::More(lines) => [&other, lines].concat(),
                Made::Anew(head) => head,
            };
            assert!(out.ends_with(b"X-1: a\r\n"));
        }
    }
}
