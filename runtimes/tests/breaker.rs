//! When a module is left alone.
#![allow(clippy::unwrap_used)]

mod common;

use common::script::Script;
use common::{call, head, on_a_worker, spec};
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{BREAK_AFTER, Failure, Kind, Visit};

#[test]
fn a_module_that_fails_at_the_second_hook_of_every_transaction_is_left_alone() {
    for kind in [Kind::Inline, Kind::Threads] {
        on_a_worker(|worker| async move {
            let script = Script::new(|tx, _| match tx.hook() {
                Hook::RequestHead => Verdict::Continue,
                _ => Verdict::fail("again"),
            });
            let link = worker.link(spec(kind), &script).await;
            for _ in 0..BREAK_AFTER {
                let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
                let first = head(id, Hook::RequestHead);
                let asked = call(&link, &mut visit, &first, &mut edits).await;
                assert_eq!(asked, Ok(Verdict::Continue));
                let second = head(id, Hook::RequestOut);
                assert!(call(&link, &mut visit, &second, &mut edits).await.is_err());
                link.leave(&mut visit, id);
            }
            assert_eq!(worker.one(&link).await, Err(Failure::Broken), "{kind:?}");
        });
    }
}
