//! Pages: text in paragraphs, lists and tables, with exactly what the world says they embed, in its order.
//!
//! Awkward case: the drawn size can be too small for the references. The page is then as long as they need.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    pool::Chain,
    text::Prose,
    words::Words,
};
use crate::{
    seed::Seed,
    world::{Object, World},
};
use smallvec::SmallVec;
use std::io::Write as _;

const HEAD: &[u8] =
    b"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>";
const BODY: &[u8] = b"</title>\n</head>\n<body>\n";
const END: &[u8] = b"</body>\n</html>\n";
const FRAME: usize = HEAD.len() + 16 + BODY.len() + END.len();
const OPEN: &[u8] = b"<p>";
const CLOSE: &[u8] = b"</p>\n";

/// Pages with more room than this link to others.
const LINKS_FROM: u64 = 2048;

/// Blocks between references.
pub(super) fn blocks(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "html");
    Chain::new(2 << 20, |out| match dice.below(8) {
        0 => {
            out.extend_from_slice(b"<h2 class=\"section-title\">");
            out.extend_from_slice(words.phrase(&mut dice, 3).as_bytes());
            out.extend_from_slice(b"</h2>\n");
        }
        1 => {
            out.extend_from_slice(b"<ul class=\"list list-plain\">\n");
            for _ in 0..2 + dice.below(5) {
                out.extend_from_slice(b"<li class=\"list-item\">");
                out.extend_from_slice(words.phrase(&mut dice, 4).as_bytes());
                out.extend_from_slice(b"</li>\n");
            }
            out.extend_from_slice(b"</ul>\n");
        }
        2 if dice.one_in(3) => {
            out.extend_from_slice(b"<table class=\"figures\">\n");
            for _ in 0..2 + dice.below(4) {
                // Writing to a vector does not fail.
                let _ = writeln!(
                    out,
                    "<tr><td class=\"label\">{}</td><td class=\"number\">{}</td></tr>",
                    words.phrase(&mut dice, 2),
                    dice.below(10_000)
                );
            }
            out.extend_from_slice(b"</table>\n");
        }
        _ => {
            out.extend_from_slice(b"<p class=\"section-text\">");
            for place in 0..1 + dice.below(4) {
                if place > 0 {
                    out.push(b' ');
                }
                if dice.one_in(6) {
                    let _ = write!(out, "<em>{}</em> &mdash; ", words.phrase(&mut dice, 2));
                }
                words.sentence(&mut dice, out);
            }
            out.extend_from_slice(CLOSE);
        }
    })
}

/// What the page embeds, as markup, each with where it ends.
#[derive(Debug)]
struct References {
    markup: Vec<u8>,
    ends: SmallVec<[usize; 24]>,
}

impl References {
    fn new(world: &World, page: Object) -> Self {
        let embedded = world.embedded(page);
        let mut markup = Vec::with_capacity(embedded.len() * 80);
        let mut ends = SmallVec::new();
        for object in embedded {
            let path = world.path(object);
            let _ = if world.ad(object) {
                writeln!(
                    markup,
                    "<a class=\"ad\" href=\"#\"><img src=\"{path}\" alt=\"\"></a>"
                )
            } else {
                writeln!(markup, "<img src=\"{path}\" alt=\"\">")
            };
            ends.push(markup.len());
        }
        Self { markup, ends }
    }

    fn len(&self, size: u64) -> u64 {
        size.max((FRAME + self.markup.len()) as u64)
    }
}

/// Bytes of the page.
pub(super) fn length(world: &World, page: Object, size: u64) -> u64 {
    References::new(world, page).len(size)
}

/// The page.
pub(super) fn put(
    maker: &mut Maker,
    world: &World,
    page: Object,
    tag: Tag,
    size: u64,
    blocks: &Chain,
    prose: &Prose,
) {
    let references = References::new(world, page);
    let len = references.len(size);
    maker.own(HEAD).own(&tag.hex()).own(BODY);
    let behind = |rest: usize| (rest + END.len()) as u64;
    let room = |maker: &Maker, rest: usize| len.saturating_sub(maker.len() + behind(rest));

    let all = references.markup.len();
    if room(maker, all) > LINKS_FROM {
        links(maker, world, page, tag);
    }
    let parts = references.ends.len() as u64 + 1;
    let (mut begun, mut next) = (0, tag.choice(1));
    for (place, &end) in references.ends.iter().enumerate() {
        // An even share of what is left, so what a cut leaves over goes to the parts behind.
        let share = room(maker, all - begun) / (parts - place as u64);
        next = blocks.put(maker, next, share);
        maker.own(&references.markup[begun..end]);
        begun = end;
    }
    let share = room(maker, 0);
    blocks.put(maker, next, share);
    let missing = room(maker, 0);
    let around = (OPEN.len() + CLOSE.len()) as u64;
    if missing > around {
        maker.own(OPEN);
        prose.put(maker, tag.choice(2), missing - around);
        maker.own(CLOSE);
    } else {
        maker.fill(b'\n', missing);
    }
    maker.own(END);
}

/// Links to other pages of the same kind, the ones asked for first.
fn links(maker: &mut Maker, world: &World, page: Object, tag: Tag) {
    maker.own(b"<nav>\n");
    for n in 0..3 {
        let id = tag.choice(10 + n) % 1000;
        let path = world.path(Object { id, ..page });
        maker.own(b"<a href=\"").own(path.as_bytes());
        maker.own(b"\">").own(path.as_bytes()).own(b"</a>\n");
    }
    maker.own(b"</nav>\n");
}
