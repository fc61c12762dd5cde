//! What is counted of each module and hook, and of a transaction where it is asked for.

use super::script::Script;
use super::*;

fn given(bytes: &'static [u8]) -> Bytes {
    Bytes::from_static(bytes)
}

pub fn each_hook_of_a_transaction_has_its_cost_where_it_is_asked_for(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| match tx.hook() {
            Hook::ResponseBody => Verdict::First(given(b"first")),
            Hook::ReturnBody => Verdict::Replace(given(b"longer piece")),
            Hook::RequestBody => Verdict::fail("on purpose"),
            _ => Verdict::Continue,
        });
        let link = worker.link(spec(kind), &script).await;
        link.be_precise(true);
        let (id, mut visit) = (worker.id(), Visit::default());
        for hook in [
            Hook::ResponseHead,
            Hook::ResponseBody,
            Hook::ResponseHead,
            Hook::ReturnBody,
            Hook::RequestBody,
        ] {
            let _ = call(&link, &mut visit, &event(id, hook), &mut Edits::new()).await;
        }
        let costs = visit.costs().to_vec();
        let told = costs
            .iter()
            .map(|c| (c.hook, c.calls, c.bytes_in, c.bytes_out, c.failures));
        assert!(
            told.clone().eq([
                (Hook::ResponseHead, 2, 0, 0, 0),
                (Hook::ResponseBody, 1, 5, 5, 0),
                (Hook::ReturnBody, 1, 5, 12, 0),
                (Hook::RequestBody, 1, 5, 0, 1),
            ]),
            "{:?}",
            told.collect::<Vec<_>>()
        );
        // It is the only transaction: what it cost is what the module cost.
        let sum = link.loaded().sum();
        for cost in &costs {
            let of = sum.hooks[cost.hook as usize];
            assert_eq!(of.calls, u64::from(cost.calls), "{:?}", cost.hook);
            assert_eq!(of.bytes_in, cost.bytes_in, "{:?}", cost.hook);
            assert_eq!(of.bytes_out, cost.bytes_out, "{:?}", cost.hook);
            assert_eq!(of.failures, u64::from(cost.failures), "{:?}", cost.hook);
            assert_eq!(of.time, Duration::from_nanos(cost.time), "{:?}", cost.hook);
            assert_eq!(of.wait, Duration::from_nanos(cost.wait), "{:?}", cost.hook);
            assert!(!of.time.is_zero(), "{:?}", cost.hook);
        }
        link.leave(&mut visit, id);
        visit.renew();
        assert!(visit.costs().is_empty());
        // Nobody asks any more.
        link.be_precise(false);
        let (id, mut visit) = (worker.id(), Visit::default());
        let head = head(id, Hook::ResponseHead);
        call(&link, &mut visit, &head, &mut Edits::new())
            .await
            .unwrap();
        assert!(visit.costs().is_empty());
        link.leave(&mut visit, id);
    });
}

pub fn bytes_injected_into_an_answer_are_bytes_that_were_given(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| {
            tx.host().inject(tx.id(), given(b"injected"));
            Verdict::Continue
        });
        let link = worker.link(spec(kind), &script).await;
        let given = || link.loaded().sum().hooks[Hook::ReturnBody as usize].bytes_out;
        // What comes for an answer that is over is nobody's.
        for (open, expected) in [(true, 8), (false, 8), (true, 16)] {
            let (id, mut visit) = (worker.id(), Visit::default());
            if open {
                worker.seat.open_for_injection(id);
            }
            let piece = event(id, Hook::ReturnBody);
            call(&link, &mut visit, &piece, &mut Edits::new())
                .await
                .unwrap();
            until(|| given() == expected).await;
            worker.seat.close_for_injection(id);
            link.leave(&mut visit, id);
        }
        assert_eq!(given(), 16);
    });
}

pub fn free_and_fini_have_their_time_and_their_failures(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Continue).other(|hook, _, _| match hook {
            Hook::Fini => panic!("on purpose"),
            _ => Ok(()),
        });
        let link = worker.link(spec(kind), &script).await;
        link.be_precise(true);
        for _ in 0..3 {
            worker.one(&link).await.unwrap();
        }
        let free = || link.loaded().sum().hooks[Hook::Free as usize];
        until(|| script.tally.frees().len() == 3 && !free().time.is_zero()).await;
        assert_eq!((free().calls, free().failures), (3, 0));
        let office = link.loaded().office().upgrade().unwrap();
        let accounts = office.accounts().clone();
        drop(office);
        drop(link);
        until(|| accounts.failures[0].get() == 1).await;
        let fini = &accounts.hooks[Hook::Fini as usize];
        assert_eq!((fini.calls.get(), fini.failures.get()), (1, 1));
        assert_ne!(fini.time.get(), 0);
    });
}

/// Inline only: elsewhere every call is timed.
pub fn free_is_timed_as_often_as_other_hooks_are(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Continue);
        let link = worker.link(spec(kind), &script).await;
        let times = || {
            let sum = link.loaded().sum();
            [Hook::RequestHead, Hook::Free].map(|hook| sum.hooks[hook as usize].time)
        };
        worker.one(&link).await.unwrap();
        assert_eq!(times(), [Duration::ZERO; 2]);
        for _ in 1..understudy_runtimes::accounts::SAMPLE {
            worker.one(&link).await.unwrap();
        }
        assert!(times().iter().all(|time| !time.is_zero()), "{:?}", times());
    });
}

/// Inline only: a short transaction and a long one by turns, as a client that looks whether all is well makes them.
pub fn transactions_that_take_turns_are_all_timed_now_and_then(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|_, _| Verdict::Continue);
        let link = worker.link(spec(kind), &script).await;
        let rounds = 64 * understudy_runtimes::accounts::SAMPLE;
        for _ in 0..rounds {
            for hook in [Hook::RequestHead, Hook::ResponseHead] {
                let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
                let went = call(&link, &mut visit, &head(id, hook), &mut edits).await;
                assert_eq!(went, Ok(Verdict::Continue));
                link.leave(&mut visit, id);
            }
        }
        let sum = link.loaded().sum();
        for hook in [Hook::RequestHead, Hook::ResponseHead] {
            let of = sum.hooks[hook as usize];
            assert_eq!(of.calls, rounds);
            assert!(!of.time.is_zero(), "{hook:?}");
        }
    });
}
