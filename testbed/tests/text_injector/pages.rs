//! Real pages, long pages and slow pages: the origin's bytes in order, the text where the head ends, and nothing waits that need not.

use crate::peer::{Peer, script};
use crate::{PAGE, RUNTIMES, get, proxy, with};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use understudy_testbed::wire::find;
use understudy_testbed::{Client, Framing, Origin, reply};

/// Pages in seven languages and three encodings, as Debian ships them (apache2-doc).
const MANUAL: &str = "/usr/share/doc/apache2-doc/manual";

fn below(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            below(&path, all);
        } else if path.extension().is_some_and(|end| end == "html") {
            all.push(path);
        }
    }
}

/// The letter as the page has to have it.
fn letter(page: &[u8]) -> &'static [u8] {
    let said = String::from_utf8_lossy(&page[..page.len().min(1024)]).to_ascii_lowercase();
    if said.contains("charset=utf-8") {
        "é".as_bytes()
    } else if said.contains("charset=iso-8859-1") {
        b"\xe9"
    } else {
        b"&#233;"
    }
}

#[test]
fn real_pages_of_every_encoding_get_the_text_at_the_end_of_their_heads() {
    let mut all = Vec::new();
    below(Path::new(MANUAL), &mut all);
    all.sort();
    assert!(all.len() > 500, "apache2-doc is not installed");
    let origin = Origin::answering(|request| {
        let page = std::fs::read(Path::new(MANUAL).join(&request.target[1..])).unwrap();
        reply(200, &["Content-Type: text/html"], page)
    });
    for (runtime, every) in [("inline", 1), ("threads", 20), ("process", 20)] {
        let proxy = proxy(&origin, runtime, "text = \"<meta content=é>\"");
        let mut client = Client::to(proxy.addr());
        let mut letters = std::collections::BTreeSet::new();
        for path in all.iter().step_by(every) {
            let page = std::fs::read(path).unwrap();
            let at = find(&page, b"</head>").unwrap();
            let text = [b"<meta content=", letter(&page), b">"].concat();
            let expected = [&page[..at], &text, &page[at..]].concat();
            let name = path.strip_prefix(MANUAL).unwrap().display().to_string();
            let got = get(&mut client, &format!("/{name}"), "").expect(200);
            assert!(got.body == expected, "{runtime}: {name}");
            letters.insert(letter(&page));
        }
        assert_eq!(letters.len(), 3, "{runtime}");
    }
}

#[test]
fn a_page_of_ten_megabytes_gets_its_text_at_the_very_end() {
    let dir = tempfile::tempdir().unwrap();
    let echo = script(
        dir.path(),
        "echo",
        "#!/bin/sh\nwhile read -r line; do echo \"$line\"; done\n",
    );
    let mut page = "<html><head></head><body>\n".to_owned();
    for i in 0.. {
        page.push_str(&format!(
            "<p class='c{i}'>Paragraph {i} &amp; more &lt;b&gt;</p><!-- {i} -->\n"
        ));
        if page.len() > 10 << 20 {
            break;
        }
    }
    let (head, end) = (page.clone(), "<p id=end></p></body></html>\n");
    let origin = Origin::answering(move |_| {
        reply(200, &["Content-Type: text/html"], format!("{head}{end}"))
    });
    for runtime in RUNTIMES {
        let options = format!(
            "helper = [\"{}\"]\ntimeout = \"60s\"\nask = \"the end of {{url}}\"\nselector = \"#end\"\nposition = \"before\"",
            echo.display()
        );
        let proxy = proxy(&origin, runtime, &options);
        let got = get(&mut Client::to(proxy.addr()), "/a", "").expect(200);
        let expected = format!("{page}the end of http://site.test/a{end}");
        assert!(
            got.body == expected.as_bytes(),
            "{runtime}: {} bytes",
            got.body.len()
        );
    }
}

/// The origin sends the page in two parts, the second not before the client has all of the first that is not in the middle of a
/// tag: were anything else kept back, neither would go on.
#[test]
fn a_slow_page_goes_on_as_it_comes_wherever_it_is_cut() {
    let start = PAGE.find("<title>").unwrap();
    let end = PAGE.find("<p>").unwrap();
    for runtime in RUNTIMES {
        let (sent, send) = mpsc::channel::<usize>();
        let (got, go) = mpsc::channel::<()>();
        let (send, go) = (Mutex::new(send), Mutex::new(go));
        let origin = Origin::scripted(move |conn| {
            while conn.request().is_some() {
                let Ok(cut) = send.lock().unwrap().recv() else {
                    return;
                };
                conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nCache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n");
                conn.send(format!("{cut:x}\r\n{}\r\n", &PAGE[..cut]));
                let _ = go.lock().unwrap().recv();
                conn.send(format!(
                    "{:x}\r\n{}\r\n0\r\n\r\n",
                    PAGE.len() - cut,
                    &PAGE[cut..]
                ));
            }
        });
        let proxy = proxy(&origin, runtime, "text = \"<!--+-->\"");
        let mut client = Client::to(proxy.addr());
        for cut in start..end {
            sent.send(cut).unwrap();
            client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
            client.head();
            // Before the point, the last tag that begins before the cut may end behind it. After it nobody looks.
            let first = &PAGE[..cut];
            let open = first
                .rfind('<')
                .filter(|at| !first.contains("</head>") && !first[*at..].contains('>'));
            let whole = with(&PAGE[..open.unwrap_or(cut)], "<!--+-->");
            let mut body = Vec::new();
            while body.len() < whole.len() {
                body.extend(client.wire.chunk());
            }
            assert_eq!(
                String::from_utf8_lossy(&body),
                whole,
                "{runtime} cut at {cut}"
            );
            got.send(()).unwrap();
            body.extend(client.wire.body(Framing::Chunked).0);
            assert_eq!(
                String::from_utf8_lossy(&body),
                with(PAGE, "<!--+-->"),
                "{runtime} cut at {cut}"
            );
        }
        drop(sent);
    }
}

/// The point came with the first part, the text only behind it: what is behind the point does not wait for the next part.
#[test]
fn what_is_behind_the_point_goes_on_when_the_text_is_there_though_the_page_stalls() {
    for runtime in RUNTIMES {
        let (answer, answered) = mpsc::channel::<()>();
        let answered = Arc::new(Mutex::new(answered));
        let peer = Peer::answering(move |_| {
            answered
                .lock()
                .unwrap()
                .recv()
                .ok()
                .map(|()| "<!--+-->".to_owned())
        });
        let (finish, finished) = mpsc::channel::<()>();
        let finished = Mutex::new(finished);
        let first = PAGE.find("words").unwrap();
        let origin = Origin::scripted(move |conn| {
            while conn.request().is_some() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n");
                conn.send(format!("{first:x}\r\n{}\r\n", &PAGE[..first]));
                let _ = finished.lock().unwrap().recv();
                conn.send(format!(
                    "{:x}\r\n{}\r\n0\r\n\r\n",
                    PAGE.len() - first,
                    &PAGE[first..]
                ));
            }
        });
        for on in ["return", "store"] {
            let options = format!(
                "{}timeout = \"60s\"\nask = \"{{url}}\"\non = \"{on}\"",
                peer.option()
            );
            let proxy = proxy(&origin, runtime, &options);
            let mut client = Client::to(proxy.addr());
            client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
            client.head();
            let mut body = Vec::new();
            while body.len() < PAGE.find("</head>").unwrap() {
                body.extend(client.wire.chunk());
            }
            answer.send(()).unwrap();
            let whole = with(&PAGE[..first], "<!--+-->");
            while body.len() < whole.len() {
                body.extend(client.wire.chunk());
            }
            assert_eq!(String::from_utf8_lossy(&body), whole, "{runtime} {on}");
            finish.send(()).unwrap();
            body.extend(client.wire.body(Framing::Chunked).0);
            assert_eq!(String::from_utf8_lossy(&body), with(PAGE, "<!--+-->"));
        }
    }
}
