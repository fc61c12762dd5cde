//! Where modules come from: those built in, by name, and shared libraries, by path.
//!
//! Invariant: a name that the configuration accepts has a library here.

use std::{fmt, sync::Arc};
use understudy_module::Module;
use understudy_runtimes::Library;

type Make = fn() -> Arc<dyn Module>;

/// The modules built in, in the order of their names.
const BUILTINS: &[(&str, Make)] = &[
    ("ad-remover", || {
        Arc::new(understudy_ad_remover::AdRemover::default())
    }),
    ("add-headers", || {
        Arc::new(understudy_add_headers::AddHeaders::default())
    }),
    ("body-and-headers", || {
        Arc::new(understudy_body_and_headers::BodyAndHeaders::default())
    }),
    ("compressor", || {
        Arc::new(understudy_compressor::Compressor::default())
    }),
    ("content-manager", || {
        Arc::new(understudy_content_manager::ContentManager::default())
    }),
    ("empty", || Arc::new(understudy_empty::Empty)),
    ("icap-client", || {
        Arc::new(understudy_icap_client::IcapClient::default())
    }),
    ("text-injector", || {
        Arc::new(understudy_text_injector::TextInjector::default())
    }),
    ("transcoder", || {
        Arc::new(understudy_transcoder::Transcoder::default())
    }),
];

/// A module that is linked in.
struct Builtin {
    name: &'static str,
    make: Make,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "builtin:{}", self.name)
    }
}

impl Library for Builtin {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok((self.make)())
    }
}

/// A library that only other processes open.
#[derive(Debug)]
pub(crate) struct Elsewhere(pub(crate) String);

impl Library for Elsewhere {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Err(format!("{} runs in processes of its own only", self.0))
    }
}

/// The names of those built in.
pub(crate) fn names() -> Vec<&'static str> {
    BUILTINS.iter().map(|(name, _)| *name).collect()
}

/// The library of this name or path, opened.
///
/// # Errors
/// A sentence that says why not.
pub(crate) fn library(text: &str) -> Result<Arc<dyn Library>, String> {
    match text.strip_prefix("builtin:") {
        Some(name) => match BUILTINS.iter().find(|(known, _)| *known == name) {
            Some((name, make)) => Ok(Arc::new(Builtin { name, make: *make })),
            None => Err(format!(
                "no module called {name:?} is built in; built in are {}",
                names().join(", ")
            )),
        },
        None => {
            understudy_abi::open(text).map(|opened| Arc::new(Shared(opened)) as Arc<dyn Library>)
        }
    }
}

/// The library of this name or path, opened to run in the proxy's own address space.
///
/// # Errors
/// As [`library`], and when a panic of the module would end the process it runs in.
pub(crate) fn within(text: &str) -> Result<Arc<dyn Library>, String> {
    if !text.starts_with("builtin:") && understudy_abi::open(text)?.aborts() {
        return Err(format!(
            "{text} is built so that a panic ends the process it runs in; build it with panic = \"unwind\", or choose runtime = \"process\""
        ));
    }
    library(text)
}

/// A module from a file.
#[derive(Debug)]
struct Shared(understudy_abi::Opened);

impl Library for Shared {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        self.0.make()
    }
}
