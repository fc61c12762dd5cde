//! A module that compresses what origins send plain, stores the compressed form, and decompresses what a client cannot read.
//!
//! | hook | what it does |
//! |---|---|
//! | `request_head` | notes what the client accepts; a part (Range) is a part of the plain form |
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
mod budget;
mod coder;
mod head;
mod options;

use accept::Accept;
use budget::Budget;
use coder::{Coding, Decoder, Encoder};
use options::Options;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;
use understudy_module::{About, Bytes, Hook, Hooks, Host, Module, Refused, Transaction, Verdict};

/// The module.
#[derive(Debug, Default)]
pub struct Compressor {
    options: RwLock<Arc<Options>>,
    budget: Budget,
    /// Each stream under way has a clone.
    streams: Arc<()>,
}

/// What is kept of a transaction.
#[derive(Default)]
struct Visit {
    accept: Accept,
    /// Wants a part: the plain form.
    plain: bool,
    /// The origin was told other tags than the client's or the store's.
    renamed: bool,
    stream: Option<Box<Stream>>,
    decoder: Option<Box<Decoder>>,
}

/// A body that is compressed.
struct Stream {
    coding: Coding,
    /// None before the first bytes.
    encoder: Option<Encoder>,
    /// The head waits for the body, and gets this tag.
    waits: Option<Option<Vec<u8>>>,
    bytes: [u64; 2],
    _one_of: Arc<()>,
}

fn visit<'a>(tx: &'a mut Transaction<'_>) -> &'a mut Visit {
    tx.opaque().get_or_insert_with(Visit::default)
}

fn verdict(outcome: Result<Verdict, Refused>) -> Verdict {
    outcome.unwrap_or_else(|refused| Verdict::fail(refused.to_string()))
}

impl Compressor {
    fn options(&self) -> Arc<Options> {
        self.options
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A new answer of the origin. What is not to be changed for anybody is `Done`: its body comes by no more.
    fn answered(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let options = self.options();
        let (status, head_only) = (tx.status(), tx.method() == b"HEAD");
        if !head::may_change(tx, &options) {
            return Ok(Verdict::Done);
        }
        if head::coding(tx).is_ok() {
            // The origin's own coding is stored; whoever cannot read it is seen to on return.
            return tx.keep_length().map(|()| Verdict::Continue);
        }
        let length = tx
            .find("Content-Length")
            .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        if status == 200 && length.is_some_and(|length: usize| length < options.min_length) {
            return Ok(Verdict::Done);
        }
        // Also of what stays plain: the next client may get the other form.
        head::vary(tx)?;
        let Visit { accept, plain, .. } = *visit(tx);
        let Some(coding) = accept
            .choose(&options.codings)
            .filter(|_| status == 200 && !plain)
        else {
            return Ok(Verdict::Done);
        };
        let full = Arc::strong_count(&self.streams) > options.streams;
        if full || !self.budget.allows(Instant::now(), options.budget) {
            tx.count("saturated", 1);
            return Ok(Verdict::Done);
        }
        let tag = head::weakened(tx);
        let mut waits = None;
        if head_only || length.is_some() || options.min_length == 0 {
            head::recode(tx, Some(coding), tag)?;
        } else {
            tx.withhold_head()?;
            waits = Some(tag);
        }
        visit(tx).stream = (!head_only).then(|| {
            Box::new(Stream {
                coding,
                encoder: None,
                waits,
                bytes: [0, 0],
                _one_of: self.streams.clone(),
            })
        });
        Ok(Verdict::Continue)
    }

    /// The origin confirms what is stored, or what the client has: this head becomes part of that one (RFC 9111 section 3.2).
    fn validated(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        if tx.find("Vary").is_some() {
            head::vary(tx)?;
        }
        if visit(tx).renamed {
            let tag = head::weakened(tx);
            head::retag(tx, tag)?;
        }
        Ok(Verdict::Continue)
    }

    /// A piece of a body that is compressed.
    fn compress(
        &self,
        tx: &mut Transaction<'_>,
        mut stream: Box<Stream>,
    ) -> Result<Verdict, String> {
        let (options, last) = (self.options(), tx.is_last());
        let length = tx.held().iter().map(Bytes::len).sum::<usize>() + tx.piece().len();
        if let Some(tag) = stream.waits.take() {
            if length < options.min_length && !last {
                stream.waits = Some(tag);
                visit(tx).stream = Some(stream);
                return Ok(Verdict::Hold);
            }
            if length < options.min_length {
                return Ok(Verdict::Continue);
            }
            head::recode(tx, Some(stream.coding), tag).map_err(|why| why.to_string())?;
        }
        let (bytes, began) = (tx.whole(), Instant::now());
        let mut encoder = match stream.encoder.take() {
            Some(encoder) => encoder,
            None => Encoder::new(stream.coding, options.levels[stream.coding as usize])
                .map_err(|why| why.to_string())?,
        };
        let out = if last {
            encoder.finish(&bytes)
        } else {
            let out = encoder.push(&bytes, options.flush);
            stream.encoder = Some(encoder);
            out
        };
        let out = out.map_err(|why| why.to_string())?;
        self.budget
            .spend(Instant::now(), options.budget, began.elapsed());
        stream.bytes[0] += length as u64;
        stream.bytes[1] += out.len() as u64;
        if last {
            tx.count("compressed", 1);
            tx.count("bytes_in", stream.bytes[0]);
            tx.count("bytes_out", stream.bytes[1]);
        } else {
            visit(tx).stream = Some(stream);
        }
        Ok(replaced(out))
    }

    /// An answer on its way to a client: decompressed, when the client does not accept its coding.
    fn returned(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let accept = visit(tx).accept;
        let found = head::coding(tx)
            .ok()
            .flatten()
            .filter(|coding| !accept.takes(*coding));
        let Some(coding) =
            found.filter(|_| tx.status() == 200 && head::may_change(tx, &self.options()))
        else {
            // On a miss the body is still to be compressed.
            return match visit(tx).stream {
                Some(_) => tx.keep_length().map(|()| Verdict::Continue),
                None => Ok(Verdict::Done),
            };
        };
        let tag = head::weakened(tx);
        head::vary(tx)?;
        head::recode(tx, None, tag)?;
        match Decoder::new(coding) {
            Ok(decoder) => visit(tx).decoder = Some(Box::new(decoder)),
            Err(why) => return Ok(Verdict::fail(why.to_string())),
        }
        Ok(Verdict::Continue)
    }
}

fn replaced(out: Vec<u8>) -> Verdict {
    match out.is_empty() {
        true => Verdict::Drop,
        false => Verdict::Replace(out.into()),
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
        let accept = Accept::of(tx.find_all("Accept-Encoding"));
        // RFC 9111 section 5.2.1.6.
        let hands_off = head::lists(tx, "Cache-Control", "no-transform");
        let plain = hands_off || tx.find("Range").is_some();
        *visit(tx) = Visit {
            accept,
            plain,
            ..Visit::default()
        };
        let asked = accept.takes_identity() && accept.choose(&Coding::ALL).is_some();
        if plain
            && asked
            && let Err(refused) = tx.set("Accept-Encoding", "identity")
        {
            return Verdict::fail(refused.to_string());
        }
        if hands_off || tx.method() == b"CONNECT" {
            Verdict::Done
        } else {
            Verdict::Continue
        }
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        let identity = self.options().ask_identity && visit(tx).accept.takes_identity();
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
        match visit(tx).stream.take() {
            Some(stream) => self.compress(tx, stream).unwrap_or_else(Verdict::fail),
            None => Verdict::Continue,
        }
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        visit(tx).decoder = None;
        verdict(self.returned(tx))
    }

    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let Some(mut decoder) = visit(tx).decoder.take() else {
            return Verdict::Continue;
        };
        let (options, last) = (self.options(), tx.is_last());
        match decoder.push(tx.piece(), options.max_ratio, last) {
            Ok(out) => {
                if last {
                    tx.count("decompressed", 1);
                } else {
                    visit(tx).decoder = Some(decoder);
                }
                replaced(out)
            }
            Err(why) => {
                tx.count("broken", 1);
                Verdict::fail(format!("what is to be decompressed is broken: {why}"))
            }
        }
    }
}

understudy_module::export!(Compressor::default);
