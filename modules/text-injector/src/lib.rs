//! A module that inserts a text into HTML as it streams by: the Text Injector of the paper.
//!
//! The text is an option, or what a helper says for this request: any command run for each page, a command that is kept running and
//! speaks lines, or a Unix socket that speaks lines. It is asked when the head of a page is here; the page goes on meanwhile, up to the
//! point, and waits there no longer than `timeout`. docs/modules/text-injector.md has every option and the protocol.
//!
//! ```toml
//! [[module]]
//! name = "text-injector"
//! library = "builtin:text-injector"
//! runtime = "inline"
//! [module.options]
//! helper = ["/usr/local/bin/greet"]   # or command = [...], socket = "...", text = "..."
//! ask = "{client} {host} {url}"       # what it is asked
//! timeout = "250ms"                   # how long a page waits at the point
//! selector = "head"                   # the element,
//! position = "append"                 # and where: before, prepend, append, after
//! types = ["text/html"]
//! on = "return"                       # or "store", with vary = ["..."]
//! csp = "nonce"                       # or "skip", "ignore"
//! identity = false                    # ask for pages that are not compressed
//! limit = 65536                       # most bytes of a text
//! queue = 256                         # most questions that wait
//! processes = 4                       # most commands at once
//! ```
#![forbid(unsafe_code)]

mod body;
mod helper;
mod options;
mod page;
mod policy;
mod scan;
mod slot;
mod template;
mod text;

use body::Body;
use helper::Helper;
use options::Options;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use understudy_module::{
    About, Hook, Hooks, Host, Interest, Module, Refused, Transaction, Verdict,
};

/// The module.
#[derive(Debug, Default)]
pub struct TextInjector {
    active: RwLock<Option<Arc<Active>>>,
    /// Those before as well, as long as pages wait for their helpers.
    all: Mutex<Vec<Weak<Active>>>,
}

/// The options in force, and who is asked.
#[derive(Debug)]
struct Active {
    options: Arc<Options>,
    helper: Helper,
}

/// What is kept of a transaction.
#[derive(Debug)]
struct Visit {
    active: Arc<Active>,
    /// The fields of the request that the helper is told.
    fields: Vec<Vec<u8>>,
    /// Its `If-None-Match`: the client's, or what the origin was asked with.
    validators: Vec<u8>,
    body: Option<Body>,
}

fn went(done: Result<Verdict, Refused>) -> Verdict {
    done.unwrap_or_else(|refused| Verdict::fail(refused.to_string()))
}

fn visit<'a>(tx: &'a mut Transaction<'_>) -> Option<&'a mut Visit> {
    tx.opaque().get()
}

/// Lines of one field, as one.
fn line(tx: &Transaction<'_>, name: &str) -> Vec<u8> {
    tx.find_all(name).collect::<Vec<_>>().join(&b", "[..])
}

/// The head of an answer: whether a text goes into its body, and then who is asked for it.
fn head(tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
    let Some((active, validators)) =
        visit(tx).map(|visit| (visit.active.clone(), std::mem::take(&mut visit.validators)))
    else {
        return Ok(Verdict::Done);
    };
    let options = &active.options;
    if tx.status() == 304 {
        if page::asked_weakly(tx, &validators) {
            page::weaken(tx)?;
        }
        // The one it brings takes the place of the stored page's, which names more (RFC 9111 section 3.2).
        if options.store && tx.find("vary").is_some() {
            page::vary(tx, options)?;
        }
    }
    if !page::is_page(tx, options) {
        return Ok(Verdict::Done);
    }
    let page = match page::read(tx) {
        Ok(page) => page,
        Err(why) => {
            tx.count(why, 1);
            return Ok(Verdict::Done);
        }
    };
    page::edit(tx, options, active.helper.is_personal())?;
    if tx.method() == b"HEAD" {
        return Ok(Verdict::Continue);
    }
    tx.count("pages", 1);
    let fields = visit(tx)
        .map(|visit| std::mem::take(&mut visit.fields))
        .unwrap_or_default();
    let slot = active
        .helper
        .ask(&tx.host(), || options.ask.line(tx, &fields));
    let body = Body::new(options, page, slot, tx.url());
    if let Some(visit) = visit(tx) {
        visit.body = Some(body);
    }
    Ok(Verdict::Continue)
}

/// A piece of a body.
fn piece(tx: &mut Transaction<'_>) -> Verdict {
    let Some(mut body) = visit(tx).and_then(|visit| visit.body.take()) else {
        return Verdict::Done;
    };
    let verdict = body.piece(tx);
    if let Some(visit) = visit(tx) {
        visit.body = Some(body);
    }
    verdict
}

impl TextInjector {
    fn configure(&self, host: &Host) -> Result<(), String> {
        let options = Arc::new(Options::of(host)?);
        let helper = Helper::new(&options, host)?;
        let active = Arc::new(Active { options, helper });
        self.all().push(Arc::downgrade(&active));
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = Some(active);
        Ok(())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Active>>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|active| active.strong_count() > 0);
        all
    }

    fn active(&self) -> Option<Arc<Active>> {
        self.active
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn asked(&self, tx: &mut Transaction<'_>) -> Result<Verdict, Refused> {
        let Some(active) = self
            .active()
            .filter(|_| matches!(tx.method(), b"GET" | b"HEAD"))
        else {
            return Ok(Verdict::Done);
        };
        let options = &active.options;
        // What is stored is for whoever asks next as well, so who asks first does not decide.
        if !options.store && (page::asks_for_fragment(tx) || page::forbids_transforming(tx)) {
            return Ok(Verdict::Done);
        }
        if options.identity && page::asks_for_page(tx) {
            // Without the field any coding would do (RFC 9110 section 12.5.3).
            tx.set("Accept-Encoding", "identity")?;
        }
        if (options.store || page::goes_on_by_date(tx)) && page::asks_for_page(tx) {
            // A part of the origin's bytes must not meet a page of ours.
            tx.delete("Range")?;
            tx.delete("If-Range")?;
        }
        let fields = options
            .ask
            .fields()
            .iter()
            .map(|name| line(tx, name))
            .collect();
        let validators = line(tx, "if-none-match");
        tx.opaque().set(Visit {
            active,
            fields,
            validators,
            body: None,
        });
        Ok(Verdict::Continue)
    }
}

/// Whether this transaction's text goes in before its answer is stored.
fn stores(tx: &mut Transaction<'_>) -> Option<bool> {
    visit(tx).map(|visit| visit.active.options.store)
}

impl Module for TextInjector {
    fn about(&self) -> About {
        About::new(
            "text-injector",
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
        self.configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.configure(host)
    }

    fn fini(&self, _: &Host) {
        *self.active.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        went(self.asked(tx))
    }

    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        if stores(tx) == Some(true) {
            let validators = line(tx, "if-none-match");
            if let Some(visit) = visit(tx) {
                visit.validators = validators;
            }
        }
        Verdict::Continue
    }

    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        match stores(tx) {
            Some(true) => went(head(tx)),
            // Its turn comes on return, unless it is none of ours. A 304 does not say what it is about.
            Some(false) if tx.status() == 200 && !visit_is_page(tx) => Verdict::Done,
            Some(false) => went(tx.skip_body().map(|()| Verdict::Continue)),
            None => Verdict::Done,
        }
    }

    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        piece(tx)
    }

    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        match stores(tx) {
            Some(false) => went(head(tx)),
            // It comes before the pieces that are to be stored, so it is not yet done.
            Some(true) if visit(tx).is_some_and(|visit| visit.body.is_some()) => {
                went(tx.skip_body().map(|()| Verdict::Continue))
            }
            _ => Verdict::Done,
        }
    }

    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        piece(tx)
    }

    fn ready(&self, _: &Host, fd: RawFd, interest: Interest, tag: u64) {
        let all: Vec<_> = self.all().iter().filter_map(Weak::upgrade).collect();
        all.iter()
            .for_each(|active| active.helper.ready(fd, interest, tag));
    }
}

/// Whether the head that is here is that of a page.
fn visit_is_page(tx: &mut Transaction<'_>) -> bool {
    let active = visit(tx).map(|visit| visit.active.clone());
    active.is_some_and(|active| page::is_page(tx, &active.options))
}

understudy_module::export!(TextInjector::default);
