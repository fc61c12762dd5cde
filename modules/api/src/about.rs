//! What a module says of itself before it is asked anything: which hooks it wants, and how it may be run.

use std::time::Duration;

/// The hooks, in the order in which a transaction meets them. The numbers are those of `understudy.h`: append only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Hook {
    RequestHead = 0,
    RequestBody = 1,
    RequestOut = 2,
    Resolve = 3,
    ResponseHead = 4,
    ResponseBody = 5,
    ResponseReturn = 6,
    ReturnBody = 7,
    Log = 8,
    Free = 9,
    Timer = 10,
    Init = 11,
    Reconfigure = 12,
    Fini = 13,
    /// Not a callback of the paper: an operation that was submitted is over.
    Completed = 14,
    /// Not a callback of the paper: a watched descriptor is ready.
    Ready = 15,
}

impl Hook {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// All of them, by number.
    pub const ALL: [Hook; Hook::COUNT] = [
        Hook::RequestHead,
        Hook::RequestBody,
        Hook::RequestOut,
        Hook::Resolve,
        Hook::ResponseHead,
        Hook::ResponseBody,
        Hook::ResponseReturn,
        Hook::ReturnBody,
        Hook::Log,
        Hook::Free,
        Hook::Timer,
        Hook::Init,
        Hook::Reconfigure,
        Hook::Fini,
        Hook::Completed,
        Hook::Ready,
    ];

    /// The name of its function, as in logs, counters and documents.
    pub fn name(self) -> &'static str {
        match self {
            Hook::RequestHead => "request_head",
            Hook::RequestBody => "request_body",
            Hook::RequestOut => "request_out",
            Hook::Resolve => "resolve",
            Hook::ResponseHead => "response_head",
            Hook::ResponseBody => "response_body",
            Hook::ResponseReturn => "response_return",
            Hook::ReturnBody => "return_body",
            Hook::Log => "log",
            Hook::Free => "free",
            Hook::Timer => "timer",
            Hook::Init => "init",
            Hook::Reconfigure => "reconfigure",
            Hook::Fini => "fini",
            Hook::Completed => "completed",
            Hook::Ready => "ready",
        }
    }

    /// The hook of this number.
    pub fn of(number: u8) -> Option<Hook> {
        Hook::ALL.get(usize::from(number)).copied()
    }

    /// Whether it is given pieces of a body.
    pub fn is_body(self) -> bool {
        matches!(
            self,
            Hook::RequestBody | Hook::ResponseBody | Hook::ReturnBody
        )
    }

    /// Whether it is given a head that may be edited.
    pub fn is_head(self) -> bool {
        matches!(
            self,
            Hook::RequestHead | Hook::RequestOut | Hook::ResponseHead | Hook::ResponseReturn
        )
    }
}

/// A set of hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hooks(u32);

impl Hooks {
    /// None.
    pub const NONE: Hooks = Hooks(0);
    /// Every hook on a transaction.
    pub const TRANSACTION: Hooks = Hooks(0b11_1111_1111);

    /// A set of these.
    pub const fn of(hooks: &[Hook]) -> Hooks {
        let mut bits = 0;
        let mut i = 0;
        while i < hooks.len() {
            bits |= 1 << hooks[i] as u32;
            i += 1;
        }
        Hooks(bits)
    }

    /// A set of these bits, as in `understudy.h`; bits that stand for no hook are ignored.
    pub const fn from_bits(bits: u32) -> Hooks {
        Hooks(bits & ((1 << Hook::COUNT) - 1))
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether it holds this one.
    #[inline]
    pub const fn has(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u32) != 0
    }

    /// Whether it holds any of those.
    #[inline]
    pub const fn any(self, of: Hooks) -> bool {
        self.0 & of.0 != 0
    }

    /// Both.
    #[must_use]
    pub const fn and(self, more: Hooks) -> Hooks {
        Hooks(self.0 | more.0)
    }

    /// Those in it, by number.
    pub fn iter(self) -> impl Iterator<Item = Hook> {
        Hook::ALL.into_iter().filter(move |hook| self.has(*hook))
    }
}

/// What a module says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name, for people.
    pub name: String,
    /// Its version, for people.
    pub version: String,
    /// The hooks on transactions that it wants. One that is not here is never called and costs nothing.
    pub hooks: Hooks,
    /// How often `timer` is called (the paper's `dfp_timerFreq`); `None`: never.
    pub timer: Option<Duration>,
    /// Its hooks may wait on the spot, for the disk, for another machine, in [`crate::Host::perform`]. Refused inline.
    pub blocking: bool,
    /// It keeps state of which there must be one: more than one child process is refused.
    pub single: bool,
    /// Its body hooks only look: pieces are never replaced, dropped or injected, so the length of a body stays as it is. When
    /// false, a body that its hooks may change is sent without its length (chunked), unless
    /// [`crate::Transaction::keep_length`] was called in the head hook before it.
    pub only_looks: bool,
    /// `resolve` is called a second time, with the addresses that were found when it gave none itself, to order them.
    pub orders_addresses: bool,
}

impl About {
    /// A module of this name that wants these hooks, and is otherwise as most are.
    pub fn new(name: &str, version: &str, hooks: Hooks) -> About {
        About {
            name: name.to_owned(),
            version: version.to_owned(),
            hooks,
            timer: None,
            blocking: false,
            single: false,
            only_looks: false,
            orders_addresses: false,
        }
    }
}
