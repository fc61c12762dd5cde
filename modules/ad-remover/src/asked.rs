//! What a request asks for: the type that rules speak of, and the kind of blank that stands in for it.
//!
//! Invariant: a guess is never worse than no type. `Sec-Fetch-Dest` says it outright, but browsers send it to https and to this
//! machine only; then the first range of Accept says it for images, styles, media and pages; then the ending of the path.
//! Awkward case: scripts are asked for with `*/*`, as much else is. What a page refers to and nothing else is known of is taken for
//! a script, the commonest of them.

use understudy_module::Transaction;

/// What stands in for an answer, and what answers are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Image,
    Script,
    Style,
    Page,
    Media,
    Data,
    Other,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Kind; 7] = [
        Kind::Image,
        Kind::Script,
        Kind::Style,
        Kind::Page,
        Kind::Media,
        Kind::Data,
        Kind::Other,
    ];

    /// Its name, in options, counters and notes.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::Script => "script",
            Kind::Style => "style",
            Kind::Page => "page",
            Kind::Media => "media",
            Kind::Data => "data",
            Kind::Other => "other",
        }
    }

    /// Of a request of this type, in the words of the rules.
    pub(crate) fn of(r#type: &str) -> Kind {
        match r#type {
            "image" => Kind::Image,
            "script" => Kind::Script,
            "stylesheet" => Kind::Style,
            "document" | "subdocument" | "object" => Kind::Page,
            "media" => Kind::Media,
            "xmlhttprequest" => Kind::Data,
            _ => Kind::Other,
        }
    }
}

/// A field as text; empty when it is absent or none.
pub(crate) fn text<'a>(tx: &'a Transaction<'_>, name: &str) -> &'a str {
    let value = tx.find(name).unwrap_or_default();
    std::str::from_utf8(value).unwrap_or_default().trim()
}

/// The media type of a path's ending, such as `image/png`; empty when it says nothing.
pub(crate) fn by_ending(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    mime_guess::from_path(name).first_raw().unwrap_or_default()
}

/// The type of the request, in the words of the rules (`image`, `script`, ...).
pub(crate) fn of(tx: &Transaction<'_>, url: &str) -> &'static str {
    let has_page = !text(tx, "Referer").is_empty();
    if tx.find("Ping-To").is_some() || text(tx, "Content-Type") == "text/ping" {
        return "ping";
    }
    if text(tx, "Upgrade").eq_ignore_ascii_case("websocket") {
        return "websocket";
    }
    by_destination(text(tx, "Sec-Fetch-Dest"))
        .or_else(|| by_media(first_range(text(tx, "Accept")), has_page))
        .or_else(|| by_media(by_ending(url), has_page))
        .unwrap_or(match text(tx, "X-Requested-With") {
            "XMLHttpRequest" => "xmlhttprequest",
            _ if has_page => "script",
            _ => "other",
        })
}

/// Fetch Metadata Request Headers, section 2.1: the destinations of Fetch.
fn by_destination(destination: &str) -> Option<&'static str> {
    Some(match destination {
        "image" => "image",
        "script" | "worker" | "sharedworker" | "serviceworker" | "audioworklet"
        | "paintworklet" => "script",
        "style" => "stylesheet",
        "document" => "document",
        "iframe" | "frame" | "fencedframe" => "subdocument",
        "audio" | "video" | "track" => "media",
        "font" => "font",
        "object" | "embed" => "object",
        "empty" | "json" => "xmlhttprequest",
        "websocket" => "websocket",
        _ => return None,
    })
}

/// The media range that stands first (RFC 9110 section 12.5.1): browsers begin with what they want.
fn first_range(accept: &str) -> &str {
    let end = accept.find([',', ';']).unwrap_or(accept.len());
    accept[..end].trim()
}

fn by_media(media: &str, has_page: bool) -> Option<&'static str> {
    Some(match media.split_once('/')? {
        ("image", _) => "image",
        ("audio" | "video", _) => "media",
        ("font", _) => "font",
        ("text", "css") => "stylesheet",
        (_, "javascript" | "x-javascript") => "script",
        // Who follows a link and who fills a frame ask alike. Without a page before it, it was typed.
        ("text", "html") if has_page => "subdocument",
        ("text", "html") => "document",
        (_, "json" | "xml") => "xmlhttprequest",
        _ => return None,
    })
}
