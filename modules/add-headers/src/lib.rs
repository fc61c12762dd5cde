//! A module that writes four header fields on each path of a transaction: the second line of the paper's Table 5.
//!
//! | hook | where the four lines are then |
//! |---|---|
//! | `request_head` | in the request as the cache and the modules behind this one see it |
//! | `request_out` | in the request to the origin, also when the cache made it (a validation) |
//! | `response_head` | in the answer that is stored |
//! | `response_return` | in the answer to the client, hit or miss |
//!
//! In each the lines are *set*: what goes to the origin carries four, not the eight of two hooks, and so does an answer
//! that was stored with them. A line of the same name that a client or an origin sent is replaced. Sixteen lines are written on
//! a miss, eight on a hit, and no message ever carries more than four.
//!
//! ```toml
//! [[module]]
//! name = "add-headers"
//! library = "builtin:add-headers"
//! runtime = "inline"
//!
//! [module.options]
//! name.1 = "X-Served-By"     # name.1 to name.4
//! value.1 = "understudy"     # value.1 to value.4
//! ```
//!
//! Without options the lines are [`LINES`].
#![forbid(unsafe_code)]

mod lines;

use lines::Lines;
pub use lines::{COUNT, LINES};
use understudy_module::{About, Hook, Hooks, Host, Module, Transaction, Verdict};

/// The module.
#[derive(Debug, Default)]
pub struct AddHeaders {
    lines: Lines,
}

impl AddHeaders {
    fn write(&self, tx: &mut Transaction<'_>) -> Verdict {
        match self.lines.write(tx) {
            Ok(()) => Verdict::Continue,
            Err(refused) => Verdict::fail(refused.to_string()),
        }
    }
}

impl Module for AddHeaders {
    fn about(&self) -> About {
        About::new(
            "add-headers",
            env!("CARGO_PKG_VERSION"),
            Hooks::of(&[
                Hook::RequestHead,
                Hook::RequestOut,
                Hook::ResponseHead,
                Hook::ResponseReturn,
            ]),
        )
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        self.lines.configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.lines.configure(host)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.write(tx)
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.write(tx)
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.write(tx)
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.write(tx)
    }
}

understudy_module::export!(AddHeaders::default);
