//! Every kind of mistake, and exactly how it is told: file, line, key and cure.

use super::{Flags, Layers, load, read};

#[track_caller]
fn check_bad(text: &str, want: &str) {
    let problems = read(text, &Flags::default(), &[])
        .err()
        .map(|p| p.to_string());
    assert_eq!(problems.as_deref(), Some(want), "{text}");
}

/// File, flags, environment, what is told, and whether that is a usage error.
type Case<'a> = (&'a str, Flags, &'a [(&'a str, &'a str)], &'a str, bool);

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
            "proxy.toml:3:1: listen[1].port: unknown key; known here are address, host, intercept, keep_client_address, mode, name, purge, to",
        ),
        (
            "cache = { enabeld = true }",
            "proxy.toml:1:11: cache.enabeld: unknown key; did you mean `enabled`?",
        ),
        (
            "cache.\"a b\" = 1",
            "proxy.toml:1:7: cache.a b: unknown key; known here are enabled, fixed_ttl, heuristic_max, heuristic_percent, max_object, max_variants, memory, mode, range_miss, range_whole_max, targets",
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
            "proxy.toml:2:14: cache.max_object: an object cannot be larger than the cache; write at most \"128M\", or raise cache.memory",
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
        ("[[listen]]\npurge = [\"loopbak\"]".to_owned(), "proxy.toml:2:10: listen[0].purge[0]: \"loopbak\" is not a range of addresses; did you mean \"loopback\"?"),
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
    check_bad("a1 = 1\nzz9 = 2\n", &["a1", "zz9"].iter().enumerate().map(|(i, k)| format!("proxy.toml:{}:1: {k}: unknown key; known here are access, admin, cache, identity, limits, listen, log, module, modules, rule, timeouts, upstream, workers", i + 1)).collect::<Vec<_>>().join("\n"));
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
fn wrong_flags_and_variables_are_told_by_their_names() {
    let flags = |set: fn(&mut Flags)| {
        let mut flags = Flags::default();
        set(&mut flags);
        flags
    };
    let several = "[[listen]]\nname = \"a\"\naddress = \"127.0.0.1:1\"\n[[listen]]\nname = \"b\"\naddress = \"127.0.0.1:2\"\n";
    let cases: [Case; 9] = [
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
