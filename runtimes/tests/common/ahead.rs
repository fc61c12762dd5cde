//! Events whose answers a module promised: they go ahead of the next, in order, and a broken promise is told.

use super::gate::Gate;
use super::script::Script;
use super::*;
use std::pin::pin;
use std::sync::Mutex;

fn attention() -> Attention {
    Attention {
        unheard: Hooks::of(&[Hook::RequestHead]),
        noted: Hooks::of(&[Hook::RequestOut]),
        withheld: Hooks::of(&[Hook::ResponseHead]),
    }
}

/// A module that promises [`attention`], and what it does in a hook.
fn promises(does: impl Fn(&mut Transaction<'_>) -> Verdict + Send + Sync + 'static) -> Script {
    Script::new(move |tx, _| does(tx)).other(|hook, host, _| {
        if hook == Hook::Init {
            host.attend(attention());
        }
        Ok(())
    })
}

pub fn events_with_a_known_answer_go_ahead_of_the_next(kind: Kind) {
    on_a_worker(|worker| async move {
        let seen = Arc::<Mutex<Vec<Hook>>>::default();
        let heard = seen.clone();
        let mut script = promises(move |tx| {
            heard.lock().unwrap().push(tx.hook());
            // The opaque value goes from one to the next.
            let before = *tx.opaque().get_or_insert_with(|| 0_usize);
            *tx.opaque().get_or_insert_with(|| 0_usize) += 1;
            assert_eq!(before + 1, heard.lock().unwrap().len());
            match tx.hook() {
                Hook::ResponseHead => tx.withhold_head().unwrap(),
                Hook::ResponseBody => return Verdict::Drop,
                _ => {}
            }
            Verdict::Continue
        });
        let free = Hooks::of(&[Hook::Free]).bits();
        script.about.hooks = Hooks::from_bits(Hooks::TRANSACTION.bits() & !free);
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        for hook in [Hook::RequestHead, Hook::RequestOut, Hook::ResponseHead] {
            let called = link.call(&mut visit, &head(id, hook), &mut edits);
            assert!(
                matches!(called, Called::Now(Ok(Verdict::Continue))),
                "{called:?}"
            );
        }
        let all: Vec<Edit<'_>> = edits.iter().collect();
        assert_eq!(all, [Edit::SkipBody, Edit::WithholdHead]);
        assert!(seen.lock().unwrap().is_empty(), "nobody was woken for them");
        let body = event(id, Hook::ResponseBody);
        let told = call(&link, &mut visit, &body, &mut edits).await;
        assert_eq!(told, Ok(Verdict::Drop));
        let order = [Hook::RequestOut, Hook::ResponseHead, Hook::ResponseBody];
        assert_eq!(*seen.lock().unwrap(), order);
        link.leave(&mut visit, id);
        // Nothing comes behind it: it is heard with `free`, which is not even declared.
        seen.lock().unwrap().clear();
        let (id, mut visit) = (worker.id(), Visit::default());
        let out = head(id, Hook::RequestOut);
        call(&link, &mut visit, &out, &mut Edits::new())
            .await
            .unwrap();
        link.leave(&mut visit, id);
        until(|| *seen.lock().unwrap() == [Hook::RequestOut]).await;
    });
}

pub fn who_was_passed_by_all_along_frees_nothing(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = promises(|_| Verdict::Continue);
        let mut spec = spec(kind);
        // One after the other, in the order in which they come.
        spec.limits.threads = 1;
        let link = worker.link(spec, &script).await;
        let mut heard = Vec::new();
        for hook in [Hook::RequestOut, Hook::RequestHead, Hook::ResponseReturn] {
            let (id, mut visit) = (worker.id(), Visit::default());
            let told = call(&link, &mut visit, &head(id, hook), &mut Edits::new()).await;
            assert_eq!(told, Ok(Verdict::Continue));
            assert_eq!(visit.was_entered(), hook != Hook::RequestHead);
            link.leave(&mut visit, id);
            visit.renew();
            if hook != Hook::RequestHead {
                heard.push((id, None));
            }
        }
        until(|| script.tally.frees().len() >= heard.len()).await;
        assert_eq!(script.tally.frees(), heard);
        let told = link.loaded().sum().hooks[Hook::Free as usize].calls;
        assert_eq!(told, heard.len() as u64);
    });
}

pub fn a_broken_promise_is_the_answer_to_the_next_event(kind: Kind) {
    on_a_worker(|worker| async move {
        for way in 0..4 {
            let script = promises(move |tx| match (tx.hook(), way) {
                (Hook::RequestOut, 0) => panic!("on purpose"),
                (Hook::RequestOut, 1) => Verdict::fail("no"),
                (Hook::RequestOut, 2) => Verdict::Done,
                (Hook::RequestOut, _) => {
                    tx.add("X-Mine", "1").unwrap();
                    Verdict::Continue
                }
                (hook, _) => panic!("{hook:?} behind that"),
            });
            let link = worker.link(spec(kind), &script).await;
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            for hook in [Hook::RequestOut, Hook::ResponseHead] {
                call(&link, &mut visit, &head(id, hook), &mut edits)
                    .await
                    .unwrap();
            }
            let body = event(id, Hook::ResponseBody);
            let told = call(&link, &mut visit, &body, &mut edits).await;
            match way {
                0 => assert_eq!(told, Err(Failure::Panic("on purpose".to_owned()))),
                1 => assert_eq!(told, Err(Failure::Fail("no".to_owned()))),
                2 => assert_eq!(told, Ok(Verdict::Done)),
                _ => assert!(matches!(told, Err(Failure::Fail(_))), "{told:?}"),
            }
            assert!(!visit.is_open());
            link.leave(&mut visit, id);
        }
    });
}

pub fn what_went_ahead_of_a_call_that_is_taken_back_is_heard_with_free(kind: Kind) {
    on_a_worker(|worker| async move {
        for declared in [true, false] {
            let gate = Gate::default();
            let stands = gate.clone();
            let seen = Arc::<Mutex<Vec<Hook>>>::default();
            let heard = seen.clone();
            let mut script = promises(move |tx| {
                match tx.hook() {
                    Hook::RequestBody => stands.pass(),
                    hook => heard.lock().unwrap().push(hook),
                }
                Verdict::Continue
            });
            if !declared {
                let free = Hooks::of(&[Hook::Free]).bits();
                script.about.hooks = Hooks::from_bits(Hooks::TRANSACTION.bits() & !free);
            }
            let mut spec = spec(kind);
            spec.limits.threads = 1;
            let link = worker.link(spec, &script).await;
            let (busy, mut its, mut none) = (worker.id(), Visit::default(), Edits::new());
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            {
                let stands = event(busy, Hook::RequestBody);
                let mut runs = pin!(call(&link, &mut its, &stands, &mut none));
                assert!(futures_util::poll!(&mut runs).is_pending());
                until(|| gate.came() == 1).await;
                let out = head(id, Hook::RequestOut);
                let told = call(&link, &mut visit, &out, &mut edits).await;
                assert_eq!(told, Ok(Verdict::Continue));
                let body = event(id, Hook::ResponseBody);
                let mut waits = pin!(call(&link, &mut visit, &body, &mut edits));
                assert!(futures_util::poll!(&mut waits).is_pending());
                worker.much_later();
                assert_eq!(waits.await, Err(Failure::Deadline));
                assert_eq!(runs.await, Err(Failure::Deadline));
            }
            link.leave(&mut visit, id);
            until(|| *seen.lock().unwrap() == [Hook::RequestOut]).await;
            gate.open();
            link.leave(&mut its, busy);
            assert_eq!(script.tally.of(Hook::ResponseBody), 0);
            if declared {
                until(|| script.tally.frees().len() == 2).await;
                assert_eq!(script.tally.frees(), [(id, None), (busy, None)]);
            }
            until(|| worker.seat.waiting() == 0).await;
        }
    });
}

pub fn a_promise_broken_ahead_of_free_alone_is_counted(kind: Kind) {
    on_a_worker(|worker| async move {
        for way in 0..4 {
            let script = promises(move |tx| match way {
                0 => panic!("on purpose"),
                1 => Verdict::fail("no"),
                2 => {
                    tx.add("X-Mine", "1").unwrap();
                    Verdict::Continue
                }
                _ => Verdict::Done,
            });
            let link = worker.link(spec(kind), &script).await;
            let (id, mut visit) = (worker.id(), Visit::default());
            let out = head(id, Hook::RequestOut);
            let told = call(&link, &mut visit, &out, &mut Edits::new()).await;
            assert_eq!(told, Ok(Verdict::Continue));
            link.leave(&mut visit, id);
            until(|| script.tally.frees() == [(id, None)]).await;
            let kind = match way {
                0 => Failure::Panic(String::new()).kind(),
                _ => Failure::Fail(String::new()).kind(),
            };
            let sum = link.loaded().sum();
            let failed = u64::from(way < 3);
            assert_eq!(sum.failures[kind], failed, "{way}");
            assert_eq!(sum.hooks[Hook::RequestOut as usize].failures, failed);
            assert_eq!(sum.hooks[Hook::RequestOut as usize].calls, 1);
        }
    });
}

pub fn what_a_module_promises_anew_counts_from_then_on(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Done).other(|hook, host, _| {
            match hook {
                Hook::Init => host.attend(attention()),
                Hook::Reconfigure => host.attend(Attention::default()),
                _ => {}
            }
            Ok(())
        });
        let link = worker.link(spec(kind), &script).await;
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
        tell(&link, Notice::Reconfigure(BTreeMap::new()))
            .await
            .unwrap();
        assert_eq!(worker.one(&link).await, Ok(Verdict::Done));
    });
}

/// A module that goes by its option `word`: without it all is as promised, and with it the promise is withdrawn.
fn withdraws(word: &'static str) -> Script {
    let options = |host: &Host| match host.option("word").as_deref() {
        None => attention(),
        Some(_) => Attention::default(),
    };
    Script::new(
        move |tx, _| match (tx.hook(), tx.host().option("word").is_some()) {
            (Hook::ResponseBody, _) => Verdict::Drop,
            (Hook::ResponseHead, false) => {
                tx.withhold_head().unwrap();
                Verdict::Continue
            }
            (_, false) => Verdict::Continue,
            (_, true) => match word {
                "edits" => {
                    tx.add("X-Mine", "1").unwrap();
                    Verdict::Continue
                }
                "respond" => Verdict::Respond(Box::new(Response::text(403, "no").unwrap())),
                "pending" => {
                    let _ = tx.token();
                    Verdict::Pending
                }
                "fail" => Verdict::fail("it cannot"),
                _ => Verdict::Done,
            },
        },
    )
    .other(move |hook, host, _| {
        if matches!(hook, Hook::Init | Hook::Reconfigure) {
            host.attend(options(host));
        }
        Ok(())
    })
}

pub fn a_promise_that_is_withdrawn_meanwhile_is_not_broken(kind: Kind) {
    on_a_worker(|worker| async move {
        let changed = BTreeMap::from([("word".to_owned(), "new".to_owned())]);
        for (word, answer) in [
            ("edits", Ok(Verdict::Drop)),
            ("respond", Ok(Verdict::Drop)),
            ("pending", Ok(Verdict::Drop)),
            ("done", Ok(Verdict::Done)),
            // That it fails was never promised away.
            ("fail", Err(Failure::Fail("it cannot".to_owned()))),
        ] {
            let link = worker.link(spec(kind), &withdraws(word)).await;
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            for hook in [Hook::RequestOut, Hook::ResponseHead] {
                let called = link.call(&mut visit, &head(id, hook), &mut edits);
                assert!(matches!(called, Called::Now(Ok(Verdict::Continue))));
            }
            // The hooks of both run behind this, with the new options.
            link.loaded().reconfigure(changed.clone()).await.unwrap();
            let body = event(id, Hook::ResponseBody);
            let told = call(&link, &mut visit, &body, &mut edits).await;
            assert_eq!(told, answer, "{word}");
            let all: Vec<Edit<'_>> = edits.iter().collect();
            assert_eq!(all, [Edit::WithholdHead], "{word}: as was promised");
            link.leave(&mut visit, id);
            // What begins now is asked.
            let (id, mut visit) = (worker.id(), Visit::default());
            let out = head(id, Hook::RequestOut);
            let called = link.call(&mut visit, &out, &mut Edits::new());
            assert!(matches!(called, Called::Later(_)));
            drop(called);
            link.leave(&mut visit, id);
        }
    });
}

pub fn what_is_promised_of_options_that_are_refused_is_taken_back(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Done).other(|hook, host, _| match hook {
            Hook::Init => {
                host.attend(attention());
                Ok(())
            }
            Hook::Reconfigure => {
                host.attend(Attention::default());
                Err("no".to_owned())
            }
            _ => Ok(()),
        });
        let link = worker.link(spec(kind), &script).await;
        let refused = link.loaded().reconfigure(BTreeMap::new()).await;
        assert_eq!(refused, Err("no".to_owned()));
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
    });
}

pub fn a_module_that_events_pass_by_has_no_part_in_their_transaction(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = promises(|_| Verdict::fail("on purpose"));
        loop {
            let link = worker.link(spec(kind), &script).await;
            let began = std::time::Instant::now();
            let mut called = Vec::new();
            for _ in 0..BREAK_AFTER {
                // It passes: the module knows nothing of it, and did nothing well.
                assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
                let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
                let passes = head(id, Hook::RequestHead);
                let passed = call(&link, &mut visit, &passes, &mut edits).await;
                assert_eq!(passed, Ok(Verdict::Continue));
                assert!(!visit.was_entered());
                assert!(edits.iter().eq([Edit::SkipBody]));
                let body = event(id, Hook::ResponseBody);
                assert!(call(&link, &mut visit, &body, &mut edits).await.is_err());
                link.leave(&mut visit, id);
                called.push((id, None));
            }
            let (id, mut visit) = (worker.id(), Visit::default());
            let body = event(id, Hook::ResponseBody);
            let told = call(&link, &mut visit, &body, &mut Edits::new()).await;
            link.leave(&mut visit, id);
            // What passes it by does not hang on whether it works.
            assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
            until(|| script.tally.frees().len() >= called.len()).await;
            // On a machine that stalls it may be asked again already: then this has shown nothing yet.
            if began.elapsed() < PAUSE {
                assert_eq!(told, Err(Failure::Broken));
                assert_eq!(script.tally.frees(), called);
                return;
            }
            script.tally.freed.lock().unwrap().clear();
        }
    });
}
