//! Modules whose own end panics: a `Drop` is the module's code as well as `fini`.
#![allow(clippy::unwrap_used)]

mod common;

use common::{on_a_worker, spec};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use understudy_module::{About, Hook, Hooks, Host, Module, Transaction, Verdict};
use understudy_runtimes::{Failure, Kind, Library, Link, load};

/// Panics at its first head, and whenever an instance is dropped.
#[derive(Debug, Clone, Default)]
struct Brittle {
    heads: Arc<AtomicUsize>,
    drops: Arc<AtomicUsize>,
    refuses: bool,
}

struct Instance(Brittle);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.drops.fetch_add(1, Ordering::SeqCst);
        panic!("dropped on purpose");
    }
}

impl Module for Instance {
    fn about(&self) -> About {
        About::new("brittle", "1", Hooks::of(&[Hook::RequestHead]))
    }
    fn init(&self, _: &Host) -> Result<(), String> {
        match self.0.refuses {
            true => Err("not today".to_owned()),
            false => Ok(()),
        }
    }
    fn request_head(&self, _: &mut Transaction<'_>) -> Verdict {
        match self.0.heads.fetch_add(1, Ordering::SeqCst) {
            0 => panic!("on purpose"),
            _ => Verdict::Continue,
        }
    }
}

impl Library for Brittle {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Instance(self.clone())))
    }
}

#[test]
fn an_instance_whose_drop_panics_harms_nobody() {
    for kind in [Kind::Inline, Kind::Threads] {
        on_a_worker(|worker| async move {
            let brittle = Brittle::default();
            let library = Arc::new(brittle.clone());
            let loaded = load(spec(kind), library, 1, &worker.environment).await;
            let link = Link::new(loaded.unwrap(), &worker.seat);
            // It is asked what it is once by an instance of its own.
            assert_eq!(brittle.drops.load(Ordering::SeqCst), 1);
            assert!(matches!(worker.one(&link).await, Err(Failure::Panic(_))));
            // The broken instance goes while another transaction begins.
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            drop(link);
            common::until(|| brittle.drops.load(Ordering::SeqCst) == 3).await;
        });
    }
}

#[test]
fn a_module_that_refuses_and_then_panics_is_refused() {
    for kind in [Kind::Inline, Kind::Threads] {
        on_a_worker(|worker| async move {
            let brittle = Arc::new(Brittle {
                refuses: true,
                ..Brittle::default()
            });
            let why = load(spec(kind), brittle, 1, &worker.environment).await;
            assert!(why.unwrap_err().contains("not today"));
        });
    }
}
