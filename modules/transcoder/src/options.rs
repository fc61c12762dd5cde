//! The options, checked once.
//!
//! Invariant: what is here is within its bounds. A name that nobody knows is refused, so that a slip of the pen is not silence.

use std::str::FromStr;
use understudy_module::Host;

/// When an option holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    Never,
    /// For clients that ask for less data (`Save-Data: on`).
    SaveData,
}

/// The options in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) grayscale: When,
    pub(crate) quality: Option<u8>,
    pub(crate) save_data_quality: Option<u8>,
    pub(crate) max_width: Option<u32>,
    pub(crate) max_height: Option<u32>,
    pub(crate) webp: bool,
    pub(crate) avif: bool,
    pub(crate) hints: bool,
    /// The widths that hints are rounded up to, in order; never empty.
    pub(crate) widths: Vec<u32>,
    /// Most bytes of one image.
    pub(crate) max_bytes: usize,
    /// Most bytes of images under way, together.
    pub(crate) max_held: usize,
    /// Most pixels of one image, all its frames together.
    pub(crate) max_pixels: u64,
    /// Most images that wait for a worker.
    pub(crate) waiting: usize,
    /// Longest time that one waits, in milliseconds.
    pub(crate) patience: u64,
    pub(crate) workers: usize,
}

const NAMES: [&str; 14] = [
    "grayscale",
    "quality",
    "save_data_quality",
    "max_width",
    "max_height",
    "webp",
    "avif",
    "hints",
    "max_bytes",
    "max_held",
    "max_pixels",
    "waiting",
    "patience_ms",
    "workers",
];
const MIB: usize = 1 << 20;

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the first option that is wrong, and what it may be.
    pub(crate) fn read(host: &Host) -> Result<Options, String> {
        let known = |name: &str| NAMES.contains(&name) || name.starts_with("widths.");
        if let Some((name, _)) = host.options().iter().find(|(name, _)| !known(name)) {
            return Err(format!(
                "there is no option `{name}`; there are {} and widths",
                NAMES.join(", ")
            ));
        }
        let mut widths = Vec::new();
        while let Some(width) = number(host, &format!("widths.{}", widths.len()), 1, 65_535)? {
            widths.push(width);
        }
        if widths.is_empty() {
            widths = vec![320, 640, 960, 1280, 1920, 2560];
        }
        widths.sort_unstable();
        Ok(Options {
            grayscale: match host.option("grayscale").as_deref() {
                None | Some("always") => When::Always,
                Some("never") => When::Never,
                Some("save-data") => When::SaveData,
                Some(_) => return Err("option `grayscale`: always, never or save-data".to_owned()),
            },
            quality: number(host, "quality", 1, 100)?,
            save_data_quality: number(host, "save_data_quality", 1, 100)?,
            max_width: number(host, "max_width", 1, 65_535)?,
            max_height: number(host, "max_height", 1, 65_535)?,
            webp: switch(host, "webp")?,
            avif: switch(host, "avif")?,
            hints: switch(host, "hints")?,
            widths,
            max_bytes: number(host, "max_bytes", 1, 1 << 30)?.unwrap_or(8 * MIB),
            max_held: number(host, "max_held", 1, 1 << 30)?.unwrap_or(8 * MIB),
            max_pixels: number(host, "max_pixels", 1, 1 << 30)?.unwrap_or(16_000_000),
            waiting: number(host, "waiting", 1, 10_000)?.unwrap_or(32),
            patience: number(host, "patience_ms", 1, 3_600_000)?.unwrap_or(3000),
            workers: number(host, "workers", 1, 64)?.unwrap_or(1),
        })
    }
}

fn switch(host: &Host, name: &str) -> Result<bool, String> {
    match host.option(name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(format!("option `{name}`: true or false")),
    }
}

fn number<T>(host: &Host, name: &str, least: T, most: T) -> Result<Option<T>, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let Some(text) = host.option(name) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(value) if value >= least && value <= most => Ok(Some(value)),
        _ => Err(format!(
            "option `{name}`: a number from {least} to {most}, not {text:?}"
        )),
    }
}
