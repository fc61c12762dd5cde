//! What holds in every execution model: verdicts, edits, `Pending`, the life of an instance.

use super::script::Script;
use super::*;
use std::fmt::Write;
use std::sync::Mutex;

fn answers(verdict: Verdict) -> Script {
    Script::new(move |_, _| verdict.clone())
}

pub fn every_verdict_that_fits_comes_back_as_given(kind: Kind) {
    on_a_worker(|worker| async move {
        let respond = Response::text(403, "no").unwrap();
        let given = [
            (Hook::RequestHead, Verdict::Continue),
            (Hook::RequestHead, Verdict::Done),
            (Hook::ResponseReturn, Verdict::Respond(Box::new(respond))),
            (
                Hook::ResponseBody,
                Verdict::Replace(Bytes::from_static(b"other")),
            ),
            (Hook::ReturnBody, Verdict::Drop),
            (Hook::RequestBody, Verdict::Hold),
        ];
        for (hook, verdict) in given {
            let link = worker.link(spec(kind), &answers(verdict.clone())).await;
            let (id, mut visit) = (worker.id(), Visit::default());
            let told = call(&link, &mut visit, &event(id, hook), &mut Edits::new()).await;
            assert_eq!(visit.is_open(), verdict != Verdict::Done);
            assert_eq!(told, Ok(verdict));
            link.leave(&mut visit, id);
        }
    });
}

pub fn a_verdict_that_does_not_fit_and_a_fail_are_failures_of_the_module(kind: Kind) {
    on_a_worker(|worker| async move {
        for verdict in [Verdict::Drop, Verdict::fail("I cannot")] {
            let link = worker.link(spec(kind), &answers(verdict)).await;
            let told = worker.one(&link).await;
            assert!(matches!(told, Err(Failure::Fail(_))), "{told:?}");
            let sum = link.loaded().sum();
            assert_eq!(sum.failures[Failure::Fail(String::new()).kind()], 1);
            assert_eq!(sum.hooks[Hook::RequestHead as usize].failures, 1);
            assert_eq!(sum.hooks[Hook::RequestHead as usize].calls, 1);
        }
    });
}

pub fn edits_made_before_are_seen_and_those_of_the_hook_come_behind(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| {
            let seen = tx.find("X-First").map(<[u8]>::to_vec).unwrap();
            tx.add("X-Second", seen).unwrap();
            Verdict::Continue
        });
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        edits.add(b"X-First", b"1").unwrap();
        call(&link, &mut visit, &head(id, Hook::RequestHead), &mut edits)
            .await
            .unwrap();
        let all: Vec<Edit<'_>> = edits.iter().collect();
        assert_eq!(
            all,
            [Edit::Add(b"X-First", b"1"), Edit::Add(b"X-Second", b"1")]
        );
        link.leave(&mut visit, id);
    });
}

pub fn a_hook_that_fails_leaves_no_edits_also_behind_pending(kind: Kind) {
    on_a_worker(|worker| async move {
        for way in 0..3 {
            let script = Script::new(move |tx, _| {
                tx.add("X-Mine", "1").unwrap();
                match way {
                    0 => panic!("on purpose"),
                    1 => Verdict::fail("no"),
                    _ => {
                        let token = tx.token();
                        tx.host().resume(token, Verdict::fail("no"));
                        Verdict::Pending
                    }
                }
            });
            let link = worker.link(spec(kind), &script).await;
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            edits.add(b"X-Before", b"1").unwrap();
            let told = call(&link, &mut visit, &head(id, Hook::RequestHead), &mut edits).await;
            assert!(told.is_err());
            assert_eq!(edits.len(), 1, "way {way}");
            link.leave(&mut visit, id);
        }
    });
}

/// All that a hook can see.
fn transcript(tx: &mut Transaction<'_>) -> String {
    let mut seen = String::new();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    write!(seen, "{:?} {} {}", tx.hook(), tx.id() & 0xff, tx.client()).unwrap();
    write!(
        seen,
        " {} {} {}",
        text(tx.method()),
        text(tx.url()),
        text(tx.target())
    )
    .unwrap();
    for (name, value) in tx.lines() {
        write!(seen, " {}={}", text(name), text(value)).unwrap();
    }
    let accepted: Vec<_> = tx.find_all("accept").map(text).collect();
    write!(seen, " {accepted:?} {} {:?}", tx.status(), tx.whole()).unwrap();
    write!(
        seen,
        " {:?} {:?} {:?}",
        tx.held(),
        tx.is_last(),
        tx.host_name()
    )
    .unwrap();
    write!(seen, " {:?} {:?}", tx.addresses(), tx.entry()).unwrap();
    seen
}

/// Calls a hook without any runtime.
fn directly(event: &Event<'_>, edits: &mut Edits) -> String {
    let seen = Arc::new(Mutex::new(String::new()));
    let to = seen.clone();
    let script = Script::new(move |tx, _| {
        *to.lock().unwrap() = transcript(tx);
        Verdict::Continue
    });
    let module = Library::make(&script).unwrap();
    let host = script::no_host();
    let token = Token {
        transaction: 0,
        call: 0,
    };
    invoke(&*module, &host, event, &mut Opaque::None, edits, &token).unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

pub fn a_hook_sees_the_whole_record_of_every_event(kind: Kind) {
    on_a_worker(|worker| async move {
        let seen = Arc::new(Mutex::new(String::new()));
        let to = seen.clone();
        let script = Script::new(move |tx, _| {
            *to.lock().unwrap() = transcript(tx);
            Verdict::Continue
        });
        let link = worker.link(spec(kind), &script).await;
        for hook in events() {
            let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
            edits.set(b"Accept", b"edited").unwrap();
            let event = event(id, hook);
            let expected = directly(&event, &mut edits.clone());
            call(&link, &mut visit, &event, &mut edits).await.unwrap();
            assert_eq!(*seen.lock().unwrap(), expected);
            assert!(expected.contains("192.0.2.7:4711 GET http://a.example/path?q"));
            link.leave(&mut visit, id);
        }
    });
}

pub fn the_opaque_value_goes_from_hook_to_hook_and_is_freed_once(kind: Kind) {
    on_a_worker(|worker| async move {
        let tally: Arc<Mutex<Option<Arc<script::Tally>>>> = Arc::default();
        let of = tally.clone();
        let script = Script::new(move |tx, _| {
            let tally = of.lock().unwrap().clone().unwrap();
            let kept = tx.opaque().get_or_insert_with(|| tally.kept(0));
            kept.0 += 1;
            Verdict::Continue
        });
        *tally.lock().unwrap() = Some(script.tally.clone());
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit) = (worker.id(), Visit::default());
        for hook in events() {
            call(&link, &mut visit, &event(id, hook), &mut Edits::new())
                .await
                .unwrap();
        }
        link.leave(&mut visit, id);
        let dropped = || {
            let dropped = &script.tally.dropped;
            dropped.load(std::sync::atomic::Ordering::SeqCst)
        };
        // `free` has it dropped when it is over, and was counted before.
        until(|| script.tally.of(Hook::Free) > 0 && dropped() > 0).await;
        assert_eq!(script.tally.frees(), [(id, Some(9))]);
        assert_eq!(dropped(), 1);
    });
}

pub fn fini_is_called_once_behind_the_last_transaction(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = answers(Verdict::Continue);
        let link = worker.link(spec(kind), &script).await;
        let (id, mut visit) = (worker.id(), Visit::default());
        call(
            &link,
            &mut visit,
            &head(id, Hook::RequestHead),
            &mut Edits::new(),
        )
        .await
        .unwrap();
        let link = Rc::try_unwrap(link).unwrap();
        link.leave(&mut visit, id);
        assert_eq!(script.tally.of(Hook::Fini), 0);
        drop(link);
        until(|| script.tally.of(Hook::Fini) > 0).await;
        assert_eq!(
            (script.tally.of(Hook::Init), script.tally.of(Hook::Fini)),
            (1, 1)
        );
        assert_eq!(script.tally.frees(), [(id, None)], "freed before fini");
    });
}

pub fn refused_options_leave_the_old_ones_in_force(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| {
            let word = tx.host().option("word").unwrap_or_default();
            tx.add("X-Word", word).unwrap();
            Verdict::Continue
        })
        .other(
            |hook, host, _| match (hook, host.option("word").as_deref()) {
                (Hook::Reconfigure, Some("bad")) => Err("not that word".to_owned()),
                (Hook::Reconfigure, Some("worse")) => panic!("on purpose"),
                _ => Ok(()),
            },
        );
        let link = worker.link(spec(kind), &script).await;
        let options = |word: &str| BTreeMap::from([("word".to_owned(), word.to_owned())]);
        link.loaded().reconfigure(options("good")).await.unwrap();
        let refused = link.loaded().reconfigure(options("bad")).await;
        assert_eq!(refused, Err("not that word".to_owned()));
        let panicked = link.loaded().reconfigure(options("worse")).await;
        assert!(panicked.unwrap_err().contains("panicked"));
        let (id, mut visit, mut edits) = (worker.id(), Visit::default(), Edits::new());
        call(&link, &mut visit, &head(id, Hook::RequestHead), &mut edits)
            .await
            .unwrap();
        assert_eq!(edits.iter().next(), Some(Edit::Add(b"X-Word", b"good")));
        assert_eq!(
            gauge(link.loaded(), "rebuilt"),
            1,
            "for the panic, not for the refusal"
        );
        link.leave(&mut visit, id);
    });
}

pub fn an_operation_submitted_in_init_completes_too(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = answers(Verdict::Continue).other(|hook, host, _| {
            if hook == Hook::Init {
                let object = host.object("http://a.example/").unwrap();
                host.submit(1, Operation::Query(object));
            }
            Ok(())
        });
        let _link = worker.link(spec(kind), &script).await;
        until(|| script.tally.of(Hook::Completed) == 1).await;
    });
}

pub fn init_may_not_wait_for_an_operation(kind: Kind) {
    on_a_worker(|worker| async move {
        let mut script = answers(Verdict::Continue).other(|hook, host, _| match hook {
            Hook::Init => {
                let object = host.object("http://a.example/").unwrap();
                match host.perform(Operation::Query(object)) {
                    Completion::Failed(why) => Err(why),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        });
        // Whoever may not wait at all is told that.
        let why = worker.try_load(spec(kind), &script).await.unwrap_err();
        assert!(why.contains("blocking"), "{why}");
        script.about.blocking = true;
        let why = worker.try_load(spec(kind), &script).await.unwrap_err();
        let expected = match kind {
            Kind::Inline => "cannot run inline",
            _ => "init may not wait for an operation",
        };
        assert!(why.contains(expected), "{why}");
    });
}

pub fn what_was_counted_tells_calls_bytes_and_time(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = answers(Verdict::Replace(Bytes::from_static(b"longer piece")));
        let link = worker.link(spec(kind), &script).await;
        link.be_precise(true);
        let (id, mut visit) = (worker.id(), Visit::default());
        for _ in 0..3 {
            let event = event(id, Hook::ResponseBody);
            call(&link, &mut visit, &event, &mut Edits::new())
                .await
                .unwrap();
        }
        let sum = link.loaded().sum().hooks[Hook::ResponseBody as usize];
        assert_eq!(
            (sum.calls, sum.bytes_in, sum.bytes_out, sum.failures),
            (3, 15, 36, 0)
        );
        assert!(sum.time > Duration::ZERO);
        assert_eq!(visit.cost.calls, 3);
        assert_eq!(Duration::from_nanos(visit.cost.time), sum.time);
        link.leave(&mut visit, id);
    });
}

pub fn what_a_module_counts_itself_is_told_by_name(kind: Kind) {
    on_a_worker(|worker| async move {
        let script = Script::new(|tx, _| {
            tx.count("seen", 1);
            tx.count("bytes", 1 << 40);
            tx.count("Not A Name", 1);
            let host = tx.host();
            std::thread::spawn(move || host.count("elsewhere", 1))
                .join()
                .unwrap();
            Verdict::Continue
        });
        let script = script.other(|hook, host, _| {
            host.count(hook.name(), 1);
            Ok(())
        });
        let link = worker.link(spec(kind), &script).await;
        for _ in 0..3 {
            worker.one(&link).await.unwrap();
        }
        tell(&link, Notice::Timer).await.unwrap();
        let counts = link.loaded().sum().counts;
        let expected = [
            ("bytes", 3 << 40),
            ("elsewhere", 3),
            ("init", 1),
            ("seen", 3),
            ("timer", 1),
        ];
        assert_eq!(
            counts,
            expected.map(|(name, n)| (name.to_owned(), n)).into()
        );
    });
}
