//! Responses that no origin sent: a module's, made ready for the store as if they had been fetched.
//!
//! The same rules decide as for an origin's answer to a plain GET, and the same lines are written. Awkward case: Vary. There is no
//! request whose fields it could speak of, so what is stored answers requests that have none of those it names.

use super::{labels, lead, refusal, response_head, storable};
use crate::worker::Live;
use understudy_cache::Prepared;
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::policy::Policy;
use understudy_http::semantics::storing::{NoStoreReason, may_store};
use understudy_http::semantics::targeted::response_directives;
use understudy_http::semantics::vary::VaryKey;
use understudy_http::{Fields, Method, ResponseHead};
use understudy_module::Response;

/// The head that is stored under `key`. `length`: of the body, when it is known beforehand.
pub(crate) fn prepare(
    response: &Response,
    key: &[u8],
    length: Option<u64>,
    live: &Live,
    now: Seconds,
) -> Result<Prepared, NoStoreReason> {
    let status = response.status();
    let mut head = ResponseHead::new(status, refusal::reason(status).as_bytes());
    for (name, value) in response.fields() {
        // Checked when the response was made; a head too long for its own offsets is the only reason left.
        head.append(name, value)
            .map_err(|_| NoStoreReason::TooLarge)?;
    }
    let request = Fields::new(&[], &[], &[]);
    let fields = head.fields();
    let directives = response_directives(fields, &live.settings.targets);
    let heuristic = &live.settings.heuristic;
    let freshness = Freshness::of(status, fields, &directives, now, now, heuristic);
    may_store(
        Method::Get,
        request,
        &RequestDirectives::default(),
        status,
        fields,
        &directives,
        &freshness,
        // Rules are about what origins say; a module means what it says.
        &Policy::default(),
    )?;
    let vary = VaryKey::of(fields, request).ok_or(NoStoreReason::VaryStar)?;
    let labels = labels::of(fields, key)?;
    let (length, written) = match status {
        204 => (Some(0), None),
        _ => (length, length),
    };
    let kept = storable::without_withheld(&head, &directives);
    let rendered = response_head::render(&kept, written, &live.pseudonym, now);
    let limits = &live.settings.limits.head;
    if rendered.head.len() > limits.bytes || head.fields().len() > limits.fields {
        // No origin could have sent it either.
        return Err(NoStoreReason::TooLarge);
    }
    Ok(Prepared {
        head: lead::exact(rendered.head),
        status,
        freshness,
        directives,
        vary,
        received: now,
        length,
        labels,
    })
}
