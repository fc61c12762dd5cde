//! What a loaded module may ask of the proxy beside a transaction, through the proxy's table.
//!
//! Owns one count of the proxy's handle, so a `Host` may be kept as long as the module likes.

use crate::attention::Attention;
use crate::edits::Edit;
use crate::host::{Answer, Calls, Completion, Interest, Level, Operation, Token};
use crate::raw::{
    self, AnswerHandle, Field, HostTable, ObjectHandle, Owned, ProxyHandle, Slice, code,
    verdict as number,
};
use crate::verdict::{Response, Verdict};
use bytes::Bytes;
use std::os::fd::RawFd;

pub(super) struct GuestCalls {
    table: &'static HostTable,
    proxy: *mut ProxyHandle,
}

// SAFETY: the interface lets any thread use the handle.
unsafe impl Send for GuestCalls {}
// SAFETY: as above.
unsafe impl Sync for GuestCalls {}

impl GuestCalls {
    pub(super) fn new(table: &'static HostTable, proxy: *mut ProxyHandle) -> GuestCalls {
        // SAFETY: a function of the proxy's table, with the handle it gave.
        let proxy = unsafe { (table.proxy_ref)(proxy) };
        GuestCalls { table, proxy }
    }

    /// Calls with the operation's mirror.
    fn lend<R>(&self, operation: &Operation, call: impl FnOnce(&raw::Operation) -> R) -> R {
        let mut mirror = raw::Operation {
            size: size_of::<raw::Operation>() as u32,
            kind: 0,
            object: std::ptr::null(),
            number: 0,
            seconds: 0,
            limit: 0,
            status: 0,
            field_count: 0,
            fields: std::ptr::null(),
            body: Slice::NONE,
        };
        let mut lines: Vec<Field> = Vec::new();
        let mut response = |mirror: &mut raw::Operation, response: &Response| {
            lines = raw::fields(response);
            mirror.status = response.status().into();
            mirror.fields = lines.as_ptr();
            mirror.field_count = lines.len() as u32;
            mirror.body = Slice::of(response.body());
        };
        let (kind, object) = match operation {
            Operation::Query(object) => (0, Some(object)),
            Operation::Fetch(object) => (1, Some(object)),
            Operation::Validate(object) => (2, Some(object)),
            Operation::SetExpiration(object, seconds) => {
                mirror.seconds = *seconds;
                (3, Some(object))
            }
            Operation::Delete(object) => (4, Some(object)),
            Operation::Inject(object, whole) => {
                response(&mut mirror, whole);
                (5, Some(object))
            }
            Operation::InjectStart(object, number, head) => {
                mirror.number = *number;
                response(&mut mirror, head);
                (6, Some(object))
            }
            Operation::InjectBody(number, bytes) => {
                mirror.number = *number;
                mirror.body = Slice::of(bytes);
                (7, None)
            }
            Operation::InjectDone(number) => {
                mirror.number = *number;
                (8, None)
            }
            Operation::InjectAbort(number) => {
                mirror.number = *number;
                (9, None)
            }
            Operation::Read(object) => (10, Some(object)),
            Operation::ReadStart(object, number) => {
                mirror.number = *number;
                (11, Some(object))
            }
            Operation::ReadPart(number, limit) => {
                mirror.number = *number;
                mirror.limit = *limit as u64;
                (12, None)
            }
            Operation::ReadDone(number) => {
                mirror.number = *number;
                (13, None)
            }
            Operation::List(prefix, after, limit) => {
                mirror.body = Slice::of(prefix);
                mirror.limit = *limit as u64;
                (14, after.as_ref())
            }
            Operation::Statistics => (15, None),
        };
        mirror.kind = kind;
        let object: *mut ObjectHandle = object.map_or(std::ptr::null_mut(), |object| {
            // SAFETY: a function of the proxy's table.
            unsafe { (self.table.object_of_key)(Slice::of(object.key())) }
        });
        mirror.object = object;
        let answer = call(&mirror);
        // SAFETY: what was counted just now.
        unsafe { (self.table.object_unref)(object) };
        answer
    }

    /// Text that the proxy gave away.
    fn text(owned: Owned) -> String {
        // SAFETY: it was given to us.
        let bytes = unsafe { owned.take() }.unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn edit(&self, answer: *mut AnswerHandle, edit: Edit<'_>) {
        let address;
        let (kind, name, value, number): (_, &[u8], &[u8], _) = match edit {
            Edit::Add(name, value) => (0, name, value, 0),
            Edit::Set(name, value) => (1, name, value, 0),
            Edit::Delete(name) => (2, name, b"", 0),
            Edit::Target(target) => (3, b"", target, 0),
            Edit::Status(status) => (4, b"", b"", status.into()),
            Edit::NoStore => (5, b"", b"", 0),
            Edit::Freshness(seconds) => (6, b"", b"", seconds),
            Edit::KeepLength => (7, b"", b"", 0),
            Edit::Address(ip) => {
                address = ip.to_string();
                (8, b"", address.as_bytes(), 0)
            }
            Edit::Note(name, value) => (9, name, value, 0),
            Edit::WithholdHead => (10, b"", b"", 0),
            Edit::SkipBody => (11, b"", b"", 0),
        };
        // SAFETY: a function of the proxy's table, with an answer it made. It was checked when the record was written.
        unsafe {
            (self.table.answer_edit)(answer, kind, Slice::of(name), Slice::of(value), number)
        };
    }
}

impl Drop for GuestCalls {
    fn drop(&mut self) {
        // SAFETY: our own count of it.
        unsafe { (self.table.proxy_unref)(self.proxy) }
    }
}

/// Calls a function of the proxy's table with its handle.
macro_rules! ask {
    ($calls:expr, $function:ident $(, $argument:expr)*) => {
        // SAFETY: a function of the proxy's table with the handle we hold; what the arguments point to is there until it returns.
        unsafe { ($calls.table.$function)($calls.proxy $(, $argument)*) }
    };
}

impl Calls for GuestCalls {
    fn option(&self, name: &str) -> Option<String> {
        let mut value = Owned::NONE;
        let found = ask!(self, option, Slice::of(name.as_bytes()), &mut value);
        (found == code::OK).then(|| GuestCalls::text(value))
    }

    fn options(&self) -> Vec<(String, String)> {
        let option = |index| {
            let (mut name, mut value) = (Owned::NONE, Owned::NONE);
            let found = ask!(self, option_at, index, &mut name, &mut value);
            (found == code::OK).then(|| (GuestCalls::text(name), GuestCalls::text(value)))
        };
        (0..ask!(self, option_count)).map_while(option).collect()
    }

    fn setting(&self, name: &str) -> Option<String> {
        let mut value = Owned::NONE;
        let found = ask!(self, setting, Slice::of(name.as_bytes()), &mut value);
        (found == code::OK).then(|| GuestCalls::text(value))
    }

    fn submit(&self, tag: u64, operation: Operation) {
        self.lend(&operation, |mirror| ask!(self, submit, tag, mirror));
    }

    fn resume(&self, token: Token, answer: Answer) {
        let table = self.table;
        let token = raw::Token {
            transaction: token.transaction,
            call: token.call,
        };
        // SAFETY: functions of the proxy's table with an answer it made; what the arguments point to is there until they return.
        unsafe {
            let made = (table.answer_make)();
            answer.edits.iter().for_each(|edit| self.edit(made, edit));
            let verdict = match answer.verdict {
                Verdict::Continue => number::CONTINUE,
                Verdict::Done => number::DONE,
                Verdict::Drop => number::DROP,
                Verdict::Hold => number::HOLD,
                Verdict::Pending => number::PENDING,
                Verdict::Fail(why) => {
                    (table.answer_fail)(made, Slice::of(why.as_bytes()));
                    number::FAIL
                }
                Verdict::Replace(bytes) => {
                    (table.answer_replace_owned)(made, Owned::give(bytes));
                    number::REPLACE
                }
                Verdict::First(bytes) => {
                    (table.answer_replace_owned)(made, Owned::give(bytes));
                    number::FIRST
                }
                Verdict::Respond(response) => {
                    let lines = raw::fields(&response);
                    (table.answer_respond)(
                        made,
                        response.status().into(),
                        lines.as_ptr(),
                        lines.len(),
                        Slice::of(response.body()),
                    );
                    number::RESPOND
                }
            };
            (table.resume)(self.proxy, token, verdict, made);
        }
    }

    fn inject(&self, transaction: u64, bytes: Bytes) {
        ask!(self, inject, transaction, Slice::of(&bytes));
    }

    fn watch(&self, fd: RawFd, interest: Interest, tag: u64) {
        ask!(self, watch, fd, interest as i32, tag);
    }

    fn unwatch(&self, fd: RawFd, interest: Interest) {
        ask!(self, unwatch, fd, interest as i32);
    }

    fn log(&self, level: Level, text: &str) {
        ask!(self, log, level as i32, Slice::of(text.as_bytes()));
    }

    fn perform(&self, operation: Operation) -> Option<Completion> {
        let mut completion = std::ptr::null_mut();
        let done = self.lend(&operation, |mirror| {
            ask!(self, perform, mirror, &mut completion)
        });
        // SAFETY: a completion that the proxy made for us, read once and given back.
        unsafe {
            if done != code::OK || completion.is_null() {
                return None;
            }
            let lowered = (*completion).lower();
            (self.table.completion_drop)(completion);
            Some(lowered)
        }
    }

    fn number(&self) -> u64 {
        ask!(self, number)
    }

    fn count(&self, name: &str, amount: u64) {
        ask!(self, count, Slice::of(name.as_bytes()), amount);
    }

    fn attend(&self, attention: Attention) {
        // An older proxy asks every hook: slower, and the same answers.
        let Some(attend) = self.table.attend else {
            return;
        };
        // What cannot be promised is left out, as where the module is linked in.
        let kept = Attention::from_bits(attention.bits());
        let mirror = raw::Attention {
            size: size_of::<raw::Attention>() as u32,
            unheard: kept.unheard.bits(),
            noted: kept.noted.bits(),
            withheld: kept.withheld.bits(),
        };
        // SAFETY: a function of the proxy's table with the handle we hold; the mirror is there until it returns.
        unsafe { attend(self.proxy, &mirror) };
    }
}
