//! The bytes of ICAP/1.0 (RFC 3507): requests written, answers parsed as they come.
//!
//! Nothing here knows a socket or a clock. Invariant: whatever a server sends, parsing takes bounded memory, never panics, and gives
//! the same events however the bytes are cut.

mod answer;
mod chunk;
mod encapsulated;
mod http;
mod request;

pub use answer::{Answer, Event, IcapHead, MAX_HTTP_HEAD, MAX_ICAP_HEAD};
pub use chunk::{Chunk, Chunks};
pub use encapsulated::Encapsulated;
pub use http::{Head, Start, difference};
pub use request::{Ask, Method, last_chunk, write_chunk, write_options};

/// What a server sent that is not ICAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong(pub &'static str);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
