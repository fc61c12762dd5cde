//! What the public suite tries, tried with other inputs of the same kinds: other values, orders, fields and spellings, and the
//! nearest ones that mean something else. A row is one exchange that may be stored and the request that comes after it.
//!
//! The origin answers a path's first request as the row says, and `again` from then on, so a body shows where it comes from. Time
//! is told by Date and Age; nothing waits.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Origin, Request, Site, http_date, reply};

/// What the second request is answered with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    /// The first answer, out of the cache, this being its body.
    Reused(&'static str),
    /// What the origin said to the second request.
    Asked,
    /// 304, out of the cache.
    NotModified,
}
use Want::{Asked, NotModified, Reused};

/// One row. Requests are a method and field lines; a target stands for the row's own path where `{}` does.
#[derive(Debug, Clone)]
struct Row {
    first: (&'static str, String),
    status: u16,
    fields: Vec<String>,
    body: &'static str,
    second: (&'static str, String),
    want: Want,
}

/// A GET, its answer, and the GET again.
fn twice(fields: &[&str], want: Want) -> Row {
    Row {
        first: ("GET", String::new()),
        status: 200,
        fields: fields.iter().map(|f| (*f).to_owned()).collect(),
        body: "first",
        second: ("GET", String::new()),
        want,
    }
}

impl Row {
    /// What the two requests say more.
    fn asked(mut self, first: &str, second: &str) -> Row {
        self.first.1 = first.to_owned();
        self.second.1 = second.to_owned();
        self
    }

    /// The methods of the two requests.
    fn methods(mut self, first: &'static str, second: &'static str) -> Row {
        (self.first.0, self.second.0) = (first, second);
        self
    }
}

/// Sends both requests of each row on one proxy and gathers what differs from the table.
#[track_caller]
fn check(rows: Vec<Row>) {
    let table = rows.clone();
    let site = Site::of(Origin::answering(move |r: &Request| {
        let row = &table[r.target[1..].parse::<usize>().unwrap()];
        if r.get("Turn") == Some("1") {
            let fields: Vec<String> = row
                .fields
                .iter()
                .map(|f| f.replace("{}", &r.target))
                .collect();
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            reply(row.status, &fields, row.body)
        } else {
            reply(200, &["Cache-Control: no-store"], "again")
        }
    }));
    let mut wrong = String::new();
    for (i, row) in rows.iter().enumerate() {
        let ask = |turn: u8, (method, fields): &(&str, String)| {
            let length = if *method == "GET" {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            let field = if fields.is_empty() {
                String::new()
            } else {
                format!("{fields}\r\n")
            };
            Client::to(site.proxy.addr()).ask(format!(
                "{method} /{i} HTTP/1.1\r\nHost: site.test\r\nTurn: {turn}\r\n{length}{field}\r\n"
            ))
        };
        ask(1, &row.first).expect(row.status).expect_body(row.body);
        let second = ask(2, &row.second);
        let got = match (second.is_hit(), second.status, second.text().as_str()) {
            (true, 304, "") => Some(NotModified),
            (false, _, "again") => Some(Asked),
            (true, _, body) => match row.want {
                Reused(wanted) if wanted == body => Some(row.want),
                _ => None,
            },
            _ => None,
        };
        if got != Some(row.want) {
            let head = second.head.text();
            wrong += &format!("{row:?}\n{head}{}\n\n", second.text());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// RFC 9213 section 2.2: the targeted field alone counts, whatever Cache-Control and Expires say.
#[test]
fn targeted_cache_control() {
    let fresh = Reused("first");
    check(vec![
        twice(
            &["CDN-Cache-Control: max-age=60", "Cache-Control: private"],
            fresh,
        ),
        twice(
            &[
                "CDN-Cache-Control: max-age=60",
                "Cache-Control: max-age=0, no-cache",
            ],
            fresh,
        ),
        twice(&["cdn-cache-control: max-age=60"], fresh),
        twice(&["CDN-Cache-Control: max-age=60;by=\"someone\""], fresh),
        twice(&["CDN-Cache-Control:   max-age=60 ,  foo=(a b)"], fresh),
        // A dictionary's last member of a name counts (RFC 9651 section 3.2), over lines as well.
        twice(&["CDN-Cache-Control: max-age=0, max-age=60"], fresh),
        twice(&["CDN-Cache-Control: max-age=60, max-age=0"], Asked),
        twice(
            &[
                "CDN-Cache-Control: max-age=0",
                "CDN-Cache-Control: max-age=60",
            ],
            fresh,
        ),
        twice(&["CDN-Cache-Control: max-age=60", "Age: 61"], Asked),
        twice(&["CDN-Cache-Control: no-store, max-age=60"], Asked),
        twice(&["CDN-Cache-Control: private, max-age=60"], Asked),
        twice(&["CDN-Cache-Control: no-cache, max-age=60"], Asked),
        twice(
            &["CDN-Cache-Control: foo", "Cache-Control: max-age=60"],
            Asked,
        ),
        // What is malformed or empty is as good as absent (section 2.1).
        twice(
            &[
                "CDN-Cache-Control: no-store, =",
                "Cache-Control: max-age=60",
            ],
            fresh,
        ),
        twice(
            &["CDN-Cache-Control: max-age=60,", "Cache-Control: no-store"],
            Asked,
        ),
        twice(&["CDN-Cache-Control:", "Cache-Control: max-age=60"], fresh),
        // Fields for others.
        twice(&["Other-CDN-Cache-Control: max-age=60"], Asked),
        twice(&["Surrogate-Control: max-age=60"], Asked),
    ]);
}

/// RFC 9110 section 5.6.7 has three forms; RFC 9111 section 4.2 has a cache take them in any case.
#[test]
fn dates_of_expires() {
    let fresh = Reused("first");
    check(vec![
        twice(&["Expires: thu, 18 aug 2050 02:01:18 gmt"], fresh),
        twice(&["Expires: THU, 18 AUG 2050 02:01:18 GMT"], fresh),
        twice(&["Expires: Thursday, 18-Aug-50 02:01:18 GMT"], fresh),
        twice(&["Expires: THURSDAY, 18-aug-50 02:01:18 gmt"], fresh),
        twice(&["Expires: Thu Aug 18 02:01:18 2050"], fresh),
        twice(&["Expires: mon aug  8 02:01:18 2050"], fresh),
        twice(&["Expires: Thu, 18 Aug 2005 02:01:18 GMT"], Asked),
        twice(&["Expires: Thu, 18 Aux 2050 02:01:18 GMT"], Asked),
        twice(&["Expires: Thu, 31 Jun 2050 02:01:18 GMT"], Asked),
        twice(&["Expires: Thu, 18 Aug 2050 25:01:18 GMT"], Asked),
        twice(&["Expires: Thu, 18 Aug 2050 02:01:18 CET"], Asked),
        twice(&["Expires: Thu, 18 Aug 2050 02:01:18 +0000"], Asked),
        twice(&["Expires: Thu, 18 Aug 2050 02:01:18"], Asked),
        twice(&["Expires: 2050-08-18T02:01:18Z"], Asked),
        twice(&["Expires: Thu Aug 18 02:01:18 2050 GMT"], Asked),
    ]);
}

/// RFC 9110 section 9.3.3: explicit freshness, and a Content-Location that is the target.
#[test]
fn answers_to_post_for_later_gets() {
    let (fresh, at) = (Reused("first"), "Content-Location: {}");
    let post = |fields: &[&str], want| twice(fields, want).methods("POST", "GET");
    // As far off as no start of a proxy takes.
    let expires = format!("Expires: {}", http_date(3600));
    check(vec![
        post(&[at, "Cache-Control: max-age=60"], fresh),
        post(&[at, "Cache-Control: s-maxage=60"], fresh),
        post(&[at, &expires], fresh),
        post(
            &[
                "Content-Location: http://site.test{}",
                "Cache-Control: max-age=60",
            ],
            fresh,
        ),
        post(
            &[
                "Content-Location: HTTP://SITE.TEST:80{}",
                "Cache-Control: max-age=60",
            ],
            fresh,
        ),
        post(&["Cache-Control: max-age=60"], Asked),
        post(&[at], Asked),
        post(
            &[
                at,
                "Cache-Control: public",
                "Last-Modified: Tue, 15 Nov 1994 12:45:26 GMT",
            ],
            Asked,
        ),
        post(&[at, "Cache-Control: no-store, max-age=60"], Asked),
        post(&[at, "Cache-Control: max-age=60", "Age: 61"], Asked),
        post(
            &["Content-Location: {}x", "Cache-Control: max-age=60"],
            Asked,
        ),
        post(
            &["Content-Location: {}?x", "Cache-Control: max-age=60"],
            Asked,
        ),
        post(
            &[
                "Content-Location: http://other.test{}",
                "Cache-Control: max-age=60",
            ],
            Asked,
        ),
        post(
            &[
                "Content-Location: https://site.test{}",
                "Cache-Control: max-age=60",
            ],
            Asked,
        ),
        post(&["Location: {}", "Cache-Control: max-age=60"], Asked),
        // It answers later GETs, not later POSTs, and no other method's answer does.
        twice(&[at, "Cache-Control: max-age=60"], Asked).methods("POST", "POST"),
        twice(&[at, "Cache-Control: max-age=60"], Asked).methods("PUT", "GET"),
        twice(&[at, "Cache-Control: max-age=60"], Asked).methods("PATCH", "GET"),
    ]);
}

/// RFC 9111 section 4.1: normalised "in ways that are known to have identical semantics", and selection by what was sent.
#[test]
fn languages_of_vary() {
    let row = |first: &str, language: &str, second: &str, reused: bool| {
        let mut fields = vec!["Cache-Control: max-age=60", "Vary: Accept-Language"];
        let language = format!("Content-Language: {language}");
        if !language.ends_with(' ') {
            fields.push(&language);
        }
        let want = if reused { Reused("first") } else { Asked };
        let line = |value| format!("Accept-Language: {value}");
        twice(&fields, want).asked(&line(first), &line(second))
    };
    check(vec![
        row("fr-CH, it", "", "IT,  fr-ch", true),
        row("fr;q=0.8, it;q=0.8", "", "it;q=0.8,fr;q=0.8", true),
        row("fr, it;q=0.5", "", "it;q=0.5, fr", true),
        row("fr", "", "fr;q=1", true),
        row("fr;q=1.000, it;q=0.500", "", "fr, it;q=0.5", true),
        row("fr, it;q=0.5", "", "it, fr;q=0.5", false),
        row("fr, it;q=0.5", "", "fr, it;q=0.6", false),
        row("fr, it", "", "fr, it, rm", false),
        row("fr", "", "it", false),
        row("fr", "", "fr-CH", false),
        row("fr, it", "it", "it;q=0.9, rm;q=0.1", true),
        row("fr, it", "it", "it", true),
        row("fr, it", "it", "rm, it;q=0.9", false),
        row("fr, it", "it", "fr", false),
        row("fr, it", "it", "it;q=0, fr", false),
    ]);
}

/// RFC 9111 section 4.3.2: without Last-Modified, by Date.
#[test]
fn modification_dates_where_the_origin_says_none() {
    let date = format!("Date: {}", http_date(-100));
    let row = |since: i64, want| {
        twice(&["Cache-Control: max-age=1000", &date], want)
            .asked("", &format!("If-Modified-Since: {}", http_date(since)))
    };
    check(vec![
        row(-90, NotModified),
        row(-110, Reused("first")),
        row(-86_400, Reused("first")),
        twice(&["Cache-Control: max-age=1000", &date], NotModified)
            .asked("", &format!("If-Modified-Since: {}", &date[6..])),
        twice(&["Cache-Control: max-age=1000", &date], Reused("first"))
            .asked("", "If-Modified-Since: yesterday"),
        twice(&["Cache-Control: max-age=1000", &date], Reused("first")).asked(
            "",
            &format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {}", &date[6..]),
        ),
    ]);
}

/// RFC 9111 section 3.3: a part is stored when its Content-Range is true, and answers what lies within it.
#[test]
fn parts() {
    let row = |range: &str, body: &'static str, second: &str, want| Row {
        status: 206,
        body,
        ..twice(&["Cache-Control: max-age=60", "ETag: \"a\"", range], want)
            .asked("Range: bytes=5-9", second)
    };
    let true_one = |second, want| row("Content-Range: bytes 5-9/12", "56789", second, want);
    let lie = |range, body| row(range, body, "Range: bytes=6-7", Asked);
    check(vec![
        true_one("Range: bytes=5-9", Reused("56789")),
        true_one("Range: bytes=6-8", Reused("678")),
        true_one("Range: bytes=5-5", Reused("5")),
        true_one("Range: bytes=9-9", Reused("9")),
        true_one("Range: bytes=4-8", Asked),
        true_one("Range: bytes=8-10", Asked),
        true_one("Range: bytes=8-", Asked),
        true_one("Range: bytes=-3", Asked),
        true_one("", Asked),
        row(
            "Content-Range: bytes 5-9/10",
            "56789",
            "Range: bytes=-2",
            Reused("89"),
        ),
        row(
            "Content-Range: bytes 5-9/10",
            "56789",
            "Range: bytes=7-",
            Reused("789"),
        ),
        row(
            "Content-Range: bytes 5-9/10",
            "56789",
            "Range: bytes=7-99",
            Reused("789"),
        ),
        row(
            "Content-Range: bytes 5-9/*",
            "56789",
            "Range: bytes=-2",
            Asked,
        ),
        lie("Content-Range: bytes 4-9/12", "56789"),
        lie("Content-Range: bytes 5-8/12", "56789"),
        lie("Content-Range: bytes 9-5/12", "56789"),
        lie("Content-Range: bytes 5-9/9", "56789"),
        lie("Content-Range: bytes */12", "56789"),
        lie("Content-Range: lines 5-9/12", "56789"),
        lie("Content-Range: bytes 5-9", "56789"),
        lie("Content-Type: multipart/byteranges; boundary=x", "56789"),
    ]);
}
