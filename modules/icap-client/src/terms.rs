//! What a service says of itself in answer to OPTIONS (RFC 3507 section 4.10.2).
//!
//! Invariant: whatever it says, the terms are usable: numbers that are none are as if they were not there.

use crate::wire::{IcapHead, Method};
use std::time::Duration;

/// Longest time for which options are believed, however long a server says.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// How long they are believed when it does not say: section 4.10.2 has them never expire.
const USUAL: Duration = Duration::from_secs(60 * 60);

/// The terms of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    methods: String,
    pub(crate) preview: Option<usize>,
    pub(crate) allow_204: bool,
    pub(crate) allow_206: bool,
    pub(crate) max_connections: Option<usize>,
    pub(crate) ttl: Duration,
    pub(crate) istag: String,
    pub(crate) wants_client: bool,
    transfer: Vec<(String, Transfer)>,
}

/// How files with some extension are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// With a preview.
    Preview,
    /// Not sent at all.
    Ignore,
    /// Without a preview.
    Complete,
}

impl Terms {
    /// Reads an answer to OPTIONS.
    pub(crate) fn of(head: &IcapHead) -> Terms {
        let get = |name| head.get(name).unwrap_or_default().trim();
        let number = |name| get(name).parse::<usize>().ok();
        let allows = |code| list(&head.list("Allow")).any(|one| one == code);
        let mut transfer = Vec::new();
        for (name, kind) in [
            ("Transfer-Preview", Transfer::Preview),
            ("Transfer-Ignore", Transfer::Ignore),
            ("Transfer-Complete", Transfer::Complete),
        ] {
            transfer.extend(list(&head.list(name)).map(|ext| (ext.to_ascii_lowercase(), kind)));
        }
        let ttl = number("Options-TTL").map(|seconds| Duration::from_secs(seconds as u64));
        Terms {
            methods: head.list("Methods").to_ascii_uppercase(),
            preview: number("Preview"),
            allow_204: allows("204"),
            allow_206: allows("206"),
            max_connections: number("Max-Connections").filter(|most| *most > 0),
            ttl: ttl.unwrap_or(USUAL).min(LONGEST),
            istag: get("ISTag").trim_matches('"').to_owned(),
            wants_client: list(&head.list("X-Include"))
                .any(|one| one.eq_ignore_ascii_case("X-Client-IP")),
            transfer,
        }
    }

    /// Whether it adapts what this method is for.
    pub(crate) fn does(&self, method: Method) -> bool {
        list(&self.methods).any(|one| one == method.word())
    }

    /// How a file of this URL is handled. An extension that is in no list is handled as `*` is (section 4.10.2).
    pub(crate) fn transfer(&self, url: &[u8]) -> Transfer {
        let extension = extension(url);
        let of = |wanted: &str| {
            let mut known = self.transfer.iter();
            known.find(|(ext, _)| ext == wanted).map(|(_, kind)| *kind)
        };
        let named = extension.as_deref().and_then(of);
        named.or_else(|| of("*")).unwrap_or(Transfer::Preview)
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|one| !one.is_empty())
}

/// The extension of the last segment of a URL's path.
fn extension(url: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(url);
    let path = text.split(['?', '#']).next()?;
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let (_, file) = path.rsplit_once('/')?;
    let (_, extension) = file.rsplit_once('.')?;
    Some(extension.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::{Answer, Event};

    fn terms(lines: &str) -> Terms {
        let text = format!("ICAP/1.0 200 OK\r\n{lines}\r\n");
        match Answer::default().next(&mut text.as_bytes().into()).unwrap() {
            Some(Event::Icap(head)) => Terms::of(&head),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_service_says_is_read() {
        let terms = terms(
            "Methods: RESPMOD, REQMOD\r\nISTag: \"A-1\"\r\nPreview: 1024\r\nAllow: 204, 206\r\nOptions-TTL: 60\r\n\
             Max-Connections: 7\r\nX-Include: X-Client-IP, X-Server-IP\r\n",
        );
        assert!(terms.does(Method::Respmod) && terms.does(Method::Reqmod));
        assert_eq!(
            (terms.preview, terms.max_connections),
            (Some(1024), Some(7))
        );
        assert!(terms.allow_204 && terms.allow_206 && terms.wants_client);
        assert_eq!(
            (terms.ttl, terms.istag.as_str()),
            (Duration::from_secs(60), "A-1")
        );
    }

    #[test]
    fn a_list_may_be_cut_into_lines() {
        let terms = terms(
            "Methods: RESPMOD\r\nMethods: REQMOD\r\nAllow: 204\r\nAllow: 206\r\nTransfer-Ignore: gif\r\nTransfer-Ignore: jpg\r\n",
        );
        assert!(terms.does(Method::Respmod) && terms.does(Method::Reqmod));
        assert!(terms.allow_204 && terms.allow_206);
        for url in ["http://a.test/x.gif", "http://a.test/x.jpg"] {
            assert_eq!(terms.transfer(url.as_bytes()), Transfer::Ignore, "{url}");
        }
    }

    #[test]
    fn nonsense_is_as_if_it_were_not_there() {
        let terms = terms(
            "Preview: -1\r\nMax-Connections: 0\r\nOptions-TTL: 99999999999999999999\r\nMethods: OPTIONS\r\n",
        );
        assert_eq!(
            (terms.preview, terms.max_connections, terms.ttl),
            (None, None, USUAL)
        );
        assert!(!terms.does(Method::Respmod));
    }

    #[test]
    fn extensions_decide_and_the_star_stands_for_the_rest() {
        let terms =
            terms("Transfer-Preview: *\r\nTransfer-Ignore: gif, JPG\r\nTransfer-Complete: exe\r\n");
        for (url, expected) in [
            ("http://a.test/x.gif", Transfer::Ignore),
            ("http://a.test/x.JPG?y=z.exe", Transfer::Ignore),
            ("http://a.test/d.gif/x.exe", Transfer::Complete),
            ("http://a.test/x.html", Transfer::Preview),
            ("http://a.test/", Transfer::Preview),
            ("http://a.gif", Transfer::Preview),
        ] {
            assert_eq!(terms.transfer(url.as_bytes()), expected, "{url}");
        }
        assert_eq!(
            super::Terms::default().transfer(b"http://a.test/x.gif"),
            Transfer::Preview
        );
    }
}
