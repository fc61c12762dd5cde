//! The module under test: the last part of the URL's path says what each hook does, and what it does is told to the proxy by
//! operations, whose keys are words.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;
use understudy_module::{
    About, Attention, Bytes, Completion, Hook, Hooks, Host, Interest, Level, Module, ObjectId,
    Opaque, Operation, Response, Token, Transaction, Verdict,
};
use understudy_runtimes::Library;
use understudy_runtimes::process::MAX_FRAME;

#[derive(Default)]
pub(crate) struct Probe {
    host: OnceLock<Host>,
    pipe: OnceLock<(std::io::PipeReader, std::io::PipeWriter)>,
    rounds: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct ProbeLibrary(pub(crate) String);

impl Library for ProbeLibrary {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Maker(self.0.clone(), Probe::default())))
    }
}

/// The probe, with what it says of itself.
struct Maker(String, Probe);

/// A value whose drop must not happen before `free`.
struct Seen {
    hooks: u64,
}

fn say(host: &Host, word: &str) {
    host.submit(0, Operation::Delete(ObjectId::of_key(word.as_bytes())));
}

fn word(tx: &Transaction<'_>) -> String {
    let url = String::from_utf8_lossy(tx.url()).into_owned();
    url.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Whether a fault is to come about, once.
static ARMED: AtomicBool = AtomicBool::new(false);

/// Of the descriptor that is ready when a fault is to come about.
const ARMED_TAG: u64 = 8;

/// Whether an option (`panics`, `hangs`) wants a fault in this hook.
fn wants(host: &Host, option: &str, hook: Hook) -> bool {
    host.option(option).as_deref() == Some(hook.name())
}

/// The fault that is wanted in this hook comes about.
fn fault(host: &Host, hook: Hook) {
    if wants(host, "panics", hook) && ARMED.swap(false, Ordering::SeqCst) {
        panic!("on purpose");
    }
    while wants(host, "hangs", hook) && ARMED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Takes a byte from a file; whether there was one.
fn one_fewer(path: &str) -> bool {
    let left = std::fs::read(path).unwrap_or_default();
    !left.is_empty() && std::fs::write(path, &left[1..]).is_ok()
}

/// Stands while the file of option `gate` is there.
fn stands(host: &Host) {
    let gate = host.option("gate").unwrap_or_default();
    if std::path::Path::new(&gate).exists() {
        say(host, "stands");
    }
    while std::path::Path::new(&gate).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Probe {
    /// From now on faults come about; the hook of the one that is wanted is called.
    fn arm(&self, host: &Host) {
        ARMED.store(true, Ordering::SeqCst);
        let wants = |hook| wants(host, "panics", hook) || wants(host, "hangs", hook);
        if wants(Hook::Ready)
            && let Ok((reader, writer)) = std::io::pipe()
        {
            let _ = (&writer).write_all(b"z");
            host.watch(reader.as_raw_fd(), Interest::Read, ARMED_TAG);
            let _ = self.pipe.set((reader, writer));
        }
        if wants(Hook::Completed) {
            say(host, "armed");
        }
    }

    fn hook(&self, tx: &mut Transaction<'_>) -> Verdict {
        let word = word(tx);
        let hook = tx.hook();
        let seen = tx.opaque().get_or_insert_with(|| Seen { hooks: 0 });
        seen.hooks += 1;
        let seen = seen.hooks;
        let name = hook.name();
        let Some(word) = word
            .strip_prefix(&format!("{name}-"))
            .or((!word.contains('-')).then_some(&*word))
        else {
            return Verdict::Continue;
        };
        match word {
            "count" => {
                let _ = tx.set("X-Count", seen.to_string());
                Verdict::Continue
            }
            "tally" => {
                tx.count("tallied", 2);
                Verdict::Continue
            }
            "tally_later" => {
                let (host, token) = (tx.host(), tx.token());
                std::thread::spawn(move || {
                    host.count("later", 1);
                    host.resume(token, Verdict::Done);
                });
                Verdict::Pending
            }
            "tally_elsewhere" => {
                let host = tx.host();
                std::thread::spawn(move || {
                    // When the answer is long gone.
                    std::thread::sleep(Duration::from_millis(50));
                    host.count("elsewhere", 1);
                });
                Verdict::Continue
            }
            "done" => Verdict::Done,
            "respond" => match Response::text(403, "no") {
                Ok(mut response) => {
                    let _ = response.add(b"X-By", b"probe");
                    Verdict::Respond(Box::new(response))
                }
                Err(_) => Verdict::Continue,
            },
            "replace" => {
                Verdict::Replace(tx.piece().iter().rev().copied().collect::<Vec<_>>().into())
            }
            "drop" => Verdict::Drop,
            "hold" if !tx.is_last() => Verdict::Hold,
            "hold" => Verdict::Replace(tx.whole()),
            "fail" => Verdict::fail("on purpose"),
            "panic" => panic!("on purpose"),
            "abort" => std::process::abort(),
            "hang" => loop {
                say(&tx.host(), "hangs");
                std::thread::sleep(Duration::from_secs(1));
            },
            "leak" => {
                let mut all: Vec<Vec<u8>> = Vec::new();
                loop {
                    all.push(vec![1; 1 << 20]);
                }
            }
            "garbage" => garbage(),
            "closes" => closes(),
            "edits" => {
                let _ = tx.add("X-A", "1");
                let _ = tx.set("X-B", "2");
                let _ = tx.delete("X-Gone");
                let _ = tx.note("probe", "noted");
                let seen = tx.find("X-Before").map_or(0, <[u8]>::len);
                let _ = tx.add("X-Seen", seen.to_string());
                Verdict::Continue
            }
            "resolve" => {
                let _ = tx.add_address(std::net::Ipv4Addr::LOCALHOST.into());
                Verdict::Continue
            }
            "inject" => {
                let host = tx.host();
                host.inject(tx.id(), Bytes::from_static(b"injected"));
                Verdict::Continue
            }
            "inject_much" => {
                // More than fits a frame, and then what does.
                let host = tx.host();
                host.inject(tx.id(), vec![0; MAX_FRAME + 1].into());
                host.inject(tx.id(), Bytes::from_static(b"injected"));
                Verdict::Continue
            }
            "pieces" => {
                // A piece that is too long to cross, and what came before and behind it.
                let host = tx.host();
                let part = Response::new(200, Bytes::from_static(b"first"));
                if let (Some(object), Ok(part)) = (host.object("http://host/pieces"), part) {
                    let number = host.inject_start(object, part);
                    let piece = |bytes: Bytes| {
                        host.submit(0, Operation::InjectBody(number, bytes));
                    };
                    piece(vec![0; MAX_FRAME + 1].into());
                    piece(Bytes::from_static(b"last"));
                    host.submit(9, Operation::InjectDone(number));
                }
                Verdict::Continue
            }
            "log" => {
                let entry = tx.entry().map_or(0, |entry| entry.status);
                say(&tx.host(), &format!("logged {entry}"));
                Verdict::Continue
            }
            "setting" => {
                let host = tx.host();
                let value = host.setting("cache.memory").unwrap_or_default();
                let _ = tx.set("X-Setting", value);
                let _ = tx.set("X-Option", host.option("colour").unwrap_or_default());
                Verdict::Continue
            }
            "perform" => {
                let done = tx
                    .host()
                    .perform(Operation::Query(ObjectId::of_key(b"asked")));
                let _ = tx.set("X-Done", format!("{done:?}"));
                Verdict::Continue
            }
            "perform_piece" => {
                // It has no completion.
                let done = tx.host().perform(Operation::ReadDone(1));
                let _ = tx.set("X-Done", format!("{done:?}"));
                Verdict::Continue
            }
            "coloured" => {
                if tx.host().option("colour").is_some() {
                    let _ = tx.add("X-Mine", "1");
                }
                Verdict::Continue
            }
            "stand" => {
                stands(&tx.host());
                Verdict::Continue
            }
            "nice" => {
                let nice = rustix::process::getpriority_process(None).unwrap_or(-1);
                let _ = tx.set("X-Nice", nice.to_string());
                Verdict::Continue
            }
            "pid" => {
                let _ = tx.set("X-Pid", std::process::id().to_string());
                Verdict::Continue
            }
            "never" => {
                let _ = tx.token();
                Verdict::Pending
            }
            "early" => {
                let (host, token) = (tx.host(), tx.token());
                let other = std::thread::spawn(move || host.resume(token, Verdict::Done));
                let _ = other.join();
                Verdict::Pending
            }
            "later" => {
                let (host, token) = (tx.host(), tx.token());
                std::thread::spawn(move || host.resume(token, Verdict::Done));
                Verdict::Pending
            }
            "back" => {
                let (host, token, piece) = (tx.host(), tx.token(), tx.piece().clone());
                std::thread::spawn(move || host.resume(token, Verdict::Replace(piece)));
                Verdict::Pending
            }
            "twice" => {
                let (host, token) = (tx.host(), tx.token());
                std::thread::spawn(move || {
                    host.resume(token, Verdict::Done);
                    host.resume(token, Verdict::fail("second"));
                });
                Verdict::Pending
            }
            "unknown" => {
                let transaction = tx.id();
                let token = Token {
                    transaction,
                    call: 12345,
                };
                tx.host().resume(token, Verdict::Done);
                Verdict::Continue
            }
            "late" => {
                // Resumed by the next transaction that says `wake`.
                *waiting() = Some(tx.token());
                Verdict::Pending
            }
            "wake" => {
                if let Some(token) = waiting().take() {
                    tx.host().resume(token, Verdict::Done);
                }
                Verdict::Continue
            }
            "arm" => {
                self.arm(&tx.host());
                Verdict::Continue
            }
            "feast" => {
                ask_for_large(&tx.host(), 10);
                Verdict::Continue
            }
            "gorge" => {
                ask_for_large(&tx.host(), 64);
                // And no thread of it reads anything of that.
                let own = rustix::process::getpid();
                let _ = rustix::process::kill_process(own, rustix::process::Signal::STOP);
                loop {
                    std::thread::sleep(Duration::from_secs(1));
                }
            }
            "meet" => meet(),
            // At a gate: until a file of this name is there.
            gate if gate.starts_with("stands") => {
                let host = tx.host();
                let gates = host.option("gates").unwrap_or_default();
                say(&host, &format!("pid {}", std::process::id()));
                say(&host, gate);
                while !std::path::Path::new(&gates).join(gate).exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Verdict::Continue
            }
            "slow" => {
                std::thread::sleep(Duration::from_millis(50));
                Verdict::Continue
            }
            _ => Verdict::Continue,
        }
    }
}

/// Asks for a large object, so many times at once.
fn ask_for_large(host: &Host, times: usize) {
    for _ in 0..times {
        host.submit(9, Operation::Read(ObjectId::of_key(b"large")));
    }
}

/// Four threads have to be here at once; each goes on when the fourth has come.
fn meet() -> Verdict {
    static HERE: (Mutex<u32>, Condvar) = (Mutex::new(0), Condvar::new());
    let patience = Duration::from_secs(60);
    let mut here = HERE.0.lock().unwrap_or_else(|e| e.into_inner());
    *here += 1;
    HERE.1.notify_all();
    let waited = HERE.1.wait_timeout_while(here, patience, |here| *here < 4);
    let (here, _) = waited.unwrap_or_else(|e| e.into_inner());
    match *here {
        4.. => Verdict::Continue,
        few => Verdict::fail(format!("only {few} threads came within {patience:?}")),
    }
}

fn waiting() -> std::sync::MutexGuard<'static, Option<Token>> {
    static WAITING: std::sync::Mutex<Option<Token>> = std::sync::Mutex::new(None);
    WAITING.lock().unwrap_or_else(|e| e.into_inner())
}

/// Writes nonsense to every socket of the process.
/// Says nothing more through the door, and lives on.
fn closes() -> Verdict {
    let is_socket = |number: &i32| {
        let to = std::fs::read_link(format!("/proc/self/fd/{number}"));
        to.is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    let fds = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let numbers = fds
        .flatten()
        .filter_map(|fd| fd.file_name().to_string_lossy().parse().ok());
    // The control socket came before it.
    let door = numbers.filter(is_socket).max();
    if let Some(own) = door.and_then(|number| understudy_shared::duplicate(number).ok()) {
        let _ = rustix::net::shutdown(own, rustix::net::Shutdown::Both);
    }
    Verdict::Continue
}

fn garbage() -> Verdict {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for entry in std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
    {
        let path = entry.path();
        let socket =
            std::fs::read_link(&path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"));
        let number = entry.file_name().to_string_lossy().parse::<i32>();
        let (true, Ok(number)) = (socket, number) else {
            continue;
        };
        let Ok(own) = understudy_shared::duplicate(number) else {
            continue;
        };
        let noise: Vec<u8> = (0..4096)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state as u8
            })
            .collect();
        let _ = std::fs::File::from(own).write_all(&noise);
    }
    Verdict::Continue
}

impl Module for Maker {
    fn about(&self) -> About {
        let mut about = About::new("probe", "1", Hooks::TRANSACTION);
        about.blocking = self.0.contains("blocking");
        about.single = self.0.contains("single");
        about.timer = self
            .0
            .contains("timer")
            .then_some(Duration::from_millis(10));
        about
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        let _ = self.1.host.set(host.clone());
        match host.option("init").as_deref() {
            Some("refuse") => return Err("not today".to_owned()),
            Some("die") => std::process::abort(),
            Some("panic") => panic!("in init"),
            Some("stands") => stands(host),
            Some("perform") => {
                if let Completion::Failed(why) = host.perform(Operation::Statistics) {
                    return Err(why);
                }
            }
            // Dies as often as there are bytes in a file, which is one the fewer each time.
            Some(path) if path.starts_with('/') && one_fewer(path) => std::process::abort(),
            _ => {}
        }
        // Refuses so often.
        if host.option("refuses").is_some_and(|path| one_fewer(&path)) {
            return Err("not yet".to_owned());
        }
        match host.option("watch").as_deref() {
            Some("files") => {
                if let Ok(file) = std::fs::File::open("/proc/self/exe") {
                    host.watch(file.as_raw_fd(), Interest::Read, 1);
                }
                host.watch(9999, Interest::Read, 1);
            }
            Some(_) => {
                if let Ok((reader, writer)) = std::io::pipe() {
                    host.watch(reader.as_raw_fd(), Interest::Read, 7);
                    let _ = (&writer).write_all(b"xy");
                    let _ = self.1.pipe.set((reader, writer));
                }
            }
            None => {}
        }
        if host.option("attend").is_some() {
            host.attend(attention());
        }
        host.log(Level::Info, "begun");
        host.count("begun", 1);
        say(host, "init");
        Ok(())
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        fault(host, Hook::Reconfigure);
        host.attend(match host.option("attend") {
            Some(_) => attention(),
            None => Attention::default(),
        });
        match host.option("colour").as_deref() {
            Some("bad") => Err("no such colour".to_owned()),
            Some("late") => {
                stands(host);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn fini(&self, host: &Host) {
        // Told by way of a file: the proxy does not listen any more.
        if let Some(path) = host.option("fini") {
            let _ = std::fs::write(path, "fini");
        }
    }

    fn request_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn request_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn request_out(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn resolve(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn response_head(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn response_return(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn return_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        self.1.hook(tx)
    }
    fn log(&self, tx: &mut Transaction<'_>) {
        self.1.hook(tx);
    }

    fn free(&self, transaction: u64, mut opaque: Opaque) {
        let seen = opaque.get::<Seen>().map_or(0, |seen| seen.hooks);
        if let Some(host) = self.1.host.get() {
            host.count("freed", 1);
            say(host, &format!("free {transaction} {seen}"));
        }
        assert_ne!(transaction, PANICS_IN_FREE, "on purpose");
    }

    fn timer(&self, host: &Host) {
        fault(host, Hook::Timer);
        host.count("rung", 1);
        say(host, "timer");
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        fault(host, Hook::Completed);
        if tag == 9 && matches!(completion, Completion::Object(_)) {
            say(host, "large");
        }
        if tag == 0
            && completion == Completion::Done
            && self.1.rounds.fetch_add(1, Ordering::Relaxed) == 0
        {
            host.submit(5, Operation::Query(ObjectId::of_key(b"first completion")));
        }
        if tag == 5 {
            say(host, &format!("completed {completion:?}"));
        }
    }

    fn ready(&self, host: &Host, fd: i32, interest: Interest, tag: u64) {
        use std::io::Read;
        fault(host, Hook::Ready);
        if tag == ARMED_TAG {
            return host.unwatch(fd, interest);
        }
        let Some((reader, _)) = self.1.pipe.get() else {
            return;
        };
        // One byte each time: it is told again until there is none.
        let mut byte = [0];
        let _ = (&*reader).read_exact(&mut byte);
        say(host, &format!("ready {} {tag}", char::from(byte[0])));
        if byte[0] == b'y' {
            host.unwatch(fd, interest);
        }
    }
}

/// What the probe promises where option `attend` is set.
pub(crate) fn attention() -> Attention {
    Attention {
        unheard: Hooks::of(&[Hook::RequestHead, Hook::ResponseReturn]),
        noted: Hooks::of(&[Hook::RequestOut]),
        withheld: Hooks::of(&[Hook::ResponseHead]),
    }
}

/// `free` of this transaction panics.
pub(crate) const PANICS_IN_FREE: u64 = (1 << 50) + 666;

/// Hooks with a head, by name.
pub(crate) fn heads() -> [Hook; 4] {
    [
        Hook::RequestHead,
        Hook::RequestOut,
        Hook::ResponseHead,
        Hook::ResponseReturn,
    ]
}
