//! What the options may be, and what is said of those that may not.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use understudy_ad_remover::AdRemover;
use understudy_module::kit::{Bare, Stage};

fn told(options: &[(&str, &str)]) -> Result<(), String> {
    let options: BTreeMap<String, String> = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Bare::new(AdRemover::default).open(&options).map(|_| ())
}

#[test]
fn an_option_that_cannot_be_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (empty, page) = (
        file("empty.txt", b"! none\n"),
        file("page.txt", b"<html>\n"),
    );
    let (picture, nothing) = (file("picture.txt", b"\x89PNG\n"), file("nothing.png", b""));
    let (untyped, large) = (
        file("untyped", b"x"),
        file("large.png", &[0; (1 << 20) + 1]),
    );
    for (name, value, why) in [
        (
            "list",
            "x",
            "option `list`: there is none; there are replace.KIND, ca,",
        ),
        ("refresh1", "5", "option `refresh1`: there is none"),
        (
            "rules.0",
            "##.banner",
            "option `rules`: \"##.banner\" is no rule for requests",
        ),
        (
            "replace.images",
            "x",
            "option `replace.images`: there is none",
        ),
        ("lists", "/no/such/list", "/no/such/list: No such file"),
        ("lists.0", &empty, "empty.txt: there is no rule in it"),
        ("lists.0", &page, "page.txt: it is a page, not a list"),
        ("lists.0", &picture, "picture.txt: it is no text in UTF-8"),
        (
            "lists.0",
            "https://example.org/l.txt",
            "option `lists`: https://example.org/l.txt: `keep` must name",
        ),
        (
            "replace.image",
            "http://example.org/a.png",
            "option `replace`: http://example.org/a.png: `keep`",
        ),
        (
            "replace.image",
            "/no/such/image.png",
            "/no/such/image.png: No such file",
        ),
        ("replace.image", &nothing, "nothing.png: it is empty"),
        (
            "replace.image",
            &untyped,
            "untyped: its ending says no media type",
        ),
        ("replace.image", &large, "large.png: it is larger than"),
        (
            "refresh",
            "daily",
            "option `refresh`: \"daily\" is no number",
        ),
        ("sample", "-1", "option `sample`: \"-1\" is no number"),
        (
            "clients.on.0",
            "192.0.2.0/33",
            "option `clients`: \"192.0.2.0/33\" is neither a network",
        ),
        (
            "clients.off.0",
            "home",
            "option `clients`: \"home\" is neither a network",
        ),
        (
            "tunnels",
            "close",
            "option `tunnels`: \"refuse\" or \"pass\", not \"close\"",
        ),
        (
            "explain",
            "yes",
            "option `explain`: \"false\" or \"true\", not \"yes\"",
        ),
        (
            "host",
            "Ads.Invalid",
            "option `host`: \"Ads.Invalid\" is no host name",
        ),
        ("host", "a/b", "option `host`: \"a/b\" is no host name"),
        (
            "switch",
            "X Ads",
            "option `switch`: \"X Ads\" is no field name",
        ),
        (
            "switch",
            "Connection",
            "option `switch`: \"Connection\" is no field name",
        ),
        ("ca", "/no/such/ca.pem", "option `ca`: /no/such/ca.pem: "),
        ("ca", &empty, "empty.txt: there is no certificate in it"),
    ] {
        let refused = told(&[(name, value)]).unwrap_err();
        assert!(refused.contains(why), "{name} = {value}: {refused}");
    }
}

#[test]
fn options_that_may_be_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().display().to_string();
    assert_eq!(told(&[]), Ok(()));
    let all = [
        (
            "lists",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/ads.txt"),
        ),
        ("rules.0", "||ads.example^"),
        ("rules.1", "@@||ads.example/ok^"),
        ("keep", &keep),
        ("refresh", "3600"),
        ("clients.on.0", "192.0.2.0/24"),
        ("clients.off.0", "2001:db8::1"),
        ("switch", "X-Ads"),
        ("tunnels", "pass"),
        ("sample", "0"),
        ("explain", "true"),
        ("host", "blanks.invalid"),
    ];
    assert_eq!(told(&all), Ok(()));
}
