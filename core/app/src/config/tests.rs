//! Tables over the whole of the configuration: what is wrong and how it is told, what wins over what, what is published.

#![allow(clippy::unwrap_used)]

use super::{
    Layers, Loaded, Problems,
    document::Document,
    layers::{Flags, Origin},
    listeners::{Does, Group},
    load, print,
    resolve::Resolver,
    schema,
    shape::{Intercept, Level},
    values::{self, AccessLog},
};
use serde_json::Value;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

/// Reads a text as `proxy.toml`, with flags and environment over it.
fn read(text: &str, flags: &Flags, env: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let get = |name: &str| {
        env.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, v)| OsString::from(v))
    };
    let layers = Layers::new(flags, get)?;
    let document = Document::parse(Path::new("proxy.toml"), text.to_owned())?;
    let mut resolver = Resolver::new(&layers, &document);
    let values = values::check(&mut resolver);
    let entries = resolver.finish()?;
    Ok(Loaded {
        values,
        entries,
        file: None,
        at: std::time::UNIX_EPOCH,
    })
}

fn good(text: &str) -> Loaded {
    read(text, &Flags::default(), &[]).unwrap()
}

#[track_caller]
fn check_bad(text: &str, want: &str) {
    let problems = read(text, &Flags::default(), &[])
        .err()
        .map(|p| p.to_string());
    assert_eq!(problems.as_deref(), Some(want), "{text}");
}

fn entry<'l>(loaded: &'l Loaded, key: &str) -> (&'l str, String) {
    let entry = loaded
        .entries
        .iter()
        .find(|e| e.key == key)
        .unwrap_or_else(|| panic!("no {key}"));
    (&entry.value, entry.origin.to_string())
}

#[test]
fn unknown_keys_are_told_with_a_cure() {
    let cases = [
        (
            "workrs = 3",
            "proxy.toml:1:1: workrs: unknown key; did you mean `workers`?",
        ),
        (
            "\n[cache]\n  memroy = \"1M\"",
            "proxy.toml:3:3: cache.memroy: unknown key; did you mean `memory`?",
        ),
        (
            "[cahce]\n",
            "proxy.toml:1:2: cahce: unknown key; did you mean `cache`?",
        ),
        (
            "[cache]\nidle = \"3s\"",
            "proxy.toml:2:1: cache.idle: unknown key; `idle` belongs to [timeouts]",
        ),
        (
            "memory = \"1G\"",
            "proxy.toml:1:1: memory: unknown key; `memory` belongs to [cache]",
        ),
        (
            "servers = []",
            "proxy.toml:1:1: servers: unknown key; `servers` belongs to [[upstream]]",
        ),
        (
            "[admin]\nworkers = 2",
            "proxy.toml:2:1: admin.workers: unknown key; `workers` stands at the top of the file, before the first section",
        ),
        (
            "[admin]\ncolour = 2",
            "proxy.toml:2:1: admin.colour: unknown key; known here are address",
        ),
        (
            "[[listen]]\n[[listen]]\nport = 1",
            "proxy.toml:3:1: listen[1].port: unknown key; known here are address, host, intercept, keep_client_address, mode, name, to",
        ),
        (
            "cache = { enabeld = true }",
            "proxy.toml:1:11: cache.enabeld: unknown key; did you mean `enabled`?",
        ),
        (
            "cache.\"a b\" = 1",
            "proxy.toml:1:7: cache.a b: unknown key; known here are enabled, heuristic_max, heuristic_percent, max_object, max_variants, memory",
        ),
    ];
    for (text, want) in cases {
        check_bad(text, want);
    }
}

#[test]
fn wrong_types_are_told_with_a_cure() {
    let cases = [
        (
            "workers = \"2\"",
            "proxy.toml:1:11: workers: an integer is wanted, not a string; write a whole number without quotes: workers = 1",
        ),
        (
            "workers = 2.0",
            "proxy.toml:1:11: workers: an integer is wanted, not a float; write a whole number without quotes: workers = 1",
        ),
        (
            "workers = 99999999999999999999",
            "proxy.toml:1:11: workers: 99999999999999999999 is more than can be counted; write a smaller number",
        ),
        (
            "[cache]\nenabled = \"yes\"",
            "proxy.toml:2:11: cache.enabled: a boolean is wanted, not a string; write enabled = true or enabled = false",
        ),
        (
            "[cache]\nmemory = true",
            "proxy.toml:2:10: cache.memory: a string is wanted, not a boolean; put it in quotes: memory = \"...\"",
        ),
        (
            "[log]\naccess = false",
            "proxy.toml:2:10: log.access: a string is wanted, not a boolean; put it in quotes: access = \"...\"",
        ),
        (
            "[access]\nclients = \"all\"",
            "proxy.toml:2:11: access.clients: an array is wanted, not a string; put it in brackets: clients = [...]",
        ),
        (
            "[access]\nclients = [\"all\", 1]",
            "proxy.toml:2:19: access.clients[1]: a string is wanted, not an integer; put it in quotes",
        ),
        (
            "[listen]\nmode = \"forward\"",
            "proxy.toml:1:1: listen: an array is wanted, not a table; write [[listen]] as a header",
        ),
        (
            "cache = 1",
            "proxy.toml:1:9: cache: a table is wanted, not an integer; write [cache] as a header",
        ),
        (
            "[[listen]]\nmode = \"fowrard\"",
            "proxy.toml:2:8: listen[0].mode: \"fowrard\" is not one of \"forward\", \"reverse\", \"transparent\"; did you mean \"forward\"?",
        ),
        (
            "[log]\nformat = \"xml\"",
            "proxy.toml:2:10: log.format: \"xml\" is not one of \"squid\", \"json\"; write one of them",
        ),
        (
            "[log]\nlevel = 3",
            "proxy.toml:2:9: log.level: a string is wanted, not an integer; put it in quotes: level = \"...\"",
        ),
    ];
    for (text, want) in cases {
        check_bad(text, want);
    }
}

#[test]
fn wrong_values_are_told_with_a_cure() {
    let cases = [
        (
            "workers = 0",
            "proxy.toml:1:11: workers: 0 is out of bounds; write a number from 1 to 1024",
        ),
        (
            "[cache]\nmemory = \"12X\"",
            "proxy.toml:2:10: cache.memory: \"12X\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"",
        ),
        (
            "[cache]\nmemory = -1",
            "proxy.toml:2:10: cache.memory: \"-1\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"",
        ),
        (
            "[cache]\nmemory = \"99999999999G\"",
            "proxy.toml:2:10: cache.memory: \"99999999999G\" is more than can be counted; write bytes, or a whole number with K, M or G, such as \"256M\"",
        ),
        (
            "[cache]\nmemory = 1000",
            "proxy.toml:2:10: cache.memory: 1000 is too little; write at least \"1M\"",
        ),
        (
            "[cache]\nmax_object = \"1G\"",
            "proxy.toml:2:14: cache.max_object: an object cannot be larger than the cache; write at most \"256M\", or raise cache.memory",
        ),
        (
            "[cache]\nheuristic_percent = 101",
            "proxy.toml:2:21: cache.heuristic_percent: 101 is out of bounds; write a number from 0 to 100",
        ),
        (
            "[limits]\nhead_size = \"32M\"",
            "proxy.toml:2:13: limits.head_size: 32M is too much; write at most \"16M\"",
        ),
        (
            "[limits]\ntarget_size = \"65K\"",
            "proxy.toml:2:15: limits.target_size: the target cannot be longer than the head it stands in; write at most \"64K\", or raise limits.head_size",
        ),
        (
            "[timeouts]\nidle = 30",
            "proxy.toml:2:8: timeouts.idle: 30 has no unit; write \"30s\" for seconds, or use ms, m, h or d",
        ),
        (
            "[timeouts]\nidle = \"0s\"",
            "proxy.toml:2:8: timeouts.idle: a timeout of zero would end everything at once; write a duration above zero, such as \"30s\"",
        ),
        (
            "[access]\nclients = [\n  \"all\",\n  \"10.1.2.3/8\",\n]",
            "proxy.toml:4:3: access.clients[1]: \"10.1.2.3/8\" has bits set behind its prefix; write \"10.0.0.0/8\", or \"10.1.2.3\" for the one address",
        ),
        (
            "[access]\nconnect_ports = [443, 65536]",
            "proxy.toml:2:23: access.connect_ports[1]: 65536 is out of bounds; write a number from 1 to 65535",
        ),
        (
            "[identity]\nname = \"my proxy\"",
            "proxy.toml:2:8: identity.name: \"my proxy\" cannot stand in a header; write a letter, then letters, digits, - . or _, at most 64 together",
        ),
        (
            "[admin]\naddress = \"no\"",
            "proxy.toml:2:11: admin.address: \"no\" is not an address to listen on; write an IP address and a port, such as \"127.0.0.1:3128\", \"unix:PATH\" or \"off\"",
        ),
        (
            "[admin]\naddress = \"127.0.0.1:3128\"",
            "proxy.toml:2:11: admin.address: 127.0.0.1:3128 is the address of listener \"forward\"; choose another port, or \"off\"",
        ),
        (
            "[log]\naccess = \"\"",
            "proxy.toml:2:10: log.access: the path is empty; write a path, \"-\" for standard output, or \"off\"",
        ),
    ];
    for (text, want) in cases {
        check_bad(text, want);
    }
}

#[test]
fn listeners_that_do_not_fit_are_told_with_a_cure() {
    let up = "[[upstream]]\nname = \"origin\"\nservers = [\"127.0.0.1:80\"]\n";
    let cases = [
        ("[[listen]]\naddress = \":3128\"".to_owned(), "proxy.toml:2:11: listen[0].address: \":3128\" is not an address to listen on; write \"0.0.0.0:3128\" or \"[::]:3128\" for every interface"),
        ("[[listen]]\nmode = \"reverse\"".to_owned(), "proxy.toml:2:8: listen[0].mode: a reverse listener needs an upstream; add to = \"NAME\" and an [[upstream]] of that name"),
        (format!("{up}[[listen]]\nto = \"orgin\""), "proxy.toml:5:6: listen[0].to: there is no upstream called \"orgin\"; did you mean \"origin\"?"),
        ("[[listen]]\nto = \"x\"".to_owned(), "proxy.toml:2:6: listen[0].to: there is no upstream called \"x\"; add [[upstream]] with name = \"x\" and servers = [\"HOST:PORT\"]"),
        (format!("{up}[[listen]]\nmode = \"forward\"\nto = \"origin\""), "proxy.toml:6:6: listen[0].to: `to` is for mode \"reverse\" only; remove it, or write mode = \"reverse\""),
        ("[[listen]]\nintercept = \"tproxy\"".to_owned(), "proxy.toml:2:13: listen[0].intercept: `intercept` is for mode \"transparent\" only; remove it, or write mode = \"transparent\""),
        ("[[listen]]\nmode = \"transparent\"\nkeep_client_address = true".to_owned(), "proxy.toml:3:23: listen[0].keep_client_address: the client's address can be kept with tproxy only; write intercept = \"tproxy\", or false here"),
        (format!("{up}[[listen]]\nto = \"origin\"\nhost = \"www\""), "proxy.toml:6:8: listen[0].host: \"www\" is neither \"keep\" nor \"set:VALUE\"; write \"keep\", or \"set:www\" to send that"),
        (format!("{up}[[listen]]\nto = \"origin\"\nhost = \"set:a b\""), "proxy.toml:6:8: listen[0].host: \"a b\" is not a host; write a host and perhaps a port, such as \"set:www.example.org\""),
        ("[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:2\"".to_owned(), "proxy.toml:3:1: listen[1].name: there is another listener called \"forward\"; give each a name of its own"),
        ("[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\nname = \"b\"\naddress = \"127.0.0.1:1\"".to_owned(), "proxy.toml:5:11: listen[1].address: 127.0.0.1:1 is the address of listener \"forward\" already; give each an address of its own"),
        ("[[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\nname = \"b\"".to_owned(), "proxy.toml:3:1: listen[1].address: the listener has no address; add address = \"IP:PORT\""),
        ("[[upstream]]\nservers = [\"a:1\"]".to_owned(), "proxy.toml:1:1: upstream[0]: the upstream has no name; add name = \"...\""),
        ("[[upstream]]\nname = \"a\"".to_owned(), "proxy.toml:1:1: upstream[0].servers: the upstream has no servers; add servers = [\"HOST:PORT\"]"),
        ("[[upstream]]\nname = \"a\"\nservers = [\"a:1\", \"b\"]".to_owned(), "proxy.toml:3:19: upstream[0].servers[1]: \"b\" is not a server; add a port: \"b:80\""),
        (format!("{up}{up}"), "proxy.toml:5:8: upstream[1].name: there is another upstream called \"origin\"; give each a name of its own"),
    ];
    for (text, want) in cases {
        check_bad(&text, want);
    }
}

#[test]
fn everything_wrong_is_told_at_once_in_order() {
    let text = "[timeouts]\nidle = 30\n[cache]\nmemory = \"x\"\nmax_object = \"1T\"\n";
    let want = "proxy.toml:2:8: timeouts.idle: 30 has no unit; write \"30s\" for seconds, or use ms, m, h or d\n\
                proxy.toml:4:10: cache.memory: \"x\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"";
    check_bad(text, want);
    check_bad("a1 = 1\nzz9 = 2\n", &["a1", "zz9"].iter().enumerate().map(|(i, k)| format!("proxy.toml:{}:1: {k}: unknown key; known here are access, admin, cache, identity, limits, listen, log, timeouts, upstream, workers", i + 1)).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_is_not_toml_is_told_with_its_place() {
    let problems = read(
        "workers = 1\n[cache\nmemory = \"1G\"\n",
        &Flags::default(),
        &[],
    )
    .unwrap_err()
    .to_string();
    assert!(
        problems.starts_with("proxy.toml:2:") && problems.contains("not TOML: "),
        "{problems}"
    );
    let problems = read("workers = 1\nworkers = 2\n", &Flags::default(), &[])
        .unwrap_err()
        .to_string();
    assert!(
        problems.starts_with("proxy.toml:2:1: not TOML: duplicate key"),
        "{problems}"
    );
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = "workers = 3\n[[listen]]\naddress = \"127.0.0.1:3\"\n[cache]\nmemory = \"3M\"\n[admin]\naddress = \"127.0.0.1:33\"\n[log]\naccess = \"3\"\nformat = \"squid\"\n[access]\nallow_to = [\"10.0.0.3\"]\n";
    let env = [
        ("UNDERSTUDY_WORKERS", "2"),
        ("UNDERSTUDY_LISTEN", "127.0.0.1:2"),
        ("UNDERSTUDY_MEMORY", "2M"),
        ("UNDERSTUDY_ADMIN", "127.0.0.1:22"),
        ("UNDERSTUDY_ACCESS_LOG", "2"),
        ("UNDERSTUDY_LOG_FORMAT", "json"),
        ("UNDERSTUDY_ALLOW_TO", "10.0.0.2, loopback"),
    ];
    let flags = Flags {
        workers: Some("1".to_owned()),
        listen: Some("127.0.0.1:1".to_owned()),
        memory: Some("1M".to_owned()),
        admin: Some("127.0.0.1:11".to_owned()),
        access_log: Some("1".to_owned()),
        log_format: Some("squid".to_owned()),
        allow_to: vec!["10.0.0.1".to_owned()],
        ..Flags::default()
    };
    let by_flag = read(file, &flags, &env).unwrap();
    let by_env = read(file, &Flags::default(), &env).unwrap();
    let by_file = read(file, &Flags::default(), &[]).unwrap();
    let by_default = good("");
    let cases = [
        (
            "workers",
            ["1", "2", "3"],
            "--workers",
            "UNDERSTUDY_WORKERS",
            1,
        ),
        (
            "listen[0].address",
            ["\"127.0.0.1:1\"", "\"127.0.0.1:2\"", "\"127.0.0.1:3\""],
            "--listen",
            "UNDERSTUDY_LISTEN",
            3,
        ),
        (
            "cache.memory",
            ["\"1M\"", "\"2M\"", "\"3M\""],
            "--memory",
            "UNDERSTUDY_MEMORY",
            5,
        ),
        (
            "admin.address",
            ["\"127.0.0.1:11\"", "\"127.0.0.1:22\"", "\"127.0.0.1:33\""],
            "--admin",
            "UNDERSTUDY_ADMIN",
            7,
        ),
        (
            "log.access",
            ["\"1\"", "\"2\"", "\"3\""],
            "--access-log",
            "UNDERSTUDY_ACCESS_LOG",
            9,
        ),
        (
            "log.format",
            ["\"squid\"", "\"json\"", "\"squid\""],
            "--log-format",
            "UNDERSTUDY_LOG_FORMAT",
            10,
        ),
        (
            "access.allow_to",
            [
                "[\"10.0.0.1\"]",
                "[\"10.0.0.2\", \"loopback\"]",
                "[\"10.0.0.3\"]",
            ],
            "--allow-to",
            "UNDERSTUDY_ALLOW_TO",
            12,
        ),
    ];
    for (key, [flag, env, file], flag_name, variable, line) in cases {
        assert_eq!(entry(&by_flag, key), (flag, format!("flag {flag_name}")));
        assert_eq!(
            entry(&by_env, key),
            (env, format!("environment {variable}"))
        );
        assert_eq!(
            entry(&by_file, key),
            (file, format!("file proxy.toml:{line}"))
        );
        assert_eq!(entry(&by_default, key).1, "default");
    }
}

#[test]
fn wrong_flags_and_variables_are_told_by_their_names() {
    let flags = |set: fn(&mut Flags)| {
        let mut flags = Flags::default();
        set(&mut flags);
        flags
    };
    let several = "[[listen]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n[[listen]]\nname = \"b\"\naddress = \"127.0.0.1:2\"\n";
    let cases: [(&str, Flags, &[(&str, &str)], &str, bool); 9] = [
        (
            "",
            flags(|f| f.memory = Some("2X".to_owned())),
            &[],
            "--memory: \"2X\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"",
            true,
        ),
        (
            "",
            Flags::default(),
            &[("UNDERSTUDY_MEMORY", "2X")],
            "UNDERSTUDY_MEMORY: \"2X\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"",
            false,
        ),
        (
            "",
            Flags::default(),
            &[("UNDERSTUDY_MODE", "proxy")],
            "UNDERSTUDY_MODE: \"proxy\" is not one of \"forward\", \"reverse\", \"transparent\"; write one of them",
            false,
        ),
        (
            "",
            Flags::default(),
            &[("UNDERSTUDY_WORKERS", "two")],
            "UNDERSTUDY_WORKERS: \"two\" is not a whole number; write a number from 1 to 1024",
            false,
        ),
        (
            "",
            flags(|f| f.mode = Some("reverse".to_owned())),
            &[],
            "--mode: a reverse listener needs an upstream; add --to http://HOST:PORT",
            true,
        ),
        (
            "",
            flags(|f| f.to = Some("https://a".to_owned())),
            &[],
            "--to: \"https://a\" is not a server; TLS towards origins is not supported yet; write \"http://HOST:PORT\"",
            true,
        ),
        (
            "",
            flags(|f| {
                f.to = Some("a:80".to_owned());
                f.mode = Some("forward".to_owned())
            }),
            &[],
            "--to: an origin is for mode \"reverse\", not \"forward\"; leave out --mode, or --to",
            true,
        ),
        (
            several,
            flags(|f| f.listen = Some("127.0.0.1:9".to_owned())),
            &[],
            "--listen: the file has 2 listeners, and this speaks of one; change the listeners in the file instead",
            true,
        ),
        (
            "workers = 0",
            flags(|f| f.memory = Some("1".to_owned())),
            &[],
            "--memory: 1 is too little; write at least \"1M\"\nproxy.toml:1:11: workers: 0 is out of bounds; write a number from 1 to 1024",
            false,
        ),
    ];
    for (text, flags, env, want, usage) in cases {
        let problems = read(text, &flags, env).unwrap_err();
        assert_eq!(problems.to_string(), want);
        assert_eq!(problems.only_flags(), usage, "{want}");
    }
}

#[test]
fn an_empty_variable_is_not_set() {
    let loaded = read(
        "",
        &Flags::default(),
        &[("UNDERSTUDY_MEMORY", ""), ("UNDERSTUDY_ALLOW_TO", "")],
    )
    .unwrap();
    assert_eq!(
        entry(&loaded, "cache.memory"),
        ("\"256M\"", "default".to_owned())
    );
    assert_eq!(
        entry(&loaded, "access.allow_to"),
        ("[]", "default".to_owned())
    );
}

#[test]
fn an_origin_alone_makes_a_reverse_proxy() {
    let flags = Flags {
        to: Some("http://127.0.0.1:8080".to_owned()),
        ..Flags::default()
    };
    let loaded = read("", &flags, &[]).unwrap();
    assert_eq!(
        loaded.values.groups,
        [Group {
            name: "origin".to_owned(),
            servers: vec![("127.0.0.1".to_owned(), 8080)]
        }]
    );
    let listener = &loaded.values.listeners[0];
    assert_eq!(
        (listener.name.as_str(), &listener.does),
        (
            "reverse",
            &Does::Reverse {
                group: 0,
                host: None
            }
        )
    );
    assert_eq!(listener.address.to_string(), "127.0.0.1:3128");
    // Over a file that says something else, and whose upstream has the same name.
    let file = "[[listen]]\nname = \"web\"\nto = \"origin\"\nhost = \"set:www.example.org\"\n[[upstream]]\nname = \"origin\"\nservers = [\"a:1\"]\n";
    let loaded = read(file, &flags, &[]).unwrap();
    let listener = &loaded.values.listeners[0];
    assert_eq!(
        (listener.name.as_str(), &listener.does),
        (
            "web",
            &Does::Reverse {
                group: 1,
                host: Some("www.example.org".to_owned())
            }
        )
    );
    assert_eq!(
        entry(&loaded, "listen[0].to"),
        ("\"command-line\"", "flag --to".to_owned())
    );
    let loaded = read("[[listen]]\nmode = \"forward\"\n", &flags, &[]).unwrap();
    assert_eq!(
        entry(&loaded, "listen[0].mode"),
        ("\"reverse\"", "flag --to".to_owned())
    );
}

#[test]
fn a_transparent_listener_redirects_unless_told_otherwise() {
    let flags = Flags {
        mode: Some("transparent".to_owned()),
        ..Flags::default()
    };
    let loaded = read("", &flags, &[]).unwrap();
    assert_eq!(
        loaded.values.listeners[0].does,
        Does::Transparent {
            intercept: Intercept::Redirect,
            keep_client_address: false
        }
    );
    let loaded = good(
        "[[listen]]\nmode = \"transparent\"\nintercept = \"tproxy\"\nkeep_client_address = true\n",
    );
    assert_eq!(
        loaded.values.listeners[0].does,
        Does::Transparent {
            intercept: Intercept::Tproxy,
            keep_client_address: true
        }
    );
}

#[test]
fn verbosity_raises_the_level() {
    for (verbose, want) in [
        (0, Level::Error),
        (1, Level::Debug),
        (2, Level::Trace),
        (9, Level::Trace),
    ] {
        let loaded = read(
            "[log]\nlevel = \"error\"\n",
            &Flags {
                verbose,
                ..Flags::default()
            },
            &[],
        )
        .unwrap();
        assert_eq!(loaded.values.log.level, want, "{verbose}");
    }
}

#[test]
fn numbers_stand_for_bytes_and_objects_are_a_sixteenth() {
    let loaded = good("[cache]\nmemory = 33554432\n[limits]\nhead_size = \"8K\"\n");
    assert_eq!(
        (loaded.values.cache.memory, loaded.values.cache.max_object),
        (32 << 20, 2 << 20)
    );
    assert_eq!(loaded.values.limits.target_size, 8 << 10);
    assert_eq!(entry(&loaded, "cache.memory").0, "\"32M\"");
}

#[test]
fn refused_ranges_cover_their_translations() {
    let loaded = good("[access]\ndeny_to = [\"127.0.0.0/8\"]\n");
    let refused: Vec<String> = loaded
        .values
        .access
        .deny_to
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        refused,
        ["127.0.0.0/8", "64:ff9b::7f00:0/104", "2002:7f00::/24"]
    );
}

#[test]
fn the_table_is_aligned_and_says_where_each_value_came_from() {
    let loaded = read(
        "[cache]\nmemory = \"1G\"\n",
        &Flags {
            listen: Some("127.0.0.1:9".to_owned()),
            ..Flags::default()
        },
        &[],
    )
    .unwrap();
    let table = print::table(&loaded.entries);
    for line in [
        "listen[0].address              = \"127.0.0.1:9\"            # flag --listen",
        "cache.memory                   = \"1G\"                     # file proxy.toml:2",
        "cache.max_object               = \"64M\"                    # default",
    ] {
        assert!(table.lines().any(|l| l == line), "{line}\n{table}");
    }
    let column = |line: &str| line.find(" = ");
    assert!(table.lines().all(|l| column(l) == Some(30)), "{table}");
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

#[test]
fn the_examples_load() {
    let load = |file: &str| {
        let flags = Flags {
            config: Some(root(file).display().to_string()),
            ..Flags::default()
        };
        load(&Layers::new(&flags, |_| None).unwrap())
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    let minimal = load("config/minimal.toml");
    assert_eq!(minimal.values.cache.memory, 1 << 30);
    // The complete one says everything there is, and says the defaults.
    let complete = load("config/complete.toml");
    let unsaid: Vec<&str> = complete
        .entries
        .iter()
        .filter(|e| e.origin == Origin::Default)
        .map(|e| e.key.as_str())
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
    let defaults = good("");
    let sections = |key: &str| !key.starts_with("listen") && key != "workers";
    for entry in defaults.entries.iter().filter(|e| sections(&e.key)) {
        assert_eq!(
            self::entry(&complete, &entry.key).0,
            entry.value,
            "{}",
            entry.key
        );
    }
    assert_eq!(complete.values.log.access, AccessLog::Off);
    assert_eq!(complete.values.timeouts.drain, Duration::from_secs(30));
}

#[test]
fn the_published_schema_is_that_of_the_code() {
    let published = std::fs::read_to_string(root("config/schema.json")).unwrap();
    assert!(
        published == schema::text(),
        "config/schema.json is stale: write it anew with `understudy schema > config/schema.json`"
    );
}

#[test]
fn every_key_of_the_schema_is_documented_and_says_its_default() {
    let root = schema::schema();
    let defaults = good("");
    let mut compared = 0;
    let mut visit = vec![(String::new(), &root)];
    while let Some((prefix, node)) = visit.pop() {
        for (name, inner) in node["properties"].as_object().unwrap() {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            assert!(inner["description"].is_string(), "{key} has no description");
            let of = schema::resolve(&root, inner);
            let of = of
                .get("items")
                .map_or(of, |items| schema::resolve(&root, items));
            if of.get("properties").is_some() {
                visit.push((key, of));
            } else if prefix == "listen" || prefix == "upstream" {
                // Their defaults depend on each other and stand in the descriptions.
            } else if let Some(default) = inner.get("default").filter(|d| !d.is_null()) {
                let shown = entry(&defaults, &key).0;
                let shown: Value = serde_json::from_str(shown).unwrap();
                assert_eq!(&shown, default, "{key}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 30);
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(at("latin1.toml"), b"workers = 1\n# gr\xfc\xdfe\n").unwrap();
    let read = |path: &str| {
        load(
            &Layers::new(
                &Flags {
                    config: Some(path.to_owned()),
                    ..Flags::default()
                },
                |_| None,
            )
            .unwrap(),
        )
        .unwrap_err()
        .to_string()
    };
    let missing = at("missing.toml");
    assert_eq!(
        read(&missing),
        format!(
            "{missing}: cannot read the file: No such file or directory (os error 2); check the path given by --config and its permissions"
        )
    );
    let directory = dir.path().display().to_string();
    assert_eq!(
        read(&directory),
        format!(
            "{directory}: cannot read the file: it is a directory; check the path given by --config and its permissions"
        )
    );
    assert_eq!(
        read(&at("latin1.toml")),
        format!(
            "{}:2:5: the file is not UTF-8 here; save it as UTF-8",
            at("latin1.toml")
        )
    );
}
