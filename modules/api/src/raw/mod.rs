//! The C interface as Rust sees it: mirrors of the types of `understudy.h`, which says what each means.
//!
//! Invariant: every struct lies in memory as its namesake in the header; a test asks the C compiler. Owned by nobody: the
//! loader (host side) and [`crate::guest`] (module side) both read and write these.
#![allow(unsafe_code)] // What these types are for: each block says why it is sound.
#![allow(missing_docs)] // The header has them.

mod convert;
mod tables;

pub use convert::{Lifted, edit_of, fields, response};
pub use tables::{HostTable, ModuleTable};

use std::ffi::c_void;

/// The version of the interface.
pub const MAJOR: u16 = 1;
/// See [`MAJOR`].
pub const MINOR: u16 = 2;
/// What this proxy can do beyond its version.
pub const FEATURES: u64 = 0;

/// How a function ended, `enum us_error`; those of [`crate::Refused`] are below [`code::ABSENT`].
pub mod code {
    pub const OK: i32 = 0;
    pub const ABSENT: i32 = 9;
    pub const ARGUMENT: i32 = 10;
    pub const STALE: i32 = 11;
    pub const INTERNAL: i32 = 12;
}

/// `enum us_verdict`.
pub mod verdict {
    pub const CONTINUE: i32 = 0;
    pub const DONE: i32 = 1;
    pub const RESPOND: i32 = 2;
    pub const REPLACE: i32 = 3;
    pub const DROP: i32 = 4;
    pub const HOLD: i32 = 5;
    pub const PENDING: i32 = 6;
    pub const FAIL: i32 = 7;
    pub const FIRST: i32 = 8;
}

/// `enum us_flag`.
pub mod flag {
    pub const BLOCKING: u32 = 1;
    pub const SINGLE: u32 = 2;
    pub const ONLY_LOOKS: u32 = 4;
    pub const ORDERS_ADDRESSES: u32 = 8;
    pub const ABORTS: u32 = 16;
    pub const FREE_IS_NO_HOOK: u32 = 32;
}

/// Declares a mirror, and lists its fields with their places for the test that asks the C compiler.
macro_rules! mirror {
    ($(#[$meta:meta])* $name:ident = $c:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy)]
        #[repr(C)]
        pub struct $name { $(pub $field: $type,)* }

        impl $name {
            /// Its name in C, its size, and the place of each of its fields.
            pub const LAYOUT: (&'static str, usize, &'static [(&'static str, usize)]) = (
                $c,
                std::mem::size_of::<$name>(),
                &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*],
            );
        }
    };
}
pub(crate) use mirror;

macro_rules! handle {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug)]
        #[repr(C)]
        pub struct $name {
            _private: [u8; 0],
        }
    };
}

handle!(
    /// `us_transaction`
    TransactionHandle
);
handle!(
    /// `us_proxy`
    ProxyHandle
);
handle!(
    /// `us_object`
    ObjectHandle
);
handle!(
    /// `us_answer`
    AnswerHandle
);

mirror!(
    /// Borrowed bytes.
    Slice = "us_bytes" {
        ptr: *const u8,
        len: usize,
    }
);

mirror!(
    /// Owned bytes.
    Owned = "us_owned" {
        ptr: *const u8,
        len: usize,
        owner: *mut c_void,
        release: Option<unsafe extern "C" fn(owner: *mut c_void)>,
    }
);

mirror!(
    /// A field line.
    Field = "us_field" {
        name: Slice,
        value: Slice,
    }
);

mirror!(
    /// An address.
    Address = "us_address" {
        family: u8,
        reserved: u8,
        port: u16,
        bytes: [u8; 16],
    }
);

mirror!(
    /// A token.
    Token = "us_token" {
        transaction: u64,
        call: u64,
    }
);

mirror!(
    /// A log entry.
    Entry = "us_entry" {
        size: u32,
        status: u32,
        elapsed_ns: u64,
        bytes_out: u64,
        body_out: u64,
        body_in: u64,
        code: Slice,
        hierarchy: Slice,
        timeout: Slice,
        error: Slice,
        aborted: u32,
        reserved: u32,
    }
);

mirror!(
    /// An operation.
    Operation = "us_operation" {
        size: u32,
        kind: u32,
        object: *const ObjectHandle,
        number: u64,
        seconds: i64,
        limit: u64,
        status: u32,
        field_count: u32,
        fields: *const Field,
        body: Slice,
    }
);

mirror!(
    /// What hooks on heads answer, where that is known before.
    Attention = "us_attention" {
        size: u32,
        unheard: u32,
        noted: u32,
        withheld: u32,
    }
);

mirror!(
    /// A stored object in a list.
    Listed = "us_listed" {
        key: Slice,
        content_type: Slice,
        length: u64,
        ttl: i64,
        status: u32,
        age: u32,
    }
);

mirror!(
    /// How an operation ended.
    Completion = "us_completion" {
        size: u32,
        kind: u32,
        status: u32,
        flag: u32,
        length: u64,
        ttl: i64,
        age: u32,
        field_count: u32,
        fields: *const Field,
        body: Slice,
        text: Slice,
        listed: *const Listed,
        listed_count: u64,
    }
);
