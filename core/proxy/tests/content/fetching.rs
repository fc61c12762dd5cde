//! Fetching and validating: the proxy as its own client.

use crate::support::{Fixture, answer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use understudy_module::{Completion, ObjectId, Operation};
use understudy_proxy::{Record, TransactionLog};

fn fetched(status: u16, stored: bool) -> Completion {
    Completion::Fetched { status, stored }
}

/// An origin whose bodies are counted, all fresh and with a validator.
fn counting() -> impl Fn(&str) -> String + Send + 'static {
    let count = AtomicUsize::new(0);
    move |_| {
        let n = count.fetch_add(1, Ordering::Relaxed) + 1;
        answer(
            "200 OK",
            "Cache-Control: max-age=60\r\n",
            &format!("number {n}"),
        )
    }
}

/// An origin whose object must be validated, and then is good for long.
fn validating(request: &str) -> String {
    if request.contains("If-None-Match: \"v\"") {
        return "HTTP/1.1 304 Not Modified\r\nConnection: close\r\nETag: \"v\"\r\nCache-Control: max-age=1000\r\n\r\n"
            .to_owned();
    }
    answer(
        "200 OK",
        "Cache-Control: max-age=0\r\nETag: \"v\"\r\n",
        "body",
    )
}

#[actix_rt::test]
async fn a_fetch_stores_what_the_next_client_gets() {
    let f = Fixture::start(counting()).await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
    let got = f.get("/a").await;
    assert!(got.is_hit() && got.body == b"number 1", "{got:?}");
    let request = f.origin.requests.lock().unwrap()[0].to_lowercase();
    let host = format!("\r\nhost: {}\r\n", f.origin.at);
    assert!(
        request.starts_with("get /a http/1.1\r\n") && request.contains(&host),
        "{request}"
    );
}

#[actix_rt::test]
async fn a_fetch_of_what_is_fresh_goes_to_the_origin_all_the_same() {
    let f = Fixture::start(counting()).await;
    f.get("/a").await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
    let got = f.get("/a").await;
    assert!(got.is_hit() && got.body == b"number 2", "{got:?}");
}

#[actix_rt::test]
async fn a_fetch_of_what_may_not_be_stored_says_so() {
    let f = Fixture::start(|request| match request.contains("/missing") {
        true => answer("404 Not Found", "Cache-Control: no-store\r\n", "no"),
        false => answer("200 OK", "Cache-Control: private\r\n", "yours"),
    })
    .await;
    let fetch = |path: &str| f.perform(Operation::Fetch(f.object(path)));
    assert_eq!(fetch("/a").await, fetched(200, false));
    assert_eq!(fetch("/missing").await, fetched(404, false));
    assert_eq!(
        f.perform(Operation::Query(f.object("/a"))).await,
        Completion::Absent
    );
}

#[actix_rt::test]
async fn what_was_stored_before_does_not_count_as_fetched() {
    let first = AtomicUsize::new(0);
    let f = Fixture::start(move |_| match first.fetch_add(1, Ordering::Relaxed) {
        0 => answer("200 OK", "Cache-Control: max-age=60\r\n", "old"),
        _ => answer("200 OK", "Cache-Control: no-store\r\n", "new"),
    })
    .await;
    f.get("/a").await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, false));
}

#[actix_rt::test]
async fn a_large_answer_is_stored_whole() {
    let f = Fixture::start(|_| {
        answer(
            "200 OK",
            "Cache-Control: max-age=60\r\n",
            &"x".repeat(3_000_000),
        )
    })
    .await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
    assert_eq!(f.info(&f.object("/a")).await.length, 3_000_000);
}

#[actix_rt::test]
async fn a_validation_of_nothing_is_absent_and_asks_nobody() {
    let f = Fixture::start(validating).await;
    let validate = Operation::Validate(f.object("/a"));
    assert_eq!(f.perform(validate).await, Completion::Absent);
    assert_eq!(f.origin.count(), 0);
}

#[actix_rt::test]
async fn a_validation_that_the_origin_confirms_makes_the_object_fresh() {
    let f = Fixture::start(validating).await;
    f.get("/a").await;
    assert!(f.info(&f.object("/a")).await.ttl <= 0);
    let validate = Operation::Validate(f.object("/a"));
    assert_eq!(f.perform(validate).await, fetched(304, true));
    assert!(f.info(&f.object("/a")).await.ttl > 0);
    let got = f.get("/a").await;
    assert!(got.is_hit() && got.body == b"body", "{got:?}");
    assert_eq!(f.origin.count(), 2);
}

#[actix_rt::test]
async fn a_fetch_of_what_can_be_validated_need_not_bring_it_again() {
    let f = Fixture::start(validating).await;
    f.get("/a").await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(304, true));
    assert!(f.get("/a").await.is_hit());
}

#[actix_rt::test]
async fn an_interim_answer_is_not_the_answer() {
    let f = Fixture::start(|_| {
        let last = answer("200 OK", "Cache-Control: max-age=60\r\n", "body");
        format!("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n{last}")
    })
    .await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
}

#[actix_rt::test]
async fn what_breaks_off_is_not_stored() {
    let f = Fixture::start(|_| {
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 99\r\n\r\nx".to_owned()
    })
    .await;
    match f.perform(Operation::Fetch(f.object("/a"))).await {
        Completion::Failed(_) | Completion::Fetched { stored: false, .. } => {}
        other => panic!("{other:?}"),
    }
    let query = f.perform(Operation::Query(f.object("/a"))).await;
    assert_eq!(query, Completion::Absent);
}

#[actix_rt::test]
async fn a_validation_asks_the_origin_about_what_is_fresh_too() {
    let f = Fixture::start(counting()).await;
    f.get("/a").await;
    let validate = Operation::Validate(f.object("/a"));
    assert_eq!(f.perform(validate).await, fetched(200, true));
    assert_eq!(f.get("/a").await.body, b"number 2");
}

#[actix_rt::test]
async fn the_newest_variant_is_the_one_that_is_validated() {
    let f = Fixture::start(|request| {
        let language =
            if request.contains("ccept-Language: de") || request.contains("ccept-language: de") {
                "de"
            } else {
                "none"
            };
        answer(
            "200 OK",
            "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
            language,
        )
    })
    .await;
    f.get_with("/a", "Accept-Language: de\r\n").await;
    let validate = Operation::Validate(f.object("/a"));
    assert_eq!(f.perform(validate).await, fetched(200, true));
    assert_eq!(f.proxy.cache().stats().entries, 1);
    let got = f.get_with("/a", "Accept-Language: de\r\n").await;
    assert!(got.is_hit() && got.body == b"de", "{got:?}");
}

#[actix_rt::test]
async fn an_origin_that_fails_is_a_failure_also_where_a_client_would_get_what_is_stored() {
    let first = AtomicUsize::new(0);
    let f = Fixture::start(move |_| match first.fetch_add(1, Ordering::Relaxed) {
        0 => answer(
            "200 OK",
            "Cache-Control: max-age=0, stale-if-error=1000\r\nETag: \"e\"\r\n",
            "old",
        ),
        1 => answer("500 Internal Server Error", "", "broken"),
        // Nothing at all: the connection ends.
        _ => String::new(),
    })
    .await;
    f.get("/a").await;
    for _ in 0..2 {
        let validate = Operation::Validate(f.object("/a"));
        let completion = f.perform(validate).await;
        assert!(
            matches!(completion, Completion::Failed(_)),
            "{completion:?}"
        );
    }
    let fetch = f.perform(Operation::Fetch(f.object("/b"))).await;
    assert!(matches!(fetch, Completion::Failed(_)), "{fetch:?}");
    assert_eq!(f.info(&f.object("/a")).await.length, 3);
}

#[actix_rt::test]
async fn a_key_of_a_reverse_listener_is_fetched_from_its_upstream() {
    let f = Fixture::start(counting()).await;
    let fetch = Operation::Fetch(f.reverse_object("/a?b"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
    let request = f.origin.requests.lock().unwrap()[0].clone();
    assert!(
        request.starts_with("GET /a?b HTTP/1.1\r\nHost: www.test\r\n"),
        "{request}"
    );
    assert!(f.get_reverse("/a?b").await.is_hit());
}

#[actix_rt::test]
async fn a_key_that_is_no_url_of_ours_reaches_no_origin() {
    let f = Fixture::start(counting()).await;
    let at = f.origin.at;
    for key in [
        String::new(),
        "nonsense".to_owned(),
        format!("https://{at}/a"),
        format!("http://{at}/a b"),
        format!("http://{at}/a HTTP/1.1\r\nX-Smuggled: yes"),
        format!("http://{at}/a\r\nX-Smuggled: yes"),
        format!("http://{at}/a\nno such upstream"),
        format!(
            "http://{at}/a\n{}\r\nX-Smuggled: yes",
            crate::support::GROUP
        ),
        format!("http://user@{at}/a"),
        format!("http://{at}/a#fragment"),
        format!("\n{}", crate::support::GROUP),
    ] {
        for operation in [Operation::Fetch, Operation::Validate] {
            let object = ObjectId::of_key(key.as_bytes());
            let completion = f.perform(operation(object)).await;
            let refused = matches!(completion, Completion::Failed(_) | Completion::Absent);
            assert!(refused, "{key:?}: {completion:?}");
        }
    }
    assert_eq!(f.origin.count(), 0);
}

#[actix_rt::test]
async fn the_proxy_may_ask_itself_whoever_else_may() {
    let nobody = |settings: &mut understudy_proxy::Settings| {
        let access = Arc::get_mut(&mut settings.access).unwrap();
        access.clients.clear();
    };
    let f = Fixture::with(counting(), nobody).await;
    assert!(f.get("/a").await.has("HTTP/1.1 403 Forbidden"));
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, true));
}

#[actix_rt::test]
async fn destinations_that_are_refused_are_refused_to_modules_too() {
    let closed = |settings: &mut understudy_proxy::Settings| {
        let access = Arc::get_mut(&mut settings.access).unwrap();
        access.deny_to = vec!["0.0.0.0/0".parse().unwrap()];
    };
    let f = Fixture::with(counting(), closed).await;
    let completion = f.perform(Operation::Fetch(f.object("/a"))).await;
    assert!(
        matches!(completion, Completion::Failed(_)),
        "{completion:?}"
    );
    assert_eq!(f.origin.count(), 0);
}

#[actix_rt::test]
async fn without_a_cache_a_fetch_stores_nothing() {
    let f = Fixture::with(counting(), |settings| settings.cache = None).await;
    let fetch = Operation::Fetch(f.object("/a"));
    assert_eq!(f.perform(fetch).await, fetched(200, false));
}

/// Keeps what the log says.
#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl TransactionLog for Lines {
    fn log(&self, record: &Record<'_>) {
        let url = String::from_utf8_lossy(record.url);
        let line = format!(
            "{} {} {url} {}",
            record.listener, record.client, record.status
        );
        self.0.lock().unwrap().push(line);
    }
}

#[actix_rt::test]
async fn such_requests_are_in_the_log_under_a_name_of_their_own() {
    let log = Arc::new(Lines::default());
    let f = Fixture::logged(counting(), |_| {}, Some(log.clone())).await;
    f.perform(Operation::Fetch(f.object("/a"))).await;
    let lines = log.0.lock().unwrap().clone();
    let want = format!("internal 127.0.0.1:0 http://{}/a 200", f.origin.at);
    assert_eq!(lines, [want]);
}
