//! A module that compresses what origins send plain, stores the compressed form, and decompresses what a client cannot read.
//!
//! | hook | what it does |
//! |---|---|
//! | `request_head` | notes what the client accepts, and says it in one way for all who accept the same |
//! | `request_out` | names tags as the origin knows them |
//! | `response_head` | decides, adds Vary; writes the head of the compressed form when the length is known |
//! | `response_body` | compresses; the head of a body without a length waits until there is enough of it |
//! | `response_return`, `return_body` | decompress for a client that does not accept the coding of what is there |
//!
//! ```toml
//! [[module]]
//! name = "compressor"
//! library = "builtin:compressor"
//!
//! [module.options]
//! codings = ["zstd", "br", "gzip"] # which are made, the favourite first
//! level.gzip = 6                   # 1 to 9
//! level.br = 4                     # 0 to 11
//! level.zstd = 3                   # 1 to 19
//! types = ["text/*", "*+json"]     # which types gain; without it the usual ones
//! min_length = 256                 # bytes; below that nothing is gained
//! flush = true                     # each piece can be read by the client as soon as it is sent
//! budget = 0.5                     # of a core; beyond it answers pass as they are
//! streams = 128                    # compressed at once; beyond that answers pass as they are
//! ask_identity = false             # ask origins for the plain form
//! max_ratio = 200                  # a body that decompresses to more than that is broken off
//! ```
//!
//! Counters: `compressed`, `bytes_in`, `bytes_out`, `saturated`, `decompressed`, `broken`. docs/modules/compressor.md has the rest.
#![forbid(unsafe_code)]

mod accept;
mod answer;
mod budget;
mod coder;
mod head;
mod options;

use accept::Accept;
use answer::{Visit, verdict, visit};
use budget::Budget;
use options::Options;
use std::sync::{Arc, PoisonError, RwLock};
use understudy_module::{About, Hook, Hooks, Host, Module, Transaction, Verdict};

/// The module.
#[derive(Debug, Default)]
pub struct Compressor {
    options: RwLock<Arc<Options>>,
    budget: Budget,
    /// Each stream under way has a clone.
    streams: Arc<()>,
}

impl Compressor {
    fn options(&self) -> Arc<Options> {
        self.options
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Module for Compressor {
    fn about(&self) -> About {
        About::new(
            "compressor",
            env!("CARGO_PKG_VERSION"),
            Hooks::of(&[
                Hook::RequestHead,
                Hook::RequestOut,
                Hook::ResponseHead,
                Hook::ResponseBody,
                Hook::ResponseReturn,
                Hook::ReturnBody,
            ]),
        )
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) =
            Arc::new(Options::read(host)?);
        Ok(())
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.init(host)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        if !matches!(tx.method(), b"GET" | b"HEAD") {
            return Verdict::Continue;
        }
        let lines = || tx.find_all("Accept-Encoding");
        let accept = Accept::of(lines());
        // A part is a part of the plain form, whose tag is strong.
        let hands_off = head::lists(tx, "Cache-Control", "no-transform");
        let plain = hands_off || tx.find("Range").is_some();
        // Who says nothing is left as it is.
        let normal = lines().next().and_then(|_| accept.normal(plain));
        let differs = normal
            .as_ref()
            .filter(|normal| !lines().eq([normal.as_bytes()]));
        if let Some(normal) = differs.cloned()
            && let Err(refused) = tx.set("Accept-Encoding", normal)
        {
            return Verdict::fail(refused.to_string());
        }
        let said = normal.map_or(accept, |normal| Accept::of([normal.as_bytes()].into_iter()));
        let chosen = said.choose(&self.options().codings).filter(|_| !plain);
        tx.opaque().set(Visit {
            accept,
            chosen,
            hands_off,
            ..Visit::default()
        });
        // Also of what such a client gets the next may get another form: its head is seen.
        Verdict::Continue
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let identity = self.options().ask_identity && visit(tx).chosen.is_some();
        verdict(head::name_strongly(tx).and_then(|renamed| {
            visit(tx).renamed = renamed;
            if identity {
                tx.set("Accept-Encoding", "identity")?;
            }
            Ok(Verdict::Continue)
        }))
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        visit(tx).stream = None;
        verdict(match (tx.status(), tx.method()) {
            (200 | 206, b"GET" | b"HEAD") => self.answered(tx),
            (304, _) => self.validated(tx),
            _ => tx.keep_length().map(|()| Verdict::Continue),
        })
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.compress(tx).unwrap_or_else(Verdict::fail)
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        visit(tx).decoder = None;
        verdict(self.returned(tx))
    }

    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.decompress(tx)
    }
}

understudy_module::export!(Compressor::default);
