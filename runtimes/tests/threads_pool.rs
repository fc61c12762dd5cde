//! What only a pool has: calls that hang, a bounded queue, threads that are given up and replaced.

#![allow(clippy::unwrap_used)]

mod common;

use common::gate::Gate;
use common::script::Script;
use common::*;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_module::*;
use understudy_runtimes::*;

/// A module that stands at the gate in `request_head` and nowhere else.
fn stands_at(gate: &Gate) -> Script {
    let gate = gate.clone();
    Script::new(move |tx, _| {
        if tx.opaque().is_none() {
            tx.opaque().set(5_u32);
        }
        if tx.hook() == Hook::RequestHead {
            gate.pass();
        }
        Verdict::Continue
    })
}

/// A deadline that is met.
const SOON: Duration = Duration::from_secs(2);

fn limits(threads: usize, queue: usize, deadline: Duration) -> Spec {
    let mut spec = spec(Kind::Threads);
    spec.limits.threads = threads;
    spec.limits.queue = queue;
    spec.limits.deadline = deadline;
    spec
}

/// A transaction of one hook that does not stand at the gate.
async fn passes(worker: &Worker, link: &Link) -> Result<Verdict, Failure> {
    let (id, mut visit) = (worker.id(), Visit::default());
    let event = head(id, Hook::ResponseReturn);
    let told = call(link, &mut visit, &event, &mut Edits::new()).await;
    link.leave(&mut visit, id);
    told
}

#[test]
fn a_thread_that_hangs_is_given_up_and_replaced_and_its_late_reply_frees() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() == 1).await;
            worker.much_later();
            assert_eq!(calling.await, Err(Failure::Deadline));
        }
        link.leave(&mut visit, id);
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
        assert_eq!(gauge(link.loaded(), "threads"), 1);
        assert_eq!(gauge(link.loaded(), "hanging"), 1);
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() == 1).await;
        assert!(!script.tally.frees().iter().any(|(freed, _)| *freed == id));
        assert_eq!(
            worker.seat.waiting(),
            1,
            "its call is remembered for what comes back"
        );

        gate.open();
        until(|| script.tally.frees().len() == 2).await;
        assert_eq!(script.tally.frees()[1].0, id);
        assert_eq!(worker.seat.waiting(), 0);
        until(|| gauge(link.loaded(), "hanging") == 0).await;
        assert_eq!(gauge(link.loaded(), "threads"), 1);
    });
}

#[test]
fn as_many_threads_again_are_replaced_and_no_more() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(2, 64, FAR_OFF), &script).await;
        for nth in 1..=6 {
            let mut calling = pin!(worker.one(&link));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() >= nth.min(4)).await;
            // A thread that hangs is found with its own call.
            worker.much_later();
            assert_eq!(calling.await, Err(Failure::Deadline));
        }
        assert_eq!(gate.came(), 4, "two threads and two in place of them");
        assert_eq!(gauge(link.loaded(), "abandoned"), 2);
        assert_eq!(gauge(link.loaded(), "threads"), 2);
        gate.open();
        // Those that saw a hook: the last two were taken back before any thread had come to them.
        until(|| script.tally.frees().len() == 4).await;
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() == 5).await;
        assert_eq!(
            gate.came(),
            4,
            "calls whose deadline had passed were not begun"
        );
        let sum = link.loaded().sum();
        assert_eq!(sum.hooks[Hook::Free as usize].calls, 5);
        assert_eq!(sum.failures[Failure::Deadline.kind()], 6);
    });
}

/// A transaction that stands at the gate.
async fn stands(worker: &Worker, link: &Link) -> Result<Verdict, Failure> {
    worker.one(link).await
}

#[test]
fn a_thread_that_hangs_on_a_call_whose_client_went_away_is_found_too() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let link = worker.link(limits(1, 8, FAR_OFF), &stands_at(&gate)).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() == 1).await;
        }
        link.leave(&mut visit, id);
        worker.much_later();
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
        gate.open();
        until(|| worker.seat.waiting() == 0).await;
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
    });
}

#[test]
fn a_call_behind_one_that_hangs_is_taken_by_another_thread() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let link = worker.link(limits(2, 64, FAR_OFF), &stands_at(&gate)).await;
        // The module is known as quick.
        for _ in 0..50 {
            assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        }
        // Of one turn of the worker, and nothing else comes.
        let mut hangs = pin!(stands(&worker, &link));
        let mut quick = pin!(passes(&worker, &link));
        assert!(futures_util::poll!(&mut hangs).is_pending());
        assert!(futures_util::poll!(&mut quick).is_pending());
        let quick = tokio::time::timeout(PATIENCE / 2, quick).await.unwrap();
        assert_eq!(quick, Ok(Verdict::Continue));
        assert!(futures_util::poll!(&mut hangs).is_pending());
        gate.open();
        assert_eq!(hangs.await, Ok(Verdict::Continue));
    });
}

#[test]
fn a_reply_before_a_call_that_hangs_arrives() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let link = worker.link(limits(1, 64, FAR_OFF), &stands_at(&gate)).await;
        for _ in 0..50 {
            assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        }
        let mut quick = pin!(passes(&worker, &link));
        let mut hangs = pin!(stands(&worker, &link));
        assert!(futures_util::poll!(&mut quick).is_pending());
        assert!(futures_util::poll!(&mut hangs).is_pending());
        let quick = tokio::time::timeout(PATIENCE / 2, quick).await.unwrap();
        assert_eq!(quick, Ok(Verdict::Continue));
        gate.open();
        assert_eq!(hangs.await, Ok(Verdict::Continue));
    });
}

#[test]
fn beyond_the_queue_a_call_fails_at_once_and_free_is_never_refused() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 2, FAR_OFF), &script).await;
        // One that was there before.
        let (id, mut visit) = (worker.id(), Visit::default());
        let early = head(id, Hook::ResponseReturn);
        call(&link, &mut visit, &early, &mut Edits::new())
            .await
            .unwrap();

        // One runs, two wait.
        let mut runs = pin!(worker.one(&link));
        assert!(futures_util::poll!(&mut runs).is_pending());
        until(|| gate.came() == 1).await;
        let mut second = pin!(passes(&worker, &link));
        let mut third = pin!(passes(&worker, &link));
        assert!(futures_util::poll!(&mut second).is_pending());
        assert!(futures_util::poll!(&mut third).is_pending());
        assert_eq!(gauge(link.loaded(), "queued"), 2);
        assert_eq!(passes(&worker, &link).await, Err(Failure::QueueFull));
        link.leave(&mut visit, id);

        gate.open();
        assert_eq!(runs.await, Ok(Verdict::Continue));
        assert_eq!(second.await, Ok(Verdict::Continue));
        assert_eq!(third.await, Ok(Verdict::Continue));
        until(|| script.tally.frees().iter().any(|(freed, _)| *freed == id)).await;
        let sum = link.loaded().sum();
        assert_eq!(sum.failures[Failure::QueueFull.kind()], 1);
        assert_eq!(gauge(link.loaded(), "queued"), 0);
    });
}

#[test]
fn a_call_that_no_thread_came_to_and_nobody_asks_for_any_more_frees_nothing() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 8, FAR_OFF), &script).await;
        let mut hangs = pin!(worker.one(&link));
        assert!(futures_util::poll!(&mut hangs).is_pending());
        until(|| gate.came() == 1).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut waits = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut waits).is_pending());
            worker.much_later();
            // Its transaction ends before it hears of that.
        }
        link.leave(&mut visit, id);
        gate.open();
        assert!(hangs.await.is_err());
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        let freed = script.tally.frees();
        assert!(freed.iter().all(|(freed, _)| *freed != id), "{freed:?}");
    });
}

#[test]
fn a_transaction_that_goes_away_while_its_call_runs_is_freed_once_when_that_comes_back() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() == 1).await;
        }
        link.leave(&mut visit, id);
        assert_eq!(script.tally.frees(), []);
        gate.open();
        until(|| !script.tally.frees().is_empty()).await;
        assert_eq!(script.tally.frees(), [(id, None)]);
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() == 2).await;
        assert_eq!(worker.seat.waiting(), 0);
        assert_eq!(gauge(link.loaded(), "abandoned"), 0);
    });
}

#[test]
fn a_late_call_given_up_between_two_sweeps_is_freed_once_too() {
    // The deadline passes, and the transaction goes away before it is told.
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() == 1).await;
            worker.much_later();
        }
        link.leave(&mut visit, id);
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
        gate.open();
        until(|| script.tally.frees().len() == 1).await;
        assert_eq!(script.tally.frees()[0].0, id);
    });
}

#[test]
fn a_reply_that_comes_before_its_transaction_was_told_of_the_deadline_is_freed_once() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() == 1).await;
            worker.much_later();
            gate.open();
            // The thread is done with it, so its reply lies in the mailbox.
            until(|| gauge(link.loaded(), "hanging") == 0).await;
            worker.seat.sweep(std::time::Instant::now());
            assert_eq!(calling.await, Err(Failure::Deadline));
        }
        link.leave(&mut visit, id);
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() >= 2).await;
        let freed: Vec<u64> = script.tally.frees().iter().map(|(id, _)| *id).collect();
        assert_eq!(freed, [id, id + 1]);
        assert_eq!(worker.seat.waiting(), 0);
    });
}

#[test]
fn a_call_that_no_thread_came_to_in_time_leaves_nothing_to_free() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let script = stands_at(&gate);
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        // One that was heard before, and one that was not.
        let (heard, mut visit) = (worker.id(), Visit::default());
        let early = head(heard, Hook::ResponseReturn);
        let told = call(&link, &mut visit, &early, &mut Edits::new()).await;
        assert_eq!(told, Ok(Verdict::Continue));
        {
            let (event, mut edits) = (head(heard, Hook::RequestHead), Edits::new());
            let mut runs = pin!(worker.one(&link));
            assert!(futures_util::poll!(&mut runs).is_pending());
            until(|| gate.came() == 1).await;
            let mut again = pin!(call(&link, &mut visit, &event, &mut edits));
            let mut fresh = pin!(worker.one(&link));
            assert!(futures_util::poll!(&mut again).is_pending());
            assert!(futures_util::poll!(&mut fresh).is_pending());
            assert_eq!(gauge(link.loaded(), "queued"), 2);
            worker.much_later();
            assert_eq!(gauge(link.loaded(), "queued"), 0, "they are taken back");
            for late in [runs.await, again.await, fresh.await] {
                assert_eq!(late, Err(Failure::Deadline));
            }
        }
        link.leave(&mut visit, heard);
        until(|| script.tally.frees() == [(heard, None)]).await;
        gate.open();
        let runs = heard + 1;
        until(|| script.tally.frees().len() == 2).await;
        assert_eq!(script.tally.frees()[1].0, runs);
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() == 3).await;
        assert_eq!(script.tally.frees()[2].0, runs + 2);
        assert_eq!(gate.came(), 1);
        assert_eq!(worker.seat.waiting(), 0);
        let sum = link.loaded().sum();
        assert_eq!(sum.hooks[Hook::Free as usize].calls, 3);
    });
}

#[test]
fn a_thread_that_has_a_late_call_only_since_just_now_does_not_hang_yet() {
    on_a_worker(|worker| async move {
        let (first, second) = (Gate::default(), Gate::default());
        let gates = [first.clone(), second.clone()];
        let script = Script::new(move |tx, _| {
            match tx.hook() {
                Hook::RequestHead => gates[0].pass(),
                Hook::ResponseHead => gates[1].pass(),
                _ => {}
            }
            Verdict::Continue
        });
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::ResponseHead);
            let mut before = pin!(worker.one(&link));
            assert!(futures_util::poll!(&mut before).is_pending());
            until(|| first.came() == 1).await;
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            let asked = std::time::Instant::now();
            first.open();
            assert_eq!(before.await, Ok(Verdict::Continue));
            until(|| second.came() == 1).await;
            // It waited for the one before all the time but this.
            worker.seat.sweep(asked + FAR_OFF);
            assert_eq!(calling.await, Err(Failure::Deadline));
        }
        assert_eq!(gauge(link.loaded(), "abandoned"), 0);
        worker.much_later();
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
        second.open();
        link.leave(&mut visit, id);
        until(|| script.tally.frees().len() == 2).await;
        assert_eq!(worker.seat.waiting(), 0);
    });
}

#[test]
fn a_timer_that_hangs_is_not_called_again_meanwhile_and_calls_go_on() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let stands = gate.clone();
        let mut script = Script::new(|_, _| Verdict::Continue).other(move |hook, _, _| {
            if hook == Hook::Timer {
                stands.pass();
            }
            Ok(())
        });
        script.about.timer = Some(Duration::from_millis(10));
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        until(|| gate.came() == 1).await;
        // The only thread hangs in `timer`: the first call that waits too long has it replaced.
        {
            let mut waits = pin!(passes(&worker, &link));
            assert!(futures_util::poll!(&mut waits).is_pending());
            worker.much_later();
            assert_eq!(waits.await, Err(Failure::Deadline));
        }
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        assert_eq!(gate.came(), 1);
        assert_eq!(gauge(link.loaded(), "abandoned"), 1);
        gate.open();
        until(|| script.tally.of(Hook::Timer) >= 2).await;
    });
}

#[test]
fn threads_share_the_work_of_a_module_that_blocks() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let mut script = stands_at(&gate);
        script.about.blocking = true;
        let link = worker.link(limits(3, 64, FAR_OFF), &script).await;
        let all: Vec<_> = (0..3)
            .map(|_| {
                let (link, id) = (link.clone(), worker.id());
                actix_rt::spawn(async move {
                    let mut visit = Visit::default();
                    let event = head(id, Hook::RequestHead);
                    let told = call(&link, &mut visit, &event, &mut Edits::new()).await;
                    link.leave(&mut visit, id);
                    told
                })
            })
            .collect();
        until(|| gate.came() == 3).await;
        assert_eq!(gauge(link.loaded(), "busy"), 3);
        gate.open();
        for one in all {
            assert_eq!(one.await.unwrap(), Ok(Verdict::Continue));
        }
    });
}

#[test]
fn a_blocking_module_may_wait_for_an_operation_on_the_spot_and_is_refused_inline() {
    on_a_worker(|worker| async move {
        let mut script = Script::new(|tx, _| {
            let host = tx.host();
            match host.perform(Operation::Query(tx.object())) {
                Completion::Absent => Verdict::Done,
                other => Verdict::fail(format!("{other:?}")),
            }
        });
        script.about.blocking = true;
        let link = worker.link(limits(1, 64, FAR_OFF), &script).await;
        assert_eq!(worker.one(&link).await, Ok(Verdict::Done));
        let refused = worker.try_load(spec(Kind::Inline), &script).await;
        assert!(refused.unwrap_err().contains("choose runtime"));
    });
}

#[test]
fn the_threads_end_when_the_module_is_unloaded() {
    on_a_worker(|worker| async move {
        let mut script = Script::new(|_, _| Verdict::Continue);
        script.about.name = "ends".to_owned();
        let mut spec = limits(3, 64, FAR_OFF);
        spec.name = "ends".into();
        let link: Rc<Link> = worker.link(spec, &script).await;
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        let named = || {
            std::fs::read_dir("/proc/self/task")
                .unwrap()
                .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok())
                .filter(|name| name.starts_with("ends-"))
                .count()
        };
        until(|| named() == 3).await;
        drop(link);
        until(|| named() == 0).await;
        assert_eq!(script.tally.of(Hook::Fini), 1);
        assert_eq!(script.tally.frees().len(), 1);
    });
}

#[test]
fn while_an_instance_is_made_anew_new_transactions_wait_and_the_worker_does_not() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let stands = gate.clone();
        let script = Script::new(|_, instance| {
            if instance == 1 {
                panic!("on purpose");
            }
            Verdict::Continue
        });
        let script = script.other(move |hook, _, instance| {
            if hook == Hook::Init && instance == 2 {
                stands.pass();
            }
            Ok(())
        });
        let link = worker.link(limits(2, 64, FAR_OFF), &script).await;
        let told = passes(&worker, &link).await;
        assert!(
            matches!(told, Err(Failure::Panic(_))),
            "told before the new one is there"
        );
        until(|| gate.came() == 1).await;
        let mut next = pin!(passes(&worker, &link));
        assert!(futures_util::poll!(&mut next).is_pending());
        // Tasks of this worker run while `init` stands at the gate.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(futures_util::poll!(&mut next).is_pending());
        gate.open();
        assert_eq!(next.await, Ok(Verdict::Continue));
        assert_eq!(gauge(link.loaded(), "rebuilt"), 1);
    });
}

#[test]
fn options_that_are_taken_too_late_are_given_back() {
    on_a_worker(|worker| async move {
        let gate = Gate::default();
        let stands = gate.clone();
        let words = Arc::<Mutex<Vec<String>>>::default();
        let seen = words.clone();
        let script = Script::new(|_, _| Verdict::Continue).other(move |hook, host, _| {
            let word = host.option("word").unwrap_or_default();
            if hook == Hook::Reconfigure && word == "late" {
                stands.pass();
            }
            if hook != Hook::Init {
                seen.lock().unwrap().push(word);
            }
            Ok(())
        });
        let options = |word: &str| BTreeMap::from([("word".to_owned(), word.to_owned())]);
        let mut spec = limits(2, 64, SOON);
        spec.options = options("first");
        let link = worker.link(spec, &script).await;
        // The second thread is free, and does not overtake the first.
        for word in ["late", "later"] {
            let refused = link.loaded().reconfigure(options(word)).await;
            assert!(refused.unwrap_err().contains("within its deadline"));
        }
        gate.open();
        until(|| words.lock().unwrap().len() == 2).await;
        tell(&link, Notice::Timer).await.unwrap();
        assert_eq!(*words.lock().unwrap(), ["late", "first", "first"]);
    });
}
