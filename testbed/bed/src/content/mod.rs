//! The bytes of an object's version: real content, made from the seed.
//!
//! A [`Library`] holds parts made ahead; a body is put together of slices of them and of a few bytes of its own, so that making one
//! costs next to nothing however many objects there are.
//!
//! Invariant: a body is a function of seed, object and version, and no two are equal: the number of object and version stands in
//! every one of them, and decides which parts it has and how it is padded. Its length is the same in every version.

mod archive;
mod body;
mod dice;
mod font;
mod html;
mod image;
mod picture;
mod pool;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use body::Body;

use self::{
    archive::{Gzip, Zip},
    body::Maker,
    dice::Tag,
    font::Fonts,
    image::{Album, Sheets},
    pool::{Chain, Noise},
    text::{CODE, JSON, PLAIN, Prose},
    words::Words,
};
use crate::{
    seed::Seed,
    workload::Workload,
    world::{Format, Object, World},
};
use std::{fmt, sync::OnceLock};

/// Parts that bodies are put together of.
pub struct Library {
    seed: Seed,
    words: Words,
    prose: Prose,
    noise: Noise,
    sheets: Sheets,
    html: OnceLock<Chain>,
    plain: OnceLock<Chain>,
    source: OnceLock<Chain>,
    script: OnceLock<Chain>,
    style: OnceLock<Chain>,
    items: OnceLock<Chain>,
    jpeg: OnceLock<Album>,
    png: OnceLock<Album>,
    gif: OnceLock<Album>,
    webp: OnceLock<Album>,
    fonts: OnceLock<Fonts>,
    gzip: OnceLock<Gzip>,
    zip: OnceLock<Zip>,
}

impl fmt::Debug for Library {
    /// The seed alone: the rest is megabytes, and follows from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Library {
    /// Makes all parts, on several threads. Takes a second or so; the same for the same seed.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self::prepared(seed, &Format::ALL)
    }

    /// The same, but only the parts that this workload's bodies are made of are made ahead.
    #[must_use]
    pub fn of(seed: Seed, workload: &Workload) -> Self {
        let needed = |format: &&Format| {
            let mut kinds = workload.content.iter();
            kinds.any(|c| Format::of(c.bodies).contains(format))
        };
        let formats: Vec<Format> = Format::ALL.iter().filter(needed).copied().collect();
        Self::prepared(seed, &formats)
    }

    fn prepared(seed: Seed, formats: &[Format]) -> Self {
        let library = Self::lazy(seed);
        std::thread::scope(|scope| {
            for &format in formats {
                let library = &library;
                scope.spawn(move || library.prepare(format));
            }
        });
        library
    }

    /// The same, but the parts of a format are made when its first body is: for tests and for whoever wants few formats. The first
    /// body of a format then takes some tenths of a second.
    #[must_use]
    pub fn lazy(seed: Seed) -> Self {
        let words = Words::new(seed);
        Self {
            seed,
            prose: Prose::new(seed, &words),
            words,
            noise: Noise::new(seed),
            sheets: Sheets::new(seed),
            html: OnceLock::new(),
            plain: OnceLock::new(),
            source: OnceLock::new(),
            script: OnceLock::new(),
            style: OnceLock::new(),
            items: OnceLock::new(),
            jpeg: OnceLock::new(),
            png: OnceLock::new(),
            gif: OnceLock::new(),
            webp: OnceLock::new(),
            fonts: OnceLock::new(),
            gzip: OnceLock::new(),
            zip: OnceLock::new(),
        }
    }

    /// The body of this version of the object. Its length is the same in every version, and the object's drawn size where its format
    /// can be as small.
    #[must_use]
    pub fn body(&self, world: &World, object: Object, version: i64) -> Body {
        let tag = Tag::new(self.seed, object, version);
        let (format, size) = (world.format(object), world.size(object));
        if format == Format::Html {
            let mut maker = Maker::new(1536);
            html::put(
                &mut maker,
                world,
                object,
                tag,
                size,
                self.html(),
                &self.prose,
            );
            return maker.finish();
        }
        let len = self.fitted(format, object, size);
        let (mut maker, noise) = (Maker::new(96), &self.noise);
        match format {
            Format::Html | Format::Css => {
                CODE.put(&mut maker, tag, len, self.style(), &self.prose);
            }
            Format::JavaScript => CODE.put(&mut maker, tag, len, self.script(), &self.prose),
            Format::Json => JSON.put(&mut maker, tag, len, self.items(), &self.prose),
            Format::Text if is_source(object) => {
                CODE.put(&mut maker, tag, len, self.source(), &self.prose);
            }
            Format::Text => PLAIN.put(&mut maker, tag, len, self.plain(), &self.prose),
            Format::Jpeg | Format::Png | Format::Gif | Format::WebP => {
                self.album(format).put(&mut maker, tag, len, noise);
            }
            Format::Font => self.fonts().put(&mut maker, tag, len, noise),
            Format::Gzip => self.gzip().put(&mut maker, tag, len, noise),
            Format::Zip => self.zip().put(&mut maker, tag, len, noise),
        }
        maker.finish()
    }

    /// Bytes of the object's body, without making it.
    #[must_use]
    pub fn length(&self, world: &World, object: Object) -> u64 {
        let (format, size) = (world.format(object), world.size(object));
        match format {
            Format::Html => html::length(world, object, size),
            _ => self.fitted(format, object, size),
        }
    }

    /// A number of all parts; makes them if they are not there yet. Two machines have equal bodies if their numbers are equal: encoders
    /// may choose by the processor they run on, so the same seed and program are not quite enough.
    #[must_use]
    pub fn digest(&self) -> u32 {
        let mut crc = flate2::Crc::new();
        let texts = [
            self.html(),
            self.plain(),
            self.source(),
            self.script(),
            self.style(),
            self.items(),
        ];
        texts.into_iter().for_each(|text| crc.update(text.bytes()));
        for format in [Format::Jpeg, Format::Png, Format::Gif, Format::WebP] {
            self.album(format).bytes().for_each(|b| crc.update(b));
        }
        self.fonts().bytes().for_each(|b| crc.update(b));
        self.gzip().bytes().iter().for_each(|b| crc.update(b));
        for bytes in [self.zip().bytes(), self.prose.bytes(), self.noise.bytes()] {
            crc.update(bytes);
        }
        crc.sum()
    }

    /// Bytes of a body that is no page when this many were drawn.
    fn fitted(&self, format: Format, object: Object, size: u64) -> u64 {
        let smallest = match format {
            Format::Jpeg | Format::Png | Format::Gif | Format::WebP => {
                return self.album(format).length(size);
            }
            Format::Html | Format::Css | Format::JavaScript => CODE.smallest(),
            Format::Json => JSON.smallest(),
            Format::Text if is_source(object) => CODE.smallest(),
            Format::Text => PLAIN.smallest(),
            Format::Font => self.fonts().smallest(),
            Format::Gzip => self.gzip().smallest(),
            Format::Zip => Zip::smallest(),
        };
        size.max(smallest)
    }

    /// Makes the parts of a format.
    fn prepare(&self, format: Format) {
        match format {
            Format::Html => drop(self.html()),
            Format::Css => drop(self.style()),
            Format::JavaScript => drop(self.script()),
            Format::Json => drop(self.items()),
            Format::Text => drop((self.plain(), self.source())),
            Format::Jpeg | Format::Png | Format::Gif | Format::WebP => drop(self.album(format)),
            Format::Font => drop(self.fonts()),
            Format::Gzip => drop(self.gzip()),
            Format::Zip => drop(self.zip()),
        }
    }

    fn html(&self) -> &Chain {
        self.html
            .get_or_init(|| html::blocks(self.seed, &self.words))
    }

    fn plain(&self) -> &Chain {
        self.plain
            .get_or_init(|| text::plain(self.seed, &self.words))
    }

    fn source(&self) -> &Chain {
        self.source
            .get_or_init(|| text::source(self.seed, &self.words))
    }

    fn script(&self) -> &Chain {
        self.script
            .get_or_init(|| text::script(self.seed, &self.words))
    }

    fn style(&self) -> &Chain {
        self.style
            .get_or_init(|| text::style(self.seed, &self.words))
    }

    fn items(&self) -> &Chain {
        self.items
            .get_or_init(|| text::items(self.seed, &self.words))
    }

    /// The images of a format; GIF for what is no image.
    fn album(&self, format: Format) -> &Album {
        let album = match format {
            Format::Jpeg => &self.jpeg,
            Format::Png => &self.png,
            Format::WebP => &self.webp,
            _ => &self.gif,
        };
        album.get_or_init(|| Album::new(self.seed, format, &self.sheets))
    }

    fn fonts(&self) -> &Fonts {
        self.fonts.get_or_init(|| Fonts::new(self.seed))
    }

    fn gzip(&self) -> &Gzip {
        self.gzip.get_or_init(|| Gzip::new(self.seed, &self.words))
    }

    fn zip(&self) -> &Zip {
        self.zip.get_or_init(|| Zip::new(self.seed, &self.words))
    }
}

/// Whether an object of plain text is source code; the others are prose.
fn is_source(object: Object) -> bool {
    object.id.is_multiple_of(2)
}
