//! Whatever policy a page has: it is read without a failure, and the page comes out with the text or without it.
#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use understudy_module::kit::{Bare, Case, Chunking, Job, Random, Stage, run_all};
use understudy_text_injector::TextInjector;

const PAGE: &str = "<html><head></head><body></body></html>";

const TEXTS: &[&str] = &[
    "<script>alert('é')</script>",
    "<script src='//a.example:8443/x.js?é' nonce=n></script>",
    "<script src='data:,1'></script>",
    "<script src='http://a.example/x.js'></script>",
    "<script src='file:///x'></script><script src='x:///'></script>",
    "<style>é</style>",
    "<link rel=stylesheet href='http://[::1]/a%zz'>",
    "<b onclick='é()' style='a:b'><a href='javascript:1'>é</a>",
];

/// What policies are made of, and what they are not.
const WORDS: &[&str] = &[
    "script-src",
    "style-src",
    "default-src",
    "script-src-elem",
    "script-src-attr",
    "style-src-attr",
    "navigate-to",
    "form-action",
    "sandbox",
    "report-uri",
    "report-to",
    "require-trusted-types-for",
    "trusted-types",
    "base-uri",
    "frame-ancestors",
    "'none'",
    "'self'",
    "'unsafe-inline'",
    "'unsafe-hashes'",
    "'strict-dynamic'",
    "'report-sample'",
    "'REPORT-SAMPLE'",
    "'nonce-n'",
    "'nonce-é'",
    "'nonce-'",
    "'nonce",
    "'sha256-AAAA='",
    "'sha256-'",
    "'sha256-é'",
    "'sha512-====",
    "'sha384-_-'",
    "*",
    "*:*",
    "*.",
    "*.*",
    "http:",
    "https://",
    "://",
    ":",
    "//",
    "a.example:*",
    "a.example:99999999999",
    "a.example:",
    "*.example/x.js",
    "http://[::1]",
    "http://[",
    "a.example/%zz",
    "a.example/é",
    "a.example/",
    "é",
    "ÿ:é",
    "\u{1}",
    "\t",
    ";",
    ",",
    ";;",
    "'",
    "''",
    "-",
];

proptest! {
    #[test]
    fn a_page_comes_out_whatever_its_policy_is(
        words in vec((select(WORDS), select(&[" ", " ", " ", ";", ",", ""][..])), 0..12),
        text in select(TEXTS),
        csp in select(&["nonce", "skip"][..]),
        in_page in any::<bool>(),
    ) {
        let policy: String = words.iter().flat_map(|(word, gap)| [*word, *gap]).collect();
        let mut page = PAGE.to_owned();
        let mut case = Case::new("a policy", "GET", "http://example.org/é?%")
            .option("text", text)
            .option("csp", csp)
            .answers("Content-Type", "text/html; charset=utf-8");
        if in_page {
            let meta = format!("<meta http-equiv=Content-Security-Policy content=\"{policy}\">");
            page = page.replace("</head>", &(meta + "</head>"));
        } else if !policy.contains('\u{1}') {
            case = case.answers("Content-Security-Policy", policy.trim());
        }
        let case = case.gives(200, page.clone());
        let mut seated = Bare::new(TextInjector::default).open(&case.options).unwrap();
        let chunking = Chunking::default();
        let job = Job { case: &case, chunking: &chunking, tables: false };
        let found = run_all(&mut *seated, &[job], 1, &mut Random::new(1)).remove(0);
        prop_assert_eq!(found.failure, None, "{} {}", policy, found.why);
        let out = String::from_utf8(found.returned.unwrap().body.unwrap_or_default()).unwrap();
        if out != page {
            let head = page.split("</head>").next().unwrap();
            prop_assert!(out.starts_with(head) && out.ends_with("</head><body></body></html>"), "{}", out);
        }
    }
}
