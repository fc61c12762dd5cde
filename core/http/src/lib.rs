//! HTTP semantics (RFC 9110, RFC 9111) and the HTTP/1 wire (RFC 9112) as pure functions and incremental codecs.
//!
//! Nothing here knows a socket, a file, a clock or an actor: bytes and the time are arguments, answers are values.
//! [`wire`] reads and writes heads and bodies; [`semantics`] decides about storing, freshness, reuse and conditions.
#![forbid(unsafe_code)]

pub mod semantics;
pub mod wire;

pub use wire::field::{FieldSpan, Fields, Name};
pub use wire::head::{Method, RequestHead, RequestParts, ResponseHead, ResponseParts, Version};
