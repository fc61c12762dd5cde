//! Looks for the point in a page as it streams by, with lol_html, which takes any cutting of the bytes and any HTML.
//!
//! The rewriter only looks: what it lets out is counted, and tells how far the bytes may go on, so that a tag whose end is still to come
//! is not given away before it is known what it is. Invariant: nothing is changed here, and once the point is found nothing is
//! parsed any more. Awkward case: a head that the page does not close, or does not have. HTML ends it before the first element
//! that has no place in one (HTML section 13.2.6.4.4), and so does this.

use crate::options::{Options, Position};
use encoding_rs::{Encoding, UTF_8};
use lol_html::send::{Element, HtmlRewriter, SendHandlerTypes, Settings};
use lol_html::{
    AsciiCompatibleEncoding, ElementContentHandlers, HandlerResult, MemorySettings, Selector,
};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most memory of one scan: a tag longer than this is not HTML that is worth a text.
const MEMORY: usize = 256 * 1024;

/// Most policies that a page's own elements may state.
const MAX_POLICIES: usize = 16;

/// What may be in a head (HTML section 13.2.6.4.4).
const IN_HEAD: [&str; 13] = [
    "html", "head", "base", "basefont", "bgsound", "link", "meta", "noframes", "noscript",
    "script", "style", "template", "title",
];

/// What a page said of itself before the point.
#[derive(Debug, Default)]
pub(crate) struct Found {
    point: Option<usize>,
    /// The first encoding that an element names.
    pub(crate) charset: Option<&'static Encoding>,
    /// Content-Security-Policies of its elements.
    pub(crate) policies: Vec<String>,
    /// Templates that are open: what is in them is not on the page.
    templates: usize,
}

/// What is let out.
type Sink = Box<dyn FnMut(&[u8]) + Send>;

type Shared = Arc<Mutex<Found>>;

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scanned {
    /// All up to here may go on.
    To(usize),
    /// The point is here.
    Point(usize),
    /// The page cannot be read on.
    Lost,
}

/// A page being looked at. Places are counted from its first byte.
pub(crate) struct Scanner {
    /// In a box: it is taken out and put back with each piece.
    rewriter: Option<Box<HtmlRewriter<'static, Sink>>>,
    found: Shared,
    out: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Scanner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scanner")
    }
}

/// Sets the point and ends the scan.
fn point(found: &Shared, at: usize) -> HandlerResult {
    lock(found).point.get_or_insert(at);
    Err("the point is found".into())
}

fn lock(found: &Shared) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The text goes in where the position says, which for two of them is where the element ends.
fn matched(el: &mut Element<'_, '_>, position: Position, found: &Shared) -> HandlerResult {
    let tag: Range<usize> = el.source_location().bytes();
    let found = found.clone();
    match (position, el.end_tag_handlers()) {
        (Position::Before, _) => point(&found, tag.start),
        (Position::Prepend, Some(_)) => point(&found, tag.end),
        (Position::Append | Position::After, Some(handlers)) => {
            handlers.push(Box::new(move |end| {
                let tag = end.source_location().bytes();
                point(
                    &found,
                    if position == Position::After {
                        tag.end
                    } else {
                        tag.start
                    },
                )
            }));
            Ok(())
        }
        // An element without an end has nothing within.
        (Position::After, None) => point(&found, tag.end),
        (Position::Prepend | Position::Append, None) => Ok(()),
    }
}

/// What is no part of a head ends it.
fn within_head(el: &mut Element<'_, '_>, found: &Shared) -> HandlerResult {
    let name = el.tag_name();
    if name == "template"
        && let Some(handlers) = el.end_tag_handlers()
    {
        lock(found).templates += 1;
        let found = found.clone();
        handlers.push(Box::new(move |_| {
            lock(&found).templates -= 1;
            Ok(())
        }));
    } else if !IN_HEAD.contains(&&*name) && lock(found).templates == 0 {
        return point(found, el.source_location().bytes().start);
    }
    Ok(())
}

/// What a page says in place of header fields.
fn meta(el: &Element<'_, '_>, found: &Shared) {
    let mut found = lock(found);
    let named = el.get_attribute("http-equiv").unwrap_or_default();
    let content = el.get_attribute("content");
    let mut label = el.get_attribute("charset");
    if named.eq_ignore_ascii_case("content-security-policy") {
        if found.policies.len() < MAX_POLICIES {
            found.policies.extend(content);
        }
    } else if named.eq_ignore_ascii_case("content-type") {
        label = label.or_else(|| content.as_deref().and_then(charset_in).map(str::to_owned));
    }
    let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    // An element that can be read is not in UTF-16, whatever it says (HTML section 13.2.3.2).
    let encoding = encoding.map(|encoding| encoding.output_encoding());
    found.charset = found.charset.or(encoding);
}

/// The value of `charset` in a media type.
pub(crate) fn charset_in(kind: &str) -> Option<&str> {
    let parameters = kind.split(';').skip(1).map(str::trim);
    let mut values = parameters.filter_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches(['"', '\'']))
    });
    values.next()
}

type Handler = (
    Cow<'static, Selector>,
    ElementContentHandlers<'static, SendHandlerTypes>,
);

fn handler(
    selector: &Selector,
    on: impl FnMut(&mut Element<'_, '_>) -> HandlerResult + Send + 'static,
) -> Handler {
    (
        Cow::Owned(selector.clone()),
        ElementContentHandlers::default().element(on),
    )
}

impl Scanner {
    /// Begins. `encoding` is what the header says, if it does.
    pub(crate) fn new(options: &Options, encoding: Option<&'static Encoding>) -> Scanner {
        let found = Shared::default();
        let out = Arc::new(AtomicUsize::new(0));
        let encoding = AsciiCompatibleEncoding::new(encoding.unwrap_or(UTF_8));
        let (position, to) = (options.position, found.clone());
        let place = handler(&options.selector, move |el| matched(el, position, &to));
        let (head, to) = (options.head, found.clone());
        let beside = handler(&options.beside, move |el| {
            if el.tag_name() == "meta" {
                meta(el, &to);
            }
            if head { within_head(el, &to) } else { Ok(()) }
        });
        let settings = Settings::new_send()
            .with_memory_settings(MemorySettings::new().with_max_allowed_memory_usage(MEMORY))
            .with_encoding(encoding.unwrap_or_else(AsciiCompatibleEncoding::utf_8))
            .with_strict(false)
            .append_element_content_handler(place)
            .append_element_content_handler(beside);
        let count = out.clone();
        let sink: Sink = Box::new(move |bytes| {
            count.fetch_add(bytes.len(), Ordering::Relaxed);
        });
        Scanner {
            rewriter: Some(Box::new(HtmlRewriter::new(settings, sink))),
            found,
            out,
        }
    }

    /// Looks at more of the page.
    pub(crate) fn scan(&mut self, piece: &[u8]) -> Scanned {
        let Some(mut rewriter) = self.rewriter.take() else {
            return Scanned::Lost;
        };
        if rewriter.write(piece).is_ok() {
            self.rewriter = Some(rewriter);
            return Scanned::To(self.out.load(Ordering::Relaxed));
        }
        // After an error it must not be used again; ours is how a scan ends.
        match lock(&self.found).point {
            Some(at) => Scanned::Point(at),
            None => Scanned::Lost,
        }
    }

    /// What the page said of itself so far.
    pub(crate) fn found(&self) -> Found {
        std::mem::take(&mut *lock(&self.found))
    }
}
