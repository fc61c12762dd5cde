//! The names of stored objects.

use crate::host::ObjectId;
use understudy_http::Method;
use understudy_http::semantics::key::write_key;
use understudy_http::wire::target::{Target, parse_target};

/// The name of a URL's object, under the key a forward proxy stores it.
pub(crate) fn of_url(url: &str) -> Option<ObjectId> {
    match parse_target(Method::Get, url.as_bytes()).ok()? {
        Target::Absolute {
            scheme,
            authority,
            path,
        } => {
            let mut key = Vec::with_capacity(url.len() + 8);
            write_key(scheme, authority, path, &mut key);
            Some(ObjectId::of_key(&key))
        }
        _ => None,
    }
}
