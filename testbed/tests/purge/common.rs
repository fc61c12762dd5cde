//! What the tests of purging share: a site, and short words for asking, purging and looking what is stored.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use serde_json::Value;
use std::process::Command;
use understudy_testbed::{
    Client, Finished, Launch, Origin, Proxy, Request, Response, get, proxy::binary, reply, run,
};

/// Answers are fresh for a minute, numbered, and have the fields that the request names in `X-Send`.
pub fn answer(r: &Request) -> Vec<u8> {
    let mut fields = vec!["Cache-Control: max-age=60"];
    fields.extend(r.head.all("x-send"));
    if r.get("if-none-match").is_some() {
        return reply(304, &fields, "");
    }
    reply(200, &fields, r.n.to_string())
}

/// A reverse and a forward listener before one origin; who may purge on the reverse one.
pub struct Site {
    pub origin: Origin,
    pub proxy: Proxy,
}

impl Site {
    pub fn of(origin: Origin, purge: &str) -> Site {
        Site::ruled(origin, purge, "")
    }

    pub fn ruled(origin: Origin, purge: &str, rules: &str) -> Site {
        let proxy = Launch::bare()
            .config(&format!(
                "workers = 2\n{rules}\n[admin]\naddress = \"127.0.0.1:0\"\n[access]\nallow_to = [\"loopback\"]\n\
                 [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\npurge = [{purge}]\n\
                 [[listen]]\nname = \"forward\"\naddress = \"127.0.0.1:0\"\n\
                 [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
                origin.addr
            ))
            .start();
        Site { origin, proxy }
    }

    pub fn new() -> Site {
        Site::of(Origin::answering(answer), "\"loopback\"")
    }

    #[track_caller]
    pub fn get(&self, path: &str, send: &[&str]) -> Response {
        let fields: String = send.iter().map(|f| format!("X-Send: {f}\r\n")).collect();
        get(self.proxy.listener("site"), path, "site.test", &fields).expect(200)
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, fields: &str) -> Response {
        Client::to(self.proxy.listener("site")).ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n"
        ))
    }

    /// The receipt of a PURGE.
    #[track_caller]
    pub fn purge(&self, path: &str, fields: &str) -> Value {
        let answer = self.send("PURGE", path, fields).expect(200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[track_caller]
    pub fn admin(&self, query: &str, body: &str, fields: &str) -> Response {
        Client::to(self.proxy.listener("admin")).ask(format!(
            "POST /purge{query} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    #[track_caller]
    pub fn by_admin(&self, asked: Value) -> Value {
        let fields = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n";
        let answer = self.admin("", &asked.to_string(), fields).expect(200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Finished {
        let admin = self.proxy.listener("admin").to_string();
        run(Command::new(binary())
            .arg("purge")
            .args(args)
            .args(["--admin", &admin]))
    }

    pub fn is_stored(&self, path: &str) -> bool {
        let fields = "Cache-Control: only-if-cached\r\n";
        get(self.proxy.listener("site"), path, "site.test", fields).status == 200
    }

    /// Which of these are stored.
    pub fn stored(&self, paths: &[&str]) -> String {
        let stored = paths.iter().filter(|path| self.is_stored(path));
        stored.copied().collect::<Vec<_>>().join(" ")
    }
}
