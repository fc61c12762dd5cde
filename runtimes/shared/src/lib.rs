//! Memory that Understudy's processes share, and the few other things of the runtimes that need `unsafe`.
//!
//! [`Arena`] is written by the proxy and only read by a child ([`Window`]); [`marker_page`] is one page of words that outlives a
//! crashed proxy. Both are memfds that nobody can shrink once they are sealed, so a mapping never loses its pages (SIGBUS).
//! The only crate of the runtimes with unsafe code; each block says why it is sound.
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod arena;
mod descriptor;
mod map;
mod page;

pub use arena::{Arena, Window};
pub use descriptor::{duplicate, register, register_for};
pub use page::{
    MARKERS, NAME_BYTES, PAGE_WORDS, foreign, marker_page, name, set_foreign, set_name,
};
