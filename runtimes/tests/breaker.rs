//! When a module is left alone.
#![allow(clippy::unwrap_used)]

mod common;

use common::script::Script;
use common::{call, head, on_a_worker, spec};
use std::time::Instant;
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{BREAK_AFTER, Failure, Kind, PAUSE, Visit};

#[test]
fn a_module_that_fails_at_the_second_hook_of_every_transaction_is_left_alone() {
    for kind in [Kind::Inline, Kind::Threads] {
        on_a_worker(|worker| async move {
            let script = Script::new(|tx, _| match tx.hook() {
                Hook::RequestHead => Verdict::Continue,
                _ => Verdict::fail("again"),
            });
            loop {
                let link = worker.link(spec(kind), &script).await;
                let began = Instant::now();
                for _ in 0..BREAK_AFTER {
                    let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
                    let first = head(id, Hook::RequestHead);
                    let asked = call(&link, &mut visit, &first, &mut edits).await;
                    assert_eq!(asked, Ok(Verdict::Continue));
                    let second = head(id, Hook::RequestOut);
                    assert!(call(&link, &mut visit, &second, &mut edits).await.is_err());
                    link.leave(&mut visit, id);
                }
                let next = worker.one(&link).await;
                // On a machine that stalls it may be asked again already: then this has shown nothing yet.
                if began.elapsed() < PAUSE {
                    assert_eq!(next, Err(Failure::Broken), "{kind:?}");
                    return;
                }
            }
        });
    }
}
