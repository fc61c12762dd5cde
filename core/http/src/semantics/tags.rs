//! Tags: the names an origin gives a response, so that it can be purged by them.
//!
//! No RFC has them; three fields are in use, and each divides its value in its own way. All are read, all are for the cache alone, and
//! none of them goes on to a client. Invariant: tags are compared byte by byte, and an empty one is none.
//! Awkward case: `Cache-Tag` may hold spaces within a tag, the others may not; so one text can be one tag there and two elsewhere.

use crate::{Fields, Name};

/// Most tags of one response. One with more could not be purged by all of them, so it is not to be stored.
pub const MOST: usize = 1024;

/// Whether this field is for the cache alone.
pub fn is_tag_field(id: Name) -> bool {
    matches!(id, Name::SurrogateKey | Name::CacheTag | Name::Xkey)
}

/// Whether there is a field with tags, perhaps an empty one.
pub fn has(fields: Fields<'_>) -> bool {
    [Name::SurrogateKey, Name::CacheTag, Name::Xkey]
        .into_iter()
        .any(|id| fields.has(id))
}

/// The tags in a head, a response's or a purging request's, in order, repeated ones included.
pub fn of<'a>(fields: Fields<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    fields.iter().flat_map(|(id, _, value)| {
        let divides: fn(&u8) -> bool = match id {
            // Fastly: divided by spaces.
            Name::SurrogateKey => |b| is_space(*b),
            // Akamai, Cloudflare, Google: divided by commas.
            Name::CacheTag => |b| *b == b',',
            // Varnish: divided by either.
            Name::Xkey => |b| is_space(*b) || *b == b',',
            _ => return Tags::None,
        };
        Tags::Some(
            value
                .split(divides)
                .map(trimmed as fn(&'a [u8]) -> &'a [u8]),
        )
    })
}

/// The tags in a text, divided as in `xkey`: what a person writes on a command line.
pub fn in_text(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| is_space(*b) || *b == b',')
        .filter(|tag| !tag.is_empty())
}

type Divided<'a> =
    std::iter::Map<std::slice::Split<'a, u8, fn(&u8) -> bool>, fn(&'a [u8]) -> &'a [u8]>;

/// The tags of one line.
enum Tags<'a> {
    None,
    Some(Divided<'a>),
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Tags::None => None,
            Tags::Some(rest) => rest.find(|tag| !tag.is_empty()),
        }
    }
}

fn trimmed(tag: &[u8]) -> &[u8] {
    super::text::trim(tag)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}
