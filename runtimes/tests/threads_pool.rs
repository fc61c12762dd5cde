//! What only a pool has: calls that hang, a bounded queue, threads that are given up and replaced.

#![allow(clippy::unwrap_used)]

mod common;

use common::script::Script;
use common::*;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use understudy_module::*;
use understudy_runtimes::*;

/// A gate that hooks stand at until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<(bool, usize)>, Condvar)>);

impl Gate {
    fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.1 += 1;
        while !state.0 {
            state = changed.wait(state).unwrap();
        }
    }
    fn open(&self) {
        self.0.0.lock().unwrap().0 = true;
        self.0.1.notify_all();
    }
    /// How many came to it so far.
    fn came(&self) -> usize {
        self.0.0.lock().unwrap().1
    }
}

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

/// A deadline that is met, and that a call which nothing holds up keeps.
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
        // What waits behind those that hang is not begun when its deadline has passed, so that is a real one.
        let link = worker.link(limits(2, 64, SOON), &script).await;
        for nth in 1..=6 {
            let mut calling = pin!(worker.one(&link));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| gate.came() >= nth.min(4)).await;
            assert_eq!(calling.await, Err(Failure::Deadline));
        }
        assert_eq!(gate.came(), 4, "two threads and two in place of them");
        assert_eq!(gauge(link.loaded(), "abandoned"), 2);
        assert_eq!(gauge(link.loaded(), "threads"), 2);
        gate.open();
        until(|| script.tally.frees().len() == 6).await;
        assert_eq!(passes(&worker, &link).await, Ok(Verdict::Continue));
        assert_eq!(
            gate.came(),
            4,
            "calls whose deadline had passed were not begun"
        );
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
        let link = worker.link(limits(1, 64, SOON), &script).await;
        until(|| gate.came() == 1).await;
        // The only thread hangs in `timer`: the first call that waits too long has it replaced.
        assert_eq!(passes(&worker, &link).await, Err(Failure::Deadline));
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
