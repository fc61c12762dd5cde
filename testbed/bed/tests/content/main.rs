//! What bodies are: read by others' readers, as long as was said, and each like no other.
#![allow(clippy::unwrap_used)]

mod archives;
mod bodies;
mod fonts;
mod images;
mod kit;
mod pages;
mod texts;
