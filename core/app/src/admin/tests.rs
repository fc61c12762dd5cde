//! The endpoints over reports made by hand, and the sockets.

#![allow(clippy::unwrap_used)]

use super::{Health, Socket, index, livez, metrics, read, readyz, status};
use crate::{
    config::{Layers, address::Admin, layers::Flags, load},
    messages::{Part, Receipt, Report},
};
use actix_web::{
    App,
    http::{Method, StatusCode},
    test::{TestRequest, call_service, init_service},
    web,
};
use std::{
    os::unix::net::UnixListener,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use understudy_proxy::stats::Snapshot;

fn report() -> Report {
    let layers = Layers::new(
        &Flags {
            workers: Some("2".to_owned()),
            ..Flags::default()
        },
        |_| None,
    )
    .unwrap();
    let mut loaded = load(&layers).unwrap();
    loaded.at = UNIX_EPOCH + Duration::from_secs(1000);
    Report {
        started: UNIX_EPOCH + Duration::from_secs(1000),
        listeners: vec![(
            "forward".to_owned(),
            "forward",
            ([127, 0, 0, 1], 3128).into(),
        )],
        loaded: Arc::new(loaded),
        counters: Snapshot {
            requests: 7,
            outcomes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            classes: [1, 2, 3, 4, 5],
            ..Snapshot::default()
        },
        cache: Some(understudy_cache::Stats {
            entries: 3,
            bytes: 4096,
            ceiling: 1 << 28,
            ..Default::default()
        }),
        modules: Vec::new(),
        log: (11, 12),
        reloads: (1, 2),
        receipt: None,
        draining: false,
    }
}

#[test]
fn the_status_says_how_things_are() {
    let at = UNIX_EPOCH + Duration::from_secs(1060);
    let mut report = report();
    let status = status::document(&report, at);
    let cases = [
        ("/version", serde_json::json!(env!("CARGO_PKG_VERSION"))),
        ("/uptime", 60.into()),
        ("/draining", false.into()),
        ("/workers", 2.into()),
        (
            "/listeners",
            serde_json::json!([{"name": "forward", "mode": "forward", "address": "127.0.0.1:3128"}]),
        ),
        ("/cache/bytes", 4096.into()),
        ("/cache/ceiling", (1 << 28).into()),
        ("/transactions/requests", 7.into()),
        ("/transactions/outcomes/hit", 1.into()),
        ("/transactions/outcomes/local", 10.into()),
        ("/transactions/responses/5xx", 5.into()),
        ("/access_log/dropped", 12.into()),
        ("/configuration/file", serde_json::Value::Null),
        ("/configuration/loaded", 1000.into()),
        ("/configuration/reloads/refused", 2.into()),
        ("/configuration/last_reload", serde_json::Value::Null),
    ];
    for (pointer, want) in cases {
        assert_eq!(status.pointer(pointer), Some(&want), "{pointer}");
    }
    report.cache = None;
    report.receipt = Some(Receipt {
        at,
        outcome: Ok(vec![Part::new("log", "unchanged")]),
    });
    let status = status::document(&report, at);
    assert_eq!(status["cache"], serde_json::Value::Null);
    assert_eq!(
        status["configuration"]["last_reload"],
        serde_json::json!({"at": 1060, "outcome": "reloaded", "parts": {"log": "unchanged"}})
    );
    report.receipt = Some(Receipt {
        at,
        outcome: Err(vec!["why".to_owned()]),
    });
    let status = status::document(&report, at);
    assert_eq!(
        status["configuration"]["last_reload"],
        serde_json::json!({"at": 1060, "outcome": "refused", "reasons": ["why"]})
    );
}

#[test]
fn metrics_are_named_by_the_rules_of_prometheus() {
    let text = metrics::text(&report()).unwrap();
    let mut families = 0;
    for line in text.lines().filter(|l| l.starts_with("# TYPE ")) {
        let [name, kind] = line.split(' ').skip(2).collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        families += 1;
        assert!(
            name.starts_with("understudy_") || name.starts_with("process_"),
            "{name}"
        );
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} {kind}");
        assert!(
            kind != "histogram" || name.ends_with("_seconds"),
            "{name} {kind}"
        );
    }
    assert!(families > 30, "{families}");
    for line in [
        "understudy_requests_total 7",
        "understudy_transactions_total{outcome=\"hit-not-modified\"} 2",
        "understudy_responses_total{class=\"5xx\"} 5",
        "understudy_cache_ceiling_bytes 268435456",
        "understudy_access_log_dropped_lines_total 12",
        "understudy_reloads_total{result=\"refused\"} 2",
        "process_start_time_seconds 1000",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(
        !metrics::text(&Report {
            cache: None,
            ..report()
        })
        .unwrap()
        .contains("understudy_cache_")
    );
}

#[actix_web::test]
async fn readiness_ends_when_the_drain_begins() {
    let health = Arc::new(Health::default());
    let app = init_service(
        App::new()
            .app_data(web::Data::from(health.clone()))
            .service(web::resource("/").route(read().to(index::get)))
            .service(web::resource("/livez").route(read().to(livez::get)))
            .service(web::resource("/readyz").route(read().to(readyz::get))),
    )
    .await;
    let steps = [
        (true, Method::GET, "/readyz", StatusCode::OK),
        (
            false,
            Method::GET,
            "/readyz",
            StatusCode::SERVICE_UNAVAILABLE,
        ),
        (false, Method::GET, "/livez", StatusCode::OK),
        (false, Method::HEAD, "/livez", StatusCode::OK),
        (
            false,
            Method::POST,
            "/livez",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (false, Method::GET, "/", StatusCode::OK),
        (false, Method::GET, "/nothing", StatusCode::NOT_FOUND),
    ];
    for (ready, method, path, want) in steps {
        health.set_ready(ready);
        let request = TestRequest::with_uri(path)
            .method(method.clone())
            .to_request();
        assert_eq!(
            call_service(&app, request).await.status(),
            want,
            "{ready} {method} {path}"
        );
    }
}

#[test]
fn a_socket_left_behind_is_removed_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let bind = |name: &str| Socket::bind(&Admin::Unix(dir.path().join(name)));
    // Left behind: bound once, and nobody answers any more.
    drop(UnixListener::bind(dir.path().join("stale")).unwrap());
    assert!(matches!(bind("stale"), Ok(Some(Socket::Unix(..)))));
    let _answers = UnixListener::bind(dir.path().join("used")).unwrap();
    assert_eq!(
        bind("used").unwrap_err().kind(),
        std::io::ErrorKind::AddrInUse
    );
    std::fs::write(dir.path().join("file"), "precious").unwrap();
    assert_eq!(
        bind("file").unwrap_err().kind(),
        std::io::ErrorKind::AddrInUse
    );
    assert_eq!(
        std::fs::read_to_string(dir.path().join("file")).unwrap(),
        "precious"
    );
    assert!(Socket::bind(&Admin::Off).unwrap().is_none());
}
