//! What may be written in the configuration file. The documentation of each field is the text of the published JSON schema.
//!
//! Invariant: unknown keys are refused; nothing here is checked beyond its type, which is the work of `values`.
//! Awkward case: the `default` of the schema stands beside the field but is decided in `values`; a test compares the two.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use std::{borrow::Cow, fmt};

/// The configuration of Understudy, a caching HTTP proxy. Every key may be left out.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Understudy configuration")]
pub(crate) struct Shape {
    /// Worker threads, each with its own listeners and connections. Default: the number of cores. Cannot change while running.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) workers: Option<i64>,
    /// Where clients are served. Default: one forward listener on 127.0.0.1:3128.
    pub(crate) listen: Vec<Listen>,
    /// Groups of servers for reverse listeners.
    pub(crate) upstream: Vec<Upstream>,
    /// The modules, in order: requests meet them first to last, answers last to first.
    pub(crate) module: Vec<ModuleShape>,
    /// What holds for all modules.
    pub(crate) modules: ModulesShape,
    /// What is stored and for how long.
    pub(crate) cache: Cache,
    /// What the operator wants otherwise than the standard has it; later rules override earlier ones key by key.
    pub(crate) rule: Vec<RuleShape>,
    /// Ceilings on what clients and origins may send.
    pub(crate) limits: Limits,
    /// How long each phase may take.
    pub(crate) timeouts: Timeouts,
    /// The access log and diagnostics.
    pub(crate) log: Log,
    /// The listener for operators: metrics, health, status.
    pub(crate) admin: AdminShape,
    /// Who may ask for what.
    pub(crate) access: Access,
    /// How the proxy names itself.
    pub(crate) identity: Identity,
}

/// A listener.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Listen {
    /// A unique name, seen in logs and metrics. Default: the mode.
    pub(crate) name: Option<String>,
    /// What the listener does with requests. Default: reverse when `to` is given, else forward.
    pub(crate) mode: Option<Mode>,
    /// IP address and port, such as "127.0.0.1:3128"; port 0 takes a free one.
    pub(crate) address: Option<String>,
    /// Reverse only: the name of the upstream that requests go to.
    pub(crate) to: Option<String>,
    /// Reverse only: the Host the upstream sees: "keep" (as the client sent it) or "set:VALUE". Default: "keep".
    pub(crate) host: Option<String>,
    /// Transparent only: how connections reach this listener. Default: redirect.
    pub(crate) intercept: Option<Intercept>,
    /// Transparent with tproxy only: connect to origins from the client's own address. Default: false.
    pub(crate) keep_client_address: Option<bool>,
    /// Clients that may purge with the method PURGE here: ranges, addresses, or words such as "loopback". Default: nobody.
    pub(crate) purge: Vec<String>,
}

/// What a listener does with requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Clients know the proxy and send it absolute URLs and CONNECT.
    Forward,
    /// Clients take the proxy for the origin.
    Reverse,
    /// Connections are intercepted by the packet filter.
    Transparent,
}

/// How intercepted connections arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Intercept {
    /// By nftables `redirect`; works without privileges.
    Redirect,
    /// By nftables `tproxy`; needs CAP_NET_ADMIN.
    Tproxy,
}

/// A group of servers that serve the same content.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Upstream {
    /// A unique name, for `to` of a listener.
    pub(crate) name: Option<String>,
    /// The servers, "host:port" or "http://host:port" each; at least one.
    pub(crate) servers: Vec<String>,
}

/// A module.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Module")]
pub(crate) struct ModuleShape {
    /// A unique name, seen in logs, metrics and commands.
    pub(crate) name: Option<String>,
    /// "builtin:NAME", or the path of a shared library, relative to this file.
    pub(crate) library: Option<String>,
    /// Where the module runs: on the worker's stack, in threads of the proxy, or in processes of its own. Default: inline.
    pub(crate) runtime: Option<RuntimeWord>,
    /// Threads of its pool, or of each of its processes. Threads and process only. Default: 2.
    #[schemars(range(min = 1, max = 128))]
    pub(crate) threads: Option<i64>,
    /// Its processes. Process only. Default: 1.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) processes: Option<i64>,
    /// Niceness of its processes. Process only. Default: 0.
    #[schemars(range(min = 0, max = 19))]
    pub(crate) nice: Option<i64>,
    /// Address space of each of its processes. Process only. Default: no limit.
    pub(crate) memory: Option<Size>,
    /// How long one call of one hook may take, waiting included. Default: 5s.
    pub(crate) deadline: Option<Time>,
    /// Calls that may wait for a thread or a process. Threads and process only. Default: 1024.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(crate) queue: Option<i64>,
    /// Bytes of bodies that it may hold, over all its transactions. Default: 16M.
    pub(crate) hold: Option<Size>,
    /// What becomes of a transaction whose module fails: it goes on without the module, or is answered 502. Default: closed.
    pub(crate) on_failure: Option<OnFailureWord>,
    /// Which transactions the module sees. Default: all.
    #[serde(rename = "match")]
    pub(crate) matching: MatchShape,
    /// The module's own options: any keys. Tables reach it dotted, members of arrays numbered from 0.
    pub(crate) options: Options,
}

/// Where a module runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Runtime")]
pub(crate) enum RuntimeWord {
    /// A direct call on the worker's stack.
    Inline,
    /// A bounded pool of threads of the proxy.
    Threads,
    /// Child processes.
    Process,
}

/// What becomes of a transaction whose module fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "OnFailure")]
pub(crate) enum OnFailureWord {
    /// It goes on without the module.
    Open,
    /// It is answered 502.
    Closed,
}

/// Which transactions a module sees.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Match")]
pub(crate) struct MatchShape {
    /// Hosts, or "*.example.org" for the names below one. Default: all.
    pub(crate) hosts: Option<Vec<String>>,
    /// Media types of the answer, or "image/*", for its hooks on answers. Default: all.
    pub(crate) types: Option<Vec<String>>,
}

/// What holds for all modules.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Modules")]
pub(crate) struct ModulesShape {
    /// The order in which answers meet the modules, against that of requests.
    #[schemars(extend("default" = "reverse"))]
    pub(crate) response_order: Option<ResponseOrder>,
    /// When answers carry Server-Timing with what each module cost: never, when the request says `Understudy-Timing: 1`, or always.
    #[schemars(extend("default" = "off"))]
    pub(crate) server_timing: Option<TimingWord>,
}

/// The order in which answers meet the modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResponseOrder {
    /// Last to first.
    Reverse,
    /// First to last.
    Same,
}

/// When answers carry Server-Timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ServerTiming")]
pub(crate) enum TimingWord {
    /// Never.
    Off,
    /// When the request asks.
    Asked,
    /// Always.
    Always,
}

/// A module's options as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Options(pub(crate) toml::Table);

/// What is stored and for how long.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cache {
    /// Whether anything is stored at all.
    #[schemars(extend("default" = true))]
    pub(crate) enabled: Option<bool>,
    /// Ceiling of the memory cache: keys, heads, bodies, index and fetches in progress.
    #[schemars(extend("default" = "128M"))]
    pub(crate) memory: Option<Size>,
    /// Largest body that is stored. Default: a sixteenth of `memory`.
    pub(crate) max_object: Option<Size>,
    /// Most variants (Vary) kept of one URL.
    #[schemars(extend("default" = 16), range(min = 1, max = 65_536))]
    pub(crate) max_variants: Option<i64>,
    /// What is fetched when a range is asked for that is not stored.
    #[schemars(extend("default" = "range"))]
    pub(crate) range_miss: Option<RangeMissWord>,
    /// With `whole`: the longest whole that is fetched for a range. Default: `max_object`.
    pub(crate) range_whole_max: Option<Size>,
    /// Freshness of responses that state none: per cent of the time since Last-Modified; 0 turns the guess off.
    #[schemars(extend("default" = 10), range(min = 0, max = 100))]
    pub(crate) heuristic_percent: Option<i64>,
    /// Ceiling of that guess.
    #[schemars(extend("default" = "1d"))]
    pub(crate) heuristic_max: Option<Time>,
    /// Fields that speak to this cache alone, strongest first: where one is usable, Cache-Control and Expires do not count.
    #[schemars(extend("default" = ["CDN-Cache-Control"]))]
    pub(crate) targets: Option<Vec<String>>,
    /// What decides about storing: the standard, or a fixed time for every 200 whatever its origin says.
    #[schemars(extend("default" = "rfc"))]
    pub(crate) mode: Option<CacheMode>,
    /// Mode fixed only: how long. Default: 1h.
    pub(crate) fixed_ttl: Option<Time>,
}

/// What decides about storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CacheMode {
    /// RFC 9111, and the rules.
    Rfc,
    /// A fixed time.
    Fixed,
}

/// What is wanted of some requests and responses.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Rule")]
pub(crate) struct RuleShape {
    /// A unique name, seen in the log and in what `explain` says.
    pub(crate) name: Option<String>,
    /// When the rule applies: all of these conditions must hold. Default: always.
    #[serde(rename = "match")]
    pub(crate) matching: RuleMatch,
    /// How long responses are fresh. Those with an error status keep their own unless `match.statuses` names it.
    pub(crate) ttl: Option<Time>,
    /// When `ttl` counts: whatever the origin says, or only where it states no lifetime. Default: always.
    pub(crate) ttl_when: Option<TtlWhenWord>,
    /// How long responses may be used stale, while they are revalidated or when that fails, where the origin does not forbid it.
    pub(crate) grace: Option<Time>,
    /// How long errors (400 and above) are fresh that state no lifetime.
    pub(crate) negative: Option<Time>,
    /// Whether anything is stored and used. Default: true.
    pub(crate) store: Option<bool>,
    /// Store although the origin forbids it (no-store, private, no-cache). Default: false.
    pub(crate) force: Option<bool>,
    /// What no-cache, max-age and min-fresh of requests mean. Default: respect.
    pub(crate) request_no_cache: Option<NoCacheWord>,
    /// What cookies mean. Default: conservative.
    pub(crate) cookies: Option<CookiesWord>,
    /// With `cookies = "key"`: the names of those that count, in which * stands for anything. Default: the whole field.
    pub(crate) key_cookies: Option<Vec<String>>,
    /// As `cache.heuristic_percent`.
    #[schemars(range(min = 0, max = 100))]
    pub(crate) heuristic_percent: Option<i64>,
    /// As `cache.heuristic_max`.
    pub(crate) heuristic_max: Option<Time>,
    /// Whether the query belongs to the key. Default: all of it.
    pub(crate) query: Option<QueryWord>,
    /// The only parameters of the query that belong to the key; * stands for anything.
    pub(crate) query_only: Option<Vec<String>>,
    /// Parameters of the query that do not belong to the key; * stands for anything.
    pub(crate) query_without: Option<Vec<String>>,
    /// Whether the order of parameters does not count. Default: false.
    pub(crate) query_sort: Option<bool>,
    /// Fields of the request that belong to the key.
    pub(crate) key_fields: Option<Vec<String>>,
}

/// When a rule applies.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RuleMatch {
    /// Hosts without ports, or "*.example.org" for the names below one. Default: all.
    pub(crate) hosts: Option<Vec<String>>,
    /// Beginnings of paths, as "/static/", or paths in which * stands for anything, as "*.css". Default: all.
    pub(crate) paths: Option<Vec<String>>,
    /// Media types of the response, or "image/*". Default: all.
    pub(crate) types: Option<Vec<String>>,
    /// Statuses of the response, or classes of them, as "5xx". Default: all.
    pub(crate) statuses: Option<Vec<StatusText>>,
    /// Bytes of the body, at least; a body whose length is not known beforehand does not match.
    pub(crate) min_size: Option<Size>,
    /// Bytes of the body, at most; a body whose length is not known beforehand does not match.
    pub(crate) max_size: Option<Size>,
}

/// When a rule's lifetime counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TtlWhen")]
pub(crate) enum TtlWhenWord {
    /// Whatever the origin says.
    Always,
    /// Where the origin states none.
    Unstated,
}

/// What no-cache, max-age and min-fresh of requests mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "RequestNoCache")]
pub(crate) enum NoCacheWord {
    /// What the standard says.
    Respect,
    /// Nothing.
    Ignore,
}

/// What cookies mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Cookies")]
pub(crate) enum CookiesWord {
    /// What has to do with cookies is stored only where the origin states a lifetime or says public.
    Conservative,
    /// Nothing; responses are stored, and sent, without Set-Cookie.
    Strip,
    /// Nothing; Set-Cookie is stored and goes to everybody.
    Ignore,
    /// What has to do with cookies is neither stored nor answered from the store.
    Refuse,
    /// They belong to the key.
    Key,
}

/// Whether the query belongs to the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Query")]
pub(crate) enum QueryWord {
    /// All of it.
    All,
    /// Nothing of it.
    None,
}

/// What is fetched when a range is asked for that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "RangeMiss")]
pub(crate) enum RangeMissWord {
    /// The range; it is stored as a part.
    Range,
    /// The whole, and the range is answered from it.
    Whole,
}

/// Ceilings on what clients and origins may send.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Bytes of a whole request or response head; more is answered 431 (request) or 502 (response).
    #[schemars(extend("default" = "64K"))]
    pub(crate) head_size: Option<Size>,
    /// Bytes of a request target; more is answered 414.
    #[schemars(extend("default" = "16K"))]
    pub(crate) target_size: Option<Size>,
    /// Field lines of a head; more is answered 431 (request) or 502 (response).
    #[schemars(extend("default" = 128), range(min = 8, max = 65_535))]
    pub(crate) head_fields: Option<i64>,
    /// Bytes of a request body; more is answered 413.
    #[schemars(extend("default" = "1G"))]
    pub(crate) request_body: Option<Size>,
    /// Client connections at a time; more are answered 503 and closed.
    #[schemars(extend("default" = 100_000), range(min = 1, max = 10_000_000))]
    pub(crate) connections: Option<i64>,
    /// Requests on one connection before it is closed; 0 means no limit.
    #[schemars(extend("default" = 0), range(min = 0))]
    pub(crate) requests_per_connection: Option<i64>,
}

/// How long each phase may take.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    /// From a request's first byte to the end of its head; then 408.
    #[schemars(extend("default" = "30s"))]
    pub(crate) head: Option<Time>,
    /// Between pieces of a request body (then 408), and for a client that does not read (then closed).
    #[schemars(extend("default" = "1m"))]
    pub(crate) body: Option<Time>,
    /// An idle client connection; then closed.
    #[schemars(extend("default" = "75s"))]
    pub(crate) idle: Option<Time>,
    /// Resolving and connecting to an origin; then 504.
    #[schemars(extend("default" = "10s"))]
    pub(crate) connect: Option<Time>,
    /// From the request sent to the head of the response; then 504.
    #[schemars(extend("default" = "1m"))]
    pub(crate) first_byte: Option<Time>,
    /// Between pieces of a response; then the answer is broken off.
    #[schemars(extend("default" = "1m"))]
    pub(crate) between_bytes: Option<Time>,
    /// A tunnel without traffic either way; then closed.
    #[schemars(extend("default" = "10m"))]
    pub(crate) tunnel: Option<Time>,
    /// How long transactions may go on after TERM before they are cut.
    #[schemars(extend("default" = "30s"))]
    pub(crate) drain: Option<Time>,
    /// An idle connection to an origin; then closed.
    #[schemars(extend("default" = "1m"))]
    pub(crate) origin_idle: Option<Time>,
}

/// The access log and diagnostics.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// Where a line for each transaction goes: a path, "-" (standard output) or "off".
    #[schemars(extend("default" = "off"))]
    pub(crate) access: Option<String>,
    /// The form of those lines.
    #[schemars(extend("default" = "squid"))]
    pub(crate) format: Option<LogFormat>,
    /// How much is told on standard error.
    #[schemars(extend("default" = "info"))]
    pub(crate) level: Option<Level>,
}

/// The form of the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Squid's native line.
    Squid,
    /// One JSON object a line.
    Json,
}

/// How much is told on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What went wrong and needs somebody.
    Error,
    /// What may need somebody.
    Warn,
    /// What the proxy does as a whole.
    Info,
    /// Each transaction's steps by name.
    Debug,
    /// Everything.
    Trace,
}

/// The listener for operators: metrics, health, status.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Admin")]
pub(crate) struct AdminShape {
    /// IP address and port, "unix:PATH" or "off".
    #[schemars(extend("default" = "127.0.0.1:3130"))]
    pub(crate) address: Option<String>,
}

/// Who may ask for what. Ranges are CIDRs, addresses or the words loopback, private, link-local, metadata, unspecified, multicast, all.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Access {
    /// Clients that forward and transparent listeners serve; others get 403. Reverse listeners serve everybody.
    #[schemars(extend("default" = ["loopback", "private"]))]
    pub(crate) clients: Option<Vec<String>>,
    /// Ports that CONNECT may reach.
    #[schemars(extend("default" = [443]))]
    pub(crate) connect_ports: Option<Vec<i64>>,
    /// Destinations that forward and transparent listeners refuse, checked on the address actually dialled.
    #[schemars(extend("default" = ["loopback", "link-local", "metadata", "unspecified", "multicast"]))]
    pub(crate) deny_to: Option<Vec<String>>,
    /// Destinations allowed although `deny_to` refuses them.
    #[schemars(extend("default" = []))]
    pub(crate) allow_to: Option<Vec<String>>,
    /// Peers whose X-Forwarded-For and Forwarded are believed and extended; those of others are replaced.
    #[schemars(extend("default" = []))]
    pub(crate) trusted_proxies: Option<Vec<String>>,
}

/// How the proxy names itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Identity {
    /// The name in Via and Cache-Status; a token.
    #[schemars(extend("default" = "understudy"))]
    pub(crate) name: Option<String>,
}

/// A status or a class of statuses as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusText(pub(crate) String);
/// A size as written: a number of bytes, or text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) String);
/// A duration as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) String);

/// Takes text or a whole number and keeps it as text: what it means is decided later, with a better message than a type error.
struct AsText;
impl de::Visitor<'_> for AsText {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a whole number")
    }
    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
    fn visit_i64<E>(self, n: i64) -> Result<String, E> {
        Ok(n.to_string())
    }
    fn visit_u64<E>(self, n: u64) -> Result<String, E> {
        Ok(n.to_string())
    }
}
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AsText).map(Size)
    }
}
impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AsText).map(Time)
    }
}
impl<'de> Deserialize<'de> for StatusText {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(AsText).map(StatusText)
    }
}
impl JsonSchema for StatusText {
    fn schema_name() -> Cow<'static, str> {
        "Status".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status such as 404, or a class of them, such as \"5xx\".",
            "type": ["string", "integer"], "pattern": "^([2-5][0-9][0-9]|[2-5]xx)$", "minimum": 200, "maximum": 599,
        })
    }
}
impl JsonSchema for Size {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Bytes as a whole number, or text with K, M, G or T (powers of 1024), such as \"256M\".",
            "type": ["string", "integer"], "pattern": "^[0-9]+ *([KMGTkmgt](i?B)?|B)?$", "minimum": 0,
        })
    }
}
impl JsonSchema for Options {
    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Any keys: they are the module's.",
            "type": "object", "additionalProperties": true,
        })
    }
}
impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number with ms, s, m, h or d, such as \"30s\".",
            "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d)$",
        })
    }
}
