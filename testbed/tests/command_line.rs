//! The command line and configuration from outside: exit codes, what is said, what wins.
#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use understudy_testbed::{Launch, Origin, get, reply};

#[test]
fn version_help_and_the_rest_end_well() {
    assert!(
        Launch::command("version")
            .run()
            .expect(0)
            .stdout
            .starts_with("understudy 0.")
    );
    assert!(
        Launch::command("--help")
            .run()
            .expect(0)
            .stdout
            .contains("run")
    );
    assert!(
        Launch::command("run")
            .arg("--help")
            .run()
            .expect(0)
            .stdout
            .contains("--listen")
    );
    assert!(
        Launch::command("completions")
            .arg("bash")
            .run()
            .expect(0)
            .stdout
            .contains("understudy")
    );
    assert!(
        Launch::command("man")
            .run()
            .expect(0)
            .stdout
            .contains(".TH")
    );
    let schema = Launch::command("schema").run().expect(0).stdout;
    assert!(
        serde_json::from_str::<serde_json::Value>(&schema)
            .unwrap()
            .is_object()
    );
}

#[test]
fn wrong_usage_is_2() {
    Launch::command("run").arg("--nonsense").run().expect(2);
    Launch::command("nonsense").run().expect(2);
    Launch::command("run")
        .arg("--mode")
        .arg("sideways")
        .run()
        .expect(2);
    Launch::command("run")
        .arg("--listen")
        .arg("nowhere")
        .run()
        .expect(2);
}

#[test]
fn a_wrong_configuration_is_1_with_file_line_key_and_cure() {
    for (text, line, words) in [
        (
            "[cache]\nmemmory = \"1M\"\n",
            2,
            &["cache.memmory", "memory"][..],
        ),
        ("[cache]\n\nmemory = \"lots\"\n", 3, &["cache.memory"][..]),
        ("workers = -1\n", 1, &["workers"][..]),
        (
            "[timeouts]\nhead = \"30 parsecs\"\n",
            2,
            &["timeouts.head"][..],
        ),
        (
            "[access]\nclients = [\"300.0.0.0/8\"]\n",
            2,
            &["access.clients"][..],
        ),
        (
            "[[listen]]\nname = \"a\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"nobody\"\n",
            5,
            &["nobody"][..],
        ),
        ("[cache\n", 1, &[][..]),
    ] {
        for subcommand in ["check", "run"] {
            let said = Launch::command(subcommand)
                .config(text)
                .run()
                .expect(1)
                .stderr;
            assert!(
                said.contains(&format!("understudy.toml:{line}")),
                "{text:?}: {said}"
            );
            for word in words {
                assert!(said.contains(word), "{text:?}: no {word:?} in {said}");
            }
        }
    }
}

#[test]
fn a_missing_file_is_1() {
    let said = Launch::command("run")
        .arg("--config")
        .arg("/nonexistent/u.toml")
        .run()
        .expect(1)
        .stderr;
    assert!(said.contains("/nonexistent/u.toml"), "{said}");
}

#[test]
fn a_right_configuration_is_0() {
    Launch::command("check")
        .config("[cache]\nmemory = \"1M\"\n")
        .run()
        .expect(0);
}

#[test]
fn print_says_where_each_value_came_from() {
    let shown = Launch::command("check")
        .arg("--print")
        .config("workers = 3\n[cache]\nmemory = \"1M\"\n[timeouts]\nhead = \"7s\"\n")
        .env("UNDERSTUDY_MEMORY", "2M")
        .env("UNDERSTUDY_WORKERS", "4")
        .arg("--workers")
        .arg("5")
        .run()
        .expect(0)
        .stdout;
    let line = |key: &str| {
        shown
            .lines()
            .find(|l| l.starts_with(key))
            .unwrap_or_else(|| panic!("no {key} in {shown}"))
            .to_lowercase()
    };
    assert!(
        line("workers").contains('5') && line("workers").contains("flag"),
        "{shown}"
    );
    assert!(
        line("cache.memory").contains("2m") && line("cache.memory").contains("env"),
        "{shown}"
    );
    assert!(
        line("timeouts.head").contains("7s") && line("timeouts.head").contains("understudy.toml"),
        "{shown}"
    );
    assert!(
        line("timeouts.idle").contains("75s") && line("timeouts.idle").contains("default"),
        "{shown}"
    );
}

#[test]
fn a_port_that_is_taken_is_1_and_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = Launch::command("run")
        .arg("--listen")
        .arg(&address)
        .arg("--admin")
        .arg("off")
        .run()
        .expect(1)
        .stderr;
    assert!(said.contains(&address), "{said}");
}

#[test]
fn an_admin_port_that_was_chosen_and_is_taken_is_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    Launch::command("run")
        .arg("--listen")
        .arg("127.0.0.1:0")
        .arg("--admin")
        .arg(&address)
        .run()
        .expect(1);
}

#[test]
fn every_listener_is_announced_with_name_mode_and_address() {
    let proxy = Launch::bare()
        .config(
            "workers = 1\n[admin]\naddress = \"127.0.0.1:0\"\n\
             [[listen]]\nname = \"out\"\nmode = \"forward\"\naddress = \"127.0.0.1:0\"\n\
             [[listen]]\nname = \"six\"\nmode = \"reverse\"\naddress = \"[::1]:0\"\nto = \"o\"\n\
             [[upstream]]\nname = \"o\"\nservers = [\"127.0.0.1:1\"]\n",
        )
        .start();
    let said: Vec<(&str, &str)> = proxy
        .listeners()
        .iter()
        .map(|(n, m, _)| (n.as_str(), m.as_str()))
        .collect();
    assert_eq!(
        said,
        [("out", "forward"), ("six", "reverse"), ("admin", "admin")]
    );
    assert!(proxy.listener("six").is_ipv6());
    assert!(proxy.listeners().iter().all(|l| l.2.port() != 0));
    get(proxy.listener("out"), "/", "x", "");
    get(proxy.listener("six"), "/", "x", "");
}

#[test]
fn admin_off_is_off() {
    let proxy = Launch::bare().arg("--admin").arg("off").start();
    assert!(proxy.listeners().iter().all(|l| l.1 != "admin"));
}

#[test]
fn settings_come_from_the_environment() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::bare()
        .env("UNDERSTUDY_TO", format!("http://{}", origin.addr))
        .start();
    get(proxy.addr(), "/", "site.test", "").expect(200);
    let proxy = Launch::bare()
        .env("UNDERSTUDY_ALLOW_TO", "127.0.0.0/8")
        .start();
    get(proxy.addr(), &format!("http://{}/", origin.addr), "x", "").expect(200);
}

#[test]
fn one_worker_or_several() {
    for n in [1, 2, 4] {
        let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=60"], "x"));
        let proxy = Launch::reverse(&origin).workers(n).start();
        for _ in 0..20 {
            get(proxy.addr(), "/", "site.test", "").expect(200);
        }
        assert_eq!(origin.count(), 1, "{n} workers share one cache");
    }
}
