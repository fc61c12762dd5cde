//! What the proxy and a child tell each other over the control socket: everything that is no event of a transaction.

use super::edits::{cut, get_counts, put_counts, why};
use super::operation::{get_completion, get_operation, put_completion, put_operation, weight};
use super::wire::{Get, Malformed, Put, frame};
use crate::accounts::Went;
use crate::counts::Batch;
use std::collections::BTreeMap;
use std::time::Duration;
use understudy_module::{About, Attention, Completion, Hook, Hooks, Level, Operation};

/// The protocol's number: both sides are the same binary, unless that was replaced meanwhile.
const VERSION: u32 = 3;

pub(crate) type Map = BTreeMap<String, String>;

/// The first frame: what the child is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) name: String,
    pub(crate) library: String,
    pub(crate) options: Map,
    /// The proxy's settings.
    pub(crate) settings: Map,
    pub(crate) threads: u32,
    pub(crate) nice: i32,
    pub(crate) memory: Option<u64>,
    /// The proxy's process id, to see whether it died before the child asked to die with it.
    pub(crate) parent: u32,
    /// Numbers for injections and readings begin here.
    pub(crate) numbers: u64,
    /// How long an event may take before the child is taken for one that hangs.
    pub(crate) deadline: Duration,
}

/// From the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    Hello(Box<Hello>),
    /// A worker's door: its socket and, when not 0, its arena of so many bytes travel along.
    Door(u32),
    Timer,
    Reconfigure(u64, Map),
    Completed(u64, Completion),
    /// No transaction comes any more: end when the last has left.
    Close,
    /// It is to say when it has dealt with everything before this.
    Ask,
    /// The proxy's settings are others now.
    Settings(Map),
}

/// What a child says over its control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It serves.
    Ready(About),
    /// It cannot, and why.
    Refused(String),
    /// An operation, under a number of the child's.
    Submit(u64, Operation),
    /// A line of the module's.
    Log(Level, String),
    /// What became of new options, by their number.
    Told(u64, Result<(), String>),
    /// A call that is no event of a transaction, to be counted.
    Counted(Hook, Option<Duration>, Went),
    /// What the module added to counters of its own where there is no answer to send it ahead of.
    Added(Batch),
    /// What the module promises of its answers.
    Attend(Attention),
    /// Everything before the last question is dealt with.
    Settled,
    /// The module watches descriptors from now on.
    Watches,
    /// An instance panicked.
    Panicked,
    /// Another was made in place of one that did.
    Rebuilt,
    /// A descriptor cannot be watched.
    Unwatchable,
}

/// Bytes that an order takes while it waits, besides what it carries.
const ITSELF: usize = 256;

/// The longest time believed of one call.
pub(super) const LONGEST: Duration = Duration::from_secs(3600);

fn put_map(out: &mut Vec<u8>, map: &Map) {
    out.u32(map.len() as u32);
    for (name, value) in map {
        out.text(name);
        out.text(value);
    }
}

fn get_map(get: &mut Get<'_>) -> Result<Map, Malformed> {
    (0..get.count(8)?)
        .map(|_| Ok((get.text()?.to_owned(), get.text()?.to_owned())))
        .collect()
}

impl Order {
    /// Appends it as a frame; answers whether it fits.
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Order::Hello(hello) => frame(out, 1, |out| {
                out.u32(VERSION);
                out.text(&hello.name);
                out.text(&hello.library);
                put_map(out, &hello.options);
                put_map(out, &hello.settings);
                out.u32(hello.threads);
                out.u32(hello.nice as u32);
                out.u64(hello.memory.unwrap_or(0));
                out.u32(hello.parent);
                out.u64(hello.numbers);
                out.u64(u64::try_from(hello.deadline.as_nanos()).unwrap_or(u64::MAX));
            }),
            Order::Door(arena) => frame(out, 2, |out| out.u32(*arena)),
            Order::Timer => frame(out, 3, |_| {}),
            Order::Reconfigure(id, options) => frame(out, 4, |out| {
                out.u64(*id);
                put_map(out, options);
            }),
            Order::Completed(ticket, completion) => {
                frame(out, 5, |out| {
                    out.u64(*ticket);
                    put_completion(out, completion);
                }) || frame(out, 5, |out| {
                    out.u64(*ticket);
                    put_completion(
                        out,
                        &Completion::Failed("it is too long to cross".to_owned()),
                    );
                })
            }
            Order::Close => frame(out, 6, |_| {}),
            Order::Settings(settings) => frame(out, 7, |out| put_map(out, settings)),
            Order::Ask => frame(out, 9, |_| {}),
        }
    }

    /// About how many bytes it takes while it waits. Only of completions a child may have as many as it likes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Order::Completed(_, completion) => ITSELF + weight(completion),
            _ => ITSELF,
        }
    }

    pub(crate) fn get(content: &[u8]) -> Result<Order, Malformed> {
        let mut get = Get::new(content);
        let order = match get.u8()? {
            1 => {
                if get.u32()? != VERSION {
                    return Err(Malformed("a proxy of another version"));
                }
                Order::Hello(Box::new(Hello {
                    name: get.text()?.to_owned(),
                    library: get.text()?.to_owned(),
                    options: get_map(&mut get)?,
                    settings: get_map(&mut get)?,
                    threads: get.u32()?,
                    nice: get.u32()? as i32,
                    memory: Some(get.u64()?).filter(|bytes| *bytes != 0),
                    parent: get.u32()?,
                    numbers: get.u64()?,
                    deadline: Duration::from_nanos(get.u64()?),
                }))
            }
            2 => Order::Door(get.u32()?),
            3 => Order::Timer,
            4 => Order::Reconfigure(get.u64()?, get_map(&mut get)?),
            5 => Order::Completed(get.u64()?, get_completion(&mut get)?),
            6 => Order::Close,
            9 => Order::Ask,
            7 => Order::Settings(get_map(&mut get)?),
            _ => return Err(Malformed("an order of no kind")),
        };
        get.end()?;
        Ok(order)
    }
}

impl Report {
    /// Appends it as a frame; answers whether it fits.
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Report::Ready(about) => frame(out, 1, |out| {
                out.text(cut(&about.name));
                out.text(cut(&about.version));
                out.u32(about.hooks.bits());
                let timer = about.timer.map_or(0, |every| every.as_nanos().max(1));
                out.u64(u64::try_from(timer).unwrap_or(u64::MAX));
                out.flag(about.blocking);
                out.flag(about.single);
                out.flag(about.only_looks);
                out.flag(about.orders_addresses);
            }),
            Report::Refused(why) => frame(out, 2, |out| out.text(cut(why))),
            Report::Submit(ticket, operation) => frame(out, 3, |out| {
                out.u64(*ticket);
                put_operation(out, operation);
            }),
            Report::Log(level, text) => frame(out, 4, |out| {
                out.u8(*level as u8);
                out.text(cut(text));
            }),
            Report::Told(id, outcome) => frame(out, 5, |out| {
                out.u64(*id);
                out.flag(outcome.is_ok());
                out.text(outcome.as_ref().err().map_or("", |why| cut(why)));
            }),
            Report::Counted(hook, spent, went) => frame(out, 6, |out| {
                out.u8(*hook as u8);
                out.flag(spent.is_some());
                let spent = spent.unwrap_or_default().min(LONGEST);
                out.u64(spent.as_nanos() as u64);
                out.u8(*went as u8);
            }),
            Report::Added(batch) => frame(out, 7, |out| put_counts(out, batch)),
            Report::Attend(attention) => frame(out, 8, |out| out.u64(attention.bits())),
            Report::Settled => frame(out, 11, |_| {}),
            Report::Watches => frame(out, 12, |_| {}),
            Report::Panicked => frame(out, 9, |_| {}),
            Report::Rebuilt => frame(out, 10, |_| {}),
            Report::Unwatchable => frame(out, 13, |_| {}),
        }
    }

    /// Reads what a child says: hostile input.
    pub(crate) fn get(content: &[u8]) -> Result<Report, Malformed> {
        let mut get = Get::new(content);
        let report = match get.u8()? {
            1 => {
                let (name, version) = (why(&mut get)?, why(&mut get)?);
                let mut about = About::new(&name, &version, Hooks::from_bits(get.u32()?));
                about.timer = Some(get.u64()?)
                    .filter(|nanos| *nanos != 0)
                    .map(Duration::from_nanos);
                about.blocking = get.flag()?;
                about.single = get.flag()?;
                about.only_looks = get.flag()?;
                about.orders_addresses = get.flag()?;
                Report::Ready(about)
            }
            2 => Report::Refused(why(&mut get)?),
            3 => Report::Submit(get.u64()?, get_operation(&mut get)?),
            4 => {
                let level = match get.u8()? {
                    0 => Level::Debug,
                    1 => Level::Info,
                    2 => Level::Warn,
                    3 => Level::Error,
                    _ => return Err(Malformed("a line of no level")),
                };
                Report::Log(level, why(&mut get)?)
            }
            5 => {
                let (id, well, why) = (get.u64()?, get.flag()?, why(&mut get)?);
                Report::Told(id, if well { Ok(()) } else { Err(why) })
            }
            6 => {
                let hook = Hook::of(get.u8()?).ok_or(Malformed("a count of no hook"))?;
                let (counted, nanos) = (get.flag()?, get.u64()?);
                let spent = counted.then(|| Duration::from_nanos(nanos).min(LONGEST));
                let went = match get.u8()? {
                    0 => Went::Well,
                    1 => Went::Refused,
                    2 => Went::Panicked,
                    _ => return Err(Malformed("a call that went no way")),
                };
                Report::Counted(hook, spent, went)
            }
            7 => Report::Added(get_counts(&mut get)?),
            8 => Report::Attend(Attention::from_bits(get.u64()?)),
            11 => Report::Settled,
            12 => Report::Watches,
            9 => Report::Panicked,
            10 => Report::Rebuilt,
            13 => Report::Unwatchable,
            _ => return Err(Malformed("a report of no kind")),
        };
        get.end()?;
        Ok(report)
    }
}

/// Reads the content of a frame that a child sent over its control socket. Everything is checked that can be without knowing what it
/// was told.
///
/// # Errors
/// When no sane child sends it.
pub fn decode_report(content: &[u8]) -> Result<Report, Malformed> {
    Report::get(content)
}

/// Writes what a child reports: the other direction of [`decode_report`], for tests. Empty when it is too long for a frame.
pub fn encode_report(report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    report.put(&mut out);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::wire::next_frame;
    use super::*;

    #[test]
    fn orders_cross_as_they_are_and_what_is_cut_off_is_an_error() {
        let map: Map = [
            ("a".to_owned(), "1".to_owned()),
            (String::new(), "x y".into()),
        ]
        .into();
        let hello = Hello {
            name: "m".to_owned(),
            library: "builtin:m".to_owned(),
            options: map.clone(),
            settings: Map::new(),
            threads: 3,
            nice: -1,
            memory: Some(1 << 30),
            parent: 7,
            numbers: u64::MAX,
            deadline: Duration::from_millis(50),
        };
        for order in [
            Order::Hello(Box::new(hello)),
            Order::Door(1 << 21),
            Order::Timer,
            Order::Settings(map.clone()),
            Order::Reconfigure(9, map),
            Order::Completed(1, Completion::Part("piece".into(), true)),
            Order::Close,
            Order::Ask,
        ] {
            let mut out = Vec::new();
            assert!(order.put(&mut out));
            let (content, took) = next_frame(&out).unwrap().unwrap();
            assert_eq!(took, out.len());
            assert_eq!(Order::get(content), Ok(order));
            for end in 0..content.len() {
                assert!(Order::get(&content[..end]).is_err(), "{end}");
            }
            assert!(Order::get(&[content, &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_completion_too_long_for_a_frame_is_told_as_a_failure() {
        let bytes = vec![0; super::super::wire::MAX_FRAME].into();
        let order = Order::Completed(5, Completion::Part(bytes, false));
        let mut out = Vec::new();
        assert!(order.put(&mut out));
        let (content, _) = next_frame(&out).unwrap().unwrap();
        let told = Order::get(content);
        assert!(
            matches!(told, Ok(Order::Completed(5, Completion::Failed(_)))),
            "{told:?}"
        );
    }
}
