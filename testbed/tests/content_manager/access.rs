//! Who may be at the console, and how much of it one may take.

use crate::common::*;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use understudy_testbed::Launch;

#[test]
fn only_addresses_that_are_allowed_are_served() {
    let bind = |proxy: &understudy_testbed::Proxy, from: [u8; 4]| {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::from(from), 0)).into())
            .unwrap();
        socket.connect(&port(proxy).into()).unwrap();
        Console::of(TcpStream::from(socket))
    };
    let refused = b"this address is not allowed here\n";
    for (options, from, allowed) in [
        ("", [127, 0, 0, 1], true),
        ("", [127, 0, 0, 2], false),
        ("allow = [\"127.0.0.2\"]", [127, 0, 0, 2], true),
        ("allow = [\"127.0.0.2\"]", [127, 0, 0, 1], false),
        ("allow = \"127.0.0.1, 127.0.1.0/24\"", [127, 0, 1, 9], true),
    ] {
        let proxy = start("inline", options);
        let mut console = bind(&proxy, from);
        if allowed {
            console.until(PROMPT);
        } else {
            assert_eq!(console.rest(), refused, "{options} {from:?}");
        }
    }
}

#[test]
fn both_families_of_addresses_are_served() {
    for (options, from, allowed) in [
        ("listen = \"[::1]:0\"", "::1", true),
        ("listen = \"[::1]:0\"\nallow = \"127.0.0.1\"", "::1", false),
        // One socket for both sees IPv4 as IPv6 writes it.
        ("listen = \"[::]:0\"\nsecret = \"x\"", "127.0.0.1", true),
        ("listen = \"[::]:0\"\nsecret = \"x\"", "::1", true),
    ] {
        let proxy = start("inline", options);
        let at = SocketAddr::from((
            from.parse::<std::net::IpAddr>().unwrap(),
            port(&proxy).port(),
        ));
        let mut console = Console::connect(at);
        if allowed {
            console.until("help lists");
        } else {
            assert_eq!(console.rest(), b"this address is not allowed here\n");
        }
    }
}

#[test]
fn a_secret_is_asked_for_first() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "secret = \"open sesame\"");
        let mut console = Console::connect(port(&proxy));
        console.until("secret: ");
        console.send("query http://a.test/\n");
        console.until("that is not it\nsecret: ");
        console.send("open sesame\n");
        console.until(PROMPT);
        assert_eq!(
            console.ask("query http://a.test/"),
            "not stored\n",
            "{runtime}"
        );
    }
}

#[test]
fn a_secret_can_only_be_guessed_at_a_few_times() {
    let proxy = start("inline", "secret = \"right\"");
    for _ in 0..3 {
        let mut console = Console::connect(port(&proxy));
        console.send("wrong\nrigh\nrights\nright\nquery http://a.test/\n");
        let told = String::from_utf8(console.rest()).unwrap();
        assert_eq!(told.matches("that is not it").count(), 3, "{told}");
        assert!(!told.contains(PROMPT), "{told}");
    }
    // Nine were wrong: even the right one has to wait.
    let told = Console::connect(port(&proxy)).rest();
    assert_eq!(told, b"too many wrong secrets; come back in a minute\n");
}

#[test]
fn sessions_that_were_open_before_have_no_more_guesses_together() {
    let proxy = start("inline", "secret = \"right\"");
    let mut consoles: Vec<Console> = (0..4).map(|_| Console::connect(port(&proxy))).collect();
    consoles.iter_mut().for_each(|console| {
        console.until("secret: ");
    });
    for console in &mut consoles[..3] {
        console.send("wrong\nwrong\nwrong\n");
        console.rest();
    }
    let last = &mut consoles[3];
    last.send("right\n");
    assert_eq!(
        last.rest(),
        b"too many wrong secrets; come back in a minute\n"
    );
}

#[test]
fn whoever_does_not_say_the_secret_keeps_nobody_out_who_does() {
    let proxy = start("inline", "secret = \"right\"\nsessions = 2");
    let mut strangers: Vec<Console> = (0..2).map(|_| Console::connect(port(&proxy))).collect();
    strangers.iter_mut().for_each(|console| {
        console.until("secret: ");
    });
    let mut known: Vec<Console> = (0..2).map(|_| Console::connect(port(&proxy))).collect();
    for console in &mut known {
        console.send("right\n");
        console.until(PROMPT);
    }
    for console in &mut strangers {
        console.rest();
    }
    assert_eq!(
        Console::connect(port(&proxy)).rest(),
        b"too many sessions; come back later\n"
    );
    assert_eq!(known[0].ask("query http://a.test/"), "not stored\n");
}

#[test]
fn a_secret_can_be_in_a_file() {
    let launch = Launch::bare();
    let file = launch.dir().join("secret");
    std::fs::write(&file, "from a file\n").unwrap();
    let options = format!("secret_file = \"{}\"", file.display());
    let proxy = launch.config(&text("inline", &options)).start();
    let mut console = Console::connect(port(&proxy));
    console.send("from a file\n");
    console.until(PROMPT);
}

#[test]
fn options_that_cannot_be_meant_are_refused_with_a_reason() {
    for (options, why) in [
        (
            "listen = \"0.0.0.0:0\"",
            "can be reached from other machines; say a `secret`",
        ),
        ("listen = \"here\"", "option `listen`: \"here\""),
        ("allow = [\"all\"]", "option `allow`: \"all\" is no network"),
        ("secret = \"\"", "the secret has 1 to 256 bytes"),
        ("secret = \"a\"\nsecret_file = \"b\"", "not both"),
        (
            "secret_file = \"/no/such\"",
            "option `secret_file`: /no/such: ",
        ),
        (
            "root = \"/no/such\"",
            "option `root`: /no/such is no directory",
        ),
        ("telnet = \"never\"", "neither \"auto\" nor \"always\""),
        ("idle = 0", "option `idle`: 0 is not from 1 to 86400"),
        ("parallel = 65", "option `parallel`: 65 is not from 1 to 64"),
        (
            "lisen = 1",
            "option `lisen` is not known; known are listen, allow",
        ),
    ] {
        let ended = Launch::bare().config(&text("inline", options)).run();
        let told = ended.expect(1).text();
        assert!(told.contains(why), "{options}: {told}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("listen = \"{}\"", taken.local_addr().unwrap());
    let told = Launch::bare()
        .config(&text("inline", &listen))
        .run()
        .expect(1)
        .text();
    assert!(
        told.contains("option `listen`: cannot listen on 127.0.0.1:"),
        "{told}"
    );
}

#[test]
fn more_than_one_child_is_refused() {
    let config = text("process", "").replace("[module.options]", "processes = 2\n[module.options]");
    let told = Launch::bare().config(&config).run().expect(1).text();
    assert!(told.contains("console"), "{told}");
}

#[test]
fn there_are_only_so_many_sessions_and_one_that_ends_makes_room() {
    let proxy = start("inline", "sessions = 2");
    let (mut first, _second) = (Console::at(&proxy), Console::at(&proxy));
    assert_eq!(
        Console::connect(port(&proxy)).rest(),
        b"too many sessions; come back later\n"
    );
    first.send("quit\n");
    assert_eq!(first.rest(), b"goodbye\n");
    Console::at(&proxy);
}

#[test]
fn a_session_in_which_nothing_is_typed_ends() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "idle = 1");
        let mut console = Console::at(&proxy);
        assert_eq!(
            console.rest(),
            b"\nnothing was typed for long; goodbye\n",
            "{runtime}"
        );
    }
}

#[test]
fn whoever_does_not_read_holds_up_nobody_and_loses_nothing() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "");
        let mut console = Console::at(&proxy);
        let body = vec![b'x'; 2 << 20];
        console.send(format!("inject http://a.test/ text/plain {}\n", body.len()));
        console.send(&body);
        console.until(PROMPT);
        // More than all buffers between us hold.
        let times = 20;
        for _ in 0..times {
            console.send("read http://a.test/ all\n");
        }
        // Another session is answered meanwhile, and what is stored can go.
        let mut other = Console::at(&proxy);
        assert!(
            other.ask("query http://a.test/").starts_with("stored"),
            "{runtime}"
        );
        for _ in 0..times {
            console.until("\n\n");
            assert_eq!(console.exactly(body.len()), body, "{runtime}");
        }
        console.until(PROMPT);
    }
}

#[test]
fn a_line_that_is_too_long_is_told_and_forgotten() {
    let proxy = start("inline", "");
    let mut console = Console::at(&proxy);
    let long = "x".repeat(100_000);
    assert_eq!(console.ask(&long), "the line is longer than 8192 bytes\n");
    assert_eq!(console.ask("query http://a.test/"), "not stored\n");
    assert_eq!(console.ask(b"\xc3\x28"), "the line is no text\n");
}
