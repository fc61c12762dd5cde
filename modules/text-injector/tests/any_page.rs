//! Whatever a page is and however it is cut: its bytes come out in order, with one text between them or none, always at the same place.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use understudy_module::kit::{Bare, Case, Chunking, Cuts, Job, Random, Stage, run_all};
use understudy_text_injector::TextInjector;

const TEXT: &str = "@@";

/// What pages are made of, and what they are not.
const PARTS: &[&str] = &[
    "<!doctype html>",
    "<html>",
    "</html>",
    "<head>",
    "<head a='>'>",
    "</head>",
    "</head",
    "</HEAD >",
    "<title>",
    "</title>",
    "<body>",
    "</body>",
    "<p>",
    "</p",
    "<script>",
    "</script>",
    "<style>",
    "<!--",
    "-->",
    "<template>",
    "</template>",
    "<noscript>",
    "</noscript>",
    "<meta charset=koi8-r>",
    "<meta http-equiv=Content-Security-Policy content='x'>",
    "<svg>",
    "</svg>",
    "<![CDATA[",
    "]]>",
    "<br/>",
    "words ",
    "<",
    ">",
    "&lt;",
    "\"",
    "'",
    "=",
    "\u{0}",
    "é",
    "\n",
    "<plaintext>",
    "<select>",
    "<frameset>",
];

/// The body as it comes out.
fn out(page: &str, selector: &str, position: &str, returned: Cuts) -> String {
    let case = Case::new("a page", "GET", "http://example.org/")
        .option("text", TEXT)
        .option("selector", selector)
        .option("position", position)
        .answers("Content-Type", "text/html; charset=utf-8")
        .gives(200, page.to_owned());
    let mut seated = Bare::new(TextInjector::default)
        .open(&case.options)
        .unwrap();
    let chunking = Chunking {
        returned,
        ..Chunking::default()
    };
    let job = Job {
        case: &case,
        chunking: &chunking,
        tables: false,
    };
    let found = run_all(&mut *seated, &[job], 1, &mut Random::new(1)).remove(0);
    assert_eq!(found.failure, None, "{}", found.why);
    String::from_utf8(found.returned.unwrap().body.unwrap_or_default()).unwrap()
}

proptest! {
    #[test]
    fn a_page_comes_out_whole_with_one_text_at_one_place(
        parts in vec(select(PARTS), 0..14),
        cuts in vec(1usize..120, 0..8),
        selector in select(&["head", "p", "body", "title", "[a]"][..]),
        position in select(&["before", "prepend", "append", "after"][..]),
    ) {
        let page = parts.concat();
        // Between bytes of one letter a cut is as good as any other.
        let whole = out(&page, selector, position, Cuts::whole());
        prop_assert_eq!(whole.replacen(TEXT, "", 1), page.clone());
        let cut = out(&page, selector, position, Cuts::at(cuts).with_end_apart());
        prop_assert_eq!(cut, whole);
    }
}
