//! Where the names of a preloading come from: a list, lines, a sitemap; the latter two packed or not.
//!
//! Invariant: one call reads one line or one part of a sitemap, and nothing that is read is kept but what is named. Awkward case: a
//! sitemap may be anything that an origin says is one, so what it unpacks to, how deep it is and how long a name may be are bounded.

use super::words::written;
use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a sitemap when it is unpacked: what the protocol allows.
const LARGEST: u64 = 50 * 1024 * 1024;
/// How deep the elements of a sitemap may be.
const DEEPEST: usize = 8;
/// Bytes of a comment, or of another part.
const LARGEST_PART: u64 = 1024 * 1024;
/// Bytes of a line.
const LONGEST: u64 = 8192;

/// What is unpacked, with its bounds: what is larger cannot be read, rather than being cut where it looks whole.
pub(super) struct Text {
    from: Box<dyn BufRead + Send>,
    left: u64,
    part: u64,
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.from.fill_buf()?;
        let most = self.left.min(self.part);
        match (bytes.is_empty(), most) {
            (false, 0) if self.left == 0 => Err(io::Error::other("it has more than 50 MiB")),
            (false, 0) => Err(io::Error::other("a part of it is too long")),
            _ => {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                Ok(bytes.get(..most).unwrap_or(bytes))
            }
        }
    }

    fn consume(&mut self, amount: usize) {
        self.from.consume(amount);
        self.left = self.left.saturating_sub(amount as u64);
        self.part = self.part.saturating_sub(amount as u64);
    }
}

impl Read for Text {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

/// Where names come from.
pub(super) enum Source {
    List(std::vec::IntoIter<String>),
    /// Whether they are a person's, who may name other parts of the cache.
    Lines(Text, bool),
    Map(Box<Sitemap>),
}

/// What comes from there.
pub(super) enum Item {
    Page(String),
    Map(String),
    /// Nothing that names anything.
    Other,
    End,
}

impl Source {
    /// What these bytes are: packed or not, a sitemap, or a list with a name a line.
    pub(super) fn of(mut text: Box<dyn BufRead + Send>, map: bool) -> Result<Source, String> {
        let unreadable = |why: std::io::Error| format!("cannot be read: {why}");
        if text
            .fill_buf()
            .map_err(unreadable)?
            .starts_with(&[0x1f, 0x8b])
        {
            text = Box::new(BufReader::new(MultiGzDecoder::new(text)));
        }
        let mut text = Text {
            from: text,
            left: LARGEST,
            part: LARGEST_PART,
        };
        let start = text.fill_buf().map_err(unreadable)?;
        let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
        if start.trim_ascii_start().starts_with(b"<") {
            return Ok(Source::Map(Box::new(Sitemap::new(text))));
        }
        // A sitemap may be a list as well, but hardly a page that says it is not there.
        match map && !start.trim_ascii_start().starts_with(b"http") {
            true => Err("is no sitemap".to_owned()),
            false => Ok(Source::Lines(text, !map)),
        }
    }

    /// Bytes that it may still have.
    pub(super) fn left(&self) -> u64 {
        match self {
            Source::List(_) => 0,
            Source::Lines(text, _) => text.left,
            Source::Map(map) => map.reader.get_ref().left,
        }
    }

    pub(super) fn next(&mut self) -> Result<Item, String> {
        match self {
            Source::List(urls) => Ok(urls.next().map_or(Item::End, Item::Page)),
            Source::Lines(text, person) => {
                let mut line = Vec::new();
                text.part = LARGEST_PART;
                let read = text.take(LONGEST).read_until(b'\n', &mut line);
                match read.map_err(|why| format!("cannot be read: {why}"))? {
                    0 => Ok(Item::End),
                    read if read as u64 == LONGEST => Err("a line is too long".to_owned()),
                    _ => Ok(match line.trim_ascii() {
                        [] | [b'#', ..] => Item::Other,
                        url => {
                            let url = String::from_utf8_lossy(url);
                            Item::Page(if *person { written(&url) } else { url.into() })
                        }
                    }),
                }
            }
            Source::Map(map) => map.next(),
        }
    }
}

/// A sitemap, or an index of such, read part by part.
pub(super) struct Sitemap {
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
        self.reader.get_mut().part = LARGEST_PART;
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
                    if url.contains('\n') && matches!(parent, Some("url" | "sitemap")) {
                        // The name of another part of the cache would be read.
                        return Ok(Item::Page(url.replace('\n', " ")));
                    }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_too_long_is_not_cut_where_a_name_looks_whole() {
        let text = std::io::Cursor::new("http://a/1\nhttp://a/23");
        let mut source = Source::of(Box::new(text), false).unwrap();
        let Source::Lines(text, _) = &mut source else {
            panic!("no list");
        };
        text.left -= LARGEST - "http://a/1\nhttp://a/2".len() as u64;
        assert!(matches!(source.next(), Ok(Item::Page(url)) if url == "http://a/1"));
        let told = source.next().err().unwrap();
        assert!(told.contains("50 MiB"), "{told}");
    }
}
