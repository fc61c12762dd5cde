//! What the tests of loaded modules share: a compiler, events made by hand, and a proxy that writes down what it is asked.
#![allow(clippy::unwrap_used, dead_code, missing_docs, unreachable_pub)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use understudy_module::{
    Answer, Attention, Bytes, Calls, Completion, Edits, Event, Head, Hook, Hooks, Host, Interest,
    Level, Lines, Module, Opaque, Operation, Panicked, Part, Piece, Token, Verdict, invoke,
};

pub const TOKEN: Token = Token {
    transaction: 7,
    call: 99,
};

/// The directory of the header.
pub fn include() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include")
}

/// Compiles C text into a shared object.
pub fn build(dir: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let (file, object) = (
        dir.join(format!("{name}.c")),
        dir.join(format!("{name}.so")),
    );
    std::fs::write(&file, source).unwrap();
    let cc = Command::new("cc")
        .args([
            "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-std=c11",
        ])
        .args(flags)
        .arg("-I")
        .arg(include())
        .arg(&file)
        .arg("-o")
        .arg(&object)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&cc.stderr);
    assert!(cc.status.success(), "{told}");
    object
}

/// What the proxy was asked, and what it answers.
#[derive(Default)]
pub struct Asked {
    pub told: Mutex<Vec<String>>,
    pub operations: Mutex<Vec<(u64, Operation)>>,
    pub resumed: Mutex<Vec<(Token, Answer)>>,
    pub injected: Mutex<Vec<(u64, Bytes)>>,
    /// Options beside those that every test has.
    pub options: Vec<(String, String)>,
}

impl Asked {
    pub fn tell(&self, line: String) {
        self.told.lock().unwrap().push(line);
    }
}

impl Calls for Asked {
    fn option(&self, name: &str) -> Option<String> {
        let mut options = self.options.iter();
        let own = options.find(|(own, _)| own == name);
        own.map(|(_, value)| value.clone())
            .or_else(|| (name == "color").then(|| "blue".to_owned()))
    }
    fn options(&self) -> Vec<(String, String)> {
        if !self.options.is_empty() {
            return self.options.clone();
        }
        vec![
            ("color".to_owned(), "blue".to_owned()),
            ("list.0".to_owned(), "first".to_owned()),
        ]
    }
    fn setting(&self, name: &str) -> Option<String> {
        (name == "cache.memory").then(|| "64M".to_owned())
    }
    fn submit(&self, tag: u64, operation: Operation) {
        self.operations.lock().unwrap().push((tag, operation));
    }
    fn resume(&self, token: Token, answer: Answer) {
        self.resumed.lock().unwrap().push((token, answer));
    }
    fn inject(&self, transaction: u64, bytes: Bytes) {
        self.injected.lock().unwrap().push((transaction, bytes));
    }
    fn watch(&self, fd: i32, interest: Interest, tag: u64) {
        self.tell(format!("watch {fd} {interest:?} {tag}"));
    }
    fn unwatch(&self, fd: i32, interest: Interest) {
        self.tell(format!("unwatch {fd} {interest:?}"));
    }
    fn log(&self, level: Level, text: &str) {
        self.tell(format!("{level:?} {text}"));
    }
    fn perform(&self, operation: Operation) -> Option<Completion> {
        let name = format!("{operation:?}");
        self.tell(name);
        Some(Completion::Part(Bytes::from_static(b"performed"), true))
    }
    fn number(&self) -> u64 {
        42
    }
    fn count(&self, name: &str, amount: u64) {
        self.tell(format!("count {name} {amount}"));
    }
    fn attend(&self, attention: Attention) {
        let names = |hooks: Hooks| hooks.iter().map(Hook::name).collect::<Vec<_>>().join(" ");
        self.tell(format!(
            "attend unheard {} noted {} withheld {}",
            names(attention.unheard),
            names(attention.noted),
            names(attention.withheld)
        ));
    }
}

/// A module that is initialised, with its proxy.
pub struct Bench {
    pub module: Arc<dyn Module>,
    pub host: Host,
    pub asked: Arc<Asked>,
    pub opaque: Opaque,
    pub edits: Edits,
}

impl Bench {
    pub fn new(module: Arc<dyn Module>) -> Bench {
        let asked = Arc::new(Asked::default());
        let host = Host::new(asked.clone());
        module.init(&host).unwrap();
        Bench {
            module,
            host,
            asked,
            opaque: Opaque::None,
            edits: Edits::new(),
        }
    }

    pub fn load(path: &Path) -> Bench {
        Bench::new(understudy_abi::open(path).unwrap().make().unwrap())
    }

    /// Calls a hook about this.
    pub fn call(&mut self, hook: Hook, part: Part<'_>) -> Result<Verdict, Panicked> {
        let event = Event {
            hook,
            id: 7,
            client: "192.0.2.9:1234".parse().unwrap(),
            method: b"GET",
            url: b"http://origin.test/a?b",
            part,
        };
        invoke(
            &*self.module,
            &self.host,
            &event,
            &mut self.opaque,
            &mut self.edits,
            &TOKEN,
        )
    }

    pub fn request(&mut self, lines: &str) -> Result<Verdict, Panicked> {
        let head = Head::Request {
            target: b"/a?b",
            lines: Lines::Text(lines.as_bytes()),
        };
        self.call(Hook::RequestHead, Part::Head(head))
    }

    pub fn response(&mut self, hook: Hook, lines: &str) -> Result<Verdict, Panicked> {
        let head = Head::Response {
            status: 200,
            lines: Lines::Text(lines.as_bytes()),
        };
        self.call(hook, Part::Head(head))
    }

    pub fn piece(
        &mut self,
        hook: Hook,
        held: &[&str],
        piece: &str,
        last: bool,
    ) -> Result<Verdict, Panicked> {
        let held: Vec<Bytes> = held
            .iter()
            .map(|held| Bytes::copy_from_slice(held.as_bytes()))
            .collect();
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        let piece = Piece {
            bytes: &bytes,
            last,
            held: &held,
            head_waits: false,
        };
        self.call(hook, Part::Piece(piece))
    }

    /// The edits made, as text.
    pub fn edits(&self) -> Vec<String> {
        self.edits.iter().map(|edit| show(&edit)).collect()
    }

    /// The transaction is over.
    pub fn free(&mut self) {
        self.module.free(7, self.opaque.take());
    }
}

pub fn show(edit: &understudy_module::Edit<'_>) -> String {
    use understudy_module::Edit;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match edit {
        Edit::Add(name, value) => format!("add {}: {}", text(name), text(value)),
        Edit::Set(name, value) => format!("set {}: {}", text(name), text(value)),
        Edit::Delete(name) => format!("delete {}", text(name)),
        Edit::Target(target) => format!("target {}", text(target)),
        Edit::Note(name, value) => format!("note {}: {}", text(name), text(value)),
        other => format!("{other:?}"),
    }
}
