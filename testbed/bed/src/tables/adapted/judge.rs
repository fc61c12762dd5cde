//! What an answer of the real origin is, after the proxy had it.

use super::exchange::Answer;
use crate::oracle::adapted::{self, Picture, Seen};

/// What a proxy should do with bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adaptation {
    /// Pictures become gray.
    Gray,
    /// Bodies are compressed.
    Compressed,
}

/// Something to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its path at the origin.
    pub path: String,
    /// Its body at the origin.
    pub body: Vec<u8>,
}

/// Judges answers, and remembers what it found right.
pub(super) struct Judge {
    adaptation: Adaptation,
    /// The last body and coding of each object that was found well adapted.
    right: Vec<Option<(String, Vec<u8>)>>,
}

impl Judge {
    pub(super) fn new(adaptation: Adaptation, objects: usize) -> Self {
        Self {
            adaptation,
            right: vec![None; objects],
        }
    }

    /// The object of this place was answered so.
    pub(super) fn judge(
        &mut self,
        place: usize,
        object: &Object,
        answer: &Answer,
    ) -> Result<Seen, String> {
        if answer.status != 200 {
            return Err(format!("status {} in place of 200", answer.status));
        }
        let right = self.right.get_mut(place).ok_or("no such object")?;
        let same = right.as_ref();
        if same.is_some_and(|(coding, body)| *coding == answer.coding && *body == answer.body) {
            return Ok(Seen::Adapted);
        }
        let seen = match self.adaptation {
            Adaptation::Gray if !answer.coding.is_empty() => {
                return Err(format!("an image of Content-Encoding {:?}", answer.coding));
            }
            Adaptation::Gray => adapted::gray(&object.body, &answer.body, Picture::default()),
            Adaptation::Compressed => {
                adapted::compressed(&object.body, &answer.body, &answer.coding)
            }
        }
        .map_err(|e| e.to_string())?;
        if seen == Seen::Adapted {
            *right = Some((answer.coding.clone(), answer.body.clone()));
        }
        Ok(seen)
    }
}
