//! Real nc and real telnet, and what must not happen to them: noise, content taken for verbs, a terminal that obeys an origin.

use crate::common::*;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
};
use understudy_testbed::{Origin, PATIENCE, reply};

/// What nc is told when this is piped into it.
fn nc(proxy: &understudy_testbed::Proxy, input: &[u8]) -> Vec<u8> {
    let at = port(proxy);
    let mut child = Command::new("timeout")
        .args([
            "60",
            "nc",
            "-N",
            &at.ip().to_string(),
            &at.port().to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{:?}", done.status);
    done.stdout
}

#[test]
fn what_is_piped_into_nc_is_done_to_its_end_without_noise() {
    for runtime in RUNTIMES {
        let (origin, proxy) = (pages(), start(runtime, ""));
        let url = format!("http://{}/a", origin.addr);
        // The last line has no end.
        let told = nc(
            &proxy,
            format!("fetch {url}\r\nread {url}\nquery {url}").as_bytes(),
        );
        let told = String::from_utf8(told).unwrap();
        assert!(told.starts_with("understudy content-manager; help lists the verbs\nunderstudy> fetched: 200, stored\nunderstudy> 200\n"), "{runtime}: {told}");
        assert!(
            told.contains("\n\npage /a\nunderstudy> stored: 200 8 bytes"),
            "{told}"
        );
        assert!(told.ends_with("s\nunderstudy> \n"), "{told}");
    }
}

#[test]
fn every_byte_goes_through_nc_both_ways() {
    let proxy = start("inline", "");
    let body: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    let inject = [
        b"inject http://a.test/x a/b 100000\n".as_slice(),
        &body,
        b"quit\n",
    ]
    .concat();
    assert!(
        String::from_utf8(nc(&proxy, &inject))
            .unwrap()
            .contains("stored\n")
    );
    assert_eq!(fetch(&proxy, "http://a.test/x").expect_hit().body, body);
    let told = nc(&proxy, b"read http://a.test/x all raw\nquit\n");
    assert!(told.windows(body.len()).any(|window| window == body));
}

#[test]
fn content_that_follows_a_line_is_never_taken_for_verbs() {
    for line in [
        "inject /no-url text/plain LENGTH",
        "inject http://a.test/x 'text/plain LENGTH",
        "inject http://a.test/x text/plain LENGTH soon",
        "inject-part 999 LENGTH",
        "inject-part x LENGTH",
        "inject http://a.test/x text/plain 99999999",
        "inject http://a.test/x text/plain",
        "inject http://a.test/x text/plain 1000",
        "'inject' /x text/plain LENGTH",
        "inject /x 'text/plain; 5 x' LENGTH",
        "INJECT http://a.test/x text/plain LENGTH",
        // No text, and too long: these are bytes of Latin-1 on the wire.
        "inject http://a.test/\u{e9} text/plain LENGTH",
        &format!(
            "inject http://a.test/{} text/plain LENGTH",
            "x".repeat(9000)
        ),
    ] {
        let proxy = start("inline", "");
        let mut console = Console::at(&proxy);
        console.send("inject http://a.test/kept text/plain 4\nkept");
        console.until(PROMPT);
        let content = "delete http://a.test/kept\r\n";
        let line = line.replace("LENGTH", &content.len().to_string());
        let line: Vec<u8> = line.chars().map(|c| c as u8).collect();
        console.send([&line, b"\n".as_slice(), content.as_bytes()].concat());
        console.finish();
        console.rest();
        fetch(&proxy, "http://a.test/kept").expect_hit();
    }
}

#[test]
fn content_that_waits_for_a_request_before_it_is_no_telnet_command() {
    let gate = understudy_testbed::Gate::new();
    let held = gate.clone();
    let origin = Origin::scripted(move |conn| {
        let request = conn.request().unwrap();
        held.wait();
        conn.send(page(&request));
    });
    let proxy = start("inline", "");
    let mut console = Console::at(&proxy);
    console.send("inject http://a.test/kept text/plain 4\nkept");
    console.until(PROMPT);
    console.send(format!("fetch http://{}/\n", origin.addr));
    origin.wait_requests(1);
    let body = b"\xff\xf4\ndelete http://a.test/kept\n\x03\ndelete http://a.test/kept\n";
    let line = format!("inject http://a.test/x a/b {}\n", body.len());
    console.send([line.as_bytes(), body].concat());
    console.finish();
    // Whoever is answered behind that knows that it was read.
    Console::at(&proxy).ask("query http://a.test/kept");
    gate.open();
    console.until("fetched: 200, stored");
    console.until("stored");
    assert_eq!(fetch(&proxy, "http://a.test/x").expect_hit().body, body);
    fetch(&proxy, "http://a.test/kept").expect_hit();
}

#[test]
fn a_line_behind_content_that_was_refused_is_a_line_again() {
    let proxy = start("inline", "");
    let mut console = Console::at(&proxy);
    console.send("inject-part 9 5\nquit\ninject /x a/b 5\nquit\nquery http://a.test/\n");
    let told = console.until("not stored\n");
    assert!(told.contains("there is no injection 9"), "{told}");
    assert!(told.contains("is no URL"), "{told}");
}

#[test]
fn what_an_origin_wrote_does_nothing_to_a_terminal_unless_it_is_wanted_raw() {
    let origin = Origin::answering(|_| {
        reply(
            200,
            &["Cache-Control: max-age=600", "Content-Type: a/\u{9b}31m"],
            b"a\x1b]0;owned\x07\r\nb\n\xe2\x82\xac\x9b2J",
        )
    });
    let proxy = start("inline", "");
    let mut console = Console::at(&proxy);
    let url = format!("http://{}/", origin.addr);
    console.ask(format!("fetch {url}"));
    let told = console.ask(format!("read {url}"));
    assert!(
        told.ends_with("a\\x1b]0;owned\\x07\\x0d\nb\n\u{20ac}\u{fffd}2J\n"),
        "{told:?}"
    );
    for line in [
        format!("query {url}"),
        "list".to_owned(),
        format!("read {url}"),
        "qu\x1b[1mery".to_owned(),
    ] {
        let told = console.ask(&line);
        assert!(
            !told.contains(|c: char| c.is_control() && c != '\n'),
            "{line}: {told:?}"
        );
    }
    console.send(format!("read {url} all raw\n"));
    assert!(console.until(PROMPT).contains("\x1b]0;owned\x07\r\n"));
}

/// telnet(1) on a terminal of its own.
struct Telnet {
    child: Child,
    terminal: File,
    came: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl Telnet {
    fn start(proxy: &understudy_testbed::Proxy) -> Telnet {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let at = port(proxy);
        let child = Command::new("telnet")
            .args([at.ip().to_string(), at.port().to_string()])
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .env("TERM", "dumb")
            .spawn()
            .unwrap();
        let terminal = File::from(terminal);
        let mut reader = terminal.try_clone().unwrap();
        let (send, came) = mpsc::channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                if send.send(piece[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Telnet {
            child,
            terminal,
            came,
            seen: String::new(),
        }
    }

    #[track_caller]
    fn until(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let came = self.came.recv_timeout(PATIENCE);
            let came = came.unwrap_or_else(|why| panic!("{why}: no {words:?} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&came));
        }
    }

    fn send(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Telnet {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn telnet_edits_lines_at_the_console() {
    for (runtime, options) in [
        ("inline", ""),
        ("threads", "telnet = \"always\""),
        ("process", ""),
    ] {
        let proxy = start(runtime, options);
        let mut telnet = Telnet::start(&proxy);
        telnet.until(PROMPT);
        if options.is_empty() {
            // Line by line until it is asked to edit here.
            telnet.send("query http://a.test/\r");
            telnet.until("not stored");
            telnet.until(PROMPT);
            telnet.send("edit\r");
            telnet.until(PROMPT);
        }
        // Echoed as it is typed, which lines are not.
        telnet.send("inX");
        telnet.until("inX");
        telnet.send("\x7f");
        telnet.until("\x08 \x08");
        telnet.send("ject http://a.test/ text/plain 5\rhello");
        telnet.until("stored");
        telnet.until(PROMPT);
        telnet.send("nonsense\x15query http://a.test/\r");
        telnet.until("stored: 200 5 bytes");
        telnet.until(PROMPT);
        telnet.send("delete http://a.test/\r");
        telnet.until("deleted");
        telnet.until(PROMPT);
        // The line before the last.
        telnet.send("\x1b[A\x1b[A\r");
        telnet.until("not stored");
        telnet.until(PROMPT);
        telnet.send("delete\x03");
        telnet.until("^C");
        telnet.until(PROMPT);
        telnet.send("quit\r");
        telnet.until("Connection closed by foreign host");
    }
}

#[test]
fn an_interrupt_ends_what_takes_long_and_leaves_the_session() {
    let gate = understudy_testbed::Gate::new();
    let held = gate.clone();
    let origin = Origin::scripted(move |conn| {
        conn.request();
        held.wait();
    });
    let proxy = start("inline", "");
    let mut telnet = Telnet::start(&proxy);
    telnet.until(PROMPT);
    telnet.send("edit\r");
    telnet.until(PROMPT);
    telnet.send(&format!("fetch http://{}/\r", origin.addr));
    origin.wait_requests(1);
    telnet.send("\x03");
    telnet.until("interrupted");
    telnet.until(PROMPT);
    telnet.send("query http://a.test/\r");
    telnet.until("not stored");
    gate.open();
}
