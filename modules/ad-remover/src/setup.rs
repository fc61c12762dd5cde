//! What is in force: options, rules and blanks, made together and never changed.
//!
//! Invariant: nothing is made of what cannot be read; then what is in force stays. Awkward case: a URL that was not fetched yet. Its
//! list is empty and its content the blank that is shipped, until [`crate::refresh`] has it.

use crate::asked::{self, Kind};
use crate::blanks::Blanks;
use crate::options::Options;
use crate::place::{Place, Stamp};
use crate::rules::{self, Rules};
use std::sync::Arc;
use understudy_module::{Bytes, Host};

/// The list that is used where none is named.
const SHIPPED: &str = include_str!("../../../config/ads.txt");
/// No preferred content is larger.
const MOST_CONTENT: usize = 1 << 20;

/// What is in force.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) options: Arc<Options>,
    pub(crate) rules: Rules,
    pub(crate) blanks: Blanks,
    /// The state in which the places were read.
    pub(crate) stamps: Vec<Stamp>,
}

/// The state of all places.
pub(crate) fn stamps(options: &Options) -> Vec<Stamp> {
    options.places().map(Place::stamp).collect()
}

/// The list in these bytes.
///
/// # Errors
/// When it is none: pages of error are answered with 200 by some.
pub(crate) fn list(bytes: &[u8]) -> Result<String, String> {
    let text =
        String::from_utf8(bytes.to_vec()).map_err(|_| "it is no text in UTF-8".to_owned())?;
    if text
        .trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t'])
        .starts_with('<')
    {
        return Err("it is a page, not a list".to_owned());
    }
    if !rules::has_any(&text) {
        return Err("there is no rule in it".to_owned());
    }
    Ok(text)
}

/// The content of this place in these bytes, with its media type.
///
/// # Errors
/// When the type is not known, or it is empty or too large.
pub(crate) fn content(place: &Place, bytes: &[u8]) -> Result<(&'static str, Bytes), String> {
    match (asked::by_ending(&place.name()), bytes.len()) {
        ("", _) => Err("its ending says no media type".to_owned()),
        (_, 0) => Err("it is empty".to_owned()),
        (_, length) if length > MOST_CONTENT => {
            Err(format!("it is larger than {MOST_CONTENT} bytes"))
        }
        (r#type, _) => Ok((r#type, Bytes::copy_from_slice(bytes))),
    }
}

impl Setup {
    /// What these options make of what is on disk now.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be.
    pub(crate) fn new(options: Arc<Options>) -> Result<Setup, String> {
        // Before they are read: what changes meanwhile is read again.
        let stamps = stamps(&options);
        let mut lists = vec![options.rules.join("\n")];
        if options.lists.is_empty() {
            lists.push(SHIPPED.to_owned());
        }
        for place in &options.lists {
            lists.extend(place.read(list)?);
        }
        let mut preferred: Vec<(Kind, &'static str, Bytes)> = Vec::new();
        for (kind, place) in &options.preferred {
            if let Some((r#type, bytes)) = place.read(|bytes| content(place, bytes))? {
                preferred.push((*kind, r#type, bytes));
            }
        }
        let blanks = Blanks::new(&options.host, &preferred)?;
        let rules = Rules::new(lists, options.explain);
        Ok(Setup {
            options,
            rules,
            blanks,
            stamps,
        })
    }

    /// As the options of this host have it.
    ///
    /// # Errors
    /// A sentence for whoever wrote them.
    pub(crate) fn of(host: &Host) -> Result<Setup, String> {
        Setup::new(Arc::new(Options::read(host)?))
    }
}
