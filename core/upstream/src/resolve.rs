//! Names to addresses: the hosts file, then a cache all workers share, then DNS through each worker's own client.
//!
//! Invariant: what the cache says is never older than its TTL, and the cache never holds more than [`MAX_NAMES`] names.
//! Each worker has a DNS client of its own, so a look-up never wakes another thread; askers of one name on one worker
//! share one look-up. Awkward case: without a usable resolv.conf the proxy starts and serves literals, `localhost` and
//! the hosts file; every other name fails with the reason.

use crate::UpstreamError;
use crate::host::Host;
use crate::hosts::{Addresses, HostsFile};
use futures_util::future::{FutureExt, LocalBoxFuture, Shared as SharedFuture, WeakShared};
use hickory_resolver::config::{ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{Resolver, TokioResolver, system_conf};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Names the shared cache holds at most.
pub const MAX_NAMES: usize = 8192;
/// Shortest time an answer is believed: below it a busy proxy would only ask for the same thing again.
pub const MIN_TTL: Duration = Duration::from_secs(1);
/// Longest time an answer is believed.
pub const MAX_TTL: Duration = Duration::from_secs(3600);
/// Longest time the absence of a name is believed.
pub const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(60);
/// How long a failure to find out is remembered (RFC 9520 section 3.2 asks for at least a second).
pub const FAILURE_TTL: Duration = Duration::from_secs(1);

/// Why a name has no addresses; kept in the cache, so it can be cloned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The name does not exist, or has no address.
    #[error("no such name, or no address for it")]
    NotFound {
        /// How long this may be believed, when the answer said so.
        ttl: Option<Duration>,
    },
    /// No name server answered in time.
    #[error("no name server answered in time")]
    Timeout,
    /// Anything else, in words.
    #[error("{0}")]
    Failed(Arc<str>),
}

/// An answer: addresses in the order to try, and how long they may be believed.
pub type Answer = Result<(Addresses, Duration), LookupError>;

/// A source of addresses that stands in for DNS (tests, or a service registry).
pub trait Lookup: Debug + Send + Sync {
    /// The addresses of a name (lower case, no final dot).
    fn lookup(&self, name: &str) -> LocalBoxFuture<'static, Answer>;
}

/// Where names that are not in the hosts file are looked up.
#[derive(Debug)]
enum Source {
    Dns(Box<(ResolverConfig, ResolverOpts)>),
    Custom(Arc<dyn Lookup>),
    /// There is no usable resolver configuration; the reason.
    Broken(Arc<str>),
}

/// One cached answer.
#[derive(Debug, Clone)]
struct Cached {
    answer: Result<Addresses, LookupError>,
    until: Instant,
}

/// What all workers share about names.
#[derive(Debug)]
pub(crate) struct Names {
    hosts: HostsFile,
    source: Source,
    cache: Mutex<HashMap<Box<str>, Cached>>,
}

impl Names {
    /// From the system's hosts file and resolv.conf.
    pub(crate) fn system() -> Names {
        let source = match system_conf::read_system_conf() {
            Ok((config, options)) => Source::Dns(Box::new((config, own_cache(options)))),
            Err(error) => {
                tracing::warn!(%error, "no usable resolver configuration: names come from the hosts file only");
                Source::Broken(format!("no usable resolver configuration: {error}").into())
            }
        };
        Names::new(HostsFile::system(), source)
    }

    /// From a given hosts file and source of addresses; without a source only the hosts file is asked.
    pub(crate) fn custom(hosts: HostsFile, lookup: Option<Arc<dyn Lookup>>) -> Names {
        let source = match lookup {
            Some(lookup) => Source::Custom(lookup),
            None => Source::Broken("no resolver is configured".into()),
        };
        Names::new(hosts, source)
    }

    fn new(hosts: HostsFile, source: Source) -> Names {
        Names {
            hosts,
            source,
            cache: Mutex::new(HashMap::new()),
        }
    }

    /// The map stays sound whatever a panicking holder did, so a poisoned lock is taken over.
    fn cache(&self) -> MutexGuard<'_, HashMap<Box<str>, Cached>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the cache says about a name, if it still holds.
    fn cached(&self, name: &str, now: Instant) -> Option<Result<Addresses, LookupError>> {
        let cache = self.cache();
        cache
            .get(name)
            .filter(|c| now < c.until)
            .map(|c| c.answer.clone())
    }

    /// Remembers an answer for as long as it may be believed.
    fn remember(&self, name: &str, answer: Answer, now: Instant) -> Result<Addresses, LookupError> {
        let (answer, ttl) = match answer {
            Ok((addresses, ttl)) => (Ok(addresses), ttl.clamp(MIN_TTL, MAX_TTL)),
            Err(LookupError::NotFound { ttl }) => {
                let held = ttl
                    .unwrap_or(FAILURE_TTL)
                    .clamp(FAILURE_TTL, MAX_NEGATIVE_TTL);
                (Err(LookupError::NotFound { ttl }), held)
            }
            Err(error) => (Err(error), FAILURE_TTL),
        };
        let mut cache = self.cache();
        if cache.len() >= MAX_NAMES && !cache.contains_key(name) {
            cache.retain(|_, cached| now < cached.until);
            if cache.len() >= MAX_NAMES {
                // All of it is valid still. Any eighth goes, so that this scan is rare.
                let mut seen = 0usize;
                cache.retain(|_, _| {
                    seen += 1;
                    !seen.is_multiple_of(8)
                });
            }
        }
        cache.insert(
            name.into(),
            Cached {
                answer: answer.clone(),
                until: now + ttl,
            },
        );
        answer
    }
}

type Asked = SharedFuture<LocalBoxFuture<'static, Result<Addresses, LookupError>>>;
type WeakAsked = WeakShared<LocalBoxFuture<'static, Result<Addresses, LookupError>>>;

/// A worker's access to names.
#[derive(Debug)]
pub(crate) struct NameClient {
    names: Arc<Names>,
    dns: OnceCell<Result<TokioResolver, Arc<str>>>,
    under_way: RefCell<HashMap<Box<str>, WeakAsked>>,
}

impl NameClient {
    pub(crate) fn new(names: Arc<Names>) -> NameClient {
        NameClient {
            names,
            dns: OnceCell::new(),
            under_way: RefCell::default(),
        }
    }

    /// The addresses of a host as written: literal, `localhost` or name; never empty.
    pub(crate) async fn resolve(&self, host: &str) -> Result<Addresses, UpstreamError> {
        let (name, rooted) =
            match Host::parse(host).map_err(|e| UpstreamError::Resolve(Box::new(e)))? {
                Host::Address(address) => return Ok(Addresses::from_slice(&[address])),
                Host::Localhost => {
                    let both = [
                        IpAddr::V4(Ipv4Addr::LOCALHOST),
                        IpAddr::V6(Ipv6Addr::LOCALHOST),
                    ];
                    return Ok(Addresses::from_slice(&both));
                }
                Host::Name { name, rooted } => (name.to_ascii_lowercase(), rooted),
            };
        if let Some(addresses) = self.names.hosts.get(&name) {
            return Ok(addresses.clone());
        }
        // A rooted name is another question where there is a search list, so it is another key.
        let key = if rooted { name + "." } else { name };
        let answer = match self.names.cached(&key, Instant::now()) {
            Some(answer) => answer,
            None => self.ask(key).await,
        };
        match answer {
            Ok(addresses) if addresses.is_empty() => Err(UpstreamError::NoAddress),
            Ok(addresses) => Ok(addresses),
            Err(LookupError::Timeout) => Err(UpstreamError::ResolveTimeout),
            Err(error) => Err(UpstreamError::Resolve(Box::new(error))),
        }
    }

    /// Asks the source, or joins a look-up of the same name that is under way.
    async fn ask(&self, key: String) -> Result<Addresses, LookupError> {
        let running = self
            .under_way
            .borrow()
            .get(key.as_str())
            .and_then(WeakShared::upgrade);
        let asked: Asked = match running {
            Some(asked) => asked,
            None => {
                let asked = self.start(&key).shared();
                if let Some(weak) = asked.downgrade() {
                    let mut under_way = self.under_way.borrow_mut();
                    // Look-ups whose askers all went away leave dead entries behind.
                    if under_way.len() >= 64 {
                        under_way.retain(|_, weak| weak.upgrade().is_some());
                    }
                    under_way.insert(key.as_str().into(), weak);
                }
                asked
            }
        };
        let answer = asked.await;
        self.under_way.borrow_mut().remove(key.as_str());
        answer
    }

    /// The look-up itself; it remembers its answer.
    fn start(&self, key: &str) -> LocalBoxFuture<'static, Result<Addresses, LookupError>> {
        let names = self.names.clone();
        let key: Box<str> = key.into();
        let question: LocalBoxFuture<'static, Answer> = match &self.names.source {
            Source::Broken(why) => {
                return std::future::ready(Err(LookupError::Failed(why.clone()))).boxed_local();
            }
            Source::Custom(lookup) => lookup.lookup(key.strip_suffix('.').unwrap_or(&key)),
            Source::Dns(settings) => match self.dns.get_or_init(|| client(settings)) {
                Err(why) => {
                    return std::future::ready(Err(LookupError::Failed(why.clone()))).boxed_local();
                }
                Ok(dns) => {
                    let dns = dns.clone();
                    let key = key.clone();
                    async move { ask_dns(&dns, &key).await }.boxed_local()
                }
            },
        };
        async move {
            let answer = question.await;
            names.remember(&key, answer, Instant::now())
        }
        .boxed_local()
    }
}

/// The hosts file and the cache are ours, so the client has none.
fn own_cache(mut options: ResolverOpts) -> ResolverOpts {
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = 0;
    options
}

/// A DNS client for this worker.
fn client(settings: &(ResolverConfig, ResolverOpts)) -> Result<TokioResolver, Arc<str>> {
    Resolver::builder_with_config(settings.0.clone(), TokioRuntimeProvider::default())
        .with_options(settings.1.clone())
        .build()
        .map_err(|error| Arc::from(error.to_string()))
}

/// Both families from DNS, in alternating order.
async fn ask_dns(dns: &TokioResolver, key: &str) -> Answer {
    let name = Name::from_ascii(key).map_err(|e| LookupError::Failed(e.to_string().into()))?;
    match dns.lookup_ip(name).await {
        Ok(found) => {
            let ttl = found
                .valid_until()
                .saturating_duration_since(Instant::now());
            Ok((alternate(found.iter()), ttl))
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(no))) => Err(LookupError::NotFound {
            ttl: no.negative_ttl.map(|s| Duration::from_secs(s.into())),
        }),
        Err(NetError::Timeout) => Err(LookupError::Timeout),
        Err(other) => Err(LookupError::Failed(other.to_string().into())),
    }
}

/// Families in alternation, IPv6 first (RFC 8305 section 4), so that one dead family costs one delay, not many.
pub(crate) fn alternate(found: impl Iterator<Item = IpAddr>) -> Addresses {
    let (mut six, mut four): (Vec<IpAddr>, Vec<IpAddr>) = found.partition(IpAddr::is_ipv6);
    six.reverse();
    four.reverse();
    let mut order = Addresses::new();
    while !six.is_empty() || !four.is_empty() {
        order.extend(six.pop());
        order.extend(four.pop());
    }
    order
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hickory_resolver::config::{ConnectionConfig, NameServerConfig};
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, Record, RecordType};
    use std::cell::Cell;
    use tokio::net::UdpSocket;

    fn parse(list: &[&str]) -> Addresses {
        list.iter().map(|a| a.parse().unwrap()).collect()
    }

    #[track_caller]
    fn check_alternate(given: &[&str], expected: &[&str]) {
        assert_eq!(alternate(parse(given).into_iter()), parse(expected));
    }

    #[test]
    fn families_alternate_and_keep_their_order() {
        check_alternate(&[], &[]);
        check_alternate(&["1.1.1.1", "2.2.2.2"], &["1.1.1.1", "2.2.2.2"]);
        check_alternate(
            &["1.1.1.1", "2.2.2.2", "::1", "::2"],
            &["::1", "1.1.1.1", "::2", "2.2.2.2"],
        );
        check_alternate(&["::1", "::2", "1.1.1.1"], &["::1", "1.1.1.1", "::2"]);
    }

    #[track_caller]
    fn check_held(answer: Answer, seconds: u64) {
        let names = Names::custom(HostsFile::default(), None);
        let now = Instant::now();
        names.remember("a", answer, now).ok();
        let end = now + Duration::from_secs(seconds);
        assert!(
            names.cached("a", end - Duration::from_millis(1)).is_some(),
            "too short"
        );
        assert!(names.cached("a", end).is_none(), "too long");
    }

    #[test]
    fn answers_are_held_for_their_time_within_bounds() {
        let seconds = Duration::from_secs;
        let found = |ttl| Ok((parse(&["192.0.2.1"]), seconds(ttl)));
        check_held(found(60), 60);
        check_held(found(0), 1);
        check_held(found(1_000_000), 3600);
        let absent = |ttl| Err(LookupError::NotFound { ttl });
        check_held(absent(Some(seconds(20))), 20);
        check_held(absent(Some(seconds(0))), 1);
        check_held(absent(Some(seconds(9999))), 60);
        check_held(absent(None), 1);
        check_held(Err(LookupError::Timeout), 1);
        check_held(Err(LookupError::Failed("x".into())), 1);
    }

    #[test]
    fn the_cache_has_an_end() {
        let names = Names::custom(HostsFile::default(), None);
        let now = Instant::now();
        let found = || Ok((parse(&["192.0.2.1"]), Duration::from_secs(60)));
        for i in 0..2 * MAX_NAMES {
            names.remember(&i.to_string(), found(), now).ok();
            assert!(names.cache().len() <= MAX_NAMES);
        }
        // The last one is there, and most of the others are.
        assert!(
            names
                .cached(&(2 * MAX_NAMES - 1).to_string(), now)
                .is_some()
        );
        assert!(names.cache().len() > MAX_NAMES / 2);
        // What is past its time goes first.
        names
            .remember("late", found(), now + Duration::from_secs(61))
            .ok();
        while names.cache().len() < MAX_NAMES && names.cache().len() > 1 {
            let next = format!("more{}", names.cache().len());
            names
                .remember(&next, found(), now + Duration::from_secs(61))
                .ok();
        }
        names
            .remember("last", found(), now + Duration::from_secs(61))
            .ok();
        assert!(
            names
                .cached("late", now + Duration::from_secs(61))
                .is_some()
        );
    }

    /// A name server for one question of each kind after the other; `a.example` has two addresses, nothing else any.
    async fn serve(socket: &UdpSocket, asked: &Cell<usize>) {
        let mut buf = [0; 1500];
        loop {
            let (n, from) = socket.recv_from(&mut buf).await.unwrap();
            asked.set(asked.get() + 1);
            let question = Message::from_vec(&buf[..n]).unwrap();
            let query = question.queries[0].clone();
            let mut answer = question.into_response();
            let address: IpAddr = match query.query_type() {
                RecordType::A => "192.0.2.1".parse().unwrap(),
                _ => "2001:db8::1".parse().unwrap(),
            };
            if query.name().to_ascii() == "a.example." {
                answer.add_answer(Record::from_rdata(
                    query.name().clone(),
                    60,
                    RData::from(address),
                ));
            } else {
                answer.metadata.response_code = ResponseCode::NXDomain;
            }
            socket
                .send_to(&answer.to_vec().unwrap(), from)
                .await
                .unwrap();
        }
    }

    /// A client of that server.
    fn dns_client(port: u16) -> NameClient {
        let mut udp = ConnectionConfig::udp();
        udp.port = port;
        let mut server = NameServerConfig::udp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        server.connections = vec![udp];
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let source = Source::Dns(Box::new((config, own_cache(ResolverOpts::default()))));
        NameClient::new(Arc::new(Names::new(HostsFile::default(), source)))
    }

    #[tokio::test]
    async fn dns_is_asked_for_both_families_and_its_answers_are_remembered() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = dns_client(socket.local_addr().unwrap().port());
        let asked = Cell::new(0);
        let ask = async {
            for _ in 0..3 {
                let found = client.resolve("A.example").await.unwrap();
                assert_eq!(found, parse(&["2001:db8::1", "192.0.2.1"]));
            }
            assert_eq!(asked.get(), 2);
            for _ in 0..3 {
                let error = client.resolve("no.example").await.unwrap_err();
                assert_eq!(error.word(), "dns_error", "{error:?}");
            }
            assert_eq!(asked.get(), 4);
        };
        tokio::select! {
            () = serve(&socket, &asked) => {}
            () = ask => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("the test hangs"),
        }
    }
}
