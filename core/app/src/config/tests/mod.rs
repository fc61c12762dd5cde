//! The configuration as a whole: what wins over what, what follows from what, what is published.

#![allow(clippy::unwrap_used)]

mod mistakes;
mod modules;
mod rules;

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

fn entry<'l>(loaded: &'l Loaded, key: &str) -> (&'l str, String) {
    let entry = loaded
        .entries
        .iter()
        .find(|e| e.key == key)
        .unwrap_or_else(|| panic!("no {key}"));
    (&entry.value, entry.origin.to_string())
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
fn an_empty_variable_is_not_set() {
    let loaded = read(
        "",
        &Flags::default(),
        &[("UNDERSTUDY_MEMORY", ""), ("UNDERSTUDY_ALLOW_TO", "")],
    )
    .unwrap();
    assert_eq!(
        entry(&loaded, "cache.memory"),
        ("\"128M\"", "default".to_owned())
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
            } else if [
                "listen",
                "upstream",
                "module",
                "module.match",
                "rule",
                "rule.match",
            ]
            .contains(&prefix.as_str())
            {
                // Their defaults depend on each other and stand in the descriptions.
            } else if let Some(default) = inner.get("default").filter(|d| !d.is_null()) {
                let shown = entry(&defaults, &key).0;
                let shown: Value = serde_json::from_str(shown).unwrap();
                assert_eq!(&shown, default, "{key}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 35);
}
