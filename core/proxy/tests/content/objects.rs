//! Query, removal and expiration.

use crate::support::{Fixture, answer, body, response};
use understudy_module::{Completion, MOST_LISTED, ObjectId, ObjectInfo, Operation};

/// Far from now, either way, so that no clock matters.
const FAR: i64 = 3_000_000_000;
const LONG_AGO: i64 = 1_000_000_000;

fn now() -> i64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64
}

fn fresh(_: &str) -> String {
    answer(
        "200 OK",
        "Cache-Control: max-age=1000\r\nAge: 100\r\nContent-Type: text/css\r\nETag: \"e\"\r\n",
        "hello",
    )
}

#[actix_rt::test]
async fn a_query_of_what_is_not_stored_is_absent() {
    let f = Fixture::start(fresh).await;
    let query = Operation::Query(f.object("/a"));
    assert_eq!(f.perform(query).await, Completion::Absent);
}

#[actix_rt::test]
async fn a_query_tells_status_length_type_age_and_time_to_live() {
    let f = Fixture::start(fresh).await;
    f.get("/a").await;
    let info = f.info(&f.object("/a")).await;
    assert_eq!((info.status, info.length), (200, 5));
    assert_eq!(info.content_type.as_deref(), Some("text/css"));
    assert!(info.age >= 100, "{info:?}");
    assert_eq!(i64::from(info.age) + info.ttl, 1000);
}

#[actix_rt::test]
async fn what_was_deleted_is_a_miss() {
    let f = Fixture::start(fresh).await;
    f.get("/a").await;
    assert!(f.get("/a").await.is_hit());
    let delete = Operation::Delete(f.object("/a"));
    assert_eq!(f.perform(delete.clone()).await, Completion::Done);
    assert!(!f.get("/a").await.is_hit());
    assert_eq!(f.origin.count(), 2);
    f.perform(delete.clone()).await;
    assert_eq!(f.perform(delete).await, Completion::Done);
}

#[actix_rt::test]
async fn an_expiration_in_the_past_makes_a_fresh_object_stale() {
    let f = Fixture::start(fresh).await;
    f.get("/a").await;
    let object = f.object("/a");
    let expire = Operation::SetExpiration(object.clone(), LONG_AGO);
    assert_eq!(f.perform(expire).await, Completion::Done);
    assert!(f.info(&object).await.ttl <= 0);
    assert!(!f.get("/a").await.is_hit());
    assert_eq!(f.origin.count(), 2);
}

#[actix_rt::test]
async fn an_expiration_in_the_future_makes_a_stale_object_fresh() {
    let started = now();
    let stale = |_: &str| {
        answer(
            "200 OK",
            "Cache-Control: max-age=0\r\nETag: \"e\"\r\n",
            "old",
        )
    };
    let f = Fixture::start(stale).await;
    f.get("/a").await;
    let object = f.object("/a");
    assert!(f.info(&object).await.ttl <= 0);
    let expire = Operation::SetExpiration(object.clone(), FAR);
    assert_eq!(f.perform(expire).await, Completion::Done);
    let got = f.get("/a").await;
    assert!(
        got.is_hit() && got.has("Cache-Control: max-age=0"),
        "{got:?}"
    );
    assert_eq!(got.body, b"old");
    assert_eq!(f.origin.count(), 1);
    let info = f.info(&object).await;
    // A worker's clock may be behind this one, but not before the proxy's start.
    assert!(
        (FAR - now()..=FAR - started).contains(&info.ttl),
        "{info:?}"
    );
}

#[actix_rt::test]
async fn an_expiration_of_nothing_is_absent() {
    let f = Fixture::start(fresh).await;
    let expire = Operation::SetExpiration(f.object("/a"), FAR);
    assert_eq!(f.perform(expire).await, Completion::Absent);
}

#[actix_rt::test]
async fn an_expiration_reaches_every_variant_and_keeps_them_apart() {
    let f = Fixture::start(|request| {
        let language = if request.contains("Accept-Language: de") {
            "de"
        } else {
            "none"
        };
        let lines = "Cache-Control: max-age=0\r\nETag: \"e\"\r\nVary: Accept-Language\r\n";
        answer("200 OK", lines, language)
    })
    .await;
    f.get("/a").await;
    f.get_with("/a", "Accept-Language: de\r\n").await;
    let expire = Operation::SetExpiration(f.object("/a"), FAR);
    assert_eq!(f.perform(expire).await, Completion::Done);
    for (lines, want) in [("", "none"), ("Accept-Language: de\r\n", "de")] {
        let got = f.get_with("/a", lines).await;
        assert!(got.is_hit(), "{got:?}");
        assert_eq!(got.body, want.as_bytes());
    }
    assert_eq!(f.proxy.cache().stats().entries, 2);
}

#[actix_rt::test]
async fn an_expiration_set_again_and_again_leaks_nothing() {
    let f = Fixture::start(fresh).await;
    let object = f.object("/a");
    let inject = Operation::Inject(object.clone(), response(body(100_000)));
    f.perform(inject).await;
    let before = f.proxy.cache().stats();
    for i in 0..200 {
        let expire = Operation::SetExpiration(object.clone(), FAR + i);
        assert_eq!(f.perform(expire).await, Completion::Done);
    }
    let after = f.proxy.cache().stats();
    assert_eq!((after.entries, after.bytes), (before.entries, before.bytes));
    assert_eq!(f.get("/a").await.body, body(100_000));
}

#[actix_rt::test]
async fn objects_of_a_reverse_listener_have_their_upstream_in_their_name() {
    let f = Fixture::start(fresh).await;
    f.get_reverse("/a").await;
    assert_eq!(f.info(&f.reverse_object("/a")).await.length, 5);
    let delete = Operation::Delete(f.reverse_object("/a"));
    f.perform(delete).await;
    assert!(!f.get_reverse("/a").await.is_hit());
    let inject = Operation::Inject(f.reverse_object("/b"), response("made"));
    assert_eq!(f.perform(inject).await, Completion::Done);
    let got = f.get_reverse("/b").await;
    assert!(got.is_hit() && got.body == b"made", "{got:?}");
}

async fn list(
    f: &Fixture,
    prefix: &str,
    after: Option<&ObjectId>,
    limit: usize,
) -> (Vec<(ObjectId, ObjectInfo)>, Option<ObjectId>) {
    let prefix = f.object(prefix).key().to_vec().into();
    match f
        .perform(Operation::List(prefix, after.cloned(), limit))
        .await
    {
        Completion::Listed(objects, next) => (objects, next),
        other => panic!("{other:?}"),
    }
}

#[actix_rt::test]
async fn a_list_tells_each_object_as_a_query_does_from_page_to_page() {
    let f = Fixture::start(fresh).await;
    for i in 0..5 {
        f.get(&format!("/in/{i}")).await;
    }
    f.get("/out").await;
    let (mut told, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let (page, next) = list(&f, "/in/", after.as_ref(), 2).await;
        told.extend(page);
        pages += 1;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(pages, 3);
    let keys: Vec<_> = told.iter().map(|(object, _)| object.clone()).collect();
    let want: Vec<_> = (0..5).map(|i| f.object(&format!("/in/{i}"))).collect();
    assert_eq!(keys, want);
    for (object, info) in told {
        let asked = f.info(&object).await;
        assert_eq!(
            (asked.status, asked.length, asked.content_type),
            (info.status, info.length, info.content_type)
        );
    }
    assert_eq!(list(&f, "/none", None, 2).await, (Vec::new(), None));
}

#[actix_rt::test]
async fn a_list_is_never_longer_than_a_page_may_be() {
    let f = Fixture::start(fresh).await;
    for i in 0..=MOST_LISTED {
        let inject = Operation::Inject(f.object(&format!("/{i}")), response("x"));
        assert_eq!(f.perform(inject).await, Completion::Done);
    }
    for (limit, length) in [(0, 1), (1, 1), (usize::MAX, MOST_LISTED)] {
        let (page, next) = list(&f, "/", None, limit).await;
        assert_eq!(page.len(), length);
        assert_eq!(next.as_ref(), page.last().map(|(object, _)| object));
    }
}

#[actix_rt::test]
async fn statistics_count_what_is_stored_and_how_clients_were_answered() {
    let f = Fixture::start(fresh).await;
    let figure = async |name: &str| match f.perform(Operation::Statistics).await {
        Completion::Statistics(all) => all.iter().find(|(n, _)| n == name).unwrap().1,
        other => panic!("{other:?}"),
    };
    assert_eq!(figure("objects").await, 0);
    // Two workers, each counting for itself.
    for _ in 0..8 {
        f.get("/a").await;
    }
    f.get("/b").await;
    for (name, want) in [
        ("objects", 2),
        ("requests", 9),
        ("hits", 7),
        ("misses", 2),
        ("origin_requests", 2),
    ] {
        assert_eq!(figure(name).await, want, "{name}");
    }
    assert!(figure("bytes").await > 0);
}
