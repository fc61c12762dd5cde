//! The object of a world that is most like what a log says of a URL.
//!
//! Objects are functions of their numbers, so what has the log's size is found by trying numbers: nothing is told to the origin, and it
//! keeps no table.

use super::{
    entry::{Entry, Outcome, Verb},
    kinds::{Kind, kind},
};
use crate::world::{Format, Object, World};

/// Numbers tried for each URL: one of 64 sizes is nearly always within a few hundredths of the wanted one.
pub(super) const TRIES: u64 = 64;

/// First word of a replay's draws; far from the world's own.
pub(super) const REPLAY: u64 = 0x7265_706c;

/// The object of a URL: of so many numbers, the one that is most like what the log says.
pub(super) fn object(world: &World, entry: &Entry<'_>, key: u64, tries: u64) -> Object {
    let workload = world.workload();
    let name = match kind(entry).0 {
        Kind::Html => "html",
        Kind::Image => "image",
        Kind::Other => "other",
        Kind::Download => "download",
    };
    // A kind that was asked for but never counted: its URL turned out to be of another kind later.
    let kind = workload.kind(name).unwrap_or(0);
    let whole = matches!(entry.status, 200 | 203) && entry.method == Verb::Get && !entry.aborted;
    let size = (whole && entry.body > 0).then_some(entry.body as f64);
    let format = format(entry);
    let cachable = match entry.outcome {
        Outcome::Hit | Outcome::Unmodified => Some(true),
        _ => entry.storable,
    };
    let unlike = |object: Object| {
        // Distances are of sizes' logarithms; a wrong format is as bad as a size off by half, a wrong cachability as one off by 20 times.
        size.map_or(0.0, |size| (world.size(object) as f64 / size).ln().abs())
            + if format.is_some_and(|f| f != world.format(object)) {
                0.4
            } else {
                0.0
            }
            + if cachable.is_some_and(|c| c != world.cachable(object)) {
                3.0
            } else {
                0.0
            }
    };
    let candidates = (0..tries).map(|n| Object {
        kind,
        id: world.seed().number(&[REPLAY, key, n]),
    });
    candidates
        .map(|object| (unlike(object), object))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or(Object { kind, id: key }, |found| found.1)
}

/// The format that the log's type, or the URL's ending, names.
fn format(entry: &Entry<'_>) -> Option<Format> {
    let bare = |text: &'static str| text.split(';').next().unwrap_or(text);
    if let Some(media) = entry.media.as_deref() {
        let media = media.split(|b| *b == b';').next().unwrap_or_default();
        let like = |f: &&Format| bare(f.media_type()).as_bytes().eq_ignore_ascii_case(media);
        return Format::ALL.iter().find(like).copied();
    }
    let path = entry.url.split(|b| *b == b'?').next().unwrap_or_default();
    let ends = |f: &&Format| {
        let end = f.extension().as_bytes();
        path.len() > end.len() && path.ends_with(end) && path[path.len() - end.len() - 1] == b'.'
    };
    Format::ALL.iter().find(ends).copied()
}
