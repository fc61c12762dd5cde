//! The module interface of Understudy: what the author of a module depends on.
//!
//! A [`Module`] answers events of transactions with verdicts. Whether it runs on the worker's own stack, in a pool of threads or in a
//! child process is a word in the configuration and changes nothing here. The interface is the one of the paper on the
//! DataReactor (USITS 2003), brought to today's HTTP and to Rust; docs/modules.md maps one to the other.
#![deny(unsafe_code)]

mod about;
mod attention;
mod edits;
mod event;
mod field;
mod field_block;
pub mod guest;
mod head;
mod host;
mod invoke;
#[cfg(feature = "kit")]
pub mod kit;
mod module;
mod object;
mod opaque;
pub mod raw;
mod transaction;
mod verdict;
pub mod words;

pub use about::{About, Hook, Hooks};
pub use attention::{Attention, Heed, has_body};
pub use bytes::Bytes;
pub use edits::{Edit, Edits, MAX_BYTES, Mark, Refused};
pub use event::{Event, LogEntry, Part, Piece};
pub use field_block::FieldBlock;
pub use head::{Head, Lines, all, values};
pub use host::{
    Answer, COUNTS, Calls, Completion, Host, Interest, Level, MOST_LISTED, ObjectId, ObjectInfo,
    Operation, Token, is_count_name,
};
pub use invoke::{Panicked, Said, Tokens, guard, invoke, invoke_within};
pub use module::Module;
pub use opaque::Opaque;
pub use transaction::{Transaction, View};
pub use verdict::{Response, Verdict};
