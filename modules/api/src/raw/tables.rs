//! The two tables: the proxy's functions and the module's.

use super::{
    Address, AnswerHandle, Attention, Completion, Entry, Field, ObjectHandle, Operation, Owned,
    ProxyHandle, Slice, Token, TransactionHandle, mirror,
};
use std::ffi::{c_char, c_int, c_void};

type Tx = *mut TransactionHandle;
type Proxy = *mut ProxyHandle;
type Object = *mut ObjectHandle;
type Answer = *mut AnswerHandle;
type HookFn = Option<unsafe extern "C" fn(*mut c_void, Tx, *mut *mut c_void) -> c_int>;

mirror!(
    /// The proxy's functions. Those of 1.1 are never NULL; those since are `None` in the table of a proxy that is older.
    HostTable = "us_host" {
        size: u32,
        major: u16,
        minor: u16,
        features: u64,
        id: unsafe extern "C" fn(Tx) -> u64,
        hook: unsafe extern "C" fn(Tx) -> c_int,
        client: unsafe extern "C" fn(Tx, *mut Address) -> c_int,
        method: unsafe extern "C" fn(Tx) -> Slice,
        url: unsafe extern "C" fn(Tx) -> Slice,
        key: unsafe extern "C" fn(Tx) -> Slice,
        object: unsafe extern "C" fn(Tx) -> Object,
        proxy: unsafe extern "C" fn(Tx) -> Proxy,
        token: unsafe extern "C" fn(Tx, *mut Token) -> c_int,
        header_find: unsafe extern "C" fn(Tx, Slice, usize, *mut Slice) -> c_int,
        header_line: unsafe extern "C" fn(Tx, usize, *mut Slice, *mut Slice) -> c_int,
        header_add: unsafe extern "C" fn(Tx, Slice, Slice) -> c_int,
        header_set: unsafe extern "C" fn(Tx, Slice, Slice) -> c_int,
        header_delete: unsafe extern "C" fn(Tx, Slice) -> c_int,
        header_done: unsafe extern "C" fn(Tx) -> c_int,
        target: unsafe extern "C" fn(Tx) -> Slice,
        set_target: unsafe extern "C" fn(Tx, Slice) -> c_int,
        status: unsafe extern "C" fn(Tx) -> u32,
        set_status: unsafe extern "C" fn(Tx, u32) -> c_int,
        no_store: unsafe extern "C" fn(Tx) -> c_int,
        set_freshness: unsafe extern "C" fn(Tx, u32) -> c_int,
        keep_length: unsafe extern "C" fn(Tx) -> c_int,
        piece: unsafe extern "C" fn(Tx) -> Slice,
        is_last: unsafe extern "C" fn(Tx) -> c_int,
        held_count: unsafe extern "C" fn(Tx) -> usize,
        held: unsafe extern "C" fn(Tx, usize, *mut Slice) -> c_int,
        keep: unsafe extern "C" fn(Tx, usize, *mut Owned) -> c_int,
        host_name: unsafe extern "C" fn(Tx, *mut Slice, *mut u16) -> c_int,
        address_count: unsafe extern "C" fn(Tx) -> usize,
        address: unsafe extern "C" fn(Tx, usize, *mut Address) -> c_int,
        add_address: unsafe extern "C" fn(Tx, *const Address) -> c_int,
        entry: unsafe extern "C" fn(Tx) -> *const Entry,
        note: unsafe extern "C" fn(Tx, Slice, Slice) -> c_int,
        respond: unsafe extern "C" fn(Tx, u32, *const Field, usize, Slice) -> c_int,
        replace: unsafe extern "C" fn(Tx, Slice) -> c_int,
        replace_owned: unsafe extern "C" fn(Tx, Owned) -> c_int,
        fail: unsafe extern "C" fn(Slice) -> c_int,
        panicked: unsafe extern "C" fn(Slice),
        answer_make: unsafe extern "C" fn() -> Answer,
        answer_drop: unsafe extern "C" fn(Answer),
        answer_edit: unsafe extern "C" fn(Answer, c_int, Slice, Slice, u32) -> c_int,
        answer_respond: unsafe extern "C" fn(Answer, u32, *const Field, usize, Slice) -> c_int,
        answer_replace: unsafe extern "C" fn(Answer, Slice) -> c_int,
        answer_replace_owned: unsafe extern "C" fn(Answer, Owned) -> c_int,
        answer_fail: unsafe extern "C" fn(Answer, Slice) -> c_int,
        resume: unsafe extern "C" fn(Proxy, Token, c_int, Answer) -> c_int,
        inject: unsafe extern "C" fn(Proxy, u64, Slice) -> c_int,
        object_make: unsafe extern "C" fn(Slice) -> Object,
        object_of_key: unsafe extern "C" fn(Slice) -> Object,
        object_ref: unsafe extern "C" fn(Object) -> Object,
        object_unref: unsafe extern "C" fn(Object),
        object_key: unsafe extern "C" fn(*const ObjectHandle) -> Slice,
        number: unsafe extern "C" fn(Proxy) -> u64,
        submit: unsafe extern "C" fn(Proxy, u64, *const Operation) -> c_int,
        perform: unsafe extern "C" fn(Proxy, *const Operation, *mut *mut Completion) -> c_int,
        completion_drop: unsafe extern "C" fn(*mut Completion),
        watch: unsafe extern "C" fn(Proxy, c_int, c_int, u64) -> c_int,
        unwatch: unsafe extern "C" fn(Proxy, c_int, c_int) -> c_int,
        closing: unsafe extern "C" fn(Proxy, c_int) -> c_int,
        option: unsafe extern "C" fn(Proxy, Slice, *mut Owned) -> c_int,
        option_count: unsafe extern "C" fn(Proxy) -> usize,
        option_at: unsafe extern "C" fn(Proxy, usize, *mut Owned, *mut Owned) -> c_int,
        setting: unsafe extern "C" fn(Proxy, Slice, *mut Owned) -> c_int,
        log: unsafe extern "C" fn(Proxy, c_int, Slice) -> c_int,
        status_text: unsafe extern "C" fn(u32) -> Slice,
        proxy_ref: unsafe extern "C" fn(Proxy) -> Proxy,
        proxy_unref: unsafe extern "C" fn(Proxy),
        withhold_head: unsafe extern "C" fn(Tx) -> c_int,
        count: unsafe extern "C" fn(Proxy, Slice, u64) -> c_int,
        skip_body: unsafe extern "C" fn(Tx) -> c_int,
        attend: Option<unsafe extern "C" fn(Proxy, *const Attention) -> c_int>,
    }
);

mirror!(
    /// The module's functions; `None` where it has no interest.
    ModuleTable = "us_module" {
        size: u32,
        major: u16,
        minor: u16,
        features: u64,
        name: *const c_char,
        version: *const c_char,
        flags: u32,
        timer_milliseconds: u32,
        init: Option<unsafe extern "C" fn(*mut *mut c_void, Proxy) -> c_int>,
        reconfigure: Option<unsafe extern "C" fn(*mut c_void, Proxy) -> c_int>,
        fini: Option<unsafe extern "C" fn(*mut c_void, Proxy)>,
        release: Option<unsafe extern "C" fn(*mut c_void)>,
        request_head: HookFn,
        request_body: HookFn,
        request_out: HookFn,
        resolve: HookFn,
        response_head: HookFn,
        response_body: HookFn,
        response_return: HookFn,
        return_body: HookFn,
        log: Option<unsafe extern "C" fn(*mut c_void, Tx, *mut *mut c_void)>,
        free: Option<unsafe extern "C" fn(*mut c_void, u64, *mut c_void)>,
        timer: Option<unsafe extern "C" fn(*mut c_void, Proxy)>,
        completed: Option<unsafe extern "C" fn(*mut c_void, Proxy, u64, *const Completion)>,
        ready: Option<unsafe extern "C" fn(*mut c_void, Proxy, c_int, c_int, u64)>,
    }
);

// SAFETY: a table is written once, before it is shown to the other side, and only read after; its pointers are to functions and
// to text that stay for the life of the process.
unsafe impl Send for ModuleTable {}
// SAFETY: as above.
unsafe impl Sync for ModuleTable {}
