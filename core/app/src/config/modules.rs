//! `[[module]]` and `[modules]`: which modules run, where, and under which ceilings.
//!
//! Invariant: names are unique, and a key that means nothing for the runtime chosen is refused, not ignored.
//! Awkward case: whether a library exists is not looked at here, for a check says what is written, not what is there; loading does.

use super::{
    listeners::name,
    options::flatten,
    problem::Fault,
    resolve::{Resolver, Sources, number, quote, word, word_of},
    shape::{MatchShape, ModuleShape, OnFailureWord, ResponseOrder, RuntimeWord, TimingWord},
    suggest::nearest,
    units::{duration, show_duration, show_size},
    values::{between, positive},
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use understudy_proxy::{Matcher, modules::ServerTiming};
use understudy_runtimes::{Kind, Limits, OnFailure, Spec};

/// The modules.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub(crate) struct Modules {
    pub(crate) members: Vec<Module>,
    pub(crate) same_order: bool,
    pub(crate) server_timing: ServerTiming,
}

/// A module, and which transactions it sees.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub(crate) struct Module {
    pub(crate) spec: Spec,
    pub(crate) matcher: Matcher,
}

impl Modules {
    /// Whether code that is not this program's own runs in the proxy's address space: then a supervisor is worth its process.
    pub(crate) fn endanger(&self) -> bool {
        self.members.iter().any(Module::endangers)
    }
}

impl Module {
    /// Whether this one's code is foreign and runs in the proxy's address space.
    pub(crate) fn endangers(&self) -> bool {
        self.spec.kind != Kind::Process && !self.spec.library.starts_with("builtin:")
    }
}

pub(crate) const KINDS: &[(&str, Kind)] = &[
    ("inline", Kind::Inline),
    ("threads", Kind::Threads),
    ("process", Kind::Process),
];
pub(super) const POLICIES: &[(&str, OnFailure)] =
    &[("open", OnFailure::Open), ("closed", OnFailure::Closed)];
const ORDERS: &[(&str, bool)] = &[("reverse", false), ("same", true)];
const TIMINGS: &[(&str, ServerTiming)] = &[
    ("off", ServerTiming::Off),
    ("asked", ServerTiming::Asked),
    ("always", ServerTiming::Always),
];
/// The most threads of one module: each has a slot among [`understudy_runtimes::marker::SLOTS`].
const MOST_THREADS: i64 = 128;
/// The most children of one module.
const MOST_PROCESSES: i64 = 64;
/// The longest queue.
const MOST_QUEUED: i64 = 1_000_000;
/// The least address space in which a child can start.
const LEAST_MEMORY: u64 = 64 << 20;
/// The most modules: every transaction goes past each.
const MOST_MODULES: usize = 64;

/// Checks everything about modules.
pub(crate) fn check(r: &mut Resolver<'_>) -> Modules {
    let document = r.document;
    let mut members: Vec<Module> = Vec::new();
    for (i, shape) in document.shape.module.iter().enumerate() {
        if i == MOST_MODULES {
            let fault = Fault::new(
                "there are too many modules",
                format!("write at most {MOST_MODULES}"),
            );
            r.fault_at(&format!("module[{i}]"), fault);
            break;
        }
        let module = module(r, i, shape, &members);
        members.push(module);
    }
    let shape = &document.shape.modules;
    let order = shape.response_order.map(|o| match o {
        ResponseOrder::Reverse => "reverse",
        ResponseOrder::Same => "same",
    });
    let timing = shape.server_timing.map(|t| match t {
        TimingWord::Off => "off",
        TimingWord::Asked => "asked",
        TimingWord::Always => "always",
    });
    Modules {
        members,
        same_order: r.pick(
            "modules.response_order",
            Sources::file(order),
            false,
            word(ORDERS),
            |o| quote(word_of(ORDERS, o)),
        ),
        server_timing: r.pick(
            "modules.server_timing",
            Sources::file(timing),
            ServerTiming::Off,
            word(TIMINGS),
            |t| quote(word_of(TIMINGS, t)),
        ),
    }
}

/// Checks one section.
pub(super) fn module(
    r: &mut Resolver<'_>,
    i: usize,
    shape: &ModuleShape,
    before: &[Module],
) -> Module {
    let section = format!("module[{i}]");
    let key = |name: &str| format!("{section}.{name}");
    let called = r.pick(
        &key("name"),
        Sources::file(shape.name.as_ref()),
        String::new(),
        short_name,
        |n| quote(n),
    );
    if shape.name.is_none() {
        r.fault_at(
            &section,
            Fault::new("the module has no name", "add name = \"...\""),
        );
    } else if !called.is_empty() && before.iter().any(|m| *m.spec.name == *called) {
        r.fault_at(
            &key("name"),
            Fault::new(
                format!("there is another module called {called:?}"),
                "give each a name of its own",
            ),
        );
    }
    let dir = r.document.dir().to_owned();
    let library = r.pick(
        &key("library"),
        Sources::file(shape.library.as_ref()),
        String::new(),
        |text| library(text, &dir),
        |l| quote(l),
    );
    if shape.library.is_none() {
        r.fault_at(
            &section,
            Fault::new(
                "the module has no library",
                "add library = \"builtin:NAME\", or a path",
            ),
        );
    }
    let runtime = shape.runtime.map(|k| match k {
        RuntimeWord::Inline => "inline",
        RuntimeWord::Threads => "threads",
        RuntimeWord::Process => "process",
    });
    let kind = r.pick(
        &key("runtime"),
        Sources::file(runtime),
        Kind::Inline,
        word(KINDS),
        |k| quote(k.as_str()),
    );
    let limits = limits(r, &section, shape, kind);
    let matcher = matcher(r, &section, &shape.matching);
    let options = flatten(&shape.options.0);
    enter_options(r, &section, &options);
    Module {
        spec: Spec {
            name: Arc::from(called),
            library,
            kind,
            limits,
            options,
        },
        matcher,
    }
}

/// Keys that mean something for some runtimes only, and which.
const ONLY: [(&str, &[Kind]); 5] = [
    ("threads", &[Kind::Threads, Kind::Process]),
    ("queue", &[Kind::Threads, Kind::Process]),
    ("processes", &[Kind::Process]),
    ("nice", &[Kind::Process]),
    ("memory", &[Kind::Process]),
];

/// Why this key may not be written for this runtime, if it may not.
fn meaningless(key: &str, kind: Kind) -> Option<Fault> {
    let (_, kinds) = ONLY.iter().find(|(name, _)| *name == key)?;
    if kinds.contains(&kind) {
        return None;
    }
    let words: Vec<String> = kinds.iter().map(|k| format!("{:?}", k.as_str())).collect();
    let words = words.join(" or ");
    Some(Fault::new(
        format!("`{key}` means nothing for runtime {:?}", kind.as_str()),
        format!("remove it, or write runtime = {words}"),
    ))
}

fn limits(r: &mut Resolver<'_>, section: &str, shape: &ModuleShape, kind: Kind) -> Limits {
    let key = |name: &str| format!("{section}.{name}");
    let written = [
        ("threads", shape.threads.is_some()),
        ("queue", shape.queue.is_some()),
        ("processes", shape.processes.is_some()),
        ("nice", shape.nice.is_some()),
        ("memory", shape.memory.is_some()),
    ];
    for (name, _) in written.iter().filter(|(_, written)| *written) {
        if let Some(fault) = meaningless(name, kind) {
            r.fault_at(&key(name), fault);
        }
    }
    let mut limits = Limits::default();
    if kind != Kind::Inline {
        limits.threads = r.pick(
            &key("threads"),
            Sources::file(shape.threads),
            limits.threads,
            number(1, MOST_THREADS),
            usize::to_string,
        );
        limits.queue = r.pick(
            &key("queue"),
            Sources::file(shape.queue),
            limits.queue,
            number(1, MOST_QUEUED),
            usize::to_string,
        );
    }
    if kind == Kind::Process {
        limits.processes = r.pick(
            &key("processes"),
            Sources::file(shape.processes),
            limits.processes,
            number(1, MOST_PROCESSES),
            usize::to_string,
        );
        limits.nice = r.pick(
            &key("nice"),
            Sources::file(shape.nice),
            limits.nice,
            number(0, 19),
            i32::to_string,
        );
        limits.memory = r.pick(
            &key("memory"),
            Sources::file(shape.memory.as_ref().map(|s| &s.0)),
            None,
            memory,
            |m| m.map_or_else(|| quote("unlimited"), show_size),
        );
    }
    limits.deadline = r.pick(
        &key("deadline"),
        Sources::file(shape.deadline.as_ref().map(|t| &t.0)),
        limits.deadline,
        deadline,
        |d| show_duration(*d),
    );
    limits.hold = r.pick(
        &key("hold"),
        Sources::file(shape.hold.as_ref().map(|s| &s.0)),
        limits.hold,
        super::units::size,
        |n| show_size(*n),
    );
    let policy = shape.on_failure.map(|p| match p {
        OnFailureWord::Open => "open",
        OnFailureWord::Closed => "closed",
    });
    limits.on_failure = r.pick(
        &key("on_failure"),
        Sources::file(policy),
        limits.on_failure,
        word(POLICIES),
        |p| quote(word_of(POLICIES, p)),
    );
    limits
}

fn matcher(r: &mut Resolver<'_>, section: &str, shape: &MatchShape) -> Matcher {
    let hosts =
        patterns(
            r,
            &format!("{section}.match.hosts"),
            shape.hosts.clone(),
            |one| {
                Matcher::new(&[one.to_owned()], &[]).map(|_| ()).map_err(|text| {
            Fault::new(
                format!("{text:?} is not a host"),
                "write a name without a port, or \"*.example.org\" for the names below one",
            )
        })
            },
        );
    let types = patterns(
        r,
        &format!("{section}.match.types"),
        shape.types.clone(),
        |one| {
            Matcher::new(&[], &[one.to_owned()])
                .map(|_| ())
                .map_err(|text| {
                    Fault::new(
                        format!("{text:?} is not a media type"),
                        "write one without parameters, such as \"text/html\", or \"image/*\"",
                    )
                })
        },
    );
    Matcher::new(&hosts, &types).unwrap_or_default()
}

fn patterns(
    r: &mut Resolver<'_>,
    key: &str,
    file: Option<Vec<String>>,
    check: impl Fn(&str) -> Result<(), Fault>,
) -> Vec<String> {
    r.pick_list(
        key,
        None,
        file,
        &[],
        |text| check(text).map(|()| vec![text.to_owned()]),
        true,
    )
}

fn enter_options(r: &mut Resolver<'_>, section: &str, options: &BTreeMap<String, String>) {
    for (name, value) in options {
        let key = format!("{section}.options.{name}");
        let origin = r.document.origin(&key);
        r.enter(&key, quote(value), origin);
    }
}

/// Checks `library`: `builtin:NAME` of those there are, or a path, made absolute by the folder of the file.
fn library(text: &str, dir: &Path) -> Result<String, Fault> {
    let known = crate::modules::registry::names();
    let all = || {
        known
            .iter()
            .map(|n| format!("\"builtin:{n}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match text.strip_prefix("builtin:") {
        Some(name) if known.contains(&name) => Ok(text.to_owned()),
        Some(name) => Err(Fault::new(
            format!("no module called {name:?} is built in"),
            match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean \"builtin:{near}\"?"),
                None => format!("built in are {}", all()),
            },
        )),
        None if text.is_empty() => Err(Fault::new(
            "the path is empty",
            format!("write a path, or one of {}", all()),
        )),
        None if known.contains(&text) => Err(Fault::new(
            format!("{text:?} would be a path"),
            format!("write \"builtin:{text}\" for the module that is built in, or \"./{text}\""),
        )),
        None => Ok(dir.join(text).display().to_string()),
    }
}

/// A name that fits into the page that a supervisor reads after a crash.
fn short_name(text: &str) -> Result<String, Fault> {
    match name(text) {
        Ok(name) if name.len() <= understudy_shared::NAME_BYTES => Ok(name),
        _ => Err(Fault::new(
            format!("{text:?} is not a name"),
            format!(
                "write letters, digits, - _ or ., at most {} together",
                understudy_shared::NAME_BYTES
            ),
        )),
    }
}

fn memory(text: &str) -> Result<Option<u64>, Fault> {
    between(LEAST_MEMORY, u64::MAX)(text).map(Some)
}

/// A deadline: above zero, no longer than an hour, or the ticks that keep it would mean nothing.
fn deadline(text: &str) -> Result<Duration, Fault> {
    let most = Duration::from_secs(3600);
    if duration(text)? > most {
        return Err(Fault::new(
            format!("{text} is too much"),
            "write at most \"1h\"",
        ));
    }
    positive(text)
}
