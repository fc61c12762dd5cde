//! Bodies of every size and framing through modules that change them: the three runtimes give clients and origins the same bytes.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{
    Client, Framing, Launch, Origin, Proxy,
    modules::{compiled, config},
    wire::framing,
};

const SIZES: [usize; 6] = [0, 1, 4095, 4096, 64 * 1024, (1 << 20) + 1];

/// Letters that tell their place.
fn letters(n: usize) -> Vec<u8> {
    (0..n).map(|i| b'a' + ((i ^ (i >> 7)) % 26) as u8).collect()
}

fn turned(does: &str, mut body: Vec<u8>) -> Vec<u8> {
    match does {
        "upper" => body.make_ascii_uppercase(),
        _ => body.reverse(),
    }
    body
}

/// `/FRAMING/SIZE`: a body of that size; to a POST, what came as the body, so that both directions are seen.
fn origin() -> Origin {
    Origin::scripted(|conn| {
        while let Some(mut request) = conn.request_head() {
            // What a client expects goes end to end: the proxy asks for no body on its own account.
            if request.get("expect").is_some() {
                conn.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            let framed = framing(&request.head, Framing::None);
            request.body = conn.wire.body(framed).0;
            conn.record(&request);
            let parts: Vec<&str> = request.target.split('/').collect();
            let size = parts.get(2).and_then(|s| s.parse().ok()).unwrap_or(0);
            let body = if request.method == "POST" {
                request.body.clone()
            } else {
                letters(size)
            };
            let common = "Cache-Control: no-store\r\nETag: \"e\"\r\n";
            match parts[1] {
                "length" | "interim" => {
                    if parts[1] == "interim" {
                        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
                    }
                    let n = body.len();
                    conn.send(format!(
                        "HTTP/1.1 200 OK\r\n{common}Content-Length: {n}\r\n\r\n"
                    ));
                    if request.method != "HEAD" {
                        conn.send(body);
                    }
                }
                "chunked" => {
                    conn.send(format!(
                        "HTTP/1.1 200 OK\r\n{common}Transfer-Encoding: chunked\r\n\r\n"
                    ));
                    for piece in body.chunks(5000) {
                        conn.send(format!("{:x}\r\n", piece.len()));
                        conn.send(piece);
                        conn.send("\r\n");
                    }
                    conn.send("0\r\n\r\n");
                }
                "close" => {
                    conn.send(format!(
                        "HTTP/1.1 200 OK\r\n{common}Connection: close\r\n\r\n"
                    ));
                    conn.send(body);
                    return;
                }
                "range" => {
                    let n = body.len();
                    conn.send(format!(
                        "HTTP/1.1 206 Partial Content\r\n{common}Content-Range: bytes 0-{}/{}\r\nContent-Length: {n}\r\n\r\n",
                        n - 1, n + 10
                    ));
                    conn.send(body);
                }
                "none" => {
                    conn.send(format!("HTTP/1.1 204 No Content\r\n{common}\r\n"));
                }
                "unchanged" => {
                    conn.send(format!("HTTP/1.1 304 Not Modified\r\n{common}\r\n"));
                }
                other => panic!("no such framing: {other}"),
            }
        }
    })
}

fn start(origin: &Origin, does: &str, runtime: &str) -> Proxy {
    let launch = Launch::bare();
    let library = compiled("turns", launch.dir());
    let table = format!(
        "[[module]]\nname = \"turns\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n\
         deadline = \"60s\"\n[module.options]\ndoes = \"{does}\"\n",
        library.display()
    );
    launch.config(&config(origin, &table)).start()
}

/// What a client sees that must not depend on the runtime: status line, fields but those of time and chance, body.
fn seen(client: &mut Client, method: &str) -> (Vec<String>, Vec<u8>) {
    let response = client.response_to(method);
    let mut lines = vec![response.head.start.clone()];
    for (name, value) in &response.head.fields {
        let name = name.to_ascii_lowercase();
        if !["date", "via", "age", "server-timing"].contains(&name.as_str()) {
            lines.push(format!("{name}: {value}"));
        }
    }
    (lines, response.body)
}

fn requests() -> Vec<(String, Vec<u8>, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    let mut get = |method: &str, target: String, fields: &str, body: Option<Vec<u8>>| {
        let text = format!("{method} {target} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n");
        all.push((method.to_owned(), text.into_bytes(), body));
    };
    for size in SIZES {
        for framing in ["length", "chunked", "close", "interim"] {
            get("GET", format!("/{framing}/{size}"), "", Some(letters(size)));
        }
        get("HEAD", format!("/length/{size}"), "", Some(Vec::new()));
        if size > 0 {
            get("GET", format!("/range/{size}"), "Range: bytes=0-\r\n", None);
        }
    }
    get("GET", "/none/0".into(), "", Some(Vec::new()));
    get(
        "GET",
        "/unchanged/0".into(),
        "If-None-Match: \"e\"\r\n",
        Some(Vec::new()),
    );
    all
}

fn answers_are_the_same(does: &str) {
    let origin = origin();
    let mut first: Option<Vec<(Vec<String>, Vec<u8>)>> = None;
    for runtime in ["inline", "threads", "process"] {
        let proxy = start(&origin, does, runtime);
        let all: Vec<_> = requests()
            .into_iter()
            .map(|(method, text, body)| {
                let mut client = Client::to(proxy.addr());
                client.send(&text);
                let saw = seen(&mut client, &method);
                if let Some(body) = body {
                    let target = String::from_utf8_lossy(&text)
                        .lines()
                        .next()
                        .unwrap()
                        .to_owned();
                    assert!(
                        saw.1 == turned(does, body),
                        "{runtime}: {target}: another body"
                    );
                }
                saw
            })
            .collect();
        let Some(first) = &first else {
            first = Some(all);
            continue;
        };
        for (i, (one, other)) in first.iter().zip(&all).enumerate() {
            let asked = String::from_utf8_lossy(&requests()[i].1).into_owned();
            assert_eq!(one.0, other.0, "{runtime} differs for {asked}");
            assert!(one.1 == other.1, "{runtime} gives another body for {asked}");
        }
    }
}

/// A request's body in this form, sent and answered.
fn post(proxy: &Proxy, size: usize, form: &str) -> (Vec<String>, Vec<u8>) {
    let (mut client, body) = (Client::to(proxy.addr()), letters(size));
    let start = "POST /length/0 HTTP/1.1\r\nHost: site.test\r\n";
    if form == "chunked" {
        client.send(format!("{start}Transfer-Encoding: chunked\r\n\r\n"));
        for piece in body.chunks(3001) {
            client
                .send(format!("{:x}\r\n", piece.len()))
                .send(piece)
                .send("\r\n");
        }
        client.send("0\r\n\r\n");
    } else {
        let expect = if form == "expect" {
            "Expect: 100-continue\r\n"
        } else {
            ""
        };
        client.send(format!("{start}{expect}Content-Length: {size}\r\n\r\n"));
        if form == "expect" && size > 0 {
            assert_eq!(client.head().start, "HTTP/1.1 100 Continue");
        }
        client.send(&body);
    }
    seen(&mut client, "POST")
}

fn requests_are_the_same(does: &str) {
    let origin = origin();
    for form in ["length", "chunked", "expect"] {
        let mut first: Option<Vec<(Vec<String>, Vec<u8>)>> = None;
        for runtime in ["inline", "threads", "process"] {
            let proxy = start(&origin, does, runtime);
            let all: Vec<_> = SIZES
                .iter()
                .map(|&size| {
                    let saw = post(&proxy, size, form);
                    let sent = turned(does, letters(size));
                    assert!(
                        origin.last().body == sent,
                        "{runtime} {form} {size}: the origin got another body"
                    );
                    // The answer is that body, changed once more.
                    assert!(
                        saw.1 == turned(does, sent),
                        "{runtime} {form} {size}: another answer"
                    );
                    saw
                })
                .collect();
            match &first {
                None => first = Some(all),
                Some(first) => assert!(*first == all, "{runtime} differs for {form}"),
            }
        }
    }
}

#[test]
fn answers_made_capitals_are_the_same_in_every_runtime() {
    answers_are_the_same("upper");
}

#[test]
fn answers_held_and_reversed_are_the_same_in_every_runtime() {
    answers_are_the_same("reverse");
}

#[test]
fn requests_made_capitals_are_the_same_in_every_runtime() {
    requests_are_the_same("upper");
}

#[test]
fn requests_held_and_reversed_are_the_same_in_every_runtime() {
    requests_are_the_same("reverse");
}
