//! Modules that show where they run, and what only chance decides.

use understudy_module::kit::Case;
use understudy_module::{About, Hook, Hooks, Module, Transaction, Verdict};

pub(crate) fn case() -> Case {
    Case::new("an answer", "GET", "http://example.org/").gives(200, "abcdef")
}

fn say(tx: &mut Transaction<'_>, value: String) -> Verdict {
    match tx.set("X-Said", value) {
        Ok(()) => Verdict::Continue,
        Err(refused) => Verdict::fail(refused.to_string()),
    }
}

/// Shows the name of its thread.
pub(crate) struct ByThread;

impl Module for ByThread {
    fn about(&self) -> About {
        About::new("by-thread", "0", Hooks::of(&[Hook::ResponseHead]))
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("none").to_owned();
        // A child has a main thread, too.
        say(tx, format!("{name} of {}", std::process::id()))
    }
}

/// Shows its process.
pub(crate) struct ByProcess;

impl Module for ByProcess {
    fn about(&self) -> About {
        About::new("by-process", "0", Hooks::of(&[Hook::ResponseHead]))
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        say(tx, std::process::id().to_string())
    }
}

/// Counts the pieces of a body.
pub(crate) struct ByPiece;

impl Module for ByPiece {
    fn about(&self) -> About {
        About::new("by-piece", "0", Hooks::of(&[Hook::ResponseBody, Hook::Log]))
    }
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        *tx.opaque().get_or_insert_with(|| 0_u32) += 1;
        Verdict::Continue
    }
    fn log(&self, tx: &mut Transaction<'_>) {
        let pieces = tx.opaque().get_or_insert_with(|| 0_u32).to_string();
        let _ = tx.note("pieces", pieces);
    }
}
