//! A module that makes images gray, and by option smaller, of lower quality, or WebP or AVIF for clients that take them.
//!
//! An answer with an image is held until it is whole, handed to a thread of the module's own, and what comes of it is stored and
//! returned, with its head changed to match. Whatever goes wrong, and whenever too much waits, the original goes on. All of it belongs
//! in a child process with a limit on memory, where a decoder that is led astray harms nobody.
//!
//! ```toml
//! [[module]]
//! name = "transcoder"
//! library = "builtin:transcoder"
//! runtime = "process"
//! nice = 19
//! memory = "512M"
//! on_failure = "open"          # the child may die: then the original
//!
//! [module.options]             # with their defaults
//! grayscale = "always"         # or "never", or "save-data": for clients that send Save-Data: on
//! # quality = 60               # encode JPEG and lossy WebP anew at this quality, 1 to 100
//! # save_data_quality = 30     # the same for clients that send Save-Data: on
//! # max_width = 1280           # no larger than this; images are never enlarged
//! # max_height = 1280
//! webp = false                 # WebP for clients whose Accept names it
//! avif = false                 # AVIF for clients whose Accept names it; slow
//! hints = false                # no wider than Sec-CH-Width, or Sec-CH-Viewport-Width times Sec-CH-DPR
//! widths = [320, 640, 960, 1280, 1920, 2560]   # what hints are rounded up to
//! max_bytes = 8388608          # larger images are left alone
//! max_held = 8388608           # bytes of images under way, together: with one more for each worker not more than `hold`
//! max_pixels = 16000000        # of all frames together
//! waiting = 32                 # images that may wait for a worker; more are left alone
//! patience_ms = 3000           # how long one may wait
//! workers = 1                  # threads that transcode, in each process
//! ```
//!
//! Left alone is what is not a whole GET answered with 200, says `no-transform`, has a Content-Encoding, or is a download.
#![forbid(unsafe_code)]

mod asked;
mod color;
mod coming;
mod encode;
mod frames;
mod options;
mod palette;
mod transcode;
mod work;

use asked::Asked;
use coming::{Coming, Held};
use options::Options;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};
pub use transcode::{Kept, Made, Want, transcode};
use understudy_module::{About, Hook, Hooks, Host, Module, Refused, Transaction, Verdict};
use work::{Task, Workers};

/// The types that it takes.
const KINDS: [&str; 5] = [
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/gif",
    "image/webp",
];

/// The module.
#[derive(Debug, Default)]
pub struct Transcoder {
    /// What is in force; nothing before `init`.
    now: RwLock<Option<Arc<InForce>>>,
    /// Bytes of images that are under way.
    held: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct InForce {
    options: Options,
    workers: Workers,
}

impl Transcoder {
    fn configure(&self, host: &Host) -> Result<(), String> {
        let options = Options::read(host)?;
        let patience = Duration::from_millis(options.patience);
        let workers = Workers::start(
            options.workers,
            options.waiting,
            patience,
            options.max_pixels,
        )?;
        let now = Arc::new(InForce { options, workers });
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    fn now(&self) -> Option<Arc<InForce>> {
        self.now
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What a client asked for, kept until the answer is there.
    fn ask(tx: &mut Transaction<'_>, now: &InForce) -> Result<Verdict, Refused> {
        if now.options.hints {
            asked::round(tx, &now.options)?;
        }
        let asked = Asked::of(tx, &now.options);
        tx.opaque().set(asked);
        Ok(Verdict::Continue)
    }

    /// Whether what comes is an image for us, and then that its head waits for it.
    fn look(&self, tx: &mut Transaction<'_>, now: Arc<InForce>) -> Result<Verdict, Refused> {
        if tx.status() == 304 {
            // It says what the stored answer varies by, and knows nothing of what was added to that.
            if !asked::deciding(b"", &now.options).is_empty() {
                tx.delete("Vary")?;
            }
            return Ok(Verdict::Done);
        }
        let kind = tx.find("Content-Type").unwrap_or_default();
        let kind = kind
            .split(|b| *b == b';')
            .next()
            .unwrap_or_default()
            .trim_ascii()
            .to_owned();
        if now.options.hints && kind.eq_ignore_ascii_case(b"text/html") {
            tx.add("Accept-CH", asked::ACCEPT_CH)?;
        }
        if !KINDS
            .iter()
            .any(|known| kind.eq_ignore_ascii_case(known.as_bytes()))
            || !may(tx)
        {
            return Ok(Verdict::Done);
        }
        let length = tx
            .find("Content-Length")
            .and_then(|n| std::str::from_utf8(n).ok()?.parse().ok());
        if length.is_some_and(|length: usize| length > now.options.max_bytes) {
            tx.host().count("passed_large", 1);
            return Ok(Verdict::Done);
        }
        let missing: Vec<&str> = asked::deciding(&kind, &now.options)
            .into_iter()
            .filter(|name| {
                !asked::members(tx, "Vary").any(|there| there.eq_ignore_ascii_case(name.as_bytes()))
            })
            .collect();
        if !missing.is_empty() {
            tx.add("Vary", missing.join(", "))?;
        }
        let asked = tx.opaque().get::<Asked>().copied().unwrap_or_default();
        if asked.no_transform {
            // Nobody else is to get from the cache what only this client wants.
            tx.no_store()?;
            return Ok(Verdict::Done);
        }
        let want = asked.want(&kind, &now.options);
        if tx.method() != b"GET" || want == Want::default() {
            return Ok(Verdict::Done);
        }
        let coming = Coming {
            want,
            etag: tx.find("ETag").map(<[u8]>::to_owned),
            held: Held::of(&self.held),
            now,
        };
        tx.opaque().set(coming);
        tx.withhold_head()?;
        Ok(Verdict::Continue)
    }

    fn body(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let (piece, is_last) = (tx.piece().len(), tx.is_last());
        let Some(coming) = tx.opaque().get::<Coming>() else {
            return Ok(Verdict::Continue);
        };
        if !coming.held.add(piece, &coming.now.options) {
            let crowded = coming.held.fits(&coming.now.options);
            let _ = tx.opaque().take();
            tx.host().count("passed_held", 1);
            if crowded {
                // The next to ask may find fewer beside it.
                tx.no_store()?;
            }
            return Ok(Verdict::Done);
        }
        if !is_last {
            return Ok(Verdict::Hold);
        }
        let (now, want, etag) = (coming.now.clone(), coming.want, coming.etag.take());
        let held = std::mem::replace(&mut coming.held, Held::of(&self.held));
        let task = Task {
            host: tx.host(),
            token: tx.token(),
            image: tx.whole(),
            want,
            etag,
            since: Instant::now(),
            // The proxy holds it until the answer is there.
            _held: held,
        };
        let _ = tx.opaque().take();
        if now.workers.take(task) {
            return Ok(Verdict::Pending);
        }
        tx.host().count("passed_waiting", 1);
        // The next to ask may find fewer before it.
        tx.no_store()?;
        Ok(Verdict::Continue)
    }
}

/// Whether the answer here may be changed at all. A download is somebody's file; what is encoded cannot be read.
fn may(tx: &Transaction<'_>) -> bool {
    let is_download = tx.find("Content-Disposition").is_some_and(|how| {
        how.get(..10)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"attachment"))
    });
    tx.status() == 200
        && tx.find("Content-Encoding").is_none()
        && !asked::no_transform(tx)
        && !is_download
}

fn verdict(answer: Result<Verdict, Refused>) -> Verdict {
    answer.unwrap_or_else(|refused| Verdict::fail(refused.to_string()))
}

impl Module for Transcoder {
    fn about(&self) -> About {
        let hooks = Hooks::of(&[Hook::RequestHead, Hook::ResponseHead, Hook::ResponseBody]);
        let about = About::new("transcoder", env!("CARGO_PKG_VERSION"), hooks);
        // Not for its hooks' sake, which hand over: decoders have no place in the proxy's own workers.
        About {
            blocking: true,
            ..about
        }
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        match self.now() {
            Some(now) if matches!(tx.method(), b"GET" | b"HEAD") => verdict(Self::ask(tx, &now)),
            _ => Verdict::Done,
        }
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        match self.now() {
            Some(now) => verdict(self.look(tx, now)),
            None => Verdict::Done,
        }
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        verdict(self.body(tx))
    }
}

understudy_module::export!(Transcoder::default);
