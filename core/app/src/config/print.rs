//! `check --print`: every value and where it came from, in three columns.

use super::resolve::Entry;
use std::fmt::Write;

/// The widest value that others are aligned to; a longer one pushes only its own origin aside.
const WIDEST: usize = 48;

/// One line a value: key, value, origin.
pub(crate) fn table(entries: &[Entry]) -> String {
    let width = |of: fn(&Entry) -> &str, most: usize| {
        entries
            .iter()
            .map(|e| of(e).chars().count())
            .filter(|w| *w <= most)
            .max()
            .unwrap_or(0)
    };
    let keys = width(|e| &e.key, usize::MAX);
    let values = width(|e| &e.value, WIDEST);
    let mut out = String::new();
    for Entry { key, value, origin } in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{key:keys$} = {value:values$}  # {origin}");
    }
    out
}
