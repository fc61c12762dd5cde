//! Loading a shared object.
//!
//! Owns the list of all that were loaded into this process. Invariants: a library is never closed (thread-local destructors and
//! callbacks may still point into it); the same content is loaded once. The awkward case: a file that was rebuilt in place. The
//! linker knows files by inode and would give the old code, so each content is loaded from a private copy in memory,
//! and old instances go on with the old code. A library that looks for files beside itself (`$ORIGIN`) does not find them.
#![allow(unsafe_code)] // Loading code is running it: what is loaded is trusted as the proxy itself is.

use crate::host::{self, words};
use crate::module::CModule;
use crate::symbols;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use rustix::fs::MemfdFlags;
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, c_char, c_int};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use understudy_module::raw::{self, HostTable, ModuleTable, flag};
use understudy_module::{About, Hook, Hooks, Module, guard};

/// How many contents of one path a process loads: none is ever given back.
pub const GENERATIONS: usize = 64;

/// Keep it in memory even if something closes it (the value on every Linux).
const RTLD_NODELETE: c_int = 0x1000;

type Entry = unsafe extern "C" fn(*const HostTable) -> *const ModuleTable;

/// The content of a file: a hash and its length.
type Content = (u64, usize);

#[derive(Default)]
struct Loaded {
    libraries: HashMap<Content, Opened>,
    generations: HashMap<PathBuf, HashSet<Content>>,
}

static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);

/// A library that is loaded; cheap to clone.
#[derive(Debug, Clone)]
pub struct Opened {
    path: PathBuf,
    table: &'static ModuleTable,
    about: About,
}

/// Loads a module from a file, or finds it loaded.
///
/// # Errors
/// A sentence that names the path and says why not.
pub fn open(path: impl AsRef<Path>) -> Result<Opened, String> {
    let path = path.as_ref();
    load(path).map_err(|why| format!("cannot load the module {}: {why}", path.display()))
}

fn load(path: &Path) -> Result<Opened, String> {
    let file = std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("it cannot be read: {e}"),
    })?;
    if !file.starts_with(b"\x7fELF") {
        return Err("it is not a shared object".to_owned());
    }
    let content = content(&file);
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    // Held while loading: two that load the same content must not load it twice.
    let mut loaded = LOADED.lock().unwrap_or_else(|e| e.into_inner());
    let generations = loaded.generations.entry(canonical).or_default();
    if !generations.contains(&content) && generations.len() >= GENERATIONS {
        return Err(format!(
            "{GENERATIONS} versions of this file were loaded into this process, and none can be unloaded; restart it, or use runtime = \"process\""
        ));
    }
    generations.insert(content);
    if let Some(opened) = loaded.libraries.get(&content) {
        return Ok(Opened {
            path: path.to_owned(),
            ..opened.clone()
        });
    }
    let table = link(path, &file)?;
    let opened = Opened {
        path: path.to_owned(),
        about: about(table),
        table,
    };
    loaded.libraries.insert(content, opened.clone());
    Ok(opened)
}

fn content(file: &[u8]) -> Content {
    let mut hasher = DefaultHasher::new();
    hasher.write(file);
    (hasher.finish(), file.len())
}

/// Links the content in, and asks it for its table.
fn link(path: &Path, file: &[u8]) -> Result<&'static ModuleTable, String> {
    let copy = rustix::fs::memfd_create("understudy-module", MemfdFlags::CLOEXEC)
        .map_err(|e| format!("no memory for a copy of it: {e}"))?;
    let mut copy = std::fs::File::from(copy);
    copy.write_all(file)
        .map_err(|e| format!("no memory for a copy of it: {e}"))?;
    let place = format!("/proc/self/fd/{}", copy.as_raw_fd());
    // SAFETY: running the library's initialisers, which is what was asked for.
    let library = unsafe { Library::open(Some(&place), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) }
        .map_err(|e| {
            // The linker's own words stand one level below.
            let why =
                std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
            why.replace(&place, "it")
        })?;
    let entry = symbols::candidates(path, file)
        .into_iter()
        .find_map(|name| {
            // SAFETY: a symbol of this name is a module's entry, says the interface.
            unsafe { library.get::<Entry>(name.as_bytes()) }
                .ok()
                .map(|symbol| *symbol)
        });
    // Never closed: its threads, its thread-local destructors, and whoever holds its bytes may outlive every instance.
    std::mem::forget(library);
    // The linker knows a library by the name it was opened by, too: the descriptor stays open so that its number is not given
    // to another copy. So is what a backtrace reads its symbols from.
    std::mem::forget(copy);
    let entry = entry.ok_or_else(|| {
        format!(
            "it is not a module: it exports no `{}` (in Rust: understudy_module::export!)",
            symbols::PLAIN
        )
    })?;
    words::forget();
    // SAFETY: the entry, called as the interface says.
    let table = unsafe { entry(host::table()) };
    if let Some(why) = words::take_panic() {
        return Err(format!("it panicked: {why}"));
    }
    if table.is_null() {
        return Err(match words::take_reason() {
            Some(why) => format!("it refused: {why}"),
            None => format!(
                "it refused, without a reason; this proxy's interface is {}.{}",
                raw::MAJOR,
                raw::MINOR
            ),
        });
    }
    check(table)
}

/// Whether a table can be used.
fn check(table: *const ModuleTable) -> Result<&'static ModuleTable, String> {
    if !table.is_aligned() {
        return Err("its table is not where a table can be".to_owned());
    }
    // SAFETY: size and version begin every table, of every version. They are looked at before anything behind them is.
    let (size, major, minor) = unsafe { ((*table).size, (*table).major, (*table).minor) };
    if major != raw::MAJOR {
        return Err(format!(
            "it was made for version {major}.{minor} of the interface, this proxy has {}.{}",
            raw::MAJOR,
            raw::MINOR
        ));
    }
    if (size as usize) < size_of::<ModuleTable>() {
        return Err(format!(
            "its table has {size} bytes, version {}.0 has {}",
            raw::MAJOR,
            size_of::<ModuleTable>()
        ));
    }
    // SAFETY: it is as long as the table of this version, begins like it, and stays for ever, says the interface.
    let table = unsafe { &*table };
    let missing = table.features & !raw::FEATURES;
    if missing != 0 {
        return Err(format!(
            "it needs features that this proxy lacks ({missing:#x})"
        ));
    }
    Ok(table)
}

/// What a table says of its module.
fn about(table: &ModuleTable) -> About {
    let text = |text: *const c_char| match text.is_null() {
        true => String::new(),
        // SAFETY: text of the table, ended by NUL.
        false => unsafe { CStr::from_ptr(text) }
            .to_string_lossy()
            .into_owned(),
    };
    let wanted = [
        (table.request_head.is_some(), Hook::RequestHead),
        (table.request_body.is_some(), Hook::RequestBody),
        (table.request_out.is_some(), Hook::RequestOut),
        (table.resolve.is_some(), Hook::Resolve),
        (table.response_head.is_some(), Hook::ResponseHead),
        (table.response_body.is_some(), Hook::ResponseBody),
        (table.response_return.is_some(), Hook::ResponseReturn),
        (table.return_body.is_some(), Hook::ReturnBody),
        (table.log.is_some(), Hook::Log),
        (
            table.free.is_some() && table.flags & flag::FREE_IS_NO_HOOK == 0,
            Hook::Free,
        ),
    ];
    let wanted: Vec<Hook> = wanted
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, hook)| *hook)
        .collect();
    let has = |bit| table.flags & bit != 0;
    let timer = table.timer.is_some() && table.timer_milliseconds > 0;
    About {
        timer: timer.then(|| Duration::from_millis(table.timer_milliseconds.into())),
        blocking: has(flag::BLOCKING),
        single: has(flag::SINGLE),
        only_looks: has(flag::ONLY_LOOKS),
        orders_addresses: has(flag::ORDERS_ADDRESSES),
        ..About::new(&text(table.name), &text(table.version), Hooks::of(&wanted))
    }
}

impl Opened {
    /// Where it was read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the module says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Whether a panic of it ends the process: such a module is for children only.
    pub fn aborts(&self) -> bool {
        self.table.flags & flag::ABORTS != 0
    }

    /// Makes an instance; the module's own `init` runs when the instance's does.
    ///
    /// # Errors
    /// None now; for what the runtimes ask.
    pub fn make(&self) -> Result<Arc<dyn Module>, String> {
        guard(|| CModule::new(self.table, self.about.clone()))
            .map(|module| Arc::new(module) as Arc<dyn Module>)
            .map_err(|panicked| panicked.0)
    }
}
