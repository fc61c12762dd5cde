//! What would become of a request: the steps `request_head` and `look_up` of a real transaction, and no further.
//!
//! Invariant: what is foretold is what these steps say; there is no second copy of them. Nothing is sent, fetched, stored or counted.
//! Awkward case: modules. They may change where a request goes and what is answered, but asking them would make them act; they are
//! left out, and the explanation says so.

use super::part::Errand;
use super::{Step, Transaction, partition, ruled};
use crate::client::Client;
use crate::explain::{Arithmetic, Explanation, Next, NotStored, Request, Variant};
use crate::modules::FIRE;
use crate::record::Outcome;
use crate::settings::{Listener, Mode};
use crate::worker::{Source, Worker};
use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use understudy_cache::Stored;
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::lifetime::LifetimeSource;
use understudy_http::semantics::reuse::{Reuse, may_reuse};
use understudy_http::semantics::{date, storing};
use understudy_http::wire::head::parse_request;
use understudy_http::wire::target::{Scheme, Target, parse_target};
use understudy_http::{Method, Name, RequestHead};

/// Finds out.
///
/// # Errors
/// What is wrong with the question.
pub(crate) async fn foretell(worker: Rc<Worker>, asked: Request) -> Result<Explanation, String> {
    let listener = listener(&worker, asked.listener.as_deref())?;
    let head = head(&worker, &asked, &listener.mode)?;
    let name = listener.name.clone();
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let source = Source {
        address: listener.address,
        listener,
        retired: Cell::new(false),
        internal: true,
        refreshes: false,
        explains: true,
    };
    // A transaction owns a socket; nothing is ever written to this one.
    let (_near, far) = UnixStream::pair().map_err(|e| e.to_string())?;
    far.set_nonblocking(true).map_err(|e| e.to_string())?;
    let io = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(far)));
    let client = Client {
        io: io.map_err(|e| e.to_string())?,
        buf: BytesMut::new(),
        deadline: worker.clock.deadline(),
        served: 0,
    };
    let (source, now) = (Rc::new(source), Instant::now());
    let mut tx = Transaction::new(worker.clone(), source, nobody, client, head, now, None);
    // It is none that counts.
    worker.stats.requests.sub(1);
    worker.stats.transactions_open.sub(1);
    let step = tx.first_steps().await;
    Ok(tx.explanation(name, &step))
}

fn listener(worker: &Worker, name: Option<&str>) -> Result<Listener, String> {
    worker.with_live(|live| {
        let all = &live.settings.listeners;
        let found = match name {
            Some(name) => all.iter().find(|l| l.name == name),
            None => all.first(),
        };
        let mut found = found.cloned().ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|l| l.name.as_str()).collect();
            let name = name.unwrap_or_default();
            format!(
                "there is no listener {name:?}; there are {}",
                names.join(", ")
            )
        })?;
        if let Mode::Transparent { .. } = found.mode {
            // What is intercepted has the keys of what is asked for by its URL.
            found.mode = Mode::Forward;
        }
        Ok(found)
    })
}

/// The request as it would come in.
fn head(worker: &Worker, asked: &Request, mode: &Mode) -> Result<RequestHead<Bytes>, String> {
    let no = |why: &str| format!("{:?} cannot be asked about: {why}", asked.url);
    let (url, _) = asked.url.split_once('#').unwrap_or((&asked.url, ""));
    let target = parse_target(Method::Get, url.as_bytes());
    let Ok(Target::Absolute {
        scheme: Scheme::Http,
        path,
        ..
    }) = target
    else {
        return Err(no("write http://host/path"));
    };
    let rest = &url["http://".len()..];
    let authority = &rest[..rest.len() - path.len()];
    let path = String::from_utf8_lossy(path);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let target = match mode {
        Mode::Reverse { .. } => format!("{slash}{path}"),
        _ => format!("http://{authority}{slash}{path}"),
    };
    let method = asked.method.as_deref().unwrap_or("GET");
    if method.is_empty() || !method.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
        return Err(no("the method is no word"));
    }
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n");
    for (name, value) in &asked.headers {
        if name.eq_ignore_ascii_case("host") {
            return Err(no("the host is that of the URL"));
        }
        if value.contains(['\r', '\n']) || name.contains(['\r', '\n', ':']) {
            return Err(no("a field holds a line break, or a name a colon"));
        }
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let limits = worker.with_live(|live| live.settings.limits.head);
    match parse_request(text.as_bytes(), &limits, Vec::new()) {
        Ok(Some(parts)) if parts.len() == text.len() => Ok(parts.with(Bytes::from(text))),
        Ok(_) => Err(no("it is no request")),
        Err(error) => Err(no(&error.to_string())),
    }
}

impl Transaction {
    async fn first_steps(&mut self) -> Step {
        let step = match self.checked() {
            Ok(Some(step)) => Ok(step),
            Ok(None) => self.by_method(),
            Err(refusal) => Err(refusal),
        };
        match step {
            Ok(Step::LookUp) => self.look_up().await,
            Ok(step) => step,
            Err(refusal) => Step::Answer(refusal),
        }
    }

    /// Remembers why the answer to this GET is not stored, for who asks later.
    pub(super) fn note_refusal(&self, status: u16) {
        if let (Some(why), Some(route), Method::Get) =
            (self.tally.not_stored, &self.route, self.head.method())
        {
            self.worker
                .refusals
                .note(&route.key, why, status, self.now());
        }
    }

    fn explanation(&self, listener: String, step: &Step) -> Explanation {
        let key = self.key();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let rules = &self.live.settings.rules;
        let matched = ruled::matched(rules, &key);
        let slot = self.worker.cache.find(&key);
        let selected = slot
            .as_ref()
            .and_then(|slot| slot.select(self.head.fields()));
        let parts = slot
            .as_ref()
            .and_then(|slot| slot.select_part(self.head.fields()));
        let variants = slot.iter().flat_map(|slot| slot.all());
        let variants = variants.map(|stored| {
            let chosen = [selected, parts]
                .into_iter()
                .flatten()
                .any(|one| Arc::ptr_eq(one, stored));
            self.variant(stored, chosen)
        });
        let not_stored = self.worker.refusals.of(&key).map(|refused| NotStored {
            reason: refused.why.as_str(),
            clause: refused.why.clause(),
            status: refused.status,
            at: text(&date::format(refused.at)),
        });
        let mut notes = Vec::new();
        if FIRE && !self.live.chain.is_empty() {
            notes.push("modules were not asked: they may change what is foretold");
        }
        if let Mode::Reverse { .. } = self.source.listener.mode
            && self.live.settings.listeners.len() > 1
        {
            notes.push("other listeners may have other keys for this URL");
        }
        Explanation {
            url: text(&partition::shown(&key)),
            method: text(self.head.method_bytes()),
            listener,
            key: text(&key),
            rules: rules.names(matched).map(str::to_owned).collect(),
            variants: variants.collect(),
            not_stored,
            next: self.next(step),
            notes,
        }
    }

    fn variant(&self, stored: &Stored, selected: bool) -> Variant {
        let prepared = stored.prepared();
        let now = self.now();
        let freshness = prepared.freshness;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let rules = &self.live.settings.rules;
        let matched = ruled::matched(rules, &self.key());
        let length = Some(stored.complete_length());
        prepared.with_fields(|fields| {
            let kind = fields.get(Name::ContentType);
            let policy = rules.policy(matched, prepared.status, kind, length);
            let source = LifetimeSource::of(
                prepared.status,
                fields,
                &prepared.directives,
                &freshness,
                &policy,
            );
            let names = rules.names_of(matched, prepared.status, kind, length);
            let age = freshness.age(now);
            Variant {
                selected,
                status: prepared.status,
                length: stored.complete_length(),
                parts: stored.spans().map(|spans| {
                    let shown = spans.iter().map(|span| [span.first(), span.last()]);
                    shown.collect()
                }),
                received: text(&date::format(prepared.received)),
                vary: prepared
                    .vary
                    .present()
                    .map(|(name, value)| (text(name), text(value)))
                    .collect(),
                etag: fields.get(Name::Etag).map(text),
                last_modified: fields.get(Name::LastModified).map(text),
                rules: names.map(str::to_owned).collect(),
                directives: directives(&prepared.directives),
                tags: prepared.labels.tags().map(text).collect(),
                groups: prepared.labels.groups().map(text).collect(),
                freshness: Arithmetic {
                    lifetime: freshness.lifetime,
                    from: source.as_str(),
                    clause: source.clause(),
                    age,
                    on_arrival: freshness.corrected_initial_age,
                    here: age.saturating_sub(freshness.corrected_initial_age),
                    ttl: freshness.ttl(now),
                },
            }
        })
    }

    fn next(&self, step: &Step) -> Next {
        let mut next = Next {
            does: "other",
            status: None,
            fwd: self.tally.forward.map(Forward::as_str),
            reason: None,
            clause: None,
        };
        let mut says = |reason: &'static str, clause: &'static str| {
            next.reason = Some(reason);
            next.clause = Some(clause);
        };
        let reuse = |stored: &Stored| {
            let prepared = stored.prepared();
            may_reuse(
                &self.directives,
                &prepared.directives,
                &prepared.freshness,
                self.now(),
            )
        };
        match step {
            Step::Hit { stored, how } => {
                let (reason, clause) = match self.tally.stale {
                    Some(why) => (why.as_str(), why.clause()),
                    None => reuse(stored).reason(),
                };
                says(reason, clause);
                next.does = if *how == Outcome::Hit { "hit" } else { "stale" };
                next.fwd = None;
                let whole = !self.head.fields().has(Name::Range);
                next.status = match self.not_modified(stored.prepared()) {
                    true => Some(304),
                    false => whole.then_some(stored.prepared().status),
                };
            }
            Step::Ask {
                validate: Some(stored),
                forward,
                ..
            } => {
                let policy = self.request_policy();
                let prepared = stored.prepared();
                let personal = policy.is_personal(
                    self.head.fields(),
                    &prepared.directives,
                    &prepared.freshness,
                );
                match reuse(stored) {
                    Reuse::Validate(why) => {
                        says(why.as_str(), why.clause());
                    }
                    _ if personal => {
                        let why = storing::NoStoreReason::Cookie;
                        says(why.as_str(), why.clause());
                    }
                    _ => says("stale", "RFC 9111 section 4.2"),
                }
                next.does = "validate";
                next.fwd = Some(forward.as_str());
            }
            Step::AskPart {
                errand: Errand::Validate(held),
                forward,
                ..
            } => {
                let (reason, clause) = reuse(held).reason();
                says(reason, clause);
                next.does = "validate";
                next.fwd = Some(forward.as_str());
            }
            Step::Ask { forward, .. } | Step::AskPart { forward, .. } => {
                next.does = "fetch";
                next.fwd = Some(forward.as_str());
            }
            Step::Pass { why } => {
                says(why.as_str(), why.clause());
                next.does = "pass";
            }
            Step::Answer(refusal) => {
                next.reason = Some(refusal.word);
                next.status = Some(refusal.status);
                next.does = "refuse";
            }
            _ => next.reason = Some(step.name()),
        }
        next
    }
}

/// The directives that count, written as a response has them.
fn directives(cc: &ResponseDirectives) -> Vec<String> {
    let flags = [
        ("no-cache", cc.no_cache),
        ("public", cc.public),
        ("must-revalidate", cc.must_revalidate),
        ("proxy-revalidate", cc.proxy_revalidate),
        ("immutable", cc.immutable),
    ];
    let times = [
        ("max-age", cc.max_age),
        ("s-maxage", cc.s_maxage),
        ("stale-while-revalidate", cc.stale_while_revalidate),
        ("stale-if-error", cc.stale_if_error),
    ];
    let flags = flags.iter().filter(|(_, on)| *on);
    let times = times.iter().filter_map(|(name, n)| Some((*name, (*n)?)));
    flags
        .map(|(name, _)| (*name).to_owned())
        .chain(times.map(|(name, n)| format!("{name}={n}")))
        .collect()
}
