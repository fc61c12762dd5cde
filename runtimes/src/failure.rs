//! Why a call of a module came to nothing.

/// The reason, as logs, counters and tests say it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A hook panicked.
    #[error("it panicked: {0}")]
    Panic(String),
    /// The module said so itself, or gave an answer that does not fit.
    #[error("it failed: {0}")]
    Fail(String),
    /// The deadline of the call passed.
    #[error("its deadline passed")]
    Deadline,
    /// As many calls wait as may.
    #[error("its queue is full")]
    QueueFull,
    /// The child process ended.
    #[error("its process died")]
    Died,
    /// The child sent what is no frame, or what no frame may hold.
    #[error("its process sent garbage: {0}")]
    Garbage(String),
    /// It wanted to hold more bytes than it may.
    #[error("it holds too many bytes")]
    Budget,
    /// It failed too often in a row and is left alone for a while.
    #[error("it failed too often")]
    Broken,
    /// There is no instance: it could not be made again, or is being made.
    #[error("it is not running")]
    Unavailable,
}

impl Failure {
    /// How many kinds there are.
    pub const KINDS: usize = 9;

    /// The word for counters and logs.
    pub fn word(&self) -> &'static str {
        Failure::WORDS[self.kind()]
    }

    /// The words, by [`Failure::kind`].
    pub const WORDS: [&'static str; Failure::KINDS] = [
        "panic",
        "fail",
        "deadline",
        "queue-full",
        "died",
        "garbage",
        "budget",
        "broken",
        "unavailable",
    ];

    /// The number of its kind.
    pub fn kind(&self) -> usize {
        match self {
            Failure::Panic(_) => 0,
            Failure::Fail(_) => 1,
            Failure::Deadline => 2,
            Failure::QueueFull => 3,
            Failure::Died => 4,
            Failure::Garbage(_) => 5,
            Failure::Budget => 6,
            Failure::Broken => 7,
            Failure::Unavailable => 8,
        }
    }
}
