//! The checked values, section by section.
//!
//! Invariant: what holds between two settings (an object no larger than the memory, a target no longer than the head) is checked here too.

use super::{
    address::{self, Admin},
    listeners::{self, Group, Listener},
    modules::{self, Modules},
    networks,
    problem::Fault,
    resolve::{Resolver, Sources, number, quote, word, word_of},
    rules,
    shape::{Level, LogFormat, RangeMissWord},
    units::{duration, show_duration, show_size, size},
};
use ipnet::IpNet;
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use understudy_http::semantics::{freshness::Heuristic, policy::Rules, targeted::TargetName};
use understudy_proxy::settings::RangeMiss;

/// Everything.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Values {
    pub(crate) workers: usize,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) groups: Vec<Group>,
    pub(crate) modules: Modules,
    pub(crate) cache: Cache,
    pub(crate) rules: Arc<Rules>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) log: Log,
    pub(crate) admin: Admin,
    /// Whether somebody chose the admin's address: then it must be bound, or nothing starts.
    pub(crate) admin_chosen: bool,
    pub(crate) access: Access,
    pub(crate) name: String,
}

/// `[cache]`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Cache {
    pub(crate) enabled: bool,
    pub(crate) memory: u64,
    pub(crate) max_object: u64,
    pub(crate) max_variants: usize,
    pub(crate) range_miss: RangeMiss,
    pub(crate) heuristic_percent: u32,
    pub(crate) heuristic_max: Duration,
    pub(crate) targets: Vec<TargetName>,
}

impl Cache {
    /// The heuristic for all.
    pub(crate) fn heuristic(&self) -> Heuristic {
        Heuristic {
            percent: self.heuristic_percent,
            max: u32::try_from(self.heuristic_max.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// `[limits]`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Limits {
    pub(crate) head_size: usize,
    pub(crate) target_size: usize,
    pub(crate) head_fields: usize,
    pub(crate) request_body: u64,
    pub(crate) connections: usize,
    pub(crate) requests_per_connection: u64,
}

/// `[timeouts]`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Timeouts {
    pub(crate) head: Duration,
    pub(crate) body: Duration,
    pub(crate) idle: Duration,
    pub(crate) connect: Duration,
    pub(crate) first_byte: Duration,
    pub(crate) between_bytes: Duration,
    pub(crate) tunnel: Duration,
    pub(crate) drain: Duration,
    pub(crate) origin_idle: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) struct Log {
    pub(crate) access: AccessLog,
    pub(crate) format: LogFormat,
    pub(crate) level: Level,
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum AccessLog {
    Off,
    Stdout,
    File(PathBuf),
}

/// `[access]`.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct Access {
    pub(crate) clients: Vec<IpNet>,
    pub(crate) connect_ports: Vec<u16>,
    pub(crate) deny_to: Vec<IpNet>,
    pub(crate) allow_to: Vec<IpNet>,
    pub(crate) trusted_proxies: Vec<IpNet>,
}

const RANGE_MISSES: &[(&str, RangeMissWord)] = &[
    ("range", RangeMissWord::Range),
    ("whole", RangeMissWord::Whole),
];
const FORMATS: &[(&str, LogFormat)] = &[("squid", LogFormat::Squid), ("json", LogFormat::Json)];
const LEVELS: &[(&str, Level)] = &[
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];
/// The most workers: far above any machine, far below what threads cost.
const MOST_WORKERS: i64 = 1024;
/// The least memory a cache can do anything with.
const LEAST_MEMORY: u64 = 1 << 20;
/// The largest head that a limit may allow: every connection may hold one.
const LARGEST_HEAD: u64 = 16 << 20;

/// Checks everything. What is wrong is told to the resolver.
pub(crate) fn check(r: &mut Resolver<'_>) -> Values {
    let cores = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS as usize);
    let sources = Sources::over(r.layers.workers.as_ref(), r.document.shape.workers);
    let workers = r.pick(
        "workers",
        sources,
        cores,
        number(1, MOST_WORKERS),
        usize::to_string,
    );
    let (listeners, groups) = listeners::check(r);
    let modules = modules::check(r);
    let cache = cache(r);
    let rules = rules::check(r, cache.heuristic());
    let limits = limits(r);
    let timeouts = timeouts(r);
    let log = log(r);
    let admin_chosen = r.layers.admin.is_some() || r.document.has("admin.address");
    let admin = admin(r, if admin_chosen { &listeners } else { &[] });
    let access = access(r);
    let name = r.pick(
        "identity.name",
        Sources::file(r.document.shape.identity.name.as_ref()),
        "understudy".to_owned(),
        pseudonym,
        |name| quote(name),
    );
    Values {
        workers,
        listeners,
        groups,
        modules,
        cache,
        rules,
        limits,
        timeouts,
        log,
        admin,
        admin_chosen,
        access,
        name,
    }
}

fn cache(r: &mut Resolver<'_>) -> Cache {
    let shape = &r.document.shape.cache;
    let targets = shape.targets.clone();
    let memory_text = Sources::over(
        r.layers.memory.as_ref(),
        shape.memory.as_ref().map(|s| &s.0),
    );
    let enabled = r.pick(
        "cache.enabled",
        Sources::file(shape.enabled),
        true,
        |t| Ok(t == "true"),
        bool::to_string,
    );
    let memory = r.pick(
        "cache.memory",
        memory_text,
        128 << 20,
        at_least(LEAST_MEMORY),
        |n| show_size(*n),
    );
    let max_object = r.pick(
        "cache.max_object",
        Sources::file(shape.max_object.as_ref().map(|s| &s.0)),
        memory / 16,
        size,
        |n| show_size(*n),
    );
    if max_object > memory && !r.faulted("cache.memory") {
        r.fault_at(
            "cache.max_object",
            Fault::new(
                "an object cannot be larger than the cache",
                format!("write at most {}, or raise cache.memory", show_size(memory)),
            ),
        );
    }
    let range_miss = range_miss(r, max_object);
    let shape = &r.document.shape.cache;
    Cache {
        enabled,
        memory,
        max_object,
        range_miss,
        max_variants: r.pick(
            "cache.max_variants",
            Sources::file(shape.max_variants),
            16,
            number(1, 65_536),
            usize::to_string,
        ),
        heuristic_percent: r.pick(
            "cache.heuristic_percent",
            Sources::file(shape.heuristic_percent),
            10,
            number(0, 100),
            u32::to_string,
        ),
        heuristic_max: r.pick(
            "cache.heuristic_max",
            Sources::file(shape.heuristic_max.as_ref().map(|t| &t.0)),
            Duration::from_secs(86_400),
            duration,
            |d| show_duration(*d),
        ),
        targets: r.pick_list(
            "cache.targets",
            None,
            targets,
            &["CDN-Cache-Control"],
            |text| target(text).map(|name| vec![name]),
            true,
        ),
    }
}

fn range_miss(r: &mut Resolver<'_>, max_object: u64) -> RangeMiss {
    let shape = &r.document.shape.cache;
    let miss = r.pick(
        "cache.range_miss",
        Sources::file(shape.range_miss.map(|m| word_of(RANGE_MISSES, &m))),
        RangeMissWord::Range,
        word(RANGE_MISSES),
        |m| quote(word_of(RANGE_MISSES, m)),
    );
    let up_to = r.pick(
        "cache.range_whole_max",
        Sources::file(shape.range_whole_max.as_ref().map(|s| &s.0)),
        max_object,
        size,
        |n| show_size(*n),
    );
    match miss {
        RangeMissWord::Range => RangeMiss::Range,
        RangeMissWord::Whole => RangeMiss::Whole { up_to },
    }
}

/// A field of targeted cache control (RFC 9213 section 2).
fn target(text: &str) -> Result<TargetName, Fault> {
    TargetName::new(text).ok_or_else(|| {
        Fault::new(
            format!("{text:?} is not the name of a targeted field"),
            "write one, such as \"CDN-Cache-Control\"; Cache-Control itself comes behind them all",
        )
    })
}

fn limits(r: &mut Resolver<'_>) -> Limits {
    let shape = &r.document.shape.limits;
    let head_size = r.pick(
        "limits.head_size",
        Sources::file(shape.head_size.as_ref().map(|s| &s.0)),
        64 << 10,
        between(1 << 10, LARGEST_HEAD),
        |n| show_size(*n),
    );
    // A head made smaller takes the default of its target along.
    let target = head_size.min(16 << 10);
    let target_size = r.pick(
        "limits.target_size",
        Sources::file(shape.target_size.as_ref().map(|s| &s.0)),
        target,
        between(1, LARGEST_HEAD),
        |n| show_size(*n),
    );
    if target_size > head_size && !r.faulted("limits.head_size") {
        r.fault_at(
            "limits.target_size",
            Fault::new(
                "the target cannot be longer than the head it stands in",
                format!(
                    "write at most {}, or raise limits.head_size",
                    show_size(head_size)
                ),
            ),
        );
    }
    Limits {
        head_size: usize::try_from(head_size).unwrap_or(usize::MAX),
        target_size: usize::try_from(target_size).unwrap_or(usize::MAX),
        head_fields: r.pick(
            "limits.head_fields",
            Sources::file(shape.head_fields),
            128,
            number(8, 65_535),
            usize::to_string,
        ),
        request_body: r.pick(
            "limits.request_body",
            Sources::file(shape.request_body.as_ref().map(|s| &s.0)),
            1 << 30,
            size,
            |n| show_size(*n),
        ),
        connections: r.pick(
            "limits.connections",
            Sources::file(shape.connections),
            100_000,
            number(1, 10_000_000),
            usize::to_string,
        ),
        requests_per_connection: r.pick(
            "limits.requests_per_connection",
            Sources::file(shape.requests_per_connection),
            0,
            number(0, i64::MAX),
            u64::to_string,
        ),
    }
}

fn timeouts(r: &mut Resolver<'_>) -> Timeouts {
    let shape = &r.document.shape.timeouts;
    let mut time = |key: &str,
                    file: &Option<super::shape::Time>,
                    seconds: u64,
                    parse: fn(&str) -> Result<Duration, Fault>| {
        r.pick(
            key,
            Sources::file(file.as_ref().map(|t| &t.0)),
            Duration::from_secs(seconds),
            parse,
            |d| show_duration(*d),
        )
    };
    Timeouts {
        head: time("timeouts.head", &shape.head, 30, positive),
        body: time("timeouts.body", &shape.body, 60, positive),
        idle: time("timeouts.idle", &shape.idle, 75, positive),
        connect: time("timeouts.connect", &shape.connect, 10, positive),
        first_byte: time("timeouts.first_byte", &shape.first_byte, 60, positive),
        between_bytes: time("timeouts.between_bytes", &shape.between_bytes, 60, positive),
        tunnel: time("timeouts.tunnel", &shape.tunnel, 600, positive),
        // No time at all is meant here: cut at once.
        drain: time("timeouts.drain", &shape.drain, 30, duration),
        origin_idle: time("timeouts.origin_idle", &shape.origin_idle, 60, positive),
    }
}

fn log(r: &mut Resolver<'_>) -> Log {
    let shape = &r.document.shape.log;
    let access = Sources::over(r.layers.access_log.as_ref(), shape.access.as_ref());
    let format = Sources::over(
        r.layers.log_format.as_ref(),
        shape.format.map(|f| word_of(FORMATS, &f)),
    );
    let level = Sources::over(
        r.layers.level.as_ref(),
        shape.level.map(|l| word_of(LEVELS, &l)),
    );
    Log {
        access: r.pick(
            "log.access",
            access,
            AccessLog::Off,
            access_log,
            |a| match a {
                AccessLog::Off => quote("off"),
                AccessLog::Stdout => quote("-"),
                AccessLog::File(path) => quote(&path.display().to_string()),
            },
        ),
        format: r.pick("log.format", format, LogFormat::Squid, word(FORMATS), |f| {
            quote(word_of(FORMATS, f))
        }),
        level: r.pick("log.level", level, Level::Info, word(LEVELS), |l| {
            quote(word_of(LEVELS, l))
        }),
    }
}

fn admin(r: &mut Resolver<'_>, listeners: &[Listener]) -> Admin {
    let sources = Sources::over(
        r.layers.admin.as_ref(),
        r.document.shape.admin.address.as_ref(),
    );
    let default = Admin::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 3130)));
    let admin = r.pick("admin.address", sources, default, address::admin, |a| {
        quote(&a.to_string())
    });
    if let Admin::Tcp(address) = &admin
        && let Some(listener) = listeners
            .iter()
            .find(|l| address.port() != 0 && l.address == *address)
    {
        r.fault_at(
            "admin.address",
            Fault::new(
                format!("{address} is the address of listener \"{}\"", listener.name),
                "choose another port, or \"off\"",
            ),
        );
    }
    admin
}

fn access(r: &mut Resolver<'_>) -> Access {
    let shape = &r.document.shape.access;
    let allow = r.layers.allow_to.as_ref();
    let mut ranges = |key: &str, over: Option<&_>, file: &Option<Vec<String>>, default: &[&str]| {
        r.pick_list(key, over, file.clone(), default, networks::ranges, true)
    };
    let clients = ranges(
        "access.clients",
        None,
        &shape.clients,
        &["loopback", "private"],
    );
    let mut deny_to = ranges(
        "access.deny_to",
        None,
        &shape.deny_to,
        &[
            "loopback",
            "link-local",
            "metadata",
            "unspecified",
            "multicast",
        ],
    );
    let allow_to = ranges("access.allow_to", allow, &shape.allow_to, &[]);
    let trusted_proxies = ranges("access.trusted_proxies", None, &shape.trusted_proxies, &[]);
    let translated: Vec<IpNet> = deny_to.iter().flat_map(networks::embedded).collect();
    deny_to.extend(translated);
    let ports = shape
        .connect_ports
        .as_ref()
        .map(|ports| ports.iter().map(i64::to_string).collect());
    let connect_ports = r.pick_list(
        "access.connect_ports",
        None,
        ports,
        &["443"],
        |text| number(1, 65_535)(text).map(|port| vec![port]),
        false,
    );
    Access {
        clients,
        connect_ports,
        deny_to,
        allow_to,
        trusted_proxies,
    }
}

/// A token (RFC 9110 section 5.6.2) that begins with a letter: such a name stands unquoted in Via and in Cache-Status (RFC 9211 section 2).
fn pseudonym(text: &str) -> Result<String, Fault> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(token)
    {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} cannot stand in a header"),
        "write a letter, then letters, digits, - . or _, at most 64 together",
    ))
}

fn access_log(text: &str) -> Result<AccessLog, Fault> {
    match text {
        "off" => Ok(AccessLog::Off),
        "-" => Ok(AccessLog::Stdout),
        "" => Err(Fault::new(
            "the path is empty",
            "write a path, \"-\" for standard output, or \"off\"",
        )),
        path => Ok(AccessLog::File(PathBuf::from(path))),
    }
}

pub(super) fn positive(text: &str) -> Result<Duration, Fault> {
    match duration(text)? {
        Duration::ZERO => Err(Fault::new(
            "a timeout of zero would end everything at once",
            "write a duration above zero, such as \"30s\"",
        )),
        d => Ok(d),
    }
}

fn at_least(least: u64) -> impl Fn(&str) -> Result<u64, Fault> {
    between(least, u64::MAX)
}

pub(super) fn between(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, Fault> {
    move |text| match size(text)? {
        n if n < least => Err(Fault::new(
            format!("{text} is too little"),
            format!("write at least {}", show_size(least)),
        )),
        n if n > most => Err(Fault::new(
            format!("{text} is too much"),
            format!("write at most {}", show_size(most)),
        )),
        n => Ok(n),
    }
}
