//! A console for what is stored, on a local port: query, fetch, validate, expire, delete, read, inject, list, statistics, preload.
//!
//! The Content Manager of the paper: no hook on transactions; the object functions and descriptor polling do everything, in callbacks and
//! without a thread of its own. The verbs ([`verbs`]) are a library that the admin's `POST /content` uses as well.
//!
//! ```toml
//! [[module]]
//! name = "console"
//! library = "builtin:content-manager"
//! runtime = "inline"
//!
//! [module.options]
//! listen = "127.0.0.1:8081"   # where; not on loopback only with a secret
//! allow = ["127.0.0.1"]       # networks that may connect (127.0.0.1 and ::1)
//! secret = "..."              # asked for first (none); or secret_file
//! root = "/srv/preload"       # where files are that a verb names (none: no files)
//! telnet = "auto"             # or "always": negotiate at once (auto: when the client does, or by the verb edit)
//! idle = 600                  # seconds after which a session ends
//! sessions = 8                # at a time
//! parallel = 8                # fetches of a preloading at a time
//! body = 8388608              # bytes that may follow a line
//! ```
#![forbid(unsafe_code)]

mod console;
mod editor;
mod options;
mod session;
mod telnet;
pub mod verbs;

use console::Console;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use understudy_module::{About, Completion, Hooks, Host, Interest, Module};

/// The module.
#[derive(Debug, Default)]
pub struct ContentManager {
    console: Mutex<Console>,
}

impl ContentManager {
    fn console(&self) -> MutexGuard<'_, Console> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Module for ContentManager {
    fn about(&self) -> About {
        About {
            timer: Some(Duration::from_secs(1)),
            single: true,
            ..About::new("content-manager", env!("CARGO_PKG_VERSION"), Hooks::NONE)
        }
    }

    fn init(&self, host: &Host) -> Result<(), String> {
        self.console().configure(host)
    }

    fn reconfigure(&self, host: &Host) -> Result<(), String> {
        self.console().configure(host)
    }

    fn fini(&self, host: &Host) {
        self.console().close(host);
    }

    fn timer(&self, host: &Host) {
        self.console().timer(host);
    }

    fn completed(&self, host: &Host, tag: u64, completion: Completion) {
        self.console().completed(host, tag, completion);
    }

    fn ready(&self, host: &Host, fd: RawFd, interest: Interest, tag: u64) {
        self.console().ready(host, fd, interest, tag);
    }
}

understudy_module::export!(ContentManager::default);
