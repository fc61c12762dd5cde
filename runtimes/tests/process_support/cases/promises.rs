//! Events with an answer that is known: they go ahead of the next, and what becomes of promises that are broken.

use super::options::{coloured, starts};
use crate::world::{World, said, set, spec, until, with};
use understudy_module::{Bytes, Edit, Edits, Hook, Verdict};
use understudy_runtimes::{Failure, Spec, Visit};

cases! {
    events_with_a_known_answer_go_ahead_of_the_next
    a_broken_promise_is_the_answer_to_the_next_event
    a_promise_broken_ahead_of_free_alone_is_counted
    a_promise_that_is_withdrawn_meanwhile_is_not_broken
    a_child_that_starts_anew_has_promised_nothing_before_it_says_so
}

pub(super) fn attends(spec: Spec) -> Spec {
    with(spec, |spec| {
        spec.options.insert("attend".to_owned(), "1".to_owned());
    })
}

async fn events_with_a_known_answer_go_ahead_of_the_next() {
    for library in ["probe", "probe blocking"] {
        let threads = |spec: &mut Spec| spec.limits.threads = 2;
        let world = World::new(attends(with(spec(library), threads))).await;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        for (hook, said) in [
            // Not called at all, or it would fail.
            (Hook::RequestHead, Some(Edit::SkipBody)),
            (Hook::RequestOut, None),
            (Hook::ResponseHead, Some(Edit::WithholdHead)),
        ] {
            let mark = edits.mark();
            let word = "request_head-fail";
            let went = world.hook(&mut visit, 1, hook, word, &mut edits).await;
            assert_eq!(went, Ok(Verdict::Continue));
            assert_eq!(edits.since(mark).next(), said);
        }
        let calls = |hook: Hook| world.loaded.sum().hooks[hook as usize].calls;
        assert_eq!(calls(Hook::RequestHead), 0);
        assert_eq!((calls(Hook::RequestOut), calls(Hook::ResponseHead)), (1, 1));
        let piece = Bytes::from_static(b"abc");
        let word = "response_body-replace";
        let went = world.piece(&mut visit, 1, word, &piece, true, &[]).await;
        assert_eq!(went, Ok(Verdict::Replace(Bytes::from_static(b"cba"))));
        world.link.leave(&mut visit, 1);
        said(&world, "free 1 3", 1).await;
        // Nothing came behind it: it is heard with `free`.
        let went = world.head(2, Hook::RequestOut, "none").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        said(&world, "free 2 1", 1).await;
        // Passed by all along, there is nothing to free.
        let went = world.head(3, Hook::RequestHead, "none").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        assert_eq!(calls(Hook::Free), 2);
    }
}

async fn a_broken_promise_is_the_answer_to_the_next_event() {
    let world = World::new(attends(spec("probe"))).await;
    let fail = |why: &str| Err(Failure::Fail(why.to_owned()));
    for (word, answer) in [
        ("fail", fail("on purpose")),
        ("panic", Err(Failure::Panic("on purpose".to_owned()))),
        ("done", Ok(Verdict::Done)),
        ("edits", fail("it edited where it had promised not to")),
        (
            "never",
            fail("it said pending where it had promised to go on"),
        ),
        (
            "respond",
            fail("it said respond where it had promised to go on"),
        ),
    ] {
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let word = format!("request_out-{word}");
        for hook in [Hook::RequestOut, Hook::ResponseHead] {
            let went = world.hook(&mut visit, 3, hook, &word, &mut edits).await;
            assert_eq!(went, Ok(Verdict::Continue));
        }
        let piece = Bytes::from_static(b"abc");
        let went = world.piece(&mut visit, 3, &word, &piece, true, &[]).await;
        assert_eq!(went, answer, "{word}");
        world.link.leave(&mut visit, 3);
    }
    // None was shown another event behind that.
    said(&world, "free 3 1", 6).await;
    world.back(4).await;
}

async fn a_promise_broken_ahead_of_free_alone_is_counted() {
    let world = World::new(attends(spec("probe"))).await;
    let failures = |kind: usize| world.loaded.sum().failures[kind];
    let (panic, fail) = (
        Failure::Panic(String::new()).kind(),
        Failure::Fail(String::new()).kind(),
    );
    for (nth, (word, kind)) in [
        ("panic", panic),
        ("fail", fail),
        ("edits", fail),
        ("never", fail),
    ]
    .into_iter()
    .enumerate()
    {
        let before = failures(kind);
        let went = world.head(nth as u64, Hook::RequestOut, word).await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        until(word, || async { failures(kind) == before + 1 }).await;
        said(&world, &format!("free {nth} 1"), 1).await;
    }
    // No failure: it wants to hear no more.
    world.head(9, Hook::RequestOut, "done").await.0.unwrap();
    said(&world, "free 9 1", 1).await;
    let of = world.loaded.sum().hooks[Hook::RequestOut as usize];
    assert_eq!((of.calls, of.failures), (5, 4));
    assert_eq!((failures(panic), failures(fail)), (1, 3));
}

async fn a_promise_that_is_withdrawn_meanwhile_is_not_broken() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let mut promises = attends(spec("probe"));
    let gated = ("gate".to_owned(), gate.display().to_string());
    promises.options.extend([gated]);
    let world = World::new(promises).await;
    std::fs::write(&gate, "").unwrap();
    // The child's only thread for hooks is busy.
    let mut first = Visit::default();
    let mut none = Edits::new();
    let busy = world.hook(&mut first, 1, Hook::Resolve, "stand", &mut none);
    let change = async {
        said(&world, "stands", 1).await;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let word = "request_out-coloured";
        let went = world
            .hook(&mut visit, 2, Hook::RequestOut, word, &mut edits)
            .await;
        assert_eq!(went, Ok(Verdict::Continue));
        // With these it edits there, and promises nothing.
        let options = coloured("blue", &gate);
        world.loaded.reconfigure(options).await.unwrap();
        std::fs::remove_file(&gate).unwrap();
        let piece = Bytes::from_static(b"abc");
        let went = world.piece(&mut visit, 2, word, &piece, true, &[]).await;
        assert_eq!(went, Ok(Verdict::Continue));
        assert!(edits.is_empty());
        world.link.leave(&mut visit, 2);
        // It was called.
        said(&world, "free 2 2", 1).await;
    };
    let (went, ()) = futures_util::future::join(busy, change).await;
    assert_eq!(went, Ok(Verdict::Continue));
    world.link.leave(&mut first, 1);
}

async fn a_child_that_starts_anew_has_promised_nothing_before_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let mut spec = attends(spec("probe"));
    spec.options.extend(starts(coloured("red", &gate)));
    let world = World::new(spec).await;
    std::fs::write(&gate, "").unwrap();
    let died = world.head(1, Hook::Resolve, "abort").await.0;
    assert_eq!(died, Err(Failure::Died));
    said(&world, "stands", 1).await;
    // With these it would not be asked at the heads of requests; the others say nothing of that.
    let blue = starts(coloured("blue", &gate));
    world.loaded.reconfigure(blue).await.unwrap();
    std::fs::remove_file(&gate).unwrap();
    until("it is there", || async { world.gauge("processes") == 1 }).await;
    let (_, edits) = world.head(2, Hook::RequestHead, "setting").await;
    assert_eq!(set(&edits, "X-Option").as_deref(), Some("blue"));
}
