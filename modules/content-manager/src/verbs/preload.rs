//! Preloading: everything that a list, a file or a sitemap names is fetched, so many at a time.
//!
//! Sitemaps are fetched through the cache like everything else, and read from there; an index leads to others
//! (<https://www.sitemaps.org/protocol.html>). Invariant: what is read ahead is one name, and a step reads a bounded part of the source, so
//! neither a long list nor a sitemap holds anybody up. Awkward case: a step whose part names nothing has nothing to wait for; it asks for
//! the statistics, only to be called again.

use super::run::Step;
use super::{Name, Told, url_of};
use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use understudy_module::{Completion, ObjectId, Operation};

/// Lines or parts of a sitemap that a step looks at.
const STEP: usize = 1000;
/// Bytes of a sitemap when it is unpacked: what the protocol allows.
const LARGEST: u64 = 50 * 1024 * 1024;
/// Sitemaps of one preloading, and how deep its elements may be.
const MOST_MAPS: usize = 1000;
const DEEPEST: usize = 8;
/// Bytes of a line.
const LONGEST: u64 = 8192;
/// The mark of what is not a fetch of a page.
const APART: u16 = u16::MAX;

type Text = Box<dyn BufRead + Send>;

/// Where names come from.
enum Source {
    List(std::vec::IntoIter<String>),
    Lines(Text),
    Map(Box<Sitemap>),
}

/// What comes from there.
enum Item {
    Page(String),
    Map(String),
    /// Nothing that names anything.
    Other,
    End,
}

/// One preloading.
pub(super) struct Preload {
    source: Option<Source>,
    /// Sitemaps that are still to be read, and how many there were.
    maps: VecDeque<ObjectId>,
    maps_met: usize,
    /// The sitemap that is fetched, or then read.
    map: Option<ObjectId>,
    /// Whether an operation with the mark of its own is under way.
    apart: bool,
    /// What is fetched, by mark.
    flying: Vec<Option<String>>,
    stored: u64,
    passed: u64,
    failed: u64,
}

impl std::fmt::Debug for Preload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preload").finish_non_exhaustive()
    }
}

impl Preload {
    pub(super) fn new(
        urls: Vec<String>,
        sitemap: Option<ObjectId>,
        file: Option<File>,
        parallel: u16,
    ) -> Result<Preload, String> {
        let source = match file {
            Some(_) if !urls.is_empty() || sitemap.is_some() => {
                return Err("say one of urls, sitemap and file".to_owned());
            }
            Some(file) => Some(Source::of(Box::new(BufReader::new(file)), false)?),
            None if urls.is_empty() && sitemap.is_none() => {
                return Err("say what is to be preloaded: urls, a sitemap or a file".to_owned());
            }
            None => Some(Source::List(urls.into_iter())),
        };
        Ok(Preload {
            source,
            maps_met: 1,
            maps: sitemap.into_iter().collect(),
            map: None,
            apart: false,
            flying: vec![None; usize::from(parallel.clamp(1, APART - 1))],
            stored: 0,
            passed: 0,
            failed: 0,
        })
    }

    fn progress(&self, over: bool) -> Told {
        Told::Progress {
            done: self.stored + self.passed + self.failed,
            stored: self.stored,
            passed: self.passed,
            failed: self.failed,
            over,
        }
    }

    fn trouble(&mut self, step: &mut Step, what: &str, why: impl Into<String>) {
        self.failed += 1;
        step.told.push(Told::Trouble(what.to_owned(), why.into()));
    }

    fn ask(&mut self, step: &mut Step, operation: Operation) {
        self.apart = true;
        step.submit.push((APART, operation));
    }

    /// Fills the places that are free; says when all is done.
    pub(super) fn go(&mut self, step: &mut Step) {
        let mut left = STEP;
        while let Some(place) = self.flying.iter().position(Option::is_none) {
            let Some(source) = &mut self.source else {
                break;
            };
            if left == 0 {
                break;
            }
            left -= 1;
            match source.next() {
                Ok(Item::Page(url)) => match Name::try_from(url.clone()) {
                    Ok(Name(object)) => {
                        if let (Some(free), Ok(mark)) =
                            (self.flying.get_mut(place), u16::try_from(place))
                        {
                            *free = Some(url);
                            step.submit.push((mark, Operation::Fetch(object)));
                        }
                    }
                    Err(why) => self.trouble(step, &url, why),
                },
                Ok(Item::Map(url)) => match Name::try_from(url.clone()) {
                    Ok(_) if self.maps_met >= MOST_MAPS => {
                        self.trouble(step, &url, format!("more than {MOST_MAPS} sitemaps"));
                    }
                    Ok(Name(object)) => {
                        self.maps_met += 1;
                        self.maps.push_back(object);
                    }
                    Err(why) => self.trouble(step, &url, why),
                },
                Ok(Item::Other) => {}
                Ok(Item::End) => self.source = None,
                Err(why) => {
                    self.source = None;
                    self.trouble(step, "the list", why);
                }
            }
        }
        if self.source.is_none() && self.map.is_none() {
            if let Some(next) = self.maps.pop_front() {
                self.map = Some(next.clone());
                self.ask(step, Operation::Fetch(next));
            }
        }
        if !self.apart && self.flying.iter().all(Option::is_none) {
            if self.source.is_some() {
                return self.ask(step, Operation::Statistics);
            }
            step.told.push(self.progress(true));
            step.over = true;
        }
    }

    pub(super) fn completed(&mut self, mark: u16, completion: Completion, step: &mut Step) {
        if mark == APART {
            self.apart = false;
            if let Some(map) = self.map.take() {
                self.mapped(map, completion, step);
            }
        } else if let Some(url) = self
            .flying
            .get_mut(usize::from(mark))
            .and_then(Option::take)
        {
            match completion {
                // Confirmed is as good as stored.
                Completion::Fetched { stored: true, .. }
                | Completion::Fetched { status: 304, .. } => {
                    self.stored += 1;
                }
                Completion::Fetched { status, .. } if status < 400 => self.passed += 1,
                Completion::Fetched { status, .. } => {
                    self.trouble(step, &url, format!("status {status}"));
                }
                Completion::Failed(why) => self.trouble(step, &url, why),
                _ => self.trouble(step, &url, "not fetched"),
            }
            step.told.push(self.progress(false));
        }
        self.go(step);
    }

    /// A sitemap was fetched, or read.
    fn mapped(&mut self, map: ObjectId, completion: Completion, step: &mut Step) {
        let url = url_of(map.key());
        match completion {
            Completion::Fetched { status, stored } if stored || status == 304 => {
                self.ask(step, Operation::Read(map.clone()));
                self.map = Some(map);
            }
            Completion::Object(read) if read.status() == 200 => {
                let text = Cursor::new(read.body().clone());
                match Source::of(Box::new(text), true) {
                    Ok(source) => self.source = Some(source),
                    Err(why) => self.trouble(step, &url, why),
                }
            }
            Completion::Object(read) => {
                self.trouble(step, &url, format!("status {}", read.status()));
            }
            Completion::Fetched { status, .. } if status < 400 => {
                let why = "its origin does not let it be stored, so it cannot be read here: preload it from a file";
                self.trouble(step, &url, why);
            }
            Completion::Fetched { status, .. } => {
                self.trouble(step, &url, format!("status {status}"));
            }
            Completion::Failed(why) => self.trouble(step, &url, why),
            _ => self.trouble(step, &url, "it is not stored any more"),
        }
    }
}

impl Source {
    /// What these bytes are: packed or not, a sitemap, or a list with a name a line.
    fn of(mut text: Text, map: bool) -> Result<Source, String> {
        let unreadable = |why: std::io::Error| format!("cannot be read: {why}");
        if text
            .fill_buf()
            .map_err(unreadable)?
            .starts_with(&[0x1f, 0x8b])
        {
            text = Box::new(BufReader::new(MultiGzDecoder::new(text)));
        }
        text = Box::new(BufReader::new(text.take(LARGEST)));
        let start = text.fill_buf().map_err(unreadable)?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if start.trim_ascii_start().starts_with(b"<") {
            return Ok(Source::Map(Box::new(Sitemap::new(text))));
        }
        // A sitemap may be a list as well, but hardly a page that says it is not there.
        match map && !start.trim_ascii_start().starts_with(b"http") {
            true => Err("is no sitemap".to_owned()),
            false => Ok(Source::Lines(text)),
        }
    }

    fn next(&mut self) -> Result<Item, String> {
        match self {
            Source::List(urls) => Ok(urls.next().map_or(Item::End, Item::Page)),
            Source::Lines(text) => {
                let mut line = Vec::new();
                let read = text.take(LONGEST).read_until(b'\n', &mut line);
                match read.map_err(|why| format!("cannot be read: {why}"))? {
                    0 => Ok(Item::End),
                    read if read as u64 == LONGEST => Err("a line is too long".to_owned()),
                    _ => Ok(match line.trim_ascii() {
                        [] | [b'#', ..] => Item::Other,
                        url => Item::Page(String::from_utf8_lossy(url).into_owned()),
                    }),
                }
            }
            Source::Map(map) => map.next(),
        }
    }
}

/// A sitemap, or an index of such, read part by part.
struct Sitemap {
    reader: Reader<Text>,
    buffer: Vec<u8>,
    /// The elements that are open, and the text in the innermost.
    open: Vec<String>,
    text: String,
}

impl Sitemap {
    fn new(text: Text) -> Sitemap {
        Sitemap {
            reader: Reader::from_reader(text),
            buffer: Vec::new(),
            open: Vec::new(),
            text: String::new(),
        }
    }

    /// The next part of it. Only `loc` in `url` and in `sitemap` names anything: images and videos have such elements of their own.
    fn next(&mut self) -> Result<Item, String> {
        self.buffer.clear();
        let malformed = |why: &dyn std::fmt::Display| format!("is no sitemap: {why}");
        let event = self.reader.read_event_into(&mut self.buffer);
        match event.map_err(|why| malformed(&why))? {
            Event::Start(start) => {
                if self.open.len() >= DEEPEST {
                    return Err(malformed(&"elements are in each other too deep"));
                }
                let name = start.local_name();
                self.open.push(name_of(name.as_ref()));
                self.text.clear();
            }
            Event::Text(text) => add(&mut self.text, &self.open, &text)?,
            Event::CData(text) => add(&mut self.text, &self.open, &text)?,
            Event::GeneralRef(reference) => {
                let named = match &*reference {
                    "amp" => Some('&'),
                    "lt" => Some('<'),
                    "gt" => Some('>'),
                    "quot" => Some('"'),
                    "apos" => Some('\''),
                    _ => reference
                        .resolve_char_ref()
                        .map_err(|why| malformed(&why))?,
                };
                let named = named.ok_or_else(|| malformed(&"an entity that is not known"))?;
                add(&mut self.text, &self.open, named.encode_utf8(&mut [0; 4]))?;
            }
            Event::End(_) => {
                let ended = self.open.pop();
                let parent = self.open.last().map(String::as_str);
                if ended.as_deref() == Some("loc") {
                    let url = std::mem::take(&mut self.text).trim().to_owned();
                    return Ok(match parent {
                        Some("url") => Item::Page(url),
                        Some("sitemap") => Item::Map(url),
                        _ => Item::Other,
                    });
                }
            }
            Event::Eof if self.open.is_empty() => return Ok(Item::End),
            Event::Eof => return Err(malformed(&"it ends early")),
            _ => {}
        }
        Ok(Item::Other)
    }
}

/// Adds to the text of an element, if that is of interest.
fn add(text: &mut String, open: &[String], more: &str) -> Result<(), String> {
    if open.last().is_some_and(|open| open == "loc") {
        if text.len() + more.len() > LONGEST as usize {
            return Err("is no sitemap: a URL is too long".to_owned());
        }
        text.push_str(more);
    }
    Ok(())
}

fn name_of(name: impl AsRef<[u8]>) -> String {
    String::from_utf8_lossy(name.as_ref()).into_owned()
}
