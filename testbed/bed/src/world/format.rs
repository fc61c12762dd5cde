//! The format of an object's body: what Content-Type says and the path ends with.

use super::{Object, World, draw};
use crate::workload::Bodies;

/// The format of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Format {
    Html,
    Jpeg,
    Png,
    Gif,
    WebP,
    Css,
    JavaScript,
    Json,
    Text,
    Font,
    Gzip,
    Zip,
}

/// Images of fewer bytes than this are GIF, whatever was drawn: no other format has one as small.
const SMALLEST: u64 = 700;

impl Format {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Html,
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::WebP,
        Self::Css,
        Self::JavaScript,
        Self::Json,
        Self::Text,
        Self::Font,
        Self::Gzip,
        Self::Zip,
    ];

    /// Those that these bodies can have.
    #[must_use]
    pub fn of(bodies: Bodies) -> &'static [Self] {
        match bodies {
            Bodies::Html => &[Self::Html],
            Bodies::Image => &[Self::Jpeg, Self::Png, Self::Gif, Self::WebP],
            Bodies::Jpeg => &[Self::Jpeg],
            Bodies::Other => &[
                Self::JavaScript,
                Self::Css,
                Self::Json,
                Self::Text,
                Self::Font,
            ],
            Bodies::Text => &[Self::Text],
            Bodies::Download => &[Self::Gzip, Self::Zip],
        }
    }

    /// What Content-Type says.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Css => "text/css",
            Self::JavaScript => "text/javascript",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
            Self::Font => "font/ttf",
            Self::Gzip => "application/gzip",
            Self::Zip => "application/zip",
        }
    }

    /// What the path ends with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Css => "css",
            Self::JavaScript => "js",
            Self::Json => "json",
            Self::Text => "txt",
            Self::Font => "ttf",
            Self::Gzip => "tar.gz",
            Self::Zip => "zip",
        }
    }
}

impl World {
    /// The format of the object's body, in every version.
    #[must_use]
    pub fn format(&self, object: Object) -> Format {
        let share = self.share(draw::FORMAT, object);
        let pick = |shares: &[(f64, Format)]| {
            let mut sum = 0.0;
            let found = shares.iter().find(|(s, _)| {
                sum += s;
                share < sum
            });
            found.or(shares.last()).map_or(Format::Text, |(_, f)| *f)
        };
        match self.content(object).bodies {
            Bodies::Html => Format::Html,
            Bodies::Jpeg => Format::Jpeg,
            Bodies::Text => Format::Text,
            Bodies::Image if self.size(object) < SMALLEST => Format::Gif,
            Bodies::Image => pick(&[
                (0.50, Format::Jpeg),
                (0.20, Format::Png),
                (0.15, Format::Gif),
                (0.15, Format::WebP),
            ]),
            Bodies::Other => pick(&[
                (0.35, Format::JavaScript),
                (0.20, Format::Css),
                (0.20, Format::Json),
                (0.15, Format::Text),
                (0.10, Format::Font),
            ]),
            Bodies::Download => pick(&[(0.5, Format::Gzip), (0.5, Format::Zip)]),
        }
    }
}
