//! Answers that the proxy may change on purpose: gathered as they come, judged when they are over.
//!
//! Invariant: of such an answer no more is kept than anything could make of the object, and nothing at all of one that can be compared
//! as it comes. The time of an exchange ends with its last byte: what is decoded is decoded behind that, by threads of its own, which
//! give way to the robots. Awkward case: an answer that has no end (broken off, aborted) can be neither right nor wrong.

use super::{
    exchange::Exchange,
    judges::{Case, Judges},
    load::Load,
};
use crate::{
    content::Body,
    demand::{Arrival, Method},
    oracle::{
        Accept, Adaptations, Coding, Meant, Outcome,
        through::{self, Judged},
    },
    record::{Fate, Fault},
};
use tokio::sync::oneshot;

/// What is meant, and who judges it.
pub(crate) struct Adapting {
    meant: Adaptations,
    judges: Option<Judges>,
}

/// An answer that may be adapted, as far as it has come.
#[derive(Debug)]
pub(crate) struct Gathered {
    meant: Meant,
    coding: Coding,
    accept: Accept,
    original: Body,
    /// What came, if it has to be decoded; else it is compared as it comes.
    bytes: Option<Vec<u8>>,
    most: u64,
    endless: bool,
}

/// What is known of an answer when its exchange is over.
pub(crate) enum Known {
    /// All there is to know.
    Judged(Judged),
    /// A judge is still at it.
    Soon(oneshot::Receiver<Judged>),
}

impl Adapting {
    /// Judges what is meant; nothing, if there is nothing.
    pub(crate) fn new(meant: Adaptations, judges: Option<Judges>) -> Self {
        Self { meant, judges }
    }

    /// What the robot of this request accepts for it.
    pub(crate) fn accept(&self, load: &Load, arrival: &Arrival) -> Accept {
        let meant = self.meant.meant(&load.world, arrival.object);
        match meant.and_then(|m| m.compressed) {
            Some(_) => Accept::of(arrival.robot),
            None => Accept::Nothing,
        }
    }

    /// Which form of the object a store keeps for this request: one for each way of accepting, where a coding is worth while.
    pub(crate) fn variant(&self, load: &Load, arrival: &Arrival) -> u8 {
        let meant = self.meant.meant(&load.world, arrival.object);
        match meant.filter(|m| m.gains && m.compressed.is_some()) {
            Some(_) => Accept::of(arrival.robot) as u8,
            None => 0,
        }
    }

    /// The head of a whole answer is there: what is to be done with its body, if it may be adapted.
    pub(crate) fn expect(
        &self,
        load: &Load,
        arrival: &Arrival,
        coding: Coding,
        original: &Body,
    ) -> Option<Box<Gathered>> {
        let mut meant = self.meant.meant(&load.world, arrival.object)?;
        if arrival.method != Method::Get {
            meant.relax();
        }
        let decoded = coding != Coding::Plain || meant.gray.is_some() || meant.injected.is_some();
        Some(Box::new(Gathered {
            accept: match meant.compressed {
                Some(_) => Accept::of(arrival.robot),
                None => Accept::Nothing,
            },
            most: meant.most(original.len()),
            coding,
            original: original.clone(),
            bytes: decoded.then(Vec::new),
            endless: false,
            meant,
        }))
    }

    /// Whether the length that an answer to HEAD tells may be that of the answer to GET (RFC 9110 9.3.2).
    pub(crate) fn right_length(
        &self,
        load: &Load,
        exchange: &Exchange,
        coding: Coding,
        told: Option<u64>,
    ) -> bool {
        if exchange.arrival.method != Method::Head {
            // The body itself is measured.
            return exchange.adapted.as_ref().is_some_and(|g| g.decoded());
        }
        let Some(meant) = self.meant.meant(&load.world, exchange.arrival.object) else {
            return false;
        };
        // Only who has seen that very form of it knows how long it is.
        let free = meant.gray.is_some() || (meant.compressed.is_some() && coding != Coding::Plain);
        let length = load.library.length(&load.world, exchange.arrival.object);
        let injected =
            meant.injected.is_some() && told == length.checked_add(meant.text().len() as u64);
        free || injected
    }

    /// The exchange is over: what is to be thought of its answer. `excused`: it ended where the origin broke it off.
    pub(crate) fn over(
        &self,
        exchange: &mut Exchange,
        outcome: Outcome,
        excused: bool,
    ) -> Option<Known> {
        let right = exchange.body.difference().is_none()
            && exchange.body.bytes() == exchange.adapted.as_ref()?.original.len();
        let gathered = exchange.adapted.take()?;
        let Gathered {
            meant,
            accept,
            coding,
            ..
        } = &*gathered;
        Some(if gathered.endless {
            Known::Judged(through::endless(meant, *coding, gathered.most))
        } else if outcome != Outcome::Whole || excused {
            Known::Judged(Judged::all(meant, *coding, Fate::Unjudged))
        } else if right && *coding == Coding::Plain {
            Known::Judged(through::unchanged(meant, *accept))
        } else if gathered.bytes.is_none() {
            // What is wrong with it was found as it came.
            Known::Judged(Judged::default())
        } else if let Some(judges) = &self.judges {
            match judges.judge(gathered) {
                Ok(soon) => Known::Soon(soon),
                // They have too much to do, and count that.
                Err(g) => Known::Judged(Judged::all(&g.meant, g.coding, Fate::Unjudged)),
            }
        } else {
            Known::Judged(gathered.judged())
        })
    }
}

impl Gathered {
    /// These bytes come next.
    pub(crate) fn feed(&mut self, found: &[u8]) {
        let Some(bytes) = &mut self.bytes else {
            return;
        };
        if bytes.len() as u64 + found.len() as u64 > self.most {
            self.endless = true;
            *bytes = Vec::new();
        }
        if !self.endless {
            bytes.extend_from_slice(found);
        }
    }

    /// A text that came compressed with gzip, as these bytes.
    #[cfg(test)]
    pub(crate) fn text(original: &'static [u8], came: &[u8]) -> Box<Self> {
        Box::new(Self {
            meant: Meant {
                compressed: Some(false),
                gains: true,
                ..Meant::default()
            },
            coding: Coding::Gzip,
            accept: Accept::All,
            original: Body {
                slices: std::iter::once(bytes::Bytes::from_static(original)).collect(),
            },
            bytes: Some(came.to_vec()),
            most: 1000,
            endless: false,
        })
    }

    /// Whether it is judged by what it decodes to; else byte by byte as it comes.
    pub(crate) fn decoded(&self) -> bool {
        self.bytes.is_some()
    }
}

impl Case for Gathered {
    fn size(&self) -> usize {
        self.bytes.as_ref().map_or(0, Vec::len)
    }

    fn judged(&self) -> Judged {
        let answer = self.bytes.as_deref().unwrap_or_default();
        let original = self.original.to_vec();
        through::through(&original, answer, self.coding, self.accept, &self.meant)
    }

    fn unreadable(&self) -> Judged {
        let mut found = Judged::all(&self.meant, self.coding, Fate::Wrong);
        found.faults.push(Fault::WronglyAdapted);
        found.why = Some("a decoder gave up on it".to_owned());
        found
    }
}
