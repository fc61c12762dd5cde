//! A module that wants every hook and does nothing in any of them.
//!
//! What remains of a transaction's cost with this module is the cost of the interface and of the runtime it is in: the first line of
//! the paper's Table 5. It looks only (`only_looks`), so bodies keep their length and are passed as they came; its `free` and
//! `timer` are declared and called, too.
//!
//! ```toml
//! [[module]]
//! name = "empty"
//! library = "builtin:empty"
//! runtime = "inline"
//! ```
//!
//! It has no options.
#![forbid(unsafe_code)]

use std::time::Duration;
use understudy_module::{About, Hook, Hooks, Module};

/// How often `timer` is called: seldom enough to weigh nothing, often enough to be seen in the counters.
const TIMER: Duration = Duration::from_secs(1);

/// The module. Every hook is the one [`Module`] has already: `Continue`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Module for Empty {
    fn about(&self) -> About {
        About {
            timer: Some(TIMER),
            only_looks: true,
            ..About::new(
                "empty",
                env!("CARGO_PKG_VERSION"),
                Hooks::TRANSACTION.and(Hooks::of(&[Hook::Timer])),
            )
        }
    }
}

understudy_module::export!(|| Empty);
