//! `[[rule]]` and the fixed mode: what good ones become, and how each mistake is told.

use super::{Flags, entry, good, read};
use understudy_http::semantics::policy::{Cookies, Policy, Query, RequestNoCache, TtlWhen};

#[track_caller]
fn bad(text: &str, want: &str) {
    let problems = read(text, &Flags::default(), &[])
        .err()
        .map(|p| p.to_string());
    assert_eq!(problems.as_deref(), Some(want), "{text}");
}

/// What the rules of this text come to for a small 200 of `http://HOST/PATH`.
fn policy(text: &str, host: &str, path: &str, content_type: &str) -> Policy {
    let rules = good(text).values.rules;
    let matched = rules.for_request(host.as_bytes(), path.as_bytes());
    rules.policy(matched, 200, Some(content_type.as_bytes()), Some(10))
}

#[test]
fn without_rules_the_rfc_decides() {
    assert!(good("").values.rules.is_empty());
    assert_eq!(policy("", "a", "/", "text/html"), Policy::default());
}

#[test]
fn everything_a_rule_may_say_is_taken() {
    let text = "[[rule]]\nname = \"a\"\nttl = \"1h\"\nttl_when = \"unstated\"\ngrace = \"5m\"\nnegative = \"10s\"\nstore = true\n\
        force = true\nrequest_no_cache = \"ignore\"\ncookies = \"key\"\nkey_cookies = [\"lang\"]\nheuristic_percent = 50\n\
        query_without = [\"utm_*\"]\nquery_sort = true\nkey_fields = [\"X-Country\"]\n\
        match = { hosts = [\"*.example.org\"], paths = [\"/a/\", \"*.png\"] }\n";
    let got = policy(text, "www.example.org", "/b.png?x", "image/png");
    assert_eq!(
        (got.ttl, got.ttl_when, got.grace, got.negative),
        (Some(3600), TtlWhen::Unstated, Some(300), Some(10))
    );
    assert!(got.store && got.force && got.sort_query);
    assert_eq!(got.request_no_cache, RequestNoCache::Ignore);
    assert!(matches!(got.cookies, Cookies::Key(_)));
    assert!(matches!(got.query, Query::Without(_)));
    assert_eq!(
        got.heuristic.map(|h| (h.percent, h.max)),
        Some((50, 86_400))
    );
    let fields = got.key_fields.unwrap();
    assert_eq!(
        fields.iter().map(|f| &**f).collect::<Vec<_>>(),
        ["x-country"]
    );
    for (host, path) in [("example.org", "/b.png"), ("www.example.org", "/b.gif")] {
        assert_eq!(policy(text, host, path, "image/png"), Policy::default());
    }
}

#[test]
fn a_later_rule_leaves_of_the_guess_what_it_does_not_name() {
    let text = "[[rule]]\nname = \"a\"\nheuristic_percent = 50\n\
        [[rule]]\nname = \"b\"\nheuristic_max = \"5m\"\n";
    let got = policy(text, "a", "/", "text/html").heuristic;
    assert_eq!(got.map(|h| (h.percent, h.max)), Some((50, 300)));
}

#[test]
fn a_rule_on_responses_waits_for_one() {
    let text = "[[rule]]\nname = \"a\"\nttl = \"1h\"\nmatch = { types = [\"image/*\"], statuses = [200, \"4xx\"], min_size = 5, max_size = \"1K\" }\n";
    assert_eq!(policy(text, "a", "/", "image/png").ttl, Some(3600));
    assert_eq!(policy(text, "a", "/", "text/html").ttl, None);
}

#[test]
fn the_fixed_mode_is_a_rule_before_all_others() {
    let text = "[cache]\nmode = \"fixed\"\nfixed_ttl = \"2h\"\n[[rule]]\nname = \"news\"\nttl = \"1m\"\nmatch = { paths = [\"/news/\"] }\n";
    let got = policy(text, "a", "/", "text/html");
    assert_eq!(
        (got.ttl, got.force, got.cookies),
        (Some(7200), true, Cookies::Strip)
    );
    assert_eq!(policy(text, "a", "/news/1", "text/html").ttl, Some(60));
    let loaded = good("[cache]\nmode = \"fixed\"\n");
    assert_eq!(
        entry(&loaded, "cache.fixed_ttl"),
        ("\"1h\"", "default".to_owned())
    );
}

#[test]
fn what_is_written_is_printed_and_nothing_else() {
    let loaded = good("[[rule]]\nname = \"a\"\nttl = \"60s\"\nmatch = { statuses = [404] }\n");
    let shown: Vec<_> = loaded
        .entries
        .iter()
        .filter(|e| e.key.starts_with("rule["))
        .map(|e| format!("{} = {}", e.key, e.value))
        .collect();
    assert_eq!(
        shown,
        [
            "rule[0].name = \"a\"",
            "rule[0].match.statuses = [\"404\"]",
            "rule[0].ttl = \"1m\"",
        ]
    );
}

#[test]
fn every_mistake_is_told_with_its_cure() {
    for (text, want) in [
        (
            "[[rule]]\nttl = \"1m\"",
            "proxy.toml:1:1: rule[0]: the rule has no name; add name = \"...\"",
        ),
        (
            "[[rule]]\nname = \"a\"",
            "proxy.toml:1:1: rule[0]: the rule says nothing; add ttl = \"...\", or remove it",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\n[[rule]]\nname = \"a\"\nttl = \"1m\"",
            "proxy.toml:5:8: rule[1].name: there is another rule called \"a\"; give each a name of its own",
        ),
        (
            "[[rule]]\nname = \"a\"\ntll = \"1m\"",
            "proxy.toml:3:1: rule[0].tll: unknown key; did you mean `ttl`?",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { host = [\"a\"] }",
            "proxy.toml:4:11: rule[0].match.host: unknown key; did you mean `hosts`?",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"60\"",
            "proxy.toml:3:7: rule[0].ttl: 60 has no unit; write \"60s\" for seconds, or use ms, m, h or d",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1500ms\"",
            "proxy.toml:3:7: rule[0].ttl: \"1500ms\" is not a whole number of seconds; write whole seconds: caches count in them",
        ),
        (
            "[[rule]]\nname = \"a\"\ncookies = \"ignor\"",
            "proxy.toml:3:11: rule[0].cookies: \"ignor\" is not one of \"conservative\", \"strip\", \"ignore\", \"refuse\", \"key\"; did you mean \"ignore\"?",
        ),
        (
            "[[rule]]\nname = \"a\"\ncookies = \"strip\"\nkey_cookies = [\"a\"]",
            "proxy.toml:4:15: rule[0].key_cookies: `key_cookies` means nothing here; remove it, or write cookies = \"key\"",
        ),
        (
            "[[rule]]\nname = \"a\"\nquery = \"none\"\nquery_only = [\"a\"]",
            "proxy.toml:1:1: rule[0]: `query`, `query_only` and `query_without` exclude each other; keep one of them",
        ),
        (
            "[[rule]]\nname = \"a\"\nquery_sort = true\nmatch = { types = [\"text/html\"] }",
            "proxy.toml:3:14: rule[0].query_sort: `query_sort` must be known before there is a response, but this rule looks at one; move it to a rule that matches by hosts and paths only",
        ),
        (
            "[[rule]]\nname = \"a\"\nkey_fields = [\"X Y\"]",
            "proxy.toml:3:15: rule[0].key_fields[0]: \"X Y\" is not the name of a field; write one, such as \"X-Country\"",
        ),
        (
            "[[rule]]\nname = \"a\"\nkey_fields = [\"proxy-authorization\"]",
            "proxy.toml:3:15: rule[0].key_fields[0]: credentials must not become part of a key: receipts and explanations show keys; remove it; responses to requests with credentials are stored only where the origin allows it",
        ),
        (
            "[[rule]]\nname = \"a\"\nkey_fields = [\"Cookie\"]",
            "proxy.toml:3:15: rule[0].key_fields[0]: cookies have a key of their own; write cookies = \"key\", and key_cookies = [...]",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { hosts = [\"a b\"] }",
            "proxy.toml:4:20: rule[0].match.hosts[0]: \"a b\" is not a host; write a name, or *.example.org for the names below it; without a port",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { hosts = [\"example.org:8080\"] }",
            "proxy.toml:4:20: rule[0].match.hosts[0]: \"example.org:8080\" is not a host; write a name, or *.example.org for the names below it; without a port",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { paths = [\"static\"] }",
            "proxy.toml:4:20: rule[0].match.paths[0]: \"static\" is not a path; write the beginning of a path, as /static/, or one with *, as /*.css; without a query",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { types = [\"html\"] }",
            "proxy.toml:4:20: rule[0].match.types[0]: \"html\" is not a media type; write a media type without parameters, or image/*",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { statuses = [\"6xx\", 99] }",
            "proxy.toml:4:23: rule[0].match.statuses[0]: \"6xx\" is not a status; write a status from 200 to 599, or a class, as 5xx\n\
             proxy.toml:4:30: rule[0].match.statuses[1]: \"99\" is not a status; write a status from 200 to 599, or a class, as 5xx",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { min_size = 10, max_size = 5 }",
            "proxy.toml:4:22: rule[0].match.min_size: nothing is at least that and at most `max_size`; write a lesser min_size, or a greater max_size",
        ),
        (
            "[[rule]]\nname = \"a\"\nttl = \"1m\"\nmatch = { hosts = [] }",
            "proxy.toml:4:19: rule[0].match.hosts: the list is empty; add to it, or remove the key",
        ),
        (
            "[cache]\nfixed_ttl = \"1h\"",
            "proxy.toml:2:13: cache.fixed_ttl: `fixed_ttl` means nothing in this mode; remove it, or write mode = \"fixed\"",
        ),
        (
            "[cache]\nmode = \"fix\"",
            "proxy.toml:2:8: cache.mode: \"fix\" is not one of \"rfc\", \"fixed\"; write one of them",
        ),
    ] {
        bad(text, want);
    }
}

#[test]
fn there_is_a_most_of_rules() {
    let text: String = (0..129)
        .map(|i| format!("[[rule]]\nname = \"r{i}\"\nttl = \"1m\"\n"))
        .collect();
    bad(
        &text,
        "proxy.toml:385:1: rule[128]: there are too many rules; write at most 128",
    );
}

#[test]
fn every_example_of_the_documentation_is_good() {
    let text = include_str!("../../../../../docs/rules.md");
    let examples: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert!(examples.len() >= 7, "{}", examples.len());
    for example in &examples {
        assert!(!good(example).values.rules.is_empty(), "{example}");
    }
    // What the document says of the order: the grace stays, the lifetime does not.
    let got = policy(examples[1], "a", "/news/1", "text/html");
    assert_eq!((got.ttl, got.grace), (Some(60), Some(600)));
}
