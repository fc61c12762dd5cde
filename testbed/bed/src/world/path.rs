//! The path of an object: `/html/2a.html`, `/ads/image/7f.gif`.

use super::{Object, World};
use std::fmt::Write;

impl World {
    /// The object's path, beginning with `/`.
    #[must_use]
    pub fn path(&self, object: Object) -> String {
        let mut path = String::with_capacity(40);
        let ads = if self.ad(object) { "/ads" } else { "" };
        let (kind, extension) = (&self.content(object).name, self.format(object).extension());
        // Writing to a string does not fail.
        let _ = write!(path, "{ads}/{kind}/{:x}.{extension}", object.id);
        path
    }

    /// The object of this path, if there is one; every object has one path only.
    #[must_use]
    pub fn object(&self, path: &str) -> Option<Object> {
        let rest = path
            .strip_prefix("/ads")
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path);
        let (kind, name) = rest.strip_prefix('/')?.split_once('/')?;
        let (id, _) = name.split_once('.')?;
        let object = Object {
            kind: self.workload.kind(kind)?,
            id: u64::from_str_radix(id, 16).ok()?,
        };
        (self.path(object) == path).then_some(object)
    }
}
