//! The frame of a page: head, style, and the little pieces that sections are made of.
//!
//! Invariant: a page names nothing outside itself, and runs no script. The policy in its head makes the browser hold it to that.

use super::words::escape;

/// A whole page.
pub(crate) fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title),
        include_str!("style.css"),
    )
}

/// One figure of the summary; `text` and `more` are plain text.
pub(crate) fn tile(class: &str, name: &str, text: &str, more: &str) -> String {
    format!(
        "<div class=\"tile {class}\"><div class=\"name\">{}</div><div class=\"value\">{}</div><div class=\"more\">{}</div></div>\n",
        escape(name),
        escape(text),
        escape(more)
    )
}

/// A section with a plot: heading, what its marks are, the plot, and what it tells.
pub(crate) fn figure(heading: &str, legend: &[(&str, &str)], svg: &str, gloss: &str) -> String {
    let mut keys = String::new();
    for (class, text) in legend {
        keys.push_str(&format!(
            "<span class=\"{class}\"><i class=\"{class}\"></i><b>{}</b></span>",
            escape(text)
        ));
    }
    format!(
        "<section><h2>{}</h2>\n<div class=\"legend\">{keys}</div>\n<div class=\"scroll\">{svg}</div>\n<p class=\"gloss\">{}</p></section>\n",
        escape(heading),
        escape(gloss)
    )
}

/// A table. Cells are HTML already: rows are whole `<tr>`s. A head of [`WORDS`] stands above a column of sentences.
pub(crate) fn table(heads: &[&str], rows: &str) -> String {
    let head = |h: &&str| match *h {
        WORDS => format!("<th class=\"words\">{WORDS}</th>"),
        h => format!("<th>{}</th>", escape(h)),
    };
    let heads: String = heads.iter().map(head).collect();
    format!(
        "<div class=\"scroll\"><table><thead><tr>{heads}</tr></thead><tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// The head of a column of sentences.
pub(crate) const WORDS: &str = "What it means";

/// A cell of plain text.
pub(crate) fn cell(text: &str) -> String {
    format!("<td>{}</td>", escape(text))
}
