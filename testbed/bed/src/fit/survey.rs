//! All that is counted of a log in one reading.
//!
//! Invariant: `lines = bad + empty + left out + used`, and every used line is one request of the workload. Left out is what the testbed's
//! robots do not do: tunnels, errors, redirects, methods beside GET, HEAD and POST, and what the proxy answered on its own.

use super::{
    clients::Clients,
    entry::{Entry, Outcome, Verb},
    kinds::{Kind, kind},
    log::{Format, Log, Unread},
    sample::Sample,
    urls::Urls,
};
use serde::Serialize;
use std::time::Duration;

/// The largest body that the testbed makes (64 MiB): larger ones count as one of these. A POST's may be 64 times smaller.
const BODY: u64 = 64 << 20;

/// The longest thinking, in seconds.
const THINK: f64 = 3600.0;

/// Lines that were read and not used, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// CONNECT and Upgrade.
    pub tunnels: u64,
    /// Refused, or answered by the proxy itself.
    pub own: u64,
    /// Status 400 and above, or none.
    pub errors: u64,
    /// Status 1xx, and 3xx but for 304.
    pub redirects: u64,
    /// Methods beside GET, HEAD and POST.
    pub methods: u64,
}

impl LeftOut {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.tunnels + self.own + self.errors + self.redirects + self.methods
    }
}

/// Requests of some kind among all used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Requests {
    /// All that were used.
    pub used: u64,
    /// Those of them that were HEAD.
    pub head: u64,
    /// Those of them that were POST.
    pub post: u64,
    /// Those of GET and HEAD that were answered 304.
    pub not_modified: u64,
    /// Those of GET and HEAD that said `no-cache`.
    pub reload: u64,
    /// Those that were broken off.
    pub aborted: u64,
    /// Those of GET and HEAD whose URL ends with its `?`: the log leaves queries out.
    pub cut: u64,
    /// Those that a cache answered out of its store, whether or not it asked the origin first.
    pub hits: u64,
}

/// What was counted of a log.
#[derive(Debug)]
pub struct Survey {
    /// The log's format.
    pub format: Format,
    /// What could not be read.
    pub unread: Unread,
    /// What was read and not used.
    pub left_out: LeftOut,
    /// What was used.
    pub requests: Requests,
    /// When the first exchange began and the last was over, Unix seconds.
    pub span: Option<(f64, f64)>,
    /// Whether times have parts of seconds.
    pub exact: bool,
    pub(super) urls: Urls,
    pub(super) clients: Clients,
    /// GET and HEAD requests of each kind.
    pub(super) kinds: [u64; 4],
    /// Sizes of objects, by kind: the first whole answer's.
    pub(super) sizes: [Sample; 4],
    /// Seconds that fetches took.
    pub(super) think: Sample,
    /// Bytes of POST bodies.
    pub(super) posts: Sample,
}

/// Whether an entry is of a request that robots make too; else the reason.
pub(super) fn usable<'a>(entry: &Entry<'_>, out: &'a mut LeftOut) -> Result<(), &'a mut u64> {
    match (entry.method, entry.outcome, entry.status) {
        (Verb::Connect, ..) | (_, Outcome::Tunnel, _) | (_, _, 101) => Err(&mut out.tunnels),
        (_, Outcome::Own, _) => Err(&mut out.own),
        (Verb::Other, ..) => Err(&mut out.methods),
        (_, _, 0 | 400..) => Err(&mut out.errors),
        (_, _, 200..=299 | 304) => Ok(()),
        _ => Err(&mut out.redirects),
    }
}

impl Survey {
    fn new() -> Self {
        Self {
            format: Format::Auto,
            unread: Unread::default(),
            left_out: LeftOut::default(),
            requests: Requests::default(),
            span: None,
            exact: false,
            urls: Urls::new(),
            clients: Clients::new(),
            kinds: [0; 4],
            sizes: [0, 1, 2, 3].map(Sample::new),
            think: Sample::new(4),
            posts: Sample::new(5),
        }
    }

    /// Reads a log to its end.
    #[must_use]
    pub fn of(mut log: Log) -> Self {
        let mut survey = Self::new();
        log.each(|entry| {
            survey.add(entry);
            true
        });
        survey.clients.finish();
        survey.format = log.format();
        survey.unread = log.unread;
        survey
    }

    /// How long the log is, by its first and last time.
    #[must_use]
    pub fn length(&self) -> Duration {
        let seconds = self.span.map_or(0.0, |(first, last)| last - first);
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    fn add(&mut self, entry: &Entry<'_>) {
        if let Err(reason) = usable(entry, &mut self.left_out) {
            *reason += 1;
            return;
        }
        let requests = &mut self.requests;
        requests.used += 1;
        requests.aborted += u64::from(entry.aborted);
        self.exact |= entry.exact;
        let (first, last) = self.span.unwrap_or((entry.end, entry.end));
        self.span = Some((first.min(entry.begin()), last.max(entry.end)));
        self.clients.ask(entry);
        if entry.method == Verb::Post {
            requests.post += 1;
            if let Some(sent) = entry.sent {
                self.posts.add(sent.min(BODY / 64) as f64);
            }
            return;
        }
        requests.head += u64::from(entry.method == Verb::Head);
        requests.not_modified += u64::from(entry.status == 304);
        requests.reload += u64::from(entry.outcome == Outcome::Reload);
        requests.cut += u64::from(entry.url.ends_with(b"?"));
        let stored = matches!(entry.outcome, Outcome::Hit | Outcome::Unmodified);
        requests.hits += u64::from(stored);
        let fetched = matches!(entry.outcome, Outcome::Miss | Outcome::Reload);
        let whole =
            entry.method == Verb::Get && matches!(entry.status, 200 | 203) && !entry.aborted;
        if let Some(elapsed) = entry.elapsed.filter(|_| fetched && whole) {
            self.think.add(elapsed.min(THINK));
        }
        let Some(seen) = self.urls.ask(entry) else {
            self.kinds[kind(entry).0 as usize] += 1;
            return;
        };
        self.kinds[seen.kind as usize] += 1;
        if whole && !seen.sized && entry.body > 0 {
            seen.sized = true;
            self.sizes[seen.kind as usize].add(entry.body.min(BODY) as f64);
        }
    }

    /// The number of a kind in [`Kind::ALL`]'s order, and its counts.
    pub(super) fn of_kind(&self, kind: Kind) -> (u64, &Sample) {
        (self.kinds[kind as usize], &self.sizes[kind as usize])
    }
}
