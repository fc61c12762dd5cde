//! `[[module]]`: what a good one becomes, and how each mistake in one is told.

use super::{Flags, entry, good, read};
use std::time::Duration;
use understudy_proxy::modules::ServerTiming;
use understudy_runtimes::{Kind, Limits, OnFailure};

#[track_caller]
fn bad(text: &str, want: &str) {
    let problems = read(text, &Flags::default(), &[]).err().map(|p| p.to_string());
    assert_eq!(problems.as_deref(), Some(want), "{text}");
}

#[test]
fn a_module_that_says_nothing_more_runs_inline_and_fails_closed() {
    let loaded = good("[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"\n");
    let module = &loaded.values.modules.members[0];
    assert_eq!(module.spec.kind, Kind::Inline);
    assert_eq!(module.spec.limits, Limits::default());
    assert!(module.spec.options.is_empty() && module.matcher.host(b"any") && !module.matcher.has_types());
    let keys: Vec<&str> = loaded
        .entries
        .iter()
        .map(|e| e.key.as_str())
        .filter(|k| k.starts_with("module["))
        .collect();
    assert_eq!(
        keys,
        [
            "module[0].name",
            "module[0].library",
            "module[0].runtime",
            "module[0].deadline",
            "module[0].hold",
            "module[0].on_failure",
            "module[0].match.hosts",
            "module[0].match.types",
        ]
    );
}

#[test]
fn everything_a_module_may_say_is_taken() {
    let loaded = good(
        "[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"\nruntime = \"process\"\nthreads = 3\nprocesses = 4\nnice = 19\n\
         memory = \"256M\"\ndeadline = \"250ms\"\nqueue = 5\nhold = \"1M\"\non_failure = \"open\"\n\
         match = { hosts = [\"*.example.org\"], types = [\"image/*\"] }\n[module.options]\nlist = [\"x\", { deep = 1 }]\ntable.on = true\n\
         [[module]]\nname = \"b\"\nlibrary = \"lib/b.so\"\nruntime = \"threads\"\n\
         [modules]\nresponse_order = \"same\"\nserver_timing = \"asked\"\n",
    );
    let modules = &loaded.values.modules;
    let [a, b] = modules.members.as_slice() else {
        panic!("{modules:?}")
    };
    let limits = Limits {
        threads: 3,
        processes: 4,
        nice: 19,
        memory: Some(256 << 20),
        deadline: Duration::from_millis(250),
        queue: 5,
        hold: 1 << 20,
        on_failure: OnFailure::Open,
    };
    assert_eq!((a.spec.kind, &a.spec.limits), (Kind::Process, &limits));
    let options: Vec<(&str, &str)> = a.spec.options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(options, [("list.0", "x"), ("list.1.deep", "1"), ("table.on", "true")]);
    assert!(a.matcher.host(b"www.example.org") && !a.matcher.host(b"example.com") && a.matcher.has_types());
    assert_eq!((&*b.spec.name, b.spec.kind), ("b", Kind::Threads));
    assert!(modules.same_order);
    assert_eq!(modules.server_timing, ServerTiming::Asked);
    assert_eq!(entry(&loaded, "module[0].options.list.0"), ("\"x\"", "file proxy.toml:14".to_owned()));
}

#[test]
fn a_library_is_found_beside_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("proxy.toml");
    std::fs::write(&path, "[[module]]\nname = \"a\"\nlibrary = \"lib/a.so\"\n[[module]]\nname = \"b\"\nlibrary = \"/b.so\"\n").unwrap();
    let flags = Flags {
        config: Some(path.display().to_string()),
        ..Flags::default()
    };
    let loaded = super::load(&super::Layers::new(&flags, |_| None).unwrap()).unwrap();
    let libraries: Vec<&str> = loaded.values.modules.members.iter().map(|m| m.spec.library.as_str()).collect();
    assert_eq!(libraries, [dir.path().join("lib/a.so").to_str().unwrap(), "/b.so"]);
}

#[test]
fn a_module_needs_a_name_of_its_own_and_a_library_there_is() {
    for (text, want) in [
        ("[[module]]\nlibrary = \"builtin:empty\"", "proxy.toml:1:1: module[0]: the module has no name; add name = \"...\""),
        ("[[module]]\nname = \"a\"", "proxy.toml:1:1: module[0]: the module has no library; add library = \"builtin:NAME\", or a path"),
        (
            "[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"\n[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"",
            "proxy.toml:5:8: module[1].name: there is another module called \"a\"; give each a name of its own",
        ),
        (
            "[[module]]\nname = \"a b\"\nlibrary = \"builtin:empty\"",
            "proxy.toml:2:8: module[0].name: \"a b\" is not a name; write letters, digits, - _ or ., at most 60 together",
        ),
        (
            "[[module]]\nname = \"a\"\nlibrary = \"builtin:emtpy\"",
            "proxy.toml:3:11: module[0].library: no module called \"emtpy\" is built in; did you mean \"builtin:empty\"?",
        ),
        (
            "[[module]]\nname = \"a\"\nlibrary = \"empty\"",
            "proxy.toml:3:11: module[0].library: \"empty\" would be a path; write \"builtin:empty\" for the module that is built in, or \"./empty\"",
        ),
    ] {
        bad(text, want);
    }
}

#[test]
fn a_key_that_means_nothing_for_the_runtime_is_refused() {
    for (lines, want) in [
        ("nice = 3", "proxy.toml:4:8: module[0].nice: `nice` means nothing for runtime \"inline\"; remove it, or write runtime = \"process\""),
        (
            "threads = 3",
            "proxy.toml:4:11: module[0].threads: `threads` means nothing for runtime \"inline\"; remove it, or write runtime = \"threads\" or \"process\"",
        ),
        (
            "runtime = \"threads\"\nmemory = \"1G\"",
            "proxy.toml:5:10: module[0].memory: `memory` means nothing for runtime \"threads\"; remove it, or write runtime = \"process\"",
        ),
        (
            "runtime = \"threads\"\nprocesses = 2",
            "proxy.toml:5:13: module[0].processes: `processes` means nothing for runtime \"threads\"; remove it, or write runtime = \"process\"",
        ),
        (
            "queue = 2",
            "proxy.toml:4:9: module[0].queue: `queue` means nothing for runtime \"inline\"; remove it, or write runtime = \"threads\" or \"process\"",
        ),
    ] {
        bad(&format!("[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"\n{lines}"), want);
    }
}

#[test]
fn wrong_values_and_unknown_keys_are_told_with_a_cure() {
    for (lines, want) in [
        ("runtime = \"proces\"", "proxy.toml:4:11: module[0].runtime: \"proces\" is not one of \"inline\", \"threads\", \"process\"; did you mean \"process\"?"),
        ("runtime = \"process\"\nnice = 20", "proxy.toml:5:8: module[0].nice: 20 is out of bounds; write a number from 0 to 19"),
        ("runtime = \"process\"\nmemory = \"1M\"", "proxy.toml:5:10: module[0].memory: 1M is too little; write at least \"64M\""),
        ("runtime = \"threads\"\nthreads = 0", "proxy.toml:5:11: module[0].threads: 0 is out of bounds; write a number from 1 to 128"),
        (
            "deadline = \"0s\"",
            "proxy.toml:4:12: module[0].deadline: a timeout of zero would end everything at once; write a duration above zero, such as \"30s\"",
        ),
        ("deadline = \"2h\"", "proxy.toml:4:12: module[0].deadline: 2h is too much; write at most \"1h\""),
        ("on_failure = \"close\"", "proxy.toml:4:14: module[0].on_failure: \"close\" is not one of \"open\", \"closed\"; did you mean \"closed\"?"),
        ("runtme = \"inline\"", "proxy.toml:4:1: module[0].runtme: unknown key; did you mean `runtime`?"),
        ("match = { hsots = [] }", "proxy.toml:4:11: module[0].match.hsots: unknown key; did you mean `hosts`?"),
        (
            "match = { hosts = [\"a\", \"a b\"] }",
            "proxy.toml:4:25: module[0].match.hosts[1]: \"a b\" is not a host; write a name without a port, or \"*.example.org\" for the names below one",
        ),
        (
            "match = { types = [\"html\"] }",
            "proxy.toml:4:20: module[0].match.types[0]: \"html\" is not a media type; write one without parameters, such as \"text/html\", or \"image/*\"",
        ),
        ("options = 3", "proxy.toml:4:11: module[0].options: a table is wanted, not an integer; write [options] as a header"),
        ("[modules]\nserver_timing = \"ask\"", "proxy.toml:5:17: modules.server_timing: \"ask\" is not one of \"off\", \"asked\", \"always\"; write one of them"),
        ("[modules]\norder = \"same\"", "proxy.toml:5:1: modules.order: unknown key; known here are response_order, server_timing"),
    ] {
        bad(&format!("[[module]]\nname = \"a\"\nlibrary = \"builtin:empty\"\n{lines}"), want);
    }
}
