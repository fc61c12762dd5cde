//! A module as a shared object: what [`crate::export!`] puts behind the C interface.
//!
//! Owns the way from the proxy's table to a `dyn Module` and back. Invariant: no panic leaves a function that the proxy calls; it
//! is told as one, and the proxy treats it as a panic of a module that is linked in. The awkward case: the module's crate is
//! an rlib and a cdylib at once, and several may be linked into one program. So each exports a symbol with its crate's name in
//! it, which the loader finds.
#![allow(unsafe_code)] // It speaks the C interface: each block says why it is sound.

mod calls;
mod hooks;
mod view;

use crate::about::{About, Hook};
use crate::host::Host;
use crate::invoke::guard;
use crate::module::Module;
use crate::raw::{self, HostTable, ModuleTable, ProxyHandle, Slice};
use calls::GuestCalls;
use std::ffi::{CString, c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::{Arc, OnceLock};

/// Makes a crate a module that can be loaded: `understudy_module::export!(MyModule::new);` with a function (or a closure that
/// captures nothing) that makes the module. Once in a crate, anywhere in it.
///
/// Build the crate as `crate-type = ["rlib", "cdylib"]`: the rlib is linked in, as `builtin:NAME`, the cdylib loaded from its path.
#[macro_export]
macro_rules! export {
    ($make:expr) => {
        const _: () = {
            fn make() -> ::std::boxed::Box<dyn $crate::Module> {
                ::std::boxed::Box::new(($make)())
            }
            #[unsafe(export_name = concat!("understudy_module_of_", env!("CARGO_CRATE_NAME")))]
            extern "C" fn entry(
                host: *const $crate::raw::HostTable,
            ) -> *const $crate::raw::ModuleTable {
                // SAFETY: the loader calls this, with the proxy's table.
                unsafe { $crate::guest::entry(host, make, cfg!(panic = "abort")) }
            }
        };
    };
}

/// Makes a module.
pub type Make = fn() -> Box<dyn Module>;

struct Library {
    host: HostTable,
    make: Make,
}

/// The size of the oldest table that will do: that of 1.1. Every function behind it may be missing.
const OLDEST: usize = std::mem::offset_of!(HostTable, attend);

/// The library that was loaded; there is one in a shared object, which has its own copy of this.
static LIBRARY: OnceLock<Library> = OnceLock::new();

/// An instance: what the proxy carries as `self`.
struct Guest {
    module: Box<dyn Module>,
    host: Host,
    /// Whether `free` is one of its hooks.
    frees: bool,
}

/// Behind [`crate::export!`]: the proxy's table in, the module's out; NULL when it cannot be.
///
/// # Safety
/// `host` is NULL or a table of a proxy, which begins with size and version and stays for ever.
pub unsafe fn entry(host: *const HostTable, make: Make, aborts: bool) -> *const ModuleTable {
    // SAFETY: the caller's promise.
    let Some(whole) = (unsafe { known(host) }) else {
        return std::ptr::null();
    };
    let library = LIBRARY.get_or_init(|| Library { host: whole, make });
    let table = &library.host;
    match guard(|| make().about()) {
        Ok(about) => Box::leak(Box::new(table_of(&about, aborts))),
        Err(panicked) => {
            // SAFETY: a function of the proxy's table, with bytes that are there.
            unsafe { (table.panicked)(Slice::of(panicked.0.as_bytes())) };
            std::ptr::null()
        }
    }
}

/// What this library knows of a proxy's table; `None` when that has less than cannot be done without.
///
/// # Safety
/// As for [`entry`].
unsafe fn known(host: *const HostTable) -> Option<HostTable> {
    // SAFETY: the caller's promise; size and version are looked at before anything behind them is.
    let size = unsafe {
        if host.is_null() || (*host).major != raw::MAJOR {
            return None;
        }
        (*host).size as usize
    };
    if size < OLDEST {
        return None;
    }
    let mut table = MaybeUninit::<HostTable>::zeroed();
    // Whole functions only.
    let both = size.min(size_of::<HostTable>()) & !(align_of::<HostTable>() - 1);
    // SAFETY: so many bytes are there on both sides. What an older table lacks stays zero, which is `None` behind OLDEST; all
    // before that is copied.
    unsafe {
        std::ptr::copy_nonoverlapping(host.cast::<u8>(), table.as_mut_ptr().cast(), both);
        Some(table.assume_init())
    }
}

/// The table of a module that says this of itself. It is made once and stays.
fn table_of(about: &About, aborts: bool) -> ModuleTable {
    let text = |text: &str| {
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        text.into_raw().cast_const()
    };
    let milliseconds =
        |timer: std::time::Duration| timer.as_millis().clamp(1, u32::MAX.into()) as u32;
    let flags = [
        (about.blocking, raw::flag::BLOCKING),
        (about.single, raw::flag::SINGLE),
        (about.only_looks, raw::flag::ONLY_LOOKS),
        (about.orders_addresses, raw::flag::ORDERS_ADDRESSES),
        (aborts, raw::flag::ABORTS),
        (!about.hooks.has(Hook::Free), raw::flag::FREE_IS_NO_HOOK),
    ];
    let wants = |hook| about.hooks.has(hook);
    ModuleTable {
        size: size_of::<ModuleTable>() as u32,
        major: raw::MAJOR,
        minor: raw::MINOR,
        features: 0,
        name: text(&about.name),
        version: text(&about.version),
        flags: flags.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum(),
        timer_milliseconds: about.timer.map_or(0, milliseconds),
        init: Some(init),
        reconfigure: Some(reconfigure),
        fini: Some(fini),
        release: Some(release),
        request_head: wants(Hook::RequestHead).then_some(hooks::request_head),
        request_body: wants(Hook::RequestBody).then_some(hooks::request_body),
        request_out: wants(Hook::RequestOut).then_some(hooks::request_out),
        resolve: wants(Hook::Resolve).then_some(hooks::resolve),
        response_head: wants(Hook::ResponseHead).then_some(hooks::response_head),
        response_body: wants(Hook::ResponseBody).then_some(hooks::response_body),
        response_return: wants(Hook::ResponseReturn).then_some(hooks::response_return),
        return_body: wants(Hook::ReturnBody).then_some(hooks::return_body),
        log: wants(Hook::Log).then_some(hooks::log),
        // Always: the opaque value is a box of ours, also when the module has no hook for its end.
        free: Some(hooks::free),
        timer: Some(hooks::timer),
        completed: Some(hooks::completed),
        ready: Some(hooks::ready),
    }
}

/// The proxy's table.
fn table() -> &'static HostTable {
    match LIBRARY.get() {
        Some(library) => &library.host,
        // Only functions that the proxy calls ask, and it finds those in what `entry` gave it.
        None => unreachable!("the module was called before it was loaded"),
    }
}

/// Tells the proxy why what it called is about to fail.
fn fail(why: &str) -> c_int {
    // SAFETY: a function of the proxy's table, with bytes that are there.
    unsafe { (table().fail)(Slice::of(why.as_bytes())) }
}

/// Calls, and tells the proxy of a panic.
fn caught<R>(otherwise: R, call: impl FnOnce() -> R) -> R {
    guard(call).unwrap_or_else(|panicked| {
        // SAFETY: as in `fail`.
        unsafe { (table().panicked)(Slice::of(panicked.0.as_bytes())) };
        otherwise
    })
}

/// Calls something of an instance.
///
/// # Safety
/// `this` is what `init` made, and not released yet.
unsafe fn with<R>(this: *mut c_void, otherwise: R, call: impl FnOnce(&Guest) -> R) -> R {
    // SAFETY: the caller's promise; hooks take `&self`, so any number of threads may.
    match unsafe { this.cast::<Guest>().as_ref() } {
        Some(guest) => caught(otherwise, || call(guest)),
        None => otherwise,
    }
}

unsafe extern "C" fn init(out: *mut *mut c_void, proxy: *mut ProxyHandle) -> c_int {
    caught(1, || {
        let Some(library) = LIBRARY.get() else {
            return 1;
        };
        let module = (library.make)();
        let guest = Guest {
            frees: module.about().hooks.has(Hook::Free),
            module,
            host: Host::new(Arc::new(GuestCalls::new(&library.host, proxy))),
        };
        match guest.module.init(&guest.host) {
            Ok(()) => {
                // SAFETY: the proxy gives the place of the instance.
                unsafe { *out = Box::into_raw(Box::new(guest)).cast() };
                0
            }
            Err(why) => {
                fail(&why);
                1
            }
        }
    })
}

unsafe extern "C" fn reconfigure(this: *mut c_void, _: *mut ProxyHandle) -> c_int {
    let call = |guest: &Guest| match guest.module.reconfigure(&guest.host) {
        Ok(()) => 0,
        Err(why) => {
            fail(&why);
            1
        }
    };
    // SAFETY: the proxy gives the instance.
    unsafe { with(this, 1, call) }
}

unsafe extern "C" fn fini(this: *mut c_void, _: *mut ProxyHandle) {
    // SAFETY: the proxy gives the instance.
    unsafe { with(this, (), |guest| guest.module.fini(&guest.host)) }
}

unsafe extern "C" fn release(this: *mut c_void) {
    if !this.is_null() {
        // SAFETY: the last call, with what `init` made.
        caught((), || drop(unsafe { Box::from_raw(this.cast::<Guest>()) }));
    }
}
