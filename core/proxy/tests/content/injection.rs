//! Injection, whole and in pieces.

use crate::support::{Fixture, OWNER, answer, body, perform, response, tell};
use bytes::Bytes;
use understudy_module::{Completion, ObjectId, Operation, Response};
use understudy_runtimes::Services;

fn origin(_: &str) -> String {
    answer("200 OK", "Cache-Control: no-store\r\n", "from the origin")
}

fn failed(why: &str) -> Completion {
    Completion::Failed(why.to_owned())
}

/// Injects in pieces of this size, up to its end.
async fn in_pieces(
    f: &Fixture,
    object: ObjectId,
    number: u64,
    body: &[u8],
    size: usize,
) -> Completion {
    f.tell(Operation::InjectStart(object, number, response("")));
    for piece in body.chunks(size) {
        f.tell(Operation::InjectBody(number, Bytes::copy_from_slice(piece)));
    }
    f.perform(Operation::InjectDone(number)).await
}

#[actix_rt::test]
async fn what_was_injected_is_a_hit_byte_for_byte() {
    let f = Fixture::start(origin).await;
    for length in [0, 1, 4096, 300_000, 3_000_000] {
        let path = format!("/{length}");
        let inject = Operation::Inject(f.object(&path), response(body(length)));
        assert_eq!(f.perform(inject).await, Completion::Done, "{length}");
        let got = f.get(&path).await;
        assert!(got.is_hit() && got.has("X-Made: by a module"), "{got:?}");
        assert!(
            got.has(&format!("Content-Length: {length}")),
            "{}",
            got.head
        );
        assert!(got.head.contains("\r\nDate: ") && got.head.contains("\r\nVia: "));
        assert!(got.body == body(length), "{length}");
    }
    assert_eq!(f.origin.count(), 0);
}

#[actix_rt::test]
async fn an_injection_replaces_what_is_stored() {
    let f = Fixture::start(|_| answer("200 OK", "Cache-Control: max-age=60\r\n", "fetched")).await;
    f.get("/a").await;
    let inject = Operation::Inject(f.object("/a"), response("made"));
    assert_eq!(f.perform(inject).await, Completion::Done);
    assert_eq!(f.get("/a").await.body, b"made");
    assert_eq!(f.proxy.cache().stats().entries, 1);
}

#[actix_rt::test]
async fn pieces_make_one_object_however_they_are_cut() {
    let f = Fixture::start(origin).await;
    let whole = body(200_000);
    for (number, size) in [(1, 7919), (2, 65536), (3, 200_000)] {
        let path = format!("/{size}");
        let end = in_pieces(&f, f.object(&path), number, &whole, size).await;
        assert_eq!(end, Completion::Done);
        let got = f.get(&path).await;
        assert!(got.is_hit() && got.body == whole, "{size}: {}", got.head);
    }
}

#[actix_rt::test]
async fn nothing_is_visible_before_the_end() {
    let f = Fixture::start(origin).await;
    let object = f.object("/a");
    f.tell(Operation::InjectStart(object.clone(), 8, response("one ")));
    f.tell(Operation::InjectBody(8, Bytes::from_static(b"two ")));
    // Done on the worker of the pieces, so they were taken before.
    f.perform(Operation::ReadPart(8, 1)).await;
    assert_eq!(
        f.perform(Operation::Query(object.clone())).await,
        Completion::Absent
    );
    // Nor does anybody wait for it.
    assert_eq!(f.get("/a").await.body, b"from the origin");
    f.tell(Operation::InjectBody(8, Bytes::from_static(b"three")));
    assert_eq!(f.perform(Operation::InjectDone(8)).await, Completion::Done);
    assert_eq!(f.get("/a").await.body, b"one two three");
}

#[actix_rt::test]
async fn an_aborted_injection_leaves_nothing() {
    let f = Fixture::start(origin).await;
    let empty = f.proxy.cache().stats().bytes;
    f.tell(Operation::InjectStart(
        f.object("/a"),
        3,
        response(body(50_000)),
    ));
    f.tell(Operation::InjectAbort(3));
    assert_eq!(
        f.perform(Operation::InjectDone(3)).await,
        failed("no such injection")
    );
    assert_eq!(
        f.perform(Operation::Query(f.object("/a"))).await,
        Completion::Absent
    );
    f.settled(empty).await;
}

#[actix_rt::test]
async fn an_owner_that_is_forgotten_leaves_nothing_and_others_stay() {
    let f = Fixture::start(origin).await;
    let empty = f.proxy.cache().stats().bytes;
    for owner in [OWNER, OWNER + 1] {
        let path = format!("/{owner}");
        tell(
            &f.content,
            owner,
            Operation::InjectStart(f.object(&path), 5, response("x")),
        );
    }
    f.content.forget(OWNER);
    let end = perform(&f.content, OWNER, Operation::InjectDone(5)).await;
    assert_eq!(end, failed("no such injection"));
    let end = perform(&f.content, OWNER + 1, Operation::InjectDone(5)).await;
    assert_eq!(end, Completion::Done);
    f.perform(Operation::Delete(f.object(&format!("/{}", OWNER + 1))))
        .await;
    f.settled(empty).await;
}

#[actix_rt::test]
async fn what_may_not_be_stored_fails_with_the_reason_the_log_has() {
    let f = Fixture::start(origin).await;
    let of = |status: u16, lines: &[(&str, &str)]| {
        let mut response = Response::new(status, "x").unwrap();
        for (name, value) in lines {
            response.add(name.as_bytes(), value.as_bytes()).unwrap();
        }
        Operation::Inject(f.object("/a"), Box::new(response))
    };
    for (status, lines, why) in [
        (200, &[("Cache-Control", "no-store")][..], "no-store"),
        (200, &[("Cache-Control", "private")], "private"),
        (
            200,
            &[("Cache-Control", "max-age=9"), ("Vary", "*")],
            "vary-star",
        ),
        (
            200,
            &[
                ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
                ("Set-Cookie", "a=b"),
            ],
            "set-cookie",
        ),
        (200, &[], "no-freshness"),
        (200, &[("Expires", "0")], "expired-on-arrival"),
        (206, &[("Cache-Control", "max-age=9")], "partial"),
        (401, &[("Cache-Control", "max-age=9")], "status"),
        (204, &[("Cache-Control", "max-age=9")], "incomplete"),
    ] {
        assert_eq!(f.perform(of(status, lines)).await, failed(why), "{lines:?}");
    }
    assert_eq!(
        f.perform(Operation::Query(f.object("/a"))).await,
        Completion::Absent
    );
}

#[actix_rt::test]
async fn a_lifetime_is_guessed_where_an_origins_would_be() {
    let f = Fixture::start(origin).await;
    let mut response = Response::new(200, "x").unwrap();
    response
        .add(b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT")
        .unwrap();
    let inject = Operation::Inject(f.object("/a"), Box::new(response));
    assert_eq!(f.perform(inject).await, Completion::Done);
    assert!(f.get("/a").await.is_hit());
}

#[actix_rt::test]
async fn an_injection_with_vary_serves_requests_without_those_fields() {
    let f = Fixture::start(origin).await;
    let mut made = response("plain");
    made.add(b"Vary", b"Accept-Language").unwrap();
    f.perform(Operation::Inject(f.object("/a"), made)).await;
    assert_eq!(f.get("/a").await.body, b"plain");
    let got = f.get_with("/a", "Accept-Language: de\r\n").await;
    assert_eq!(got.body, b"from the origin");
}

#[actix_rt::test]
async fn what_is_too_large_fails_and_leaves_nothing() {
    let small = |settings: &mut understudy_proxy::Settings| {
        let cache = settings.cache.as_mut().unwrap();
        (cache.memory, cache.max_object) = (1 << 20, 512 << 10);
    };
    let f = Fixture::with(origin, small).await;
    let empty = f.proxy.cache().stats().bytes;
    let large = body(600 << 10);
    let inject = Operation::Inject(f.object("/a"), response(large.clone()));
    assert_eq!(f.perform(inject).await, failed("too-large"));
    let end = in_pieces(&f, f.object("/b"), 4, &large, 10_000).await;
    assert_eq!(end, failed("too-large"));
    f.settled(empty).await;
}

#[actix_rt::test]
async fn many_at_once_share_the_budget_and_none_breaks_it() {
    let small = |settings: &mut understudy_proxy::Settings| {
        let cache = settings.cache.as_mut().unwrap();
        (cache.memory, cache.max_object) = (1 << 20, 512 << 10);
    };
    let f = Fixture::with(origin, small).await;
    // All are open at once and hold what they have, so some find no room.
    for number in 0..20 {
        let path = format!("/{number}");
        f.tell(Operation::InjectStart(
            f.object(&path),
            number,
            response(""),
        ));
        f.tell(Operation::InjectBody(number, body(200 << 10).into()));
    }
    let mut failures = 0;
    for number in 0..20 {
        match f.perform(Operation::InjectDone(number)).await {
            Completion::Done => {}
            other => {
                assert_eq!(other, failed("no-room"));
                failures += 1;
            }
        }
        let stats = f.proxy.cache().stats();
        assert!(stats.bytes <= stats.ceiling, "{stats:?}");
    }
    assert!((1..20).contains(&failures), "{failures}");
}

#[actix_rt::test]
async fn a_head_beyond_the_limits_is_too_large() {
    let f = Fixture::start(origin).await;
    let mut long = response("x");
    long.add(b"X-Long", &vec![b'x'; 65 << 10]).unwrap();
    let mut many = response("x");
    for _ in 0..100 {
        many.add(b"X-Many", b"x").unwrap();
    }
    for response in [long, many] {
        let inject = Operation::Inject(f.object("/a"), response);
        assert_eq!(f.perform(inject).await, failed("too-large"));
    }
}

#[actix_rt::test]
async fn a_response_without_content_is_stored_without_a_length() {
    let f = Fixture::start(origin).await;
    let mut none = Response::new(204, "").unwrap();
    none.add(b"Cache-Control", b"max-age=60").unwrap();
    let inject = Operation::Inject(f.object("/a"), Box::new(none));
    assert_eq!(f.perform(inject).await, Completion::Done);
    let got = f.get("/a").await;
    assert!(
        got.is_hit() && !got.head.contains("Content-Length"),
        "{got:?}"
    );
}

#[actix_rt::test]
async fn without_a_cache_nothing_can_be_injected() {
    let f = Fixture::with(origin, |settings| settings.cache = None).await;
    let inject = Operation::Inject(f.object("/a"), response("x"));
    assert_eq!(f.perform(inject).await, failed("disabled"));
}

#[actix_rt::test]
async fn an_injection_that_is_deleted_on_its_way_is_not_stored() {
    let f = Fixture::start(origin).await;
    f.tell(Operation::InjectStart(f.object("/a"), 6, response("x")));
    // Only a fill that exists can be told.
    f.fills(1).await;
    f.perform(Operation::Delete(f.object("/a"))).await;
    let end = f.perform(Operation::InjectDone(6)).await;
    assert_eq!(end, failed("deleted"));
    assert_eq!(
        f.perform(Operation::Query(f.object("/a"))).await,
        Completion::Absent
    );
}
