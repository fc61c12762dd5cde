//! What a client asked for: the formats it takes, whether it saves data, and how wide it shows the image.
//!
//! Invariant: [`Asked::want`] looks at nothing of a request but the fields that [`deciding`] names for the same options, so `Vary`
//! is neither too short nor too long. Awkward case: widths in hints are as many as windows are, and each would be stored apart; they
//! are rounded in the request itself, before the cache looks at it ([`round`]).

use crate::options::{Options, When};
use crate::transcode::Want;
use understudy_module::{Refused, Transaction};

/// Hints of width in pixels of the screen, in CSS pixels, and of the one in the other; the names of today first, and the former.
const WIDTH: [&str; 2] = ["Sec-CH-Width", "Width"];
const VIEWPORT: [&str; 2] = ["Sec-CH-Viewport-Width", "Viewport-Width"];
const RATIO: [&str; 2] = ["Sec-CH-DPR", "DPR"];
/// For the pages, so that browsers send them.
pub(crate) const ACCEPT_CH: &str = "Sec-CH-Width, Sec-CH-Viewport-Width, Sec-CH-DPR";

/// The request, as far as it matters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    webp: bool,
    avif: bool,
    saves_data: bool,
    width: Option<u32>,
    /// It wants nothing transformed (RFC 9111 section 5.2.1.6).
    pub(crate) no_transform: bool,
}

impl Asked {
    /// Of the request whose head is here.
    pub(crate) fn of(tx: &Transaction<'_>, options: &Options) -> Asked {
        let ratio = number(tx, RATIO).unwrap_or(1.0);
        let shown = number(tx, WIDTH).or(number(tx, VIEWPORT).map(|width| width * ratio));
        Asked {
            webp: accepts(tx, "image/webp"),
            avif: accepts(tx, "image/avif"),
            saves_data: tx
                .find("Save-Data")
                .is_some_and(|value| value.eq_ignore_ascii_case(b"on")),
            width: shown.map(|width| rounded(width, &options.widths)),
            no_transform: no_transform(tx),
        }
    }

    /// What this client is to get of an image of this media type.
    pub(crate) fn want(&self, kind: &[u8], options: &Options) -> Want {
        let (webp, avif) = formats(kind, options);
        let smaller = options.save_data_quality.filter(|_| self.saves_data);
        let hint = self.width.filter(|_| options.hints);
        Want {
            gray: match options.grayscale {
                When::Always => true,
                When::Never => false,
                When::SaveData => self.saves_data,
            },
            quality: smaller.or(options.quality),
            width: hint.into_iter().chain(options.max_width).min(),
            height: options.max_height,
            webp: webp && self.webp,
            avif: avif && self.avif,
        }
    }
}

/// The fields of a request that could decide what an image of this type becomes.
pub(crate) fn deciding(kind: &[u8], options: &Options) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let (true, _) | (_, true) = formats(kind, options) {
        names.push("Accept");
    }
    if options.grayscale == When::SaveData || options.save_data_quality.is_some() {
        names.push("Save-Data");
    }
    if options.hints {
        names.extend([WIDTH, VIEWPORT, RATIO].as_flattened());
    }
    names
}

/// Whether an image of this type could become WebP, and AVIF. Animations are no AVIF, and GIFs are taken for such.
fn formats(kind: &[u8], options: &Options) -> (bool, bool) {
    let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
    (
        options.webp && !is("image/webp"),
        options.avif && !is("image/gif"),
    )
}

/// Rounds the hints of a request for an image, so that what is stored is not one variant for each width of a window.
pub(crate) fn round(tx: &mut Transaction<'_>, options: &Options) -> Result<(), Refused> {
    let is_image = tx.find("Sec-Fetch-Dest") == Some(b"image")
        || tx
            .find("Accept")
            .is_some_and(|accept| accept.starts_with(b"image/"));
    if !is_image {
        return Ok(());
    }
    for name in WIDTH.iter().chain(&VIEWPORT) {
        if let Some(width) = positive(tx.find(name)) {
            tx.set(name, rounded(width, &options.widths).to_string())?;
        }
    }
    for name in RATIO {
        if let Some(ratio) = positive(tx.find(name)) {
            tx.set(
                name,
                format!("{:.1}", ((ratio * 2.0).ceil() / 2.0).min(4.0)),
            )?;
        }
    }
    Ok(())
}

/// The next of the widths, or the largest.
fn rounded(width: f32, widths: &[u32]) -> u32 {
    let next = widths.iter().find(|step| **step as f32 >= width);
    next.or(widths.last()).copied().unwrap_or(u32::MAX)
}

fn number(tx: &Transaction<'_>, names: [&str; 2]) -> Option<f32> {
    names.into_iter().find_map(|name| positive(tx.find(name)))
}

fn positive(value: Option<&[u8]>) -> Option<f32> {
    let number: f32 = std::str::from_utf8(value?).ok()?.trim().parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

/// Whether the message that is here has the directive.
pub(crate) fn no_transform(tx: &Transaction<'_>) -> bool {
    members(tx, "Cache-Control").any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// Whether Accept names this type and does not refuse it (RFC 9110 section 12.5.1). `*/*` is not enough: whoever sends that sends
/// it for everything.
fn accepts(tx: &Transaction<'_>, kind: &str) -> bool {
    members(tx, "Accept").any(|range| {
        let mut parts = range.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        let is_zero = |part: &[u8]| match part {
            [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|b| matches!(b, b'0' | b'.')),
            _ => false,
        };
        parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(kind.as_bytes()))
            && !parts.any(is_zero)
    })
}

/// The members of a list field.
pub(crate) fn members<'a>(
    tx: &'a Transaction<'_>,
    name: &'a str,
) -> impl Iterator<Item = &'a [u8]> {
    tx.find_all(name)
        .flat_map(|value| value.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
}
