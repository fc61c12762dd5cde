//! Text that is not markup: prose, style sheets, scripts, JSON and source code.
//!
//! All are put together the same way: a head with the version's number, whole blocks of a chain, and to the byte what is missing as
//! prose inside a comment (a string in JSON). So every body parses, and a cut in a comment harms nobody.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    pool::{Chain, wrapped},
    words::Words,
};
use crate::seed::Seed;
use bytes::Bytes;
use std::io::Write as _;

/// Bytes of a chain of text, and of prose.
const CHAIN: usize = 1 << 20;

/// Sentences without an end: what fills up to the byte.
#[derive(Debug)]
pub(super) struct Prose(Bytes);

impl Prose {
    pub(super) fn new(seed: Seed, words: &Words) -> Self {
        let mut dice = Dice::new(seed, "prose");
        let mut text = Vec::with_capacity(CHAIN + 200);
        while text.len() < CHAIN {
            words.sentence(&mut dice, &mut text);
            text.push(b' ');
        }
        Self(text.into())
    }

    /// All of it, for a digest.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds `len` bytes.
    pub(super) fn put(&self, maker: &mut Maker, choice: u64, len: u64) {
        wrapped(&self.0, maker, choice, 1, len);
    }
}

/// What a kind of text has around its blocks.
#[derive(Debug)]
pub(super) struct Shape {
    /// Before the number.
    head: &'static [u8],
    /// Behind the number, before the first block.
    begin: &'static [u8],
    /// Before the prose.
    open: &'static [u8],
    /// Behind the prose.
    close: &'static [u8],
    /// Behind all.
    end: &'static [u8],
}

pub(super) const PLAIN: Shape = Shape {
    head: b"No. ",
    begin: b"\n\n",
    open: b"",
    close: b"",
    end: b"\n",
};
pub(super) const CODE: Shape = Shape {
    head: b"/* ",
    begin: b" */\n",
    open: b"/*",
    close: b"*/",
    end: b"\n",
};
pub(super) const JSON: Shape = Shape {
    head: b"{\"id\":\"",
    begin: b"\",\"items\":[\n",
    open: b"null],\"note\":\"",
    close: b"\"",
    end: b"}",
};

impl Shape {
    /// The fewest bytes of a body.
    pub(super) fn smallest(&self) -> u64 {
        (self.head.len() + 16 + self.begin.len() + self.tail()) as u64
    }

    fn tail(&self) -> usize {
        self.open.len() + self.close.len() + self.end.len()
    }

    /// The body of `len` bytes, at least [`Shape::smallest`].
    pub(super) fn put(&self, maker: &mut Maker, tag: Tag, len: u64, chain: &Chain, prose: &Prose) {
        maker.own(self.head).own(&tag.hex()).own(self.begin);
        let tail = self.tail() as u64;
        let room = len.saturating_sub(maker.len() + tail);
        chain.put(maker, tag.choice(1), room);
        maker.own(self.open);
        let behind = (self.close.len() + self.end.len()) as u64;
        let missing = len.saturating_sub(maker.len() + behind);
        prose.put(maker, tag.choice(2), missing);
        maker.own(self.close).own(self.end);
    }
}

/// Paragraphs of prose, broken into lines.
pub(super) fn plain(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "plain");
    let mut paragraph = Vec::new();
    Chain::new(CHAIN, |out| {
        paragraph.clear();
        for _ in 0..1 + dice.below(5) {
            words.sentence(&mut dice, &mut paragraph);
            paragraph.push(b' ');
        }
        let mut column = 0;
        for word in paragraph
            .split(|&b| b == b' ')
            .filter(|word| !word.is_empty())
        {
            if column > 0 {
                let fits = column + word.len() < 72;
                out.push(if fits { b' ' } else { b'\n' });
                column = if fits { column + 1 } else { 0 };
            }
            out.extend_from_slice(word);
            column += word.len();
        }
        out.extend_from_slice(b"\n\n");
    })
}

/// Source code in C, as a compressor likes it.
pub(super) fn source(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "source");
    Chain::new(CHAIN, |out| {
        let [f, a, b, c] = [(); 4].map(|()| words.camel(&mut dice));
        let (n, m) = (dice.below(64), 1 << dice.below(12));
        let (about, fault) = (words.phrase(&mut dice, 7), words.phrase(&mut dice, 4));
        let t = dice.pick(&["int", "unsigned long", "char *", "struct list_head *"]);
        // Writing to a vector does not fail.
        let _ = match dice.below(3) {
            0 => writeln!(
                out,
                "/*\n * {about}\n */\nstatic int {f}(struct {a} *{b}, {t} {c})\n{{\n\tif (!{b} || {b}->flags & {n})\n\t\treturn -EINVAL;\n\n\tfor (int i = 0; i < {m}; i++) {{\n\t\t{b}->{c}[i] = {n};\n\t\tput_{a}({b}, i);\n\t}}\n\treturn 0;\n}}\n"
            ),
            1 => writeln!(
                out,
                "struct {a} {{\n\t{t} {b};\n\tint {c};\n\tint flags; /* {about} */\n}};\n\n#define MAX_{n} {m}\n"
            ),
            _ => writeln!(
                out,
                "{t} {f}(struct {a} *{b})\n{{\n\t{t} {c} = {b}->{a};\n\n\tif (unlikely({c} > {m}))\n\t\tpr_err(\"{fault}: %d\\n\", {n});\n\treturn {c};\n}}\nEXPORT_SYMBOL_GPL({f});\n"
            ),
        };
    })
}

/// Functions in JavaScript.
pub(super) fn script(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "script");
    Chain::new(CHAIN, |out| {
        let [f, a, b, c] = [(); 4].map(|()| words.camel(&mut dice));
        let (n, m) = (dice.below(100), dice.below(1000));
        let (id, say) = (words.phrase(&mut dice, 1), words.phrase(&mut dice, 4));
        let _ = match dice.below(3) {
            0 => writeln!(
                out,
                "function {f}({a}, {b}) {{\n  var {c} = {a}.{b} || {n};\n  if ({c} > {b}) {{\n    return \"{say}\";\n  }}\n  for (var i = 0; i < {c}.length; i += 1) {{\n    {c}[i] = {b}({a}[i], {m});\n  }}\n  return {c};\n}}"
            ),
            1 => writeln!(
                out,
                "document.addEventListener(\"{id}\", function (event) {{\n  var {a} = document.getElementById(\"{b}\");\n  if ({a} && event.target === {a}) {{\n    {a}.className = \"{say}\";\n    event.preventDefault();\n  }}\n}});"
            ),
            _ => writeln!(
                out,
                "window.{f} = {{\n  {a}: {n},\n  {b}: [{m}, {n}, \"{id}\"],\n  {c}: function (value) {{\n    return value === null ? this.{a} : value + {m}; // {say}\n  }}\n}};"
            ),
        };
    })
}

/// Rules of a style sheet.
pub(super) fn style(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "style");
    Chain::new(CHAIN / 2, |out| {
        let _ = write!(out, ".{}-{}", words.name(&mut dice), words.name(&mut dice));
        if dice.one_in(3) {
            let _ = write!(
                out,
                " > {}",
                dice.pick(&["a", "li", "p", "span", "img", "a:hover"])
            );
        }
        out.extend_from_slice(b" {\n");
        for _ in 0..1 + dice.below(5) {
            let n = dice.below(48);
            let _ = match dice.below(6) {
                0 => writeln!(out, "  color: #{:03x};", dice.below(4096)),
                1 => writeln!(out, "  background-color: #{:06x};", dice.below(1 << 24)),
                2 => writeln!(out, "  margin: {n}px {}px;", n / 2),
                3 => writeln!(out, "  padding: 0 {n}px;"),
                4 => writeln!(
                    out,
                    "  display: {};",
                    dice.pick(&["block", "flex", "none", "inline-block"])
                ),
                _ => writeln!(out, "  font-size: {}px;", 9 + n),
            };
        }
        out.extend_from_slice(b"}\n");
    })
}

/// Members of an array in JSON, each with its comma.
pub(super) fn items(seed: Seed, words: &Words) -> Chain {
    let mut dice = Dice::new(seed, "items");
    Chain::new(CHAIN, |out| {
        let (id, price) = (dice.below(100_000), dice.below(10_000));
        let [name, first, second] = [(); 3].map(|()| words.phrase(&mut dice, 1));
        let count = 3 + dice.below(12);
        let about = words.phrase(&mut dice, count);
        let stock = dice.one_in(2);
        let _ = writeln!(
            out,
            "{{\"id\":{id},\"name\":\"{name}\",\"tags\":[\"{first}\",\"{second}\"],\"price\":{}.{:02},\"stock\":{stock},\"about\":\"{about}\"}},",
            price / 100,
            price % 100
        );
    })
}
