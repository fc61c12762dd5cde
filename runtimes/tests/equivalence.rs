//! The modules that ship behave the same in every runtime, on every chunking, among other transactions.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use understudy_module::Module;
use understudy_module::kit::{self, Bare, Stage};
use understudy_runtimes::{Kind, Library, Limits, Spec, stages};

#[derive(Debug)]
struct Linked<M>(fn() -> M);

impl<M: Module + std::fmt::Debug> Library for Linked<M> {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(self.0()))
    }
}

fn spec(name: &str) -> Spec {
    Spec {
        name: name.into(),
        library: format!("builtin:{name}"),
        kind: Kind::Inline,
        limits: Limits::default(),
        options: Default::default(),
    }
}

fn is_the_same_everywhere<M: Module + std::fmt::Debug>(name: &str, make: fn() -> M) {
    let cases: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../modules")
        .join(name)
        .join("tests/cases");
    let cases = kit::cases(&cases).unwrap();
    let library: Arc<dyn Library> = Arc::new(Linked(make));
    let bare = Bare::new(make);
    let kinds = [Kind::Inline];
    let real = kinds.map(|kind| stages::stage(kind, &spec(name), library.clone(), Path::new("")));
    let mut all: Vec<&dyn Stage> = vec![&bare];
    all.extend(real.iter().map(|stage| stage as &dyn Stage));
    let report = kit::check(&all, &cases);
    assert!(report.is_ok(), "{report}");
}

#[test]
fn empty_is_the_same_everywhere() {
    is_the_same_everywhere("empty", || understudy_empty::Empty);
}

#[test]
fn add_headers_is_the_same_everywhere() {
    is_the_same_everywhere("add-headers", understudy_add_headers::AddHeaders::default);
}

#[test]
fn body_and_headers_is_the_same_everywhere() {
    let make = understudy_body_and_headers::BodyAndHeaders::default;
    is_the_same_everywhere("body-and-headers", make);
}
