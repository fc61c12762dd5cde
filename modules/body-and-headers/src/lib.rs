//! A module that writes four header fields on each path and copies every body: the third line of the paper's Table 5.
//!
//! The fields are those of `add-headers`, in the same hooks and with the same options. Each piece of a request's body and of an
//! origin's is copied and replaced by its copy; the copy is as long, so lengths may be told beforehand (`keep_length`). What is
//! stored is the copy: a hit does not run a body again, and `return_body` is not declared.
//!
//! ```toml
//! [[module]]
//! name = "body-and-headers"
//! library = "builtin:body-and-headers"
//! runtime = "inline"
//! ```
#![forbid(unsafe_code)]

// The source is shared, not the crate: a module's crate exports one entry, and linking both would export two.
#[path = "../../add-headers/src/lines.rs"]
mod lines;

use lines::Lines;
pub use lines::{COUNT, LINES};
use understudy_module::{About, Bytes, Hook, Hooks, Host, Module, Refused, Transaction, Verdict};

/// The module.
#[derive(Debug, Default)]
pub struct BodyAndHeaders {
    lines: Lines,
}

fn verdict(written: Result<(), Refused>) -> Verdict {
    match written {
        Ok(()) => Verdict::Continue,
        Err(refused) => Verdict::fail(refused.to_string()),
    }
}

/// The piece's copy in its place. An end that came by itself has nothing to copy.
fn copy(tx: &Transaction<'_>) -> Verdict {
    let piece = tx.piece();
    if piece.is_empty() {
        Verdict::Continue
    } else {
        Verdict::Replace(Bytes::copy_from_slice(piece))
    }
}

impl Module for BodyAndHeaders {
    fn about(&self) -> About {
        About::new(
            "body-and-headers",
            env!("CARGO_PKG_VERSION"),
            Hooks::of(&[
                Hook::RequestHead,
                Hook::RequestBody,
                Hook::RequestOut,
                Hook::ResponseHead,
                Hook::ResponseBody,
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
        verdict(self.lines.write(tx).and_then(|()| tx.keep_length()))
    }

    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        copy(tx)
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        verdict(self.lines.write(tx))
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        verdict(self.lines.write(tx).and_then(|()| tx.keep_length()))
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        copy(tx)
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        verdict(self.lines.write(tx))
    }
}

understudy_module::export!(BodyAndHeaders::default);
