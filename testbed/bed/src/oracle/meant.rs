//! What a proxy is told to do to content: which adaptations are meant for which answers, as a command line says it.
//!
//! Invariant: a rule is of a kind of content or of all; of several for an object the last counts, but one that names the object's kind
//! goes before one that names none. Awkward case: a text may have commas and colons, so `injected=` takes all that follows.

use super::adapted::Picture;
use crate::{
    workload::Workload,
    world::{Format, Object, World},
};
use std::{fmt, sync::Arc};

/// How many times the object's bytes an answer may have that is adapted, and how many bytes more: an image made gray may be encoded
/// worse than the original, but not without end.
const MOST: (u64, u64) = (4, 64 << 10);

#[derive(Debug, Clone, PartialEq)]
enum How {
    Gray(Picture),
    Compressed,
    Injected(Arc<str>),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    /// The kind of content; all, if none is named.
    kind: Option<String>,
    how: How,
    /// Whether what comes as it was is a fault.
    must: bool,
}

/// What a proxy is told to do to content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Adaptations {
    rules: Vec<Rule>,
}

/// What is meant for an object; each with whether it must be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meant {
    /// A picture becomes gray.
    pub gray: Option<(Picture, bool)>,
    /// A body is compressed for who asks.
    pub compressed: Option<bool>,
    /// This is put into a page.
    pub injected: Option<(Arc<str>, bool)>,
    /// Whether its format gains by being compressed.
    pub gains: bool,
}

impl Adaptations {
    /// Adds what this says: `[KIND:]gray[=WIDTHxHEIGHT]`, `[KIND:]compressed`, `[KIND:]injected=TEXT`, several with commas.
    ///
    /// # Errors
    /// It says something else; in words for the one who typed it.
    pub fn add(&mut self, text: &str, must: bool) -> Result<(), String> {
        let mut rest = Some(text);
        while let Some(now) = rest.take() {
            let (kind, word) = match now.split_once(':') {
                Some((kind, word)) if !kind.contains(['=', ',']) => (Some(kind), word),
                _ => (None, now),
            };
            let how = if let Some(text) = word.strip_prefix("injected=") {
                if text.is_empty() {
                    return Err("injected= needs the text that is put in".to_owned());
                }
                How::Injected(text.into())
            } else {
                let (word, later) = match word.split_once(',') {
                    Some((word, later)) => (word, Some(later)),
                    None => (word, None),
                };
                rest = later;
                match word.split_once('=') {
                    None if word == "gray" => How::Gray(Picture::default()),
                    None if word == "compressed" => How::Compressed,
                    Some(("gray", size)) => How::Gray(within(size)?),
                    _ => {
                        return Err(format!(
                            "{word:?} is no adaptation: say gray, gray=WIDTHxHEIGHT, compressed or injected=TEXT, with KIND: before it for \
                             one kind of content"
                        ));
                    }
                }
            };
            self.rules.push(Rule {
                kind: kind.map(str::to_owned),
                how,
                must,
            });
        }
        Ok(())
    }

    /// Whether nothing is meant for anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// That the workload has the kinds that are named.
    ///
    /// # Errors
    /// It has not; in words for the one who typed it.
    pub fn check(&self, workload: &Workload) -> Result<(), String> {
        let mut named = self.rules.iter().filter_map(|r| r.kind.as_deref());
        match named.find(|kind| workload.kind(kind).is_none()) {
            None => Ok(()),
            Some(kind) => {
                let kinds: Vec<&str> = workload.content.iter().map(|c| c.name.as_str()).collect();
                Err(format!(
                    "adapted content {kind:?}: the workload has no such kind, but {}",
                    kinds.join(", ")
                ))
            }
        }
    }

    /// What is meant for this object; none if nothing is.
    #[must_use]
    pub fn meant(&self, world: &World, object: Object) -> Option<Meant> {
        if self.rules.is_empty() {
            return None;
        }
        let (format, name) = (world.format(object), &world.content(object).name);
        let mut meant = Meant {
            gains: gains(format),
            ..Meant::default()
        };
        for named in [false, true] {
            let of = |r: &&Rule| r.kind.as_ref().map_or(!named, |kind| named && kind == name);
            for rule in self.rules.iter().filter(of) {
                match &rule.how {
                    How::Gray(picture) if is_picture(format) => {
                        meant.gray = Some((*picture, rule.must));
                    }
                    How::Compressed => meant.compressed = Some(rule.must),
                    How::Injected(text) if format == Format::Html => {
                        meant.injected = Some((Arc::clone(text), rule.must));
                    }
                    How::Gray(_) | How::Injected(_) => {}
                }
            }
        }
        let some = meant.gray.is_some() || meant.compressed.is_some() || meant.injected.is_some();
        some.then_some(meant)
    }
}

/// As it was said, each word for itself, with a `!` behind what must be.
impl fmt::Display for Adaptations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, rule) in self.rules.iter().enumerate() {
            if n > 0 {
                f.write_str(", ")?;
            }
            if let Some(kind) = &rule.kind {
                write!(f, "{kind}:")?;
            }
            match &rule.how {
                How::Gray(Picture {
                    within: Some((width, height)),
                    ..
                }) => write!(f, "gray={width}x{height}")?,
                How::Gray(_) => f.write_str("gray")?,
                How::Compressed => f.write_str("compressed")?,
                How::Injected(text) => write!(f, "injected={text}")?,
            }
            if rule.must {
                f.write_str("!")?;
            }
        }
        Ok(())
    }
}

impl Meant {
    /// The most bytes that an answer for an object of this length may have, whatever was done to it.
    #[must_use]
    pub fn most(&self, length: u64) -> u64 {
        length
            .saturating_add(self.text().len() as u64)
            .saturating_mul(MOST.0)
            .saturating_add(MOST.1)
    }

    /// Nothing must be: an answer to POST is of that request alone, and modules that change what is stored leave it as it is.
    pub fn relax(&mut self) {
        self.gray = self.gray.map(|(picture, _)| (picture, false));
        self.compressed = self.compressed.map(|_| false);
        self.injected = self.injected.take().map(|(text, _)| (text, false));
    }

    /// What is put in.
    #[must_use]
    pub fn text(&self) -> &str {
        self.injected.as_ref().map_or("", |(text, _)| text)
    }
}

fn within(size: &str) -> Result<Picture, String> {
    let number = |n: &str| n.parse::<u32>().ok().filter(|n| *n > 0);
    let sizes = size.split_once('x');
    let sizes = sizes.and_then(|(w, h)| Some((number(w)?, number(h)?)));
    Ok(Picture {
        within: Some(sizes.ok_or_else(|| format!("gray={size}: say gray=1280x1280"))?),
        ..Picture::default()
    })
}

fn is_picture(format: Format) -> bool {
    matches!(
        format,
        Format::Jpeg | Format::Png | Format::Gif | Format::WebP
    )
}

/// Whether a body of this format becomes shorter by being compressed; the others are compressed as they are.
fn gains(format: Format) -> bool {
    !is_picture(format) && !matches!(format, Format::Gzip | Format::Zip)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seed::Seed;

    fn of(texts: &[(&str, bool)]) -> Adaptations {
        let mut found = Adaptations::default();
        for (text, must) in texts {
            found.add(text, *must).unwrap();
        }
        found
    }

    #[test]
    fn a_text_has_all_that_follows_its_word() {
        for text in [
            "gray,compressed,injected=<b style=\"a:b\">, c</b>",
            "compressed,gray,injected=<b style=\"a:b\">, c</b>",
        ] {
            let found = of(&[(text, false)]);
            let how = &found.rules.last().unwrap().how;
            assert_eq!(how, &How::Injected("<b style=\"a:b\">, c</b>".into()));
            assert_eq!(found.rules.len(), 3);
        }
        let found = of(&[("html:injected=x:y,z,html:compressed,image:gray=8x9", false)]);
        assert_eq!(found.rules.len(), 1);
        let found = of(&[("image:gray=8x9,html:injected=x:y", true)]);
        let kinds: Vec<_> = found.rules.iter().map(|r| r.kind.as_deref()).collect();
        assert_eq!(kinds, [Some("image"), Some("html")]);
        assert!(matches!(found.rules[0].how, How::Gray(p) if p.within == Some((8, 9))));
    }

    #[test]
    fn what_is_no_adaptation_is_refused_with_the_words_that_are() {
        for text in [
            "",
            "grey",
            "gray,",
            "gray=8",
            "gray=0x9",
            "injected",
            "injected=",
            "html:",
        ] {
            let error = Adaptations::default().add(text, false).unwrap_err();
            assert!(
                error.contains("gray") || error.contains("injected="),
                "{error}"
            );
        }
        let workload = Workload::load("polymix-3").unwrap();
        assert_eq!(
            of(&[("gray,html:compressed", false)]).check(&workload),
            Ok(())
        );
        let error = of(&[("news:compressed", false)]).check(&workload);
        assert!(error.unwrap_err().contains("image, html, download, other"));
    }

    #[test]
    fn what_is_meant_goes_by_format_and_a_named_kind_goes_before() {
        let workload = Arc::new(Workload::load("polymix-3").unwrap());
        let world = World::new(workload.clone(), Seed(1), 0);
        let object = |name| Object {
            kind: workload.kind(name).unwrap(),
            id: 1,
        };
        let all = of(&[
            ("html:injected=a,b", true),
            ("gray,injected=c", false),
            ("other:compressed", false),
        ]);
        let meant = |name| all.meant(&world, object(name));
        let html = meant("html").unwrap();
        assert_eq!(html.injected, Some(("a,b".into(), true)));
        assert_eq!((html.gray, html.compressed), (None, None));
        assert!(html.gains && !meant("image").unwrap().gains);
        assert!(meant("image").unwrap().gray.is_some());
        assert_eq!(meant("other").unwrap().compressed, Some(false));
        assert_eq!(meant("download"), None);
        let mut relaxed = html.clone();
        relaxed.relax();
        assert_eq!(relaxed.injected, Some(("a,b".into(), false)));
        assert_eq!(Adaptations::default().meant(&world, object("html")), None);
    }
}
