//! Connection actors and the transaction's steps: accept, read a request, look it up, answer from the cache or by way of an origin.
//!
//! Knows no module, runtime or storage tier, and no configuration file: the application hands it [`Settings`].
#![forbid(unsafe_code)]

mod afterwards;
mod background;
mod client;
mod clock;
mod connection;
pub mod content;
pub mod explain;
mod listener;
mod messages;
pub mod modules;
mod proxy;
pub mod purge;
pub mod record;
pub mod settings;
pub mod stats;
mod transaction;
mod via;
mod worker;

pub use content::Content;
pub use modules::{Matcher, Member, Modules};
pub use proxy::{Proxy, StartError};
pub use record::{Record, TransactionLog};
pub use settings::Settings;
