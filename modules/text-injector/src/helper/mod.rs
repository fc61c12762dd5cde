//! Asks for texts: of the option itself, of a command for each page, or of whoever speaks lines.
//!
//! Invariant: each question is answered once, by whoever was asked, or with nothing when its time is over, whatever became of that; and
//! no more than `queue` of them wait. No function here blocks.

mod clock;
mod each;
mod lines;

use crate::options::{Options, Source};
use crate::slot::Slot;
use clock::Clock;
use each::Each;
use lines::{Lines, Target};
use std::os::fd::RawFd;
use std::sync::Arc;
use understudy_module::{Host, Interest};

/// Who is asked.
#[derive(Debug)]
enum Way {
    Fixed(Arc<str>),
    Each(Each),
    Lines(Box<Lines>),
}

/// The helper.
#[derive(Debug)]
pub(crate) struct Helper {
    way: Way,
    clock: Clock,
}

impl Helper {
    /// As the options say; what is kept running is started.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn new(options: &Options, host: &Host) -> Result<Helper, String> {
        let lines = |target| {
            let lines = Lines::new(target, options, host.clone())?;
            Ok::<Way, String>(Way::Lines(Box::new(lines)))
        };
        Ok(Helper {
            way: match &options.source {
                Source::Text(text) => Way::Fixed(text.as_str().into()),
                Source::Command(words) => Way::Each(Each::new(words.clone(), options, host)?),
                Source::Helper(words) => lines(Target::Command(words.clone()))?,
                Source::Socket(path) => lines(Target::Socket(path.clone()))?,
            },
            clock: Clock::new(options.timeout, host.clone())?,
        })
    }

    /// Whether the text may be another for each client.
    pub(crate) fn is_personal(&self) -> bool {
        !matches!(self.way, Way::Fixed(_))
    }

    /// Asks. `line`: `None` when there is no question that could be asked.
    pub(crate) fn ask(&self, host: &Host, line: impl FnOnce() -> Option<String>) -> Arc<Slot> {
        if let Way::Fixed(text) = &self.way {
            return Slot::answered(Some(text.clone()));
        }
        let slot = Slot::asked();
        let asked = line().is_some_and(|line| match &self.way {
            Way::Fixed(_) => false,
            Way::Each(each) => each.ask(&slot, line),
            Way::Lines(lines) => lines.ask(&slot, &line),
        });
        if asked {
            host.count("asked", 1);
            self.clock.add(&slot);
            return slot;
        }
        host.count("not_asked", 1);
        Slot::answered(None)
    }

    /// A descriptor is ready.
    pub(crate) fn ready(&self, fd: RawFd, interest: Interest, tag: u64) {
        if self.clock.ready(tag) {
            return;
        }
        if let Way::Lines(lines) = &self.way {
            lines.ready(fd, interest, tag);
        }
    }
}
