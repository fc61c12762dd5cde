//! Modules as shared objects: the C interface `understudy.h`, the loader, and templates of new modules.
//!
//! [`open`] reads a file and loads it; [`Opened::make`] makes instances, which are a [`understudy_module::Module`] like any other. A
//! library stays loaded for the life of the process; a changed file is loaded beside it.

mod host;
mod library;
mod module;
mod symbols;
pub mod template;

pub use library::{GENERATIONS, Opened, open};

/// The header that a module in C includes.
pub const HEADER: &str = include_str!("../include/understudy.h");
