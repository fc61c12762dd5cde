//! An answer that a proxy may have changed on purpose, judged through what was meant for it: first its coding, then what is in it.
//!
//! Invariant: pure, and bounded: nothing is inflated beyond what the object can have become. Each adaptation that was meant has one
//! fate. Awkward case: a page may have a text put into it and be compressed behind that; what is wrong within is the page's fault,
//! what does not inflate is the coding's.

use super::{
    Accept, Coding, Meant,
    adapted::{self, Seen, Wrong},
};
use crate::record::{Adaptation, Fate, Fault};

/// What was found of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// What became of it, for each adaptation that was meant.
    pub fates: Vec<(Adaptation, Fate)>,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
    /// The same for a person.
    pub why: Option<String>,
}

impl Judged {
    fn fate(&mut self, adaptation: Adaptation, fate: Fate) {
        self.fates.push((adaptation, fate));
    }

    fn wrong(&mut self, adaptation: Adaptation, why: String) {
        self.fate(adaptation, Fate::Wrong);
        self.faults.push(Fault::WronglyAdapted);
        self.why = Some(format!("{}: {why}", adaptation.name()));
    }

    /// It does not come out of its coding, so nobody can say what is in it.
    fn sealed(mut self, meant: &Meant, why: String) -> Self {
        self.wrong(Adaptation::Compressed, why);
        if meant.gray.is_some() {
            self.fate(Adaptation::Gray, Fate::Unjudged);
        }
        if meant.injected.is_some() {
            self.fate(Adaptation::Injected, Fate::Unjudged);
        }
        self
    }

    /// It came as it was, which is none's fault unless it had to be adapted.
    fn passed(&mut self, adaptation: Adaptation, must: bool) {
        self.fate(adaptation, Fate::Passed);
        if must {
            self.faults.push(Fault::NotAdapted);
            self.why = Some(format!("{}: it came as it was", adaptation.name()));
        }
    }

    /// Whether a picture or a page came as it was, or may have: nobody judged it.
    #[must_use]
    pub fn may_be_as_it_was(&self) -> bool {
        let unadapted = |fate| matches!(fate, Fate::Passed | Fate::Unjudged);
        self.fates
            .iter()
            .any(|(of, fate)| *of != Adaptation::Compressed && unadapted(*fate))
    }

    /// All that was meant has this fate.
    #[must_use]
    pub fn all(meant: &Meant, coding: Coding, fate: Fate) -> Self {
        let mut found = Self::default();
        if meant.compressed.is_some() && coding != Coding::Plain {
            found.fate(Adaptation::Compressed, fate);
        }
        if meant.gray.is_some() {
            found.fate(Adaptation::Gray, fate);
        }
        if meant.injected.is_some() {
            found.fate(Adaptation::Injected, fate);
        }
        found
    }
}

/// An answer without a coding, as far as codings go.
fn plain(found: &mut Judged, meant: &Meant, accept: Accept) {
    match meant.compressed.filter(|_| meant.gains) {
        None => {}
        Some(_) if accept == Accept::Nothing => found.fate(Adaptation::Compressed, Fate::Unasked),
        Some(must) => found.passed(Adaptation::Compressed, must),
    }
}

/// Judges an answer that is the original, byte for byte, and has no coding.
#[must_use]
pub fn unchanged(meant: &Meant, accept: Accept) -> Judged {
    let mut found = Judged::default();
    plain(&mut found, meant, accept);
    if let Some((_, must)) = meant.gray {
        found.passed(Adaptation::Gray, must);
    }
    if let Some((_, must)) = meant.injected {
        found.passed(Adaptation::Injected, must);
    }
    found
}

/// An answer of more bytes than anything makes of the object.
#[must_use]
pub fn endless(meant: &Meant, coding: Coding, most: u64) -> Judged {
    let mut found = Judged::all(meant, coding, Fate::Wrong);
    found.faults.push(Fault::Truncated);
    found.why = Some(format!(
        "more than {most} bytes: more than any adaptation makes of it"
    ));
    found
}

/// Judges the whole body of an answer by the original's.
#[must_use]
pub fn through(
    original: &[u8],
    answer: &[u8],
    coding: Coding,
    accept: Accept,
    meant: &Meant,
) -> Judged {
    let mut found = Judged::default();
    if coding == Coding::Plain {
        plain(&mut found, meant, accept);
        within(&mut found, original, answer, meant);
        return found;
    }
    // RFC 9110 12.5.3: a coding that is not named is not accepted.
    if !accept.takes(coding) {
        let asked = accept.field().unwrap_or("nothing");
        let why = format!(
            "Content-Encoding {}, and {asked} was asked for",
            coding.name()
        );
        return found.sealed(meant, why);
    }
    let most = match meant.gray {
        Some(_) => usize::try_from(meant.most(original.len() as u64)).unwrap_or(usize::MAX),
        None => original.len() + meant.text().len(),
    };
    let inflated = match adapted::inflated(answer, coding.name(), most) {
        Ok(inflated) if inflated.len() <= most => inflated,
        Ok(inflated) => {
            let why = Wrong::Length(inflated.len(), original.len());
            return found.sealed(meant, why.to_string());
        }
        Err(why) => return found.sealed(meant, why.to_string()),
    };
    if meant.gray.is_none() && meant.injected.is_none() {
        match adapted::same(original, &inflated) {
            Ok(()) => found.fate(Adaptation::Compressed, Fate::Adapted),
            Err(why) => found.wrong(Adaptation::Compressed, why.to_string()),
        }
        return found;
    }
    found.fate(Adaptation::Compressed, Fate::Adapted);
    within(&mut found, original, &inflated, meant);
    found
}

/// What is in it when its coding is off.
fn within(found: &mut Judged, original: &[u8], body: &[u8], meant: &Meant) {
    let (adaptation, must, seen) = match (&meant.gray, &meant.injected) {
        (Some((picture, must)), _) => {
            let seen = adapted::gray(original, body, *picture);
            (Adaptation::Gray, *must, seen)
        }
        (None, Some((text, must))) => {
            let seen = adapted::injected(original, body, text.as_bytes());
            (Adaptation::Injected, *must, seen)
        }
        (None, None) => {
            if let Err(why) = adapted::same(original, body) {
                found.faults.push(Fault::WrongBytes);
                found.why = Some(why.to_string());
            }
            return;
        }
    };
    match seen {
        Ok(Seen::Adapted) => found.fate(adaptation, Fate::Adapted),
        Ok(Seen::Passed) => found.passed(adaptation, must),
        Err(why) => found.wrong(adaptation, why.to_string()),
    }
}

#[cfg(test)]
#[path = "through_tests.rs"]
mod tests;
