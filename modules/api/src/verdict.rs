//! What a hook answers.

use crate::about::Hook;
use crate::edits::Refused;
use crate::field;
use bytes::Bytes;
use std::borrow::Cow;

/// The answer of a hook to its event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Go on, with the edits made. In a body hook: the piece, and what was held, goes on as it is.
    #[default]
    Continue,
    /// No longer interested in this transaction: no further hook but `free`. Edits made are kept.
    Done,
    /// Answer the client with this, now. In `request_head`, `request_out`, `response_head` and `response_return`, and in `request_body`
    /// and `response_body` while the head waits ([`crate::Transaction::withhold_head`]).
    Respond(Box<Response>),
    /// Body hooks: this instead of the piece and of what was held.
    Replace(Bytes),
    /// Body hooks: like `Replace`, and the rest follows. These bytes go on now, and the hook is called again for the same piece, which is
    /// empty then, or what came meanwhile: so what is ready need not wait for a `Pending` behind it, also in the last piece.
    First(Bytes),
    /// Body hooks: nothing instead of the piece and of what was held.
    Drop,
    /// Body hooks: keep the piece with what is held already, and give nothing on. The proxy keeps the bytes, within the module's
    /// budget; a later verdict is about all of them. At the end of a body it is `Continue`.
    Hold,
    /// The answer comes later, by [`crate::Host::resume`] with the token taken before. The transaction sleeps; no thread is held.
    Pending,
    /// The module cannot do its work; its policy applies. The text is for the log.
    Fail(Cow<'static, str>),
}

impl Verdict {
    /// A failure with its reason.
    pub fn fail(why: impl Into<Cow<'static, str>>) -> Verdict {
        Verdict::Fail(why.into())
    }

    /// Whether this hook may answer so.
    pub fn fits(&self, hook: Hook) -> bool {
        match self {
            Verdict::Continue | Verdict::Done | Verdict::Fail(_) => true,
            Verdict::Respond(_) => {
                hook.is_head() || matches!(hook, Hook::RequestBody | Hook::ResponseBody)
            }
            Verdict::Replace(_) | Verdict::First(_) | Verdict::Drop | Verdict::Hold => {
                hook.is_body()
            }
            Verdict::Pending => hook.is_body() || hook.is_head() || hook == Hook::Resolve,
        }
    }

    /// Its name, for logs and transcripts.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Continue => "continue",
            Verdict::Done => "done",
            Verdict::Respond(_) => "respond",
            Verdict::Replace(_) => "replace",
            Verdict::First(_) => "first",
            Verdict::Drop => "drop",
            Verdict::Hold => "hold",
            Verdict::Pending => "pending",
            Verdict::Fail(_) => "fail",
        }
    }
}

/// A whole answer made by a module. Framing, Date and Via are the proxy's to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    body: Bytes,
}

impl Response {
    /// An answer with this status and body.
    ///
    /// # Errors
    /// `Status` when it is not from 200 to 599.
    pub fn new(status: u16, body: impl Into<Bytes>) -> Result<Response, Refused> {
        if !(200..=599).contains(&status) {
            return Err(Refused::Status);
        }
        Ok(Response {
            status,
            fields: Vec::new(),
            body: body.into(),
        })
    }

    /// A page of text.
    pub fn text(status: u16, text: impl Into<String>) -> Result<Response, Refused> {
        let mut response = Response::new(status, text.into())?;
        response.add(b"Content-Type", b"text/plain; charset=utf-8")?;
        Ok(response)
    }

    /// Appends a field line.
    ///
    /// # Errors
    /// `Name`, `Value`, `Framing` as for [`crate::Edits::add`].
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), Refused> {
        field::check(name)?;
        let value = field::trim(value);
        if !field::is_value(value) {
            return Err(Refused::Value);
        }
        self.fields.push((name.to_vec(), value.to_vec()));
        Ok(())
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The field lines.
    pub fn fields(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.fields
    }

    /// The body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}
