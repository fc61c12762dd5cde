//! A client of ICAP services (RFC 3507): requests and answers go to servers that scan, filter or translate them.
//!
//! One instance has all its messages under way at once, over connections that it keeps: hooks answer `Pending`, descriptors are watched,
//! and no thread waits. So it is the same inline, in threads and in a child process (which has connections of its own).
//!
//! | hook | what it does |
//! |---|---|
//! | `request_head` | REQMOD of a request without a body; with one the head is withheld |
//! | `request_body` | REQMOD: each piece goes to the service, what it makes of it goes on |
//! | `request_out` | remembers the head of the request for RESPMOD |
//! | `response_head` | RESPMOD of an answer without a body; with one the head is withheld |
//! | `response_body` | RESPMOD |
//! | `timer` | time-outs, options that are too old, servers that were left alone |
//!
//! What RESPMOD makes of an answer is what is stored: a hit asks no service.
//!
//! ```toml
//! [[module]]
//! name = "icap-client"
//! library = "builtin:icap-client"
//!
//! [module.options]
//! reqmod = ["icap://127.0.0.1:1344/url_check"]
//! respmod = ["icap://av1:1344/virus_scan icap://av2:1344/virus_scan", "icap://127.0.0.1:1344/echo"]
//! ```
//!
//! Each member of `reqmod` and `respmod` is a service, several are a chain in this order; each is asked at one of its servers. All
//! options are in docs/modules/icap-client.md.
#![forbid(unsafe_code)]

mod engine;
mod exchange;
mod job;
mod queue;
mod server;
mod settings;
mod stream;
mod terms;
mod uri;
pub mod wire;

use engine::Engine;
use job::Message;
use settings::Settings;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};
use understudy_module::{
    About, Answer, Attention, Bytes, Hook, Hooks, Host, Interest, Module, Transaction, Verdict,
};
use wire::{Head, Method, Start};

/// How often the clock is looked at.
const TICK: Duration = Duration::from_millis(100);

/// An engine, used by one thread at a time; nothing waits while it does.
#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<Engine>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The module.
#[derive(Debug, Default)]
pub struct IcapClient {
    /// The last is the one in force; those before have messages under way.
    engines: RwLock<Vec<Shared>>,
}

/// What is known of a transaction between its hooks.
#[derive(Debug, Default)]
struct Visit {
    /// The head of its request.
    request: Option<Arc<Head>>,
    /// An origin may answer while the request's body is still on its way: there may be both.
    reqmod: Option<Ticket>,
    respmod: Option<Ticket>,
}

impl Visit {
    fn ticket(&mut self, method: Method) -> &mut Option<Ticket> {
        match method {
            Method::Reqmod => &mut self.reqmod,
            Method::Respmod => &mut self.respmod,
        }
    }
}

/// A message under way. Dropped, it is forgotten.
#[derive(Debug)]
struct Ticket(Shared, u64);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.lock().forget(self.1);
    }
}

impl IcapClient {
    fn engines(&self) -> Vec<Shared> {
        self.engines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The engine in force.
    fn engine(&self) -> Option<Shared> {
        let engines = self.engines.read().unwrap_or_else(PoisonError::into_inner);
        engines.last().cloned()
    }

    fn configure(&self, host: &Host) -> Result<(), String> {
        let settings = Settings::of(host)?;
        host.attend(attention(&settings));
        let engine = Engine::new(host.clone(), settings);
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        engines.push(Shared(Arc::new(Mutex::new(engine))));
        Ok(())
    }

    /// The engine in force, if it has services for this.
    fn adapts(&self, method: Method) -> Option<Shared> {
        self.engine().filter(|engine| engine.lock().does(method))
    }

    /// A message begins: without a body it is asked about now, otherwise its head waits for the hook on its body.
    fn begin(&self, tx: &mut Transaction<'_>, engine: Shared, message: Message) -> Verdict {
        let (method, body) = (message.method, message.body);
        let id = engine.lock().submit(message);
        *visit(tx).ticket(method) = Some(Ticket(engine, id));
        if !body {
            return ask(tx, method, None);
        }
        match tx.withhold_head() {
            Ok(()) => Verdict::Continue,
            Err(refused) => Verdict::fail(refused.to_string()),
        }
    }
}

/// What the hooks on heads answer with these settings, where that is known without asking them.
fn attention(settings: &Settings) -> Attention {
    let (mut unheard, mut withheld) = (Hooks::NONE, Hooks::NONE);
    for (services, head) in [
        (&settings.reqmod, Hook::RequestHead),
        (&settings.respmod, Hook::ResponseHead),
    ] {
        match services.is_empty() {
            true => unheard = unheard.and(Hooks::of(&[head])),
            false => withheld = withheld.and(Hooks::of(&[head])),
        }
    }
    // The head of a request is for RESPMOD to send along.
    let mut noted = Hooks::of(&[Hook::RequestOut]);
    if settings.respmod.is_empty() {
        (unheard, noted) = (unheard.and(noted), Hooks::NONE);
    }
    Attention {
        unheard,
        noted,
        withheld,
    }
}

fn visit<'a>(tx: &'a mut Transaction<'_>) -> &'a mut Visit {
    tx.opaque().get_or_insert_with(Visit::default)
}

/// The body behind this head is none of ours.
fn passes(tx: &mut Transaction<'_>) -> Verdict {
    match tx.keep_length() {
        Ok(()) => Verdict::Continue,
        Err(refused) => Verdict::fail(refused.to_string()),
    }
}

/// Asks about the message of this transaction, with a piece of its body.
fn ask(tx: &mut Transaction<'_>, method: Method, piece: Option<(Bytes, bool)>) -> Verdict {
    let Some(Ticket(engine, id)) = visit(tx).ticket(method) else {
        return Verdict::Continue;
    };
    let (engine, id) = (engine.clone(), *id);
    let mut engine = engine.lock();
    match engine.ask(id, piece) {
        // A first part is for those that waited.
        Some(Answer { verdict, edits })
            if edits.is_empty() && !matches!(verdict, Verdict::First(_)) =>
        {
            verdict
        }
        Some(answer) => {
            let token = tx.token();
            tx.host().resume(token, answer);
            Verdict::Pending
        }
        None => {
            let token = tx.token();
            if let Some(job) = engine.job(id) {
                job.token = Some(token);
            }
            Verdict::Pending
        }
    }
}

/// The request that is here, as an ICAP service wants it: with its whole URL (RFC 3507 section 4.8.1 shows it so).
fn request(tx: &Transaction<'_>) -> Head {
    let target = tx.target();
    let mut whole = target.to_vec();
    if target.starts_with(b"/") {
        let url = tx.url();
        let mut slashes = url.iter().enumerate().filter(|(_, b)| **b == b'/');
        let (scheme, authority) = (slashes.nth(1), slashes.next());
        let (scheme, authority) = (
            scheme.map_or(0, |(at, _)| at + 1),
            authority.map_or(url.len(), |(at, _)| at),
        );
        // The URL names the port in any case; as the client wrote it is how lists have it.
        let host = tx.find("host").filter(|host| !host.is_empty());
        let host = host.unwrap_or(&url[scheme..authority]);
        whole = [&url[..scheme], host, target].concat();
    }
    Head::new(Start::Request(tx.method().to_vec(), whole), tx.lines())
}

/// The length that a head says its body has.
fn length(tx: &Transaction<'_>) -> Option<u64> {
    std::str::from_utf8(tx.find("content-length")?)
        .ok()?
        .parse()
        .ok()
}

impl Module for IcapClient {
    fn about(&self) -> About {
        let hooks = Hooks::of(&[
            Hook::RequestHead,
            Hook::RequestBody,
            Hook::RequestOut,
            Hook::ResponseHead,
            Hook::ResponseBody,
        ]);
        let mut about = About::new("icap-client", env!("CARGO_PKG_VERSION"), hooks);
        about.timer = Some(TICK);
        about
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let Some(engine) = self.adapts(Method::Reqmod) else {
            return passes(tx);
        };
        let length = length(tx);
        let body =
            length.is_some_and(|length| length > 0) || tx.find("transfer-encoding").is_some();
        let message = Message {
            method: Method::Reqmod,
            url: Bytes::copy_from_slice(tx.url()),
            client: tx.client().ip(),
            request: None,
            head: request(tx),
            body,
            length,
            alone: true,
        };
        self.begin(tx, engine, message)
    }

    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let piece = (tx.piece().clone(), tx.is_last());
        ask(tx, Method::Reqmod, Some(piece))
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        if self.adapts(Method::Respmod).is_some() {
            let head = Arc::new(request(tx));
            visit(tx).request = Some(head);
        }
        Verdict::Continue
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        let status = tx.status();
        // A validation that is confirmed says nothing new: what is stored was adapted.
        let Some(engine) = self.adapts(Method::Respmod).filter(|_| status != 304) else {
            return match visit(tx).reqmod.is_none() {
                true => Verdict::Done,
                // The request's body may still be on its way.
                false => passes(tx),
            };
        };
        let length = length(tx);
        let none = tx.method() == b"HEAD" || matches!(status, 204 | 205) || length == Some(0);
        let message = Message {
            method: Method::Respmod,
            url: Bytes::copy_from_slice(tx.url()),
            client: tx.client().ip(),
            request: visit(tx).request.clone(),
            head: Head::new(Start::Response(status), tx.lines()),
            body: !none,
            length,
            alone: visit(tx).reqmod.is_none(),
        };
        self.begin(tx, engine, message)
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        let piece = (tx.piece().clone(), tx.is_last());
        ask(tx, Method::Respmod, Some(piece))
    }

    fn timer(&self, _: &Host) {
        let now = Instant::now();
        self.engines()
            .iter()
            .for_each(|engine| engine.lock().tick(now));
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        let mut behind = engines.len();
        engines.retain(|engine| {
            behind -= 1;
            behind == 0 || !engine.lock().end_if_quiet()
        });
    }

    fn fini(&self, _: &Host) {
        let mut engines = self.engines.write().unwrap_or_else(PoisonError::into_inner);
        engines.drain(..).for_each(|engine| engine.lock().end());
    }

    fn ready(&self, _: &Host, _: RawFd, interest: Interest, tag: u64) {
        for engine in self.engines() {
            let mut engine = engine.lock();
            if engine.has(tag) {
                return engine.ready(tag, interest, Instant::now());
            }
        }
    }
}

understudy_module::export!(IcapClient::default);
