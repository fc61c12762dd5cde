//! What is answered instead of an advertisement: objects of a host that does not exist, which lie in the cache as any other.
//!
//! The host is below `invalid`, a name that no resolver knows (RFC 6761 section 6.4), so nobody's objects are in the way. The module
//! is their origin: it stores them when it is loaded ([`Blanks::store`]) and, where one was evicted, purged or never stored (the
//! part of a reverse listener), answers the miss itself and stores it again. Awkward case: what clients keep. They are told an hour,
//! the cache a year: who is switched off soon sees the original.

use crate::asked::{self, Kind};
use std::hash::{DefaultHasher, Hash, Hasher};
use understudy_module::{Bytes, Host, ObjectId, Operation, Response};

/// Name, kind, media type, bytes.
type Shipped = (&'static str, Kind, &'static str, &'static [u8]);

/// What their paths begin with: on no host is there anything else of this name.
const PATH: &str = "ad-remover";

macro_rules! blank {
    ($name:literal, $kind:ident, $type:literal) => {
        (
            $name,
            Kind::$kind,
            $type,
            include_bytes!(concat!("../blanks/", $name)),
        )
    };
}

/// The blanks that are shipped. The first of a kind is the one for requests that say no more than the kind.
const SHIPPED: [Shipped; 12] = [
    blank!("image.gif", Image, "image/gif"),
    blank!("image.png", Image, "image/png"),
    blank!("image.jpg", Image, "image/jpeg"),
    blank!("image.webp", Image, "image/webp"),
    blank!("image.svg", Image, "image/svg+xml"),
    blank!("script.js", Script, "text/javascript"),
    blank!("style.css", Style, "text/css"),
    blank!("page.html", Page, "text/html; charset=utf-8"),
    blank!("media.wav", Media, "audio/wav"),
    blank!("data.json", Data, "application/json"),
    blank!("data.xml", Data, "text/xml"),
    blank!("empty.txt", Other, "text/plain"),
];

/// The answers.
#[derive(Debug)]
pub(crate) struct Blanks {
    host: String,
    all: Vec<Blank>,
}

#[derive(Debug)]
struct Blank {
    name: &'static str,
    /// Its name, and what tells preferred content from other that was stored before under the same name.
    path: String,
    answer: Response,
}

impl Blanks {
    /// The blanks of this host, those of some kinds replaced by other content.
    ///
    /// # Errors
    /// When a content has no media type that could be told.
    pub(crate) fn new(
        host: &str,
        preferred: &[(Kind, &'static str, Bytes)],
    ) -> Result<Blanks, String> {
        let blank = |(name, kind, r#type, bytes): &Shipped| {
            let preferred = preferred.iter().find(|(of, _, _)| of == kind);
            let (r#type, body) = preferred.map_or_else(
                || (*r#type, Bytes::from_static(bytes)),
                |(_, r#type, body)| (*r#type, body.clone()),
            );
            let mut hasher = DefaultHasher::new();
            body.hash(&mut hasher);
            let tag = format!("{:016x}", hasher.finish());
            let path = preferred.map_or_else(|| (*name).to_owned(), |_| format!("{name}?{tag}"));
            let answer = answer(r#type, &tag, body)?;
            Ok(Blank { name, path, answer })
        };
        Ok(Blanks {
            host: host.to_owned(),
            all: SHIPPED.iter().map(blank).collect::<Result<_, String>>()?,
        })
    }

    /// The blank for a request of this kind: of the media type its ending tells, else of the one it accepts.
    pub(crate) fn name(kind: Kind, url: &str, accept: &str) -> &'static str {
        let mut of_kind = SHIPPED.iter().filter(|(_, of, _, _)| *of == kind);
        let ending = asked::by_ending(url);
        let says =
            |r#type: &str| r#type == ending || (kind == Kind::Data && accept.contains(r#type));
        let (first, said) = (
            of_kind.clone().next(),
            of_kind.find(|(_, _, r#type, _)| says(r#type)),
        );
        said.or(first).map_or("empty.txt", |(name, ..)| name)
    }

    /// The URL of the blank of this name.
    pub(crate) fn url(&self, name: &str) -> String {
        let path = self.of(name).map_or(name, |blank| &blank.path);
        format!("http://{}/{PATH}/{path}", self.host)
    }

    fn of(&self, name: &str) -> Option<&Blank> {
        self.all.iter().find(|blank| blank.name == name)
    }

    /// The host they are of.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The path of the blank in a key; `None` when it is another object's. A reverse listener may have put a host of its own into it: then
    /// the path tells.
    pub(crate) fn named<'a>(&self, key: &'a [u8]) -> Option<&'a str> {
        let key = std::str::from_utf8(key).ok()?;
        let (url, part) = key.split_once('\n').unwrap_or((key, ""));
        let (authority, path) = url.strip_prefix("http://")?.split_once('/')?;
        let is_ours = authority.strip_suffix(":80") == Some(self.host.as_str());
        let path = path.strip_prefix(PATH)?.strip_prefix('/')?;
        (is_ours || (!part.is_empty() && self.at(path).is_some())).then_some(path)
    }

    /// The answer at this path.
    pub(crate) fn at(&self, path: &str) -> Option<&Response> {
        let found = self.all.iter().find(|blank| blank.path == path);
        found.map(|blank| &blank.answer)
    }

    /// The answer of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Response> {
        self.of(name).map(|blank| &blank.answer)
    }

    /// Puts them into the cache, where forward and transparent listeners look.
    pub(crate) fn store(&self, host: &Host) {
        for blank in &self.all {
            if let Some(object) = host.object(&self.url(blank.name)) {
                submit(host, object, &blank.answer);
            }
        }
    }
}

/// Stores an answer under this name.
pub(crate) fn submit(host: &Host, object: ObjectId, response: &Response) {
    host.submit(0, Operation::Inject(object, Box::new(response.clone())));
}

fn answer(r#type: &str, tag: &str, body: Bytes) -> Result<Response, String> {
    let mut response = Response::new(200, body).map_err(|refused| refused.to_string())?;
    let etag = format!("\"{tag}\"");
    let fields = [
        ("Content-Type", r#type),
        ("Cache-Control", "public, max-age=3600, s-maxage=31536000"),
        ("ETag", &etag),
        // What isolates pages from others has nothing to fear of a blank; refused, it would be an error on the console.
        ("Access-Control-Allow-Origin", "*"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("Timing-Allow-Origin", "*"),
    ];
    for (name, value) in fields {
        let added = response.add(name.as_bytes(), value.as_bytes());
        added.map_err(|refused| format!("{name}: {value}: {refused}"))?;
    }
    Ok(response)
}
