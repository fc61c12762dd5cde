//! The HTTP/1 wire: heads, framing, bodies (RFC 9112).

pub mod body;
pub mod chunked;
mod edit;
pub mod field;
pub mod framing;
pub mod head;
pub mod hop;
pub mod keep;
pub mod lines;
mod list;
mod name;
mod parse;
pub mod target;

pub use edit::{is_name, is_same_name, is_value};
