//! What operators see: access log, admin, steps, Cache-Status.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use understudy_testbed::{Client, Launch, Origin, Proxy, Site, get, reply};

fn origin() -> Origin {
    Origin::answering(|r| {
        reply(
            200,
            &[
                "Cache-Control: max-age=60",
                "Content-Type: text/css; charset=x",
            ],
            r.target.clone(),
        )
    })
}

/// A forward proxy that logs to stdout and has served a miss, a hit, a refusal and a tunnel.
fn busy(format: &str) -> (Origin, Proxy) {
    let origin = origin();
    let config = format!("[access]\nconnect_ports = [{}]\n", origin.addr.port());
    let proxy = Launch::forward()
        .arg("--access-log")
        .arg("-")
        .arg("--log-format")
        .arg(format)
        .config(&config)
        .start();
    let url = format!("http://{}/style", origin.addr);
    for _ in 0..2 {
        get(
            proxy.addr(),
            &url,
            "x",
            "User-Agent: a\"b\\c\r\nReferer: http://r.test/\r\nConnection: close\r\n",
        )
        .expect(200);
    }
    get(
        proxy.addr(),
        "http://169.254.169.254/no",
        "x",
        "Connection: close\r\n",
    )
    .expect(403);
    let mut client = Client::to(proxy.addr());
    client
        .ask(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            origin.addr
        ))
        .expect(200);
    client
        .ask(format!(
            "GET /in-the-tunnel HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            origin.addr
        ))
        .expect(200);
    drop(client);
    proxy.stdout.wait_count(|l| !l.is_empty(), 4);
    (origin, proxy)
}

/// Ends it: all that it wrote is here then.
#[track_caller]
fn end(proxy: &mut Proxy) {
    proxy.signal(rustix::process::Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(0));
    for lines in [&proxy.stdout, &proxy.stderr] {
        assert!(!lines.wait(|_| false));
    }
}

/// The words of the one log line that holds this text.
#[track_caller]
fn words(proxy: &Proxy, text: &str) -> Vec<String> {
    let line = proxy
        .stdout
        .all()
        .into_iter()
        .find(|l| l.contains(text))
        .unwrap_or_else(|| panic!("no {text} in\n{}", proxy.stdout.text()));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn squid_lines() {
    let (origin, proxy) = busy("squid");
    for line in proxy.stdout.all() {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words.len(), 10, "{line}");
        let (seconds, millis) = words[0].split_once('.').unwrap();
        assert!(
            seconds.parse::<u64>().unwrap() > 1_600_000_000 && millis.len() == 3,
            "{line}"
        );
        assert!(
            words[1].parse::<u64>().is_ok()
                && words[2] == "127.0.0.1"
                && words[4].parse::<u64>().is_ok()
                && words[7] == "-",
            "{line}"
        );
    }
    let miss = words(&proxy, "TCP_MISS/200");
    assert_eq!(
        miss[5..7],
        ["GET".to_owned(), format!("http://{}/style", origin.addr)]
    );
    assert_eq!(miss[8], "HIER_DIRECT/127.0.0.1");
    assert_eq!(miss[9], "text/css");
    assert!(
        miss[4].parse::<u64>().unwrap() > 6,
        "head and body are counted"
    );
    let hit = words(&proxy, "HIT/200");
    assert!(
        matches!(hit[3].as_str(), "TCP_MEM_HIT/200" | "TCP_HIT/200"),
        "{hit:?}"
    );
    assert_eq!(hit[8], "HIER_NONE/-");
    assert!(words(&proxy, "169.254.169.254")[3].starts_with("TCP_DENIED/403"));
    let tunnel = words(&proxy, "CONNECT");
    assert_eq!(
        (tunnel[3].as_str(), tunnel[6].clone()),
        ("TCP_TUNNEL/200", origin.addr.to_string())
    );
}

/// Whether any value within is this string.
fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(s) => s == text,
        Value::Array(all) => all.iter().any(|v| holds(v, text)),
        Value::Object(all) => all.values().any(|v| holds(v, text)),
        _ => false,
    }
}

#[test]
fn json_lines() {
    let (origin, proxy) = busy("json");
    let lines: Vec<Value> = proxy
        .stdout
        .all()
        .iter()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}")))
        .collect();
    let url = format!("http://{}/style", origin.addr);
    let fetched: Vec<&Value> = lines.iter().filter(|l| holds(l, &url)).collect();
    assert_eq!(fetched.len(), 2, "{lines:?}");
    for line in &fetched {
        assert_eq!(line["status"], 200, "{line}");
        assert_eq!(line["method"], "GET", "{line}");
        assert!(
            holds(line, "a\"b\\c") && holds(line, "http://r.test/"),
            "{line}"
        );
    }
    let differ = fetched[0]
        .as_object()
        .unwrap()
        .iter()
        .any(|(k, v)| v.is_string() && fetched[1].get(k) != Some(v) && !k.contains("time"));
    assert!(differ, "a hit and a miss read the same: {fetched:?}");
    assert!(
        lines.iter().any(|l| l["status"] == 403) && lines.iter().any(|l| l["method"] == "CONNECT")
    );
}

#[test]
fn log_lines_cannot_be_forged() {
    let site = origin();
    let proxy = Launch::reverse(&site).arg("--access-log").arg("-").start();
    get(proxy.addr(), "/a%0d%0a%20forged", "site.test", "");
    let mut client = Client::to(proxy.addr());
    client
        .send(
            &b"GET /caf\xc3\xa9\"\\x HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n"[..],
        )
        .rest();
    get(proxy.addr(), "/last", "site.test", "Connection: close\r\n");
    proxy.wait_stdout(|l| l.contains("/last"));
    for line in proxy.stdout.all() {
        assert_eq!(line.split_whitespace().count(), 10, "{line}");
        assert!(line.is_ascii(), "{line}");
    }
}

#[test]
fn an_access_log_may_be_a_file() {
    let origin = origin();
    let proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("log.txt")
        .start();
    get(proxy.addr(), "/in-the-file", "site.test", "");
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while !std::fs::read_to_string(proxy.dir().join("log.txt"))
        .unwrap_or_default()
        .contains("/in-the-file")
    {
        assert!(std::time::Instant::now() < end, "nothing was written");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn the_log_is_written_whole_before_the_end() {
    let origin = origin();
    let mut proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("-")
        .start();
    let mut client = Client::to(proxy.addr());
    for i in 0..100 {
        client
            .ask(format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
            .expect(200);
    }
    proxy.signal(rustix::process::Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(0));
    proxy.stdout.wait_count(|l| l.contains("/200"), 100);
}

#[test]
fn no_access_log_unless_asked_for() {
    let mut site = Site::of(origin());
    site.get("/", "");
    site.get("/", "");
    end(&mut site.proxy);
    assert!(
        site.proxy.stdout.all().is_empty(),
        "{}",
        site.proxy.stdout.text()
    );
}

/// The sum of a metric's samples whose labels hold this text.
fn metric(text: &str, name: &str, label: &str) -> f64 {
    text.lines()
        .filter(|l| l.split(['{', ' ']).next() == Some(name) && l.contains(label))
        .map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

#[test]
fn metrics_are_prometheus_text_and_count() {
    let site = Site::of(origin());
    let before = site.proxy.admin("/metrics").expect(200);
    assert!(
        before
            .get("content-type")
            .unwrap()
            .starts_with("text/plain"),
        "{}",
        before.head.text()
    );
    for _ in 0..3 {
        site.get("/secret-path", "");
    }
    let text = site.proxy.admin("/metrics").expect(200).text();
    for line in text
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
    {
        assert!(
            line.starts_with("understudy_") || line.starts_with("process_"),
            "{line}"
        );
        assert!(
            line.rsplit(' ').next().unwrap().parse::<f64>().is_ok(),
            "{line}"
        );
    }
    assert!(!text.contains("secret-path"), "a URL is no label");
    let counted: Vec<&str> = text
        .lines()
        .filter(|l| l.contains("requests_total") && !l.starts_with('#'))
        .collect();
    assert!(!counted.is_empty(), "{text}");
    let name = counted[0].split(['{', ' ']).next().unwrap();
    assert!(
        metric(&text, name, "") >= metric(&before.text(), name, "") + 3.0,
        "{name} did not count:\n{text}"
    );
    assert!(
        text.contains("_seconds_bucket{"),
        "there are no latency buckets:\n{text}"
    );
}

#[test]
fn admin_answers() {
    let site = Site::of(origin());
    assert_eq!(site.proxy.admin("/livez").status, 200);
    assert_eq!(site.proxy.admin("/readyz").status, 200);
    assert_eq!(site.proxy.admin("/nothing").status, 404);
    assert!(site.proxy.status().is_object());
    let pac = Launch::forward().start().admin("/proxy.pac").expect(200);
    assert!(pac.text().contains("FindProxyForURL"), "{}", pac.text());
}

#[test]
fn status_counts_what_is_stored() {
    let site = Site::of(origin());
    let entries = |v: &Value| {
        v["cache"]["entries"]
            .as_u64()
            .unwrap_or_else(|| panic!("no cache.entries in {v}"))
    };
    assert_eq!(entries(&site.proxy.status()), 0);
    for path in ["/1", "/2", "/3"] {
        site.get(path, "");
    }
    let status = site.proxy.status();
    assert_eq!(entries(&status), 3, "{status}");
    assert!(status["cache"]["bytes"].as_u64().unwrap() > 0, "{status}");
}

#[test]
fn the_steps_of_each_transaction_are_named_with_v() {
    let origin = origin();
    let proxy = Launch::reverse(&origin).arg("-v").start();
    get(proxy.addr(), "/", "site.test", "");
    get(proxy.addr(), "/", "site.test", "").expect_hit();
    for step in [
        "request_head",
        "look_up",
        "lead",
        "request_out",
        "response_head",
        "commit",
        "hit",
        "deliver",
    ] {
        proxy.wait_stderr(|l| l.contains(step));
    }
}

#[test]
fn without_v_transactions_are_not_on_stderr() {
    let mut site = Site::of(origin());
    site.get("/quiet", "");
    end(&mut site.proxy);
    assert!(
        !site.proxy.stderr.text().contains("look_up"),
        "{}",
        site.proxy.stderr.text()
    );
}

#[test]
fn cache_status_says_why() {
    let site = Site::new(|r| match r.target.as_str() {
        "/private" => reply(200, &["Cache-Control: private"], "x"),
        "/stale" => reply(200, &["Cache-Control: max-age=0", "ETag: \"a\""], "x"),
        _ => reply(200, &["Cache-Control: max-age=60"], "x"),
    });
    let first = site.get("/", "").expect_fwd("uri-miss");
    assert!(
        first.cache_status().starts_with("understudy;") && first.is_stored(),
        "{}",
        first.cache_status()
    );
    let hit = site.get("/", "");
    let ttl: i64 = hit
        .cache_status()
        .split("ttl=")
        .nth(1)
        .unwrap_or_else(|| panic!("no ttl: {}", hit.cache_status()))
        .split(';')
        .next()
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(
        hit.is_hit() && hit.fwd().is_none() && (30..=60).contains(&ttl),
        "{}",
        hit.cache_status()
    );
    let private = site.get("/private", "").expect_fwd("uri-miss");
    assert!(!private.is_stored(), "{}", private.cache_status());
    site.get("/stale", "");
    site.get("/stale", "").expect_fwd("stale");
    site.get("/", "Cache-Control: no-cache\r\n")
        .expect_fwd("request");
    site.ask("POST", "/", "Content-Length: 0\r\n")
        .expect_fwd("method");
}

#[test]
fn the_name_is_a_setting() {
    let origin = origin();
    let proxy = Launch::reverse(&origin)
        .config("[identity]\nname = \"edge7\"\n")
        .start();
    let response = get(proxy.addr(), "/", "site.test", "");
    assert!(
        response.cache_status().starts_with("edge7;"),
        "{}",
        response.head.text()
    );
    assert!(
        response.head.list("via").contains("edge7"),
        "{}",
        response.head.text()
    );
}

#[test]
fn what_is_stored_says_for_how_long() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=86400", "Age: 20"], "body"));
    let first = site.get("/", "");
    assert!(
        first
            .cache_status()
            .starts_with("understudy; fwd=uri-miss; ttl=")
            && first.cache_status().ends_with("; stored"),
        "{}",
        first.cache_status()
    );
    let ttl = |status: String| -> i64 {
        let (_, ttl) = status.split_once("ttl=").unwrap();
        ttl.split(';').next().unwrap().trim().parse().unwrap()
    };
    let (stored, hit) = (
        ttl(first.cache_status()),
        ttl(site.get("/", "").expect_hit().cache_status()),
    );
    assert!(
        (1..=86_380).contains(&stored) && hit <= stored,
        "{stored} {hit}"
    );
}
