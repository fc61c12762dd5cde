//! The command line as a user meets it: the built program, its output and its exit codes.

#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    process::{Command, Output},
};

/// The program without the environment of whoever runs the tests.
fn understudy(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_understudy"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("UNDERSTUDY_") {
            command.env_remove(name);
        }
    }
    command
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

#[track_caller]
fn check(args: &[&str], env: &[(&str, &str)], code: i32, stdout: &str, stderr: &str) {
    let out = understudy(args, env);
    let got = (
        out.status.code(),
        String::from_utf8(out.stdout).unwrap(),
        String::from_utf8(out.stderr).unwrap(),
    );
    assert_eq!(
        got,
        (Some(code), stdout.to_owned(), stderr.to_owned()),
        "{args:?}"
    );
}

/// Output that holds all of these.
#[track_caller]
fn holds(args: &[&str], code: i32, parts: &[&str]) {
    let out = understudy(args, &[]);
    let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
    assert_eq!(out.status.code(), Some(code), "{args:?}: {text}");
    for part in parts {
        assert!(text.contains(part), "{args:?} lacks {part:?}:\n{text}");
    }
}

fn file(dir: &Path, text: &str) -> String {
    let path = dir.join("proxy.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn the_version_is_printed() {
    let want = format!("understudy {}\n", env!("CARGO_PKG_VERSION"));
    check(&["version"], &[], 0, &want, "");
    check(&["--version"], &[], 0, &want, "");
}

#[test]
fn help_shows_examples_and_environment() {
    holds(
        &["--help"],
        0,
        &[
            "A caching HTTP proxy",
            "Examples:",
            "understudy run --to http://127.0.0.1:8080",
            "UNDERSTUDY_LISTEN",
            "Exit codes: 0 done",
        ],
    );
    holds(
        &["run", "--help"],
        0,
        &[
            "--listen <ADDR>",
            "[env: UNDERSTUDY_MEMORY]",
            "Serving:",
            "Resources:",
            "Watching:",
            "forward",
            "Examples:",
        ],
    );
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    holds(&[], 2, &["Usage: understudy"]);
    holds(&["rum"], 2, &["unrecognized subcommand 'rum'", "run"]);
    holds(
        &["run", "--memroy", "1G"],
        2,
        &["unexpected argument '--memroy'", "--memory"],
    );
    holds(
        &["run", "--mode", "proxy"],
        2,
        &["invalid value 'proxy'", "forward, reverse, transparent"],
    );
    holds(&["completions", "tcsh"], 2, &["invalid value 'tcsh'"]);
    let size = "--memory: \"2X\" is not a size; write bytes, or a whole number with K, M or G, such as \"256M\"\n";
    check(&["run", "--memory", "2X"], &[], 2, "", size);
    check(&["check", "--memory", "2X"], &[], 2, "", size);
}

#[test]
fn check_is_content_with_a_good_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "[cache]\nmemory = \"1G\"\n");
    check(
        &["check", "--config", &path],
        &[],
        0,
        &format!("{path}: the configuration is good\n"),
        "",
    );
    check(
        &["check"],
        &[("UNDERSTUDY_CONFIG", &path)],
        0,
        &format!("{path}: the configuration is good\n"),
        "",
    );
    check(&["check"], &[], 0, "the configuration is good\n", "");
}

#[test]
fn check_names_file_line_key_and_cure() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(
        dir.path(),
        "workers = 0\n\n[cache]\nmemroy = \"1G\"\nenabled = 1\n",
    );
    let want = format!(
        "{path}:4:1: cache.memroy: unknown key; did you mean `memory`?\n{path}:5:11: cache.enabled: a boolean is wanted, not an integer; write enabled = true or enabled = false\n"
    );
    check(&["check", "--config", &path], &[], 1, "", &want);
    check(&["run", "--config", &path], &[], 1, "", &want);
    check(
        &["check"],
        &[("UNDERSTUDY_WORKERS", "0")],
        1,
        "",
        "UNDERSTUDY_WORKERS: 0 is out of bounds; write a number from 1 to 1024\n",
    );
}

#[test]
fn check_prints_every_value_and_its_origin() {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "[cache]\nmemory = \"1G\"\n");
    let out = understudy(
        &[
            "check",
            "--print",
            "--config",
            &path,
            "--listen",
            "127.0.0.1:9",
        ],
        &[("UNDERSTUDY_WORKERS", "3")],
    );
    let text = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0));
    let line = |key: &str| {
        text.lines()
            .find(|l| l.split(' ').next() == Some(key))
            .unwrap_or_else(|| panic!("no {key}:\n{text}"))
            .split_ascii_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        line("workers"),
        "workers = 3 # environment UNDERSTUDY_WORKERS"
    );
    assert_eq!(
        line("listen[0].address"),
        "listen[0].address = \"127.0.0.1:9\" # flag --listen"
    );
    assert_eq!(
        line("cache.memory"),
        format!("cache.memory = \"1G\" # file {path}:2")
    );
    assert_eq!(line("timeouts.drain"), "timeouts.drain = \"30s\" # default");
}

#[test]
fn completions_are_scripts_for_each_shell() {
    for (shell, part) in [
        ("bash", "_understudy()"),
        ("zsh", "#compdef understudy"),
        ("fish", "complete -c understudy"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        holds(&["completions", shell], 0, &[part, "allow-to"]);
    }
}

#[test]
fn the_manual_page_is_roff() {
    let out = understudy(&["man"], &[]);
    let page = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0));
    for part in [
        ".TH understudy 1",
        ".SH NAME",
        "\\-\\-listen",
        "UNDERSTUDY_MEMORY",
        "Exit codes",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
}

#[test]
fn the_schema_is_json() {
    let out = understudy(&["schema"], &[]);
    let schema: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(schema["title"], "Understudy configuration");
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn a_log_that_cannot_be_opened_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/access.log").display().to_string();
    let out = understudy(
        &[
            "run",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--access-log",
            &path,
        ],
        &[],
    );
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(
        text,
        "understudy: log.access: cannot open the access log: No such file or directory (os error 2); check the path and its permissions\n"
    );
}

#[test]
fn a_chosen_admin_address_that_is_taken_ends_the_start() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let out = understudy(
        &["run", "--listen", "127.0.0.1:0", "--admin", &address],
        &[],
    );
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(1));
    assert_eq!(
        text,
        format!(
            "understudy: admin.address: cannot listen on {address}: Address already in use (os error 98); choose another with --admin, or \"off\"\n"
        )
    );
}

#[test]
fn a_module_says_what_it_is_without_a_proxy() {
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "name:    add-headers\nversion: {version}\nhooks:   request_head, request_out, response_head, response_return\nflags:   none\ntimer:   none\n"
    );
    check(
        &["modules", "check", "builtin:add-headers"],
        &[],
        0,
        &want,
        "",
    );
    holds(
        &["modules", "check", "builtin:nothing"],
        1,
        &[
            "no module called \"nothing\" is built in; built in are ad-remover, add-headers, body-and-headers, compressor, content-manager, empty, icap-client, text-injector, transcoder",
        ],
    );
    holds(
        &["modules", "check", "/nonexistent/x.so"],
        1,
        &["/nonexistent/x.so", "there is no such file"],
    );
    let dir = tempfile::tempdir().unwrap();
    let text = file(dir.path(), "not a library");
    holds(&["modules", "check", &text], 1, &[&text]);
}

#[test]
fn cases_run_in_every_runtime_without_a_proxy() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/add-headers/tests/cases");
    let cases = cases.to_str().unwrap();
    holds(
        &["modules", "test", "builtin:add-headers", "--cases", cases],
        0,
        &["on inline, threads, process: the same everywhere"],
    );
    holds(
        &[
            "modules",
            "test",
            "builtin:add-headers",
            "--cases",
            cases,
            "--runtime",
            "threads",
        ],
        0,
        &["on threads: the same everywhere"],
    );
    // Another module does not do what these cases expect.
    holds(
        &[
            "modules",
            "test",
            "builtin:empty",
            "--cases",
            cases,
            "--runtime",
            "inline",
        ],
        1,
        &["inline"],
    );
    holds(
        &[
            "modules",
            "test",
            "builtin:empty",
            "--cases",
            "/nonexistent",
            "--runtime",
            "inline",
        ],
        1,
        &["/nonexistent"],
    );
}

#[test]
fn a_command_to_a_proxy_that_is_not_there_says_so() {
    // Bound and not listening: nobody else can take it meanwhile.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = held.local_addr().unwrap().to_string();
    for args in [&["modules", "list"][..], &["modules", "unload", "x"]] {
        let args = [args, &["--admin", &address]].concat();
        holds(
            &args,
            1,
            &[
                &format!("no proxy's admin listens on {address}"),
                "is the proxy running? `--admin` says where its admin is",
            ],
        );
    }
    holds(
        &["modules", "list", "--admin", "unix:/nonexistent/admin"],
        1,
        &["no proxy's admin listens on unix:/nonexistent/admin"],
    );
    holds(
        &["modules", "list", "--admin", "off"],
        1,
        &["a proxy whose admin is off cannot be asked"],
    );
    holds(
        &["modules", "list", "--admin", "3130"],
        1,
        &["--admin", "127.0.0.1:3130"],
    );
}

#[test]
fn what_answers_and_is_no_admin_is_told() {
    use std::io::{Read, Write};
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = socket.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
    });
    holds(
        &["modules", "list", "--admin", &address],
        1,
        &["what answers there is no admin of Understudy"],
    );
    server.join().unwrap();
}

#[test]
fn a_wrong_command_about_modules_is_a_usage_error() {
    for args in [
        &["modules"][..],
        &["modules", "set", "a"],
        &["modules", "set", "a", "runtime"],
        &["modules", "load", "a"],
        &["modules", "reconfigure", "a", "=x"],
        &[
            "modules",
            "test",
            "builtin:empty",
            "--cases",
            ".",
            "--runtime",
            "thread",
        ],
    ] {
        assert_eq!(understudy(args, &[]).status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_new_module_is_written_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    for (more, source) in [(&["--c"][..], ".c"), (&[], "lib.rs")] {
        let to = dir.path().join(source);
        let args = [
            &["modules", "new", "mine", "--dir", to.to_str().unwrap()],
            more,
        ]
        .concat();
        holds(&args, 0, &[source]);
        holds(&args, 1, &["is there already; nothing was written"]);
    }
    holds(
        &["modules", "new", "No Name"],
        1,
        &["is no name for a module"],
    );
    holds(
        &[
            "modules",
            "new",
            "mine",
            "--interface",
            dir.path().to_str().unwrap(),
        ],
        1,
        &["there is no crate in"],
    );
}
