//! A page's body on its way: looked at until the point is there, then the text, then nothing more.
//!
//! Phases: scanning; at the point, with what is behind it; over. Invariant: the bytes that come out are those that came in, in order, with
//! one text between them or none. What is before the point goes on at once, whether the text is here or not, also when all
//! came in one piece ([`Verdict::First`]). Awkward case: the end of a piece lies within a tag. It waits here for its other half.

use crate::options::Options;
use crate::page::Page;
use crate::policy::Policies;
use crate::scan::{Scanned, Scanner};
use crate::slot::{Answer, Slot};
use crate::text::encode;
use encoding_rs::{Encoding, UTF_8};
use std::sync::Arc;
use understudy_module::{Bytes, Host, Transaction, Verdict};

/// A body under way.
#[derive(Debug)]
pub(crate) struct Body {
    options: Arc<Options>,
    slot: Arc<Slot>,
    policies: Policies,
    encoding: Option<&'static Encoding>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Scanning {
        scanner: Scanner,
        /// The place of the first byte that did not go on.
        at: usize,
        /// Those that did not.
        kept: Bytes,
        /// The first bytes of all, by which an encoding is known.
        mark: Vec<u8>,
    },
    /// What is behind the point, and came with it.
    AtPoint(Bytes, Place),
    Over,
}

/// All that a text needs to be fitted in.
#[derive(Debug)]
pub(crate) struct Place {
    options: Arc<Options>,
    policies: Policies,
    encoding: Option<&'static Encoding>,
    host: Host,
}

impl Body {
    /// Of a page.
    pub(crate) fn new(options: &Arc<Options>, page: Page, slot: Arc<Slot>, url: &[u8]) -> Body {
        let mut policies = Policies::of(url);
        page.policies
            .iter()
            .for_each(|text| policies.add(text, true));
        Body {
            slot,
            policies,
            encoding: page.encoding,
            phase: Phase::Scanning {
                scanner: Scanner::new(options, page.encoding),
                at: 0,
                kept: Bytes::new(),
                mark: Vec::new(),
            },
            options: options.clone(),
        }
    }

    /// The hook on a piece.
    pub(crate) fn piece(&mut self, tx: &mut Transaction<'_>) -> Verdict {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Over => Verdict::Done,
            Phase::AtPoint(rest, place) => {
                let rest = joined(&rest, tx.piece());
                self.wait(tx, Bytes::new(), rest, place)
            }
            Phase::Scanning {
                scanner,
                at,
                kept,
                mark,
            } => self.look(tx, scanner, at, kept, mark),
        }
    }

    fn look(
        &mut self,
        tx: &mut Transaction<'_>,
        mut scanner: Scanner,
        at: usize,
        kept: Bytes,
        mut mark: Vec<u8>,
    ) -> Verdict {
        let piece = tx.piece();
        let all = joined(&kept, piece);
        mark.extend(piece.iter().take(3 - mark.len().min(3)));
        let encoding = Encoding::for_bom(&mark).map(|(encoding, _)| encoding);
        // Nothing will come, or nothing can be found: the rest is none of our business.
        let over = match encoding {
            Some(encoding) if encoding != UTF_8 => Some("skipped_charset"),
            _ if self.slot.look() == Some(None) => Some("no_text"),
            _ => None,
        };
        if let Some(why) = over {
            tx.count(why, 1);
            return given(all, kept.is_empty());
        }
        match scanner.scan(piece) {
            Scanned::Point(point) if (at..=at + all.len()).contains(&point) => {
                let found = scanner.found();
                // A mark is before the header, and that before what the page says (HTML section 13.2.3.2).
                let encoding = encoding.or(self.encoding).or(found.charset);
                let mut policies = std::mem::replace(&mut self.policies, Policies::of(b""));
                found
                    .policies
                    .iter()
                    .for_each(|text| policies.add(text, false));
                let place = Place {
                    options: self.options.clone(),
                    policies,
                    encoding,
                    host: tx.host(),
                };
                let (before, behind) = (all.slice(..point - at), all.slice(point - at..));
                self.arrive(tx, before, behind, place)
            }
            Scanned::To(to) if !tx.is_last() => {
                let gone = to.saturating_sub(at).min(all.len());
                let (on, rest) = (all.slice(..gone), all.slice(gone..));
                let whole = kept.is_empty() && rest.is_empty();
                self.phase = Phase::Scanning {
                    scanner,
                    at: at + gone,
                    kept: rest,
                    mark,
                };
                given(on, whole)
            }
            Scanned::To(_) | Scanned::Point(_) | Scanned::Lost => {
                tx.count("no_point", 1);
                given(all, kept.is_empty())
            }
        }
    }

    /// The point is there.
    fn arrive(
        &mut self,
        tx: &mut Transaction<'_>,
        before: Bytes,
        behind: Bytes,
        place: Place,
    ) -> Verdict {
        if before.is_empty() || self.slot.look().is_some() {
            return self.wait(tx, before, behind, place);
        }
        self.phase = Phase::AtPoint(behind, place);
        Verdict::First(before)
    }

    /// The text, with what is around it, when it is there.
    fn wait(
        &self,
        tx: &mut Transaction<'_>,
        before: Bytes,
        behind: Bytes,
        place: Place,
    ) -> Verdict {
        self.slot.wait(
            tx.token(),
            Box::new(move |answer| Verdict::Replace(place.fit(&before, answer, &behind))),
        )
    }
}

impl Place {
    /// The text between what is around it, or nothing when it does not go in here.
    fn fit(&self, before: &[u8], answer: &Answer, behind: &[u8]) -> Bytes {
        let text = answer.as_deref().filter(|text| !text.is_empty());
        let permitted = text.map(|text| {
            self.policies
                .permit(text, self.options.csp)
                .ok_or("skipped_policy")
        });
        let encoded = match &permitted {
            Some(Ok(text)) => encode(text, self.encoding).ok_or("skipped_charset"),
            Some(Err(why)) => Err(*why),
            None => Err("no_text"),
        };
        let bytes = match &encoded {
            Ok(bytes) => {
                self.host.count("inserted", 1);
                self.host.count("inserted_bytes", bytes.len() as u64);
                &bytes[..]
            }
            Err(why) => {
                self.host.count(why, 1);
                b""
            }
        };
        [before, bytes, behind].concat().into()
    }
}

/// These bytes go on; `whole`: they are the piece as it came.
fn given(bytes: Bytes, whole: bool) -> Verdict {
    match (whole, bytes.is_empty()) {
        (true, _) => Verdict::Continue,
        (false, true) => Verdict::Drop,
        (false, false) => Verdict::Replace(bytes),
    }
}

fn joined(before: &Bytes, piece: &Bytes) -> Bytes {
    match (before.is_empty(), piece.is_empty()) {
        (true, _) => piece.clone(),
        (_, true) => before.clone(),
        _ => [&before[..], &piece[..]].concat().into(),
    }
}
