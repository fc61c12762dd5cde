//! What fails, in every execution model: panics, resumes that do not fit, deadlines, breakers. Others never notice.

use super::script::{Script, Tally};
use super::*;
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

type Tokens = Arc<Mutex<Vec<(Token, Host)>>>;

/// A module that says `Pending` and keeps the tokens.
fn pends() -> (Script, Tokens) {
    let tokens = Tokens::default();
    let kept = tokens.clone();
    let script = Script::new(move |tx, _| {
        let token = tx.token();
        kept.lock().unwrap().push((token, tx.host()));
        Verdict::Pending
    });
    (script, tokens)
}

fn dropped(tally: &Tally) -> usize {
    tally.dropped.load(Ordering::SeqCst)
}

/// A module that keeps an opaque value, and then does this.
fn keeps(then: impl Fn(&mut Transaction<'_>, usize) -> Verdict + Send + Sync + 'static) -> Script {
    let tally: Arc<Mutex<Option<Arc<Tally>>>> = Arc::default();
    let of = tally.clone();
    let script = Script::new(move |tx, instance| {
        if tx.opaque().is_none() {
            let kept = of.lock().unwrap().as_ref().unwrap().kept(7);
            tx.opaque().set(kept);
        }
        then(tx, instance)
    });
    *tally.lock().unwrap() = Some(script.tally.clone());
    script
}

/// Freed exactly once, with the value that was kept.
async fn freed_once(script: &Script, id: u64) {
    until(|| !script.tally.frees().is_empty()).await;
    assert_eq!(script.tally.frees(), [(id, Some(7))]);
    until(|| dropped(&script.tally) == 1).await;
}

pub fn a_panic_in_each_hook_of_a_transaction_fails_that_one_alone(kind: Kind) {
    on_a_worker(|worker| async move {
        for hook in events() {
            let script = keeps(|tx, instance| {
                if instance == 1 && tx.id() % 2 == 1 {
                    panic!("on purpose");
                }
                Verdict::Continue
            });
            let link = worker.link(spec(kind), &script).await;
            let (bystander, mut other) = (3 << 56 | 100, Visit::default());
            let first = head(bystander, Hook::RequestHead);
            call(&link, &mut other, &first, &mut Edits::new())
                .await
                .unwrap();

            let (id, mut visit) = (3 << 56 | 1, Visit::default());
            let told = call(&link, &mut visit, &event(id, hook), &mut Edits::new()).await;
            assert_eq!(
                told,
                Err(Failure::Panic("on purpose".to_owned())),
                "{hook:?}"
            );
            assert!(visit.has_failed());
            link.leave(&mut visit, id);
            freed_once(&script, id).await;

            // The one in progress stays with the instance it began with; the next one has another.
            let again = event(bystander, hook);
            assert_eq!(
                call(&link, &mut other, &again, &mut Edits::new()).await,
                Ok(Verdict::Continue)
            );
            let (id, mut visit) = (3 << 56 | 3, Visit::default());
            let told = call(&link, &mut visit, &event(id, hook), &mut Edits::new()).await;
            assert_eq!(
                told,
                Ok(Verdict::Continue),
                "the second instance does not panic"
            );
            link.leave(&mut visit, id);
            link.leave(&mut other, bystander);
            until(|| script.tally.frees().len() == 3).await;
            assert_eq!(link.loaded().sum().failures[0], 1);
            assert_eq!(gauge(link.loaded(), "rebuilt"), 1);
            drop(link);
            until(|| script.tally.of(Hook::Fini) == 1).await;
            assert_eq!(
                script.tally.of(Hook::Init),
                2,
                "the poisoned one got no fini"
            );
        }
    });
}

pub fn a_panic_in_each_other_hook_makes_a_new_instance_and_harms_nobody(kind: Kind) {
    on_a_worker(|worker| async move {
        let notices: [(Hook, fn() -> Notice); 4] = [
            (Hook::Timer, || Notice::Timer),
            (Hook::Completed, || Notice::Completed(1, Completion::Done)),
            (Hook::Ready, || Notice::Ready(0, Interest::Read, 1)),
            (Hook::Reconfigure, || Notice::Reconfigure(BTreeMap::new())),
        ];
        for (hook, notice) in notices {
            let script = Script::new(|_, _| Verdict::Continue)
                .other(move |which, _, _| {
                    if which == hook {
                        panic!("on purpose")
                    } else {
                        Ok(())
                    }
                })
                .ready(|_, _, _, _| panic!("on purpose"));
            let link = worker.link(spec(kind), &script).await;
            let (id, mut visit) = (worker.id(), Visit::default());
            let first = head(id, Hook::RequestHead);
            call(&link, &mut visit, &first, &mut Edits::new())
                .await
                .unwrap();
            let told = tell(&link, notice()).await;
            assert!(told.unwrap_err().contains("on purpose"), "{hook:?}");
            let again = head(id, Hook::ResponseReturn);
            call(&link, &mut visit, &again, &mut Edits::new())
                .await
                .unwrap();
            link.leave(&mut visit, id);
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            assert_eq!(script.tally.of(Hook::Init), 2, "{hook:?}");
            assert_eq!(gauge(link.loaded(), "panics"), 1);
            let sum = link.loaded().sum();
            let (of, init) = (sum.hooks[hook as usize], sum.hooks[Hook::Init as usize]);
            assert_eq!((of.calls, of.failures), (1, 1), "{hook:?}");
            assert!(!of.time.is_zero(), "{hook:?}");
            assert_eq!((init.calls, init.failures), (2, 0), "{hook:?}");
            assert_eq!(sum.failures[0], 1, "{hook:?}");
        }
    });
}

pub fn a_panic_in_free_makes_a_new_instance(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = keeps(|_, _| Verdict::Continue).other(|hook, _, instance| {
            if hook == Hook::Free && instance == 1 {
                panic!("on purpose");
            }
            Ok(())
        });
        let link = worker.link(spec(kind), &script).await;
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
        until(|| gauge(link.loaded(), "rebuilt") == 1).await;
        assert_eq!(
            dropped(&script.tally),
            1,
            "the value is gone though its free panicked"
        );
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
        until(|| script.tally.frees().len() == 2).await;
        assert_eq!(gauge(link.loaded(), "panics"), 1);
        let sum = link.loaded().sum();
        assert_eq!(sum.hooks[Hook::Free as usize].failures, 1);
        assert_eq!(sum.failures[0], 1);
    });
}

pub fn a_refusal_or_panic_in_init_refuses_to_load(kind: Kind) {
    on_a_worker(|worker| async move {
        let refuses =
            Script::new(|_, _| Verdict::Continue).other(|_, _, _| Err("no key".to_owned()));
        let why = worker.try_load(spec(kind), &refuses).await.unwrap_err();
        assert!(why.contains("no key"), "{why}");
        let panics = Script::new(|_, _| Verdict::Continue).other(|_, _, _| panic!("on purpose"));
        let why = worker.try_load(spec(kind), &panics).await.unwrap_err();
        assert!(why.contains("on purpose"), "{why}");
    });
}

pub fn a_panic_in_fini_harms_nobody(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Continue).other(|hook, _, _| {
            if hook == Hook::Fini {
                panic!("on purpose")
            } else {
                Ok(())
            }
        });
        let link = worker.link(spec(kind), &script).await;
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
        drop(link);
        until(|| script.tally.of(Hook::Fini) == 1).await;
    });
}

pub fn an_instance_that_cannot_be_made_again_is_tried_for_again(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, instance| {
            if instance == 1 {
                panic!("on purpose");
            }
            Verdict::Continue
        });
        let script = script.other(|hook, _, instance| {
            if hook == Hook::Init && (2..=3).contains(&instance) {
                return Err("not yet".to_owned());
            }
            Ok(())
        });
        let link = worker.link(spec(kind), &script).await;
        assert!(matches!(worker.one(&link).await, Err(Failure::Panic(_))));
        // Each that comes meanwhile is told, and has it tried again.
        let mut outcome = worker.one(&link).await;
        while outcome == Err(Failure::Unavailable) {
            outcome = worker.one(&link).await;
        }
        assert_eq!(outcome, Ok(Verdict::Continue));
        assert_eq!(script.tally.of(Hook::Init), 4);
        assert_eq!(gauge(link.loaded(), "rebuilt"), 1);
    });
}

pub fn a_resume_that_overtakes_its_pending_counts(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = keeps(|tx, _| {
            tx.add("X-Hook", "1").unwrap();
            let mut answer = Answer::from(Verdict::Done);
            answer.edits.add(b"X-Resume", b"2").unwrap();
            let (token, host) = (tx.token(), tx.host());
            // The letter is there before the hook returns.
            std::thread::spawn(move || host.resume(token, answer))
                .join()
                .unwrap();
            Verdict::Pending
        });
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        let told = call(&link, &mut visit, &head(id, Hook::RequestHead), &mut edits).await;
        assert_eq!(told, Ok(Verdict::Done));
        let all: Vec<Edit<'_>> = edits.iter().collect();
        assert_eq!(
            all,
            [Edit::Add(b"X-Hook", b"1"), Edit::Add(b"X-Resume", b"2")]
        );
        link.leave(&mut visit, id);
        freed_once(&script, id).await;
        assert_eq!(worker.seat.stray_resumes(), 0);
    });
}

pub fn second_late_and_unknown_resumes_are_dropped_and_counted(kind: Kind) {
    on_a_worker(|worker| async move {
        let (script, tokens) = pends();
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            // Away, then parked.
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| !tokens.lock().unwrap().is_empty()).await;
            let (token, host) = tokens.lock().unwrap()[0].clone();
            let mut unknown = token;
            unknown.transaction += 1;
            host.resume(unknown, Verdict::fail("of another transaction"));
            host.resume(token, Verdict::Continue);
            host.resume(token, Verdict::fail("the second one"));
            assert_eq!(calling.await, Ok(Verdict::Continue));
            host.resume(token, Verdict::fail("too late"));
        }
        until(|| worker.seat.stray_resumes() == 3).await;
        assert_eq!(link.loaded().sum().stray_resumes, 3);
        link.leave(&mut visit, id);
        until(|| script.tally.frees() == [(id, None)]).await;
        assert_eq!(worker.seat.waiting(), 0);
    });
}

pub fn pieces_injected_beyond_what_a_slow_client_leaves_room_for_are_dropped_and_counted(
    kind: Kind,
) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| {
            for _ in 0..3 {
                tx.host()
                    .inject(tx.id(), vec![b'x'; MAX_INJECTED / 2].into());
            }
            Verdict::Continue
        });
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit) = (worker.id(), Visit::default());
        worker.seat.open_for_injection(id);
        let event = head(id, Hook::ResponseReturn);
        let mut taken = Vec::new();
        for round in 1..=2 {
            call(&link, &mut visit, &event, &mut Edits::new())
                .await
                .unwrap();
            until(|| link.loaded().sum().injections_dropped == round).await;
            // What the client takes makes room again.
            let pieces = std::future::poll_fn(|cx| match worker.seat.poll_injected(id, cx) {
                Some(pieces) => std::task::Poll::Ready(pieces),
                None => std::task::Poll::Pending,
            })
            .await;
            taken.push(pieces.len());
        }
        assert_eq!(taken, [2, 2]);
        link.leave(&mut visit, id);
    });
}

pub fn a_pending_that_is_never_resumed_ends_at_the_deadline_and_is_freed(kind: Kind) {
    on_a_worker(|worker| async move {
        for kept in [true, false] {
            let script = if kept {
                keeps(|tx, _| {
                    tx.token();
                    Verdict::Pending
                })
            } else {
                pends().0
            };
            let link = worker.link(spec(kind), &script).await;
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            {
                let event = head(id, Hook::RequestHead);
                let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
                assert!(futures_util::poll!(&mut calling).is_pending());
                // One that nobody came to would be taken back, and nothing freed.
                until(|| script.tally.of(Hook::RequestHead) == 1).await;
                worker.much_later();
                assert_eq!(calling.await, Err(Failure::Deadline));
            }
            link.leave(&mut visit, id);
            until(|| !script.tally.frees().is_empty()).await;
            assert_eq!(script.tally.frees(), [(id, kept.then_some(7))]);
            until(|| worker.seat.waiting() == 0).await;
            assert_eq!(link.loaded().sum().failures[Failure::Deadline.kind()], 1);
        }
    });
}

pub fn pending_without_a_token_is_a_failure(kind: Kind) {
    on_a_worker(|worker| async move {
        let mut spec = spec(kind);
        spec.limits.deadline = Duration::from_millis(50);
        let link = worker
            .link(spec, &Script::new(|_, _| Verdict::Pending))
            .await;
        assert!(worker.one(&link).await.is_err());
        until(|| worker.seat.waiting() == 0).await;
    });
}

pub fn a_transaction_that_goes_away_while_parked_is_freed_once(kind: Kind) {
    on_a_worker(|worker| async move {
        let tokens = Tokens::default();
        let to = tokens.clone();
        let script = keeps(move |tx, _| {
            if tx.hook() != Hook::RequestHead {
                return Verdict::Continue;
            }
            let token = tx.token();
            to.lock().unwrap().push((token, tx.host()));
            Verdict::Pending
        });
        let mut spec = spec(kind);
        spec.limits.threads = 1;
        let link = worker.link(spec, &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        {
            let event = head(id, Hook::RequestHead);
            let mut calling = pin!(call(&link, &mut visit, &event, &mut edits));
            assert!(futures_util::poll!(&mut calling).is_pending());
            until(|| !tokens.lock().unwrap().is_empty()).await;
            // The only thread answers in order: with the next answer the worker has read that this one is parked.
            let (next, mut its) = (worker.id(), Visit::default());
            let event = head(next, Hook::ResponseReturn);
            let told = call(&link, &mut its, &event, &mut Edits::new()).await;
            assert_eq!(told, Ok(Verdict::Continue));
            link.leave(&mut its, next);
            until(|| !script.tally.frees().is_empty()).await;
            assert!(
                futures_util::poll!(&mut calling).is_pending(),
                "nobody resumed it"
            );
        }
        link.leave(&mut visit, id);
        let frees = || {
            let all = script.tally.frees();
            all.iter().filter(|(freed, _)| *freed == id).count()
        };
        until(|| frees() == 1).await;
        let (token, host) = tokens.lock().unwrap()[0].clone();
        host.resume(token, Verdict::Continue);
        until(|| worker.seat.stray_resumes() == 1).await;
        assert_eq!(frees(), 1);
        assert_eq!(worker.seat.waiting(), 0);
    });
}

pub fn the_breaker_opens_after_failures_in_a_row_and_closes_again(kind: Kind) {
    on_a_worker(|worker| async move {
        loop {
            let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
            let now = fails.clone();
            let script = Script::new(move |_, _| {
                if now.load(Ordering::SeqCst) {
                    return Verdict::fail("again");
                }
                Verdict::Continue
            });
            let link = worker.link(spec(kind), &script).await;
            let began = Instant::now();
            for _ in 0..BREAK_AFTER {
                assert_eq!(
                    worker.one(&link).await,
                    Err(Failure::Fail("again".to_owned()))
                );
            }
            fails.store(false, Ordering::SeqCst);
            let next = worker.one(&link).await;
            // On a machine that stalls it may be closed again: then this has shown nothing yet.
            if began.elapsed() >= PAUSE {
                continue;
            }
            assert_eq!(next, Err(Failure::Broken));
            assert_eq!(script.tally.of(Hook::RequestHead) as u32, BREAK_AFTER);
            tokio::time::sleep(PAUSE).await;
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            let sum = link.loaded().sum();
            assert_eq!(sum.failures[Failure::Broken.kind()], 1);
            assert_eq!(sum.failures[1], u64::from(BREAK_AFTER));
            return;
        }
    });
}
