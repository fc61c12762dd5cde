//! Texts inserted into pages by the text injector, over sockets, in every runtime: with real helpers, and with one that the test plays.
#![allow(clippy::unwrap_used)]

#[path = "text_injector/browser.rs"]
mod browser;
#[path = "text_injector/heads.rs"]
mod heads;
#[path = "text_injector/helpers.rs"]
mod helpers;
#[path = "text_injector/pages.rs"]
mod pages;
#[path = "text_injector/peer.rs"]
mod peer;

use std::time::{Duration, Instant};
use understudy_testbed::{Client, Launch, Origin, PATIENCE, Proxy, modules::config};

/// The runtimes.
const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];

/// A small page.
const PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>a page</title></head>\n<body><p>words</p></body></html>\n";

/// The page with this text at the end of its head.
fn with(page: &str, text: &str) -> String {
    page.replacen("</head>", &format!("{text}</head>"), 1)
}

/// A proxy of this origin whose module has these options.
fn proxy(origin: &Origin, runtime: &str, options: &str) -> Proxy {
    let table = format!(
        "[[module]]\nname = \"text\"\nlibrary = \"builtin:text-injector\"\nruntime = \"{runtime}\"\ndeadline = \"5m\"\n\
         [module.options]\n{options}\n"
    );
    Launch::bare().config(&config(origin, &table)).start()
}

/// An origin of this page under every path, for a minute.
fn origin(page: &'static str) -> Origin {
    Origin::answering(move |_| {
        let kind = "Content-Type: text/html; charset=utf-8";
        understudy_testbed::reply(
            200,
            &[kind, "Cache-Control: max-age=60", "ETag: \"1\""],
            page,
        )
    })
}

/// A GET on this connection.
fn get(client: &mut Client, path: &str, fields: &str) -> understudy_testbed::Response {
    client.ask(format!(
        "GET {path} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n"
    ))
}

/// Waits until the module has counted so much under this name: a child's counts come a little behind its answers.
#[track_caller]
fn counted(proxy: &Proxy, name: &str, expected: u64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let counts = understudy_testbed::modules::module(proxy, "text")["counts"].clone();
        let found = counts[name].as_u64().unwrap_or(0);
        if found == expected {
            return;
        }
        assert!(
            found < expected && Instant::now() < end,
            "{name} is {found}, not {expected}: {counts}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
