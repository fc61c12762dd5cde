//! The transcoder between real images and clients, with what another decoder (Pillow, from PyPI) finds in the results.
//!
//! Pillow is installed once, into the target directory, and needs no network from then on. Threads and processes are looked at;
//! inline refuses the module.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use understudy_testbed::{
    Client, Gate, Launch, Origin, PATIENCE, Proxy, Response, get,
    modules::{config, module},
    programs::{LONG, run_within},
    reply, run,
};

const HOST: &str = "site.test";
const THREADS: &str = "runtime = \"threads\"\n";
const PROCESS: &str = "runtime = \"process\"\nmemory = \"512M\"\n";
const PILLOW: &str = "12.0.0";

/// The directory with Pillow.
fn pillow() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let home = tmp.join(format!("pillow-{PILLOW}"));
        if !home.exists() {
            // It appears whole or not at all.
            let staged = tempfile::tempdir_in(tmp).unwrap();
            run_within(
                Command::new("python3")
                    .args(["-m", "pip", "install", "--quiet", "--no-deps"])
                    .args(["--disable-pip-version-check", "--target"])
                    .arg(staged.path().join("it"))
                    .arg(format!("pillow=={PILLOW}")),
                LONG,
            )
            .expect(0);
            // Another program of tests may have been quicker.
            let _ = std::fs::rename(staged.path().join("it"), &home);
        }
        home
    })
}

fn python(arguments: &[&Path], word: &str) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcoder/images.py");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", pillow()).arg(script).arg(word);
    run(command.args(arguments)).expect(0).text()
}

/// The images, by name.
fn images() -> &'static BTreeMap<String, Vec<u8>> {
    static IMAGES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let place = tempfile::tempdir().unwrap();
        python(&[place.path()], "make");
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        };
        place.path().read_dir().unwrap().map(read).collect()
    })
}

/// What Pillow finds in these answers, each beside its original.
fn looked(answers: &[(&str, Response)]) -> Vec<Value> {
    let place = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (at, (name, answer)) in answers.iter().enumerate() {
        for (what, bytes) in [("result", &answer.body), ("original", &images()[*name])] {
            let path = place.path().join(format!("{what}{at}"));
            std::fs::write(&path, bytes).unwrap();
            paths.push(path);
        }
    }
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let told = python(&paths, "look");
    let all: Vec<Value> = told
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(all.len(), answers.len(), "{told}");
    all
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').unwrap().1 {
        "jpg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        _ => "image/webp",
    }
}

/// An origin of the images: `/NAME`, and with a query the fields in it (`|` between lines).
fn origin() -> Origin {
    images();
    Origin::answering(|request| {
        let (name, more) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let name = name.trim_start_matches('/');
        let kind = format!("Content-Type: {}", kind(name));
        let mut fields = vec![&kind, "Cache-Control: max-age=600", "ETag: \"v\""];
        fields.extend(more.split('|').filter(|line| !line.is_empty()));
        reply(200, &fields, &images()[name])
    })
}

fn table(runtime: &str, options: &str) -> String {
    format!(
        "[[module]]\nname = \"images\"\nlibrary = \"builtin:transcoder\"\n{runtime}on_failure = \"open\"\n\
         deadline = \"5m\"\n[module.options]\npatience_ms = 600000\n{options}\n"
    )
}

fn start(origin: &Origin, runtime: &str, options: &str) -> Proxy {
    Launch::bare()
        .config(&config(origin, &table(runtime, options)))
        .start()
}

fn ask(proxy: &Proxy, name: &str, fields: &str) -> Response {
    get(proxy.addr(), &format!("/{name}"), HOST, fields).expect(200)
}

/// What the module counted under this name.
fn count(proxy: &Proxy, name: &str) -> u64 {
    let line = format!("understudy_module_count_total{{module=\"images\",count=\"{name}\"}} ");
    let metrics = proxy.admin("/metrics").text();
    let found = metrics.lines().find_map(|l| l.strip_prefix(&line));
    found.map_or(0, |n| n.parse().unwrap())
}

/// Waits until the module has counted so much under these names together: a child's counts come a little behind its answers.
#[track_caller]
fn counted(proxy: &Proxy, names: &[&str], expected: u64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found: u64 = names.iter().map(|name| count(proxy, name)).sum();
        if found == expected {
            return;
        }
        assert!(
            found < expected && Instant::now() < end,
            "{names:?} are {found}, not {expected}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn images_become_gray_and_hits_cost_nothing() {
    // Name, format, mode and size of the result.
    let table = [
        ("plain.jpg", "JPEG", "L", [200, 150]),
        ("turned.jpg", "JPEG", "L", [150, 200]),
        ("progressive.jpg", "JPEG", "L", [200, 150]),
        ("wide.jpg", "JPEG", "L", [200, 150]),
        ("wide.png", "PNG", "L", [200, 150]),
        ("alpha.png", "PNG", "LA", [200, 150]),
        ("palette.png", "PNG", "L", [200, 150]),
        ("deep-color.png", "PNG", "L", [100, 80]),
        ("lossy.webp", "WEBP", "RGB", [200, 150]),
        ("lossless.webp", "WEBP", "RGBA", [200, 150]),
        ("moving.gif", "GIF", "P", [80, 60]),
        ("moving.webp", "WEBP", "RGB", [80, 60]),
        ("still.gif", "GIF", "P", [200, 150]),
    ];
    for runtime in [THREADS, PROCESS] {
        let origin = origin();
        let proxy = start(&origin, runtime, "");
        let mut answers = Vec::new();
        for (name, ..) in table {
            let answer = ask(&proxy, name, "");
            assert_eq!(answer.get("content-type"), Some(kind(name)));
            assert_eq!(answer.get("etag"), Some("W/\"v\""));
            assert_eq!(answer.get("vary"), None);
            let length = answer.body.len().to_string();
            assert_eq!(answer.get("content-length"), Some(&*length), "{name}");
            ask(&proxy, name, "").expect_hit().expect_body(&answer.body);
            answers.push((name, answer));
        }
        for ((name, format, mode, size), seen) in table.iter().zip(looked(&answers)) {
            let told = format!("{name} {seen}");
            assert_eq!(seen["format"], *format, "{told}");
            assert_eq!(seen["mode"], *mode, "{told}");
            assert_eq!(seen["size"], serde_json::json!(size), "{told}");
            assert_eq!(seen["gray"], true, "{told}");
            assert_eq!(seen["profile"], false, "{told}");
            assert_eq!(seen["turned"], false, "{told}");
            assert!(seen["difference"].as_f64().unwrap() < 2.5, "{told}");
            if name.starts_with("moving") {
                assert_eq!(seen["frames"], 4, "{told}");
                assert_eq!(
                    seen["times"],
                    serde_json::json!([100, 200, 350, 60]),
                    "{told}"
                );
                let rounds = if *format == "GIF" { 3 } else { 4 };
                assert_eq!(seen["loop"], rounds, "{told}");
            }
        }
        counted(&proxy, &["images"], table.len() as u64);
        assert_eq!(origin.count(), table.len());
        let bytes_in = table.iter().map(|(name, ..)| images()[*name].len());
        let bytes_in = bytes_in.sum::<usize>() as u64;
        let bytes_out = answers.iter().map(|(_, answer)| answer.body.len());
        let bytes_out = bytes_out.sum::<usize>() as u64;
        assert!(bytes_out < bytes_in, "{bytes_out} {bytes_in}");
        counted(&proxy, &["bytes_in"], bytes_in);
        counted(&proxy, &["bytes_out"], bytes_out);
        // A range is one of what is stored.
        let whole = ask(&proxy, "plain.jpg", "");
        let part = get(proxy.addr(), "/plain.jpg", HOST, "Range: bytes=5-24\r\n").expect(206);
        assert_eq!(part.body, whole.body[5..25]);
    }
}

#[test]
fn clients_get_the_format_they_take_each_from_the_cache() {
    let takes = "Accept: image/webp,*/*\r\n";
    let table = [
        ("plain.jpg", "WEBP"),
        ("turned.jpg", "WEBP"),
        ("palette.png", "WEBP"),
        ("alpha.png", "WEBP"),
        ("moving.gif", "WEBP"),
    ];
    for runtime in [THREADS, PROCESS] {
        let origin = origin();
        let proxy = start(&origin, runtime, "grayscale = \"never\"\nwebp = true");
        let mut answers = Vec::new();
        for (name, _) in table {
            let answer = ask(&proxy, name, takes);
            assert_eq!(answer.get("content-type"), Some("image/webp"), "{name}");
            assert_eq!(answer.get("vary"), Some("Accept"));
            assert!(answer.body.len() < images()[name].len(), "{name}");
            let other = ask(&proxy, name, "Accept: image/png,*/*\r\n");
            assert_eq!(other.get("content-type"), Some(kind(name)));
            assert_eq!(other.get("vary"), Some("Accept"));
            assert!(other.body == images()[name], "{name}");
            ask(&proxy, name, takes)
                .expect_hit()
                .expect_body(&answer.body);
            let again = ask(&proxy, name, "Accept: image/png,*/*\r\n");
            again.expect_hit().expect_body(&images()[name]);
            answers.push((name, answer));
        }
        for ((name, format), seen) in table.iter().zip(looked(&answers)) {
            assert_eq!(seen["format"], *format, "{name} {seen}");
            assert_eq!(seen["gray"], false, "{name} {seen}");
            // Frames of an animation are laid over one another.
            if *name != "moving.gif" {
                assert_eq!(seen["alpha"], *name == "alpha.png", "{name} {seen}");
            }
            assert!(seen["difference"].as_f64().unwrap() < 6.0, "{name} {seen}");
            if *name == "moving.gif" {
                assert_eq!(seen["frames"], 4, "{seen}");
                assert_eq!(seen["times"], serde_json::json!([100, 200, 350, 60]));
                // GIF counts the rounds behind the first.
                assert_eq!(seen["loop"], 4, "{seen}");
            }
        }
        // WebP already: nothing of it depends on Accept.
        let webp = ask(&proxy, "lossy.webp", takes);
        assert_eq!(webp.get("vary"), None);
    }
}

#[test]
fn avif_is_for_who_names_it() {
    let origin = origin();
    let options = "grayscale = \"never\"\navif = true\nwebp = true\nmax_width = 40\nquality = 60";
    let proxy = start(&origin, PROCESS, options);
    let answer = ask(&proxy, "wide.jpg", "Accept: image/avif,image/webp,*/*\r\n");
    assert_eq!(answer.get("content-type"), Some("image/avif"));
    assert_eq!(answer.get("vary"), Some("Accept"));
    let seen = looked(&[("wide.jpg", answer)]).remove(0);
    assert_eq!(seen["format"], "AVIF");
    assert_eq!(seen["size"], serde_json::json!([40, 30]));
    assert!(seen["difference"].as_f64().unwrap() < 8.0, "{seen}");
}

#[test]
fn images_shrink_and_save_data_gets_less() {
    for runtime in [THREADS, PROCESS] {
        let origin = origin();
        let options =
            "grayscale = \"save-data\"\nsave_data_quality = 20\nmax_width = 100\nmax_height = 60";
        let proxy = start(&origin, runtime, options);
        let names = [
            "plain.jpg",
            "turned.jpg",
            "moving.gif",
            "moving.webp",
            "lossy.webp",
        ];
        let sizes = [[80, 60], [45, 60], [80, 60], [80, 60], [80, 60]];
        let mut answers = Vec::new();
        for name in names {
            let plain = ask(&proxy, name, "");
            assert_eq!(plain.get("vary"), Some("Save-Data"), "{name}");
            let saving = ask(&proxy, name, "Save-Data: on\r\n");
            assert!(saving.body.len() <= plain.body.len(), "{name}");
            ask(&proxy, name, "").expect_hit().expect_body(&plain.body);
            answers.push((name, saving));
            answers.push((name, plain));
        }
        for (at, seen) in looked(&answers).iter().enumerate() {
            let (name, size) = (names[at / 2], sizes[at / 2]);
            assert_eq!(seen["size"], serde_json::json!(size), "{name} {seen}");
            assert_eq!(seen["gray"], at % 2 == 0, "{name} {seen}");
            assert!(seen["difference"].as_f64().unwrap() < 16.0, "{name} {seen}");
        }
    }
}

#[test]
fn hints_of_width_are_rounded_so_that_neighbours_share() {
    for runtime in [THREADS, PROCESS] {
        let origin = origin();
        let options = "grayscale = \"never\"\nhints = true\nwidths = [50, 100, 150]";
        let proxy = start(&origin, runtime, options);
        let image = "Accept: image/webp,*/*\r\n";
        let hints = [
            ("Sec-CH-Width: 90\r\n", 100, false),
            ("Sec-CH-Width: 77\r\n", 100, true),
            ("Width: 42\r\n", 50, false),
            (
                "Sec-CH-Viewport-Width: 49\r\nSec-CH-DPR: 1.9\r\n",
                100,
                false,
            ),
            (
                "Sec-CH-Viewport-Width: 40\r\nSec-CH-DPR: 1.6\r\n",
                100,
                true,
            ),
            ("Sec-CH-Width: 5000\r\n", 150, false),
            ("Sec-CH-Width: NaN\r\n", 200, false),
        ];
        let mut answers = Vec::new();
        for (hint, _, is_hit) in hints {
            let answer = ask(&proxy, "plain.jpg", &format!("{image}{hint}"));
            assert_eq!(answer.is_hit(), is_hit, "{hint}");
            let vary = answer.get("vary").unwrap();
            assert!(
                vary.contains("Sec-CH-Width") && !vary.contains("Accept"),
                "{vary}"
            );
            answers.push(("plain.jpg", answer));
        }
        for ((hint, width, _), seen) in hints.iter().zip(looked(&answers)) {
            assert_eq!(seen["size"][0], *width, "{hint}");
        }
    }
}

#[test]
fn what_is_broken_or_too_large_is_given_as_it_is() {
    let names = ["bomb.png", "bomb.gif", "cut.png", "lies.jpg", "page.png"];
    let small = "runtime = \"process\"\nmemory = \"256M\"\n";
    for runtime in [THREADS, small] {
        let origin = origin();
        // Palettes alone would change in a bomb of frames: what unpacks them is asked for as well.
        let proxy = start(&origin, runtime, "max_width = 100");
        for name in names {
            let answer = ask(&proxy, name, "");
            assert!(answer.body == images()[name], "{name}");
            assert_eq!(answer.get("content-type"), Some(kind(name)));
            assert_eq!(answer.get("etag"), Some("\"v\""), "{name}");
            ask(&proxy, name, "").expect_hit();
        }
        counted(&proxy, &["kept_bomb"], 3);
        counted(&proxy, &["kept_broken"], 2);
        // The same child works on.
        assert_eq!(count(&proxy, "images"), 0);
        assert!(ask(&proxy, "plain.jpg", "").body != images()["plain.jpg"]);
        counted(&proxy, &["images"], 1);
    }
}

#[test]
fn a_child_that_runs_out_of_memory_costs_nobody_the_image() {
    let origin = origin();
    let small = "runtime = \"process\"\nmemory = \"256M\"\n";
    let proxy = start(&origin, small, "max_pixels = 1000000000");
    let answer = ask(&proxy, "large.png", "");
    assert!(answer.body == images()["large.png"]);
    // The next child works.
    let works = (0..1000).any(|_| {
        let answer = ask(&proxy, "plain.jpg?Cache-Control:no-store", "");
        answer.body != images()["plain.jpg"]
    });
    assert!(works);
    assert!(
        module(&proxy, "images")["gauges"]["restarts"]
            .as_u64()
            .unwrap()
            >= 1
    );
}

#[test]
fn beyond_the_limit_images_pass_and_are_not_stored() {
    const CLIENTS: usize = 6;
    for runtime in [THREADS, PROCESS] {
        let gate = Gate::new();
        images();
        let open = gate.clone();
        let origin = Origin::scripted(move |conn| {
            while let Some(_request) = conn.request() {
                let body = &images()["slow.png"];
                let (start, end) = body.split_at(body.len() - 1);
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCache-Control: max-age=60\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                ));
                conn.send(start);
                open.wait();
                conn.send(end);
            }
        });
        // AVIF, for that takes longest.
        let options = "avif = true\nworkers = 1\nwaiting = 1";
        let proxy = start(&origin, runtime, options);
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(proxy.addr())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!(
                "GET /{at} HTTP/1.1\r\nHost: {HOST}\r\nAccept: image/avif\r\n\r\n"
            ));
        }
        origin.wait_requests(CLIENTS);
        gate.open();
        let answers: Vec<Response> = clients
            .iter_mut()
            .map(|c| c.response().expect(200))
            .collect();
        let passed = answers.iter().filter(|a| a.body == images()["slow.png"]);
        for answer in &answers {
            let is_original = answer.body == images()["slow.png"];
            assert_eq!(answer.is_stored(), !is_original);
        }
        let passed = passed.count() as u64;
        assert!(passed >= 1, "one is under way and one waits");
        counted(&proxy, &["passed_waiting"], passed);
        counted(&proxy, &["images"], CLIENTS as u64 - passed);
    }
}

#[test]
fn what_does_not_fit_the_budget_passes() {
    for runtime in [THREADS, PROCESS] {
        let origin = Origin::scripted(|conn| {
            while let Some(_request) = conn.request() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in images()["noise.png"].chunks(5000) {
                    conn.send(format!("{:x}\r\n", piece.len()));
                    conn.send(piece);
                    conn.send("\r\n");
                }
                conn.send("0\r\n\r\n");
            }
        });
        images();
        let runtime = format!("{runtime}hold = \"128K\"\n");
        let proxy = start(&origin, &runtime, "max_held = 131072");
        let answer = ask(&proxy, "noise.png", "");
        assert!(answer.body == images()["noise.png"]);
        counted(&proxy, &["passed_held"], 1);
        assert_eq!(
            module(&proxy, "images")["failures"]["budget"]
                .as_u64()
                .unwrap_or(0),
            0
        );
    }
}

#[test]
fn images_that_wait_for_a_worker_are_counted_as_held() {
    const CLIENTS: usize = 6;
    for runtime in [THREADS, PROCESS] {
        images();
        let origin = Origin::scripted(|conn| {
            while let Some(_request) = conn.request() {
                conn.send("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in images()["slow.png"].chunks(5000) {
                    conn.send(format!("{:x}\r\n", piece.len()));
                    conn.send(piece);
                    conn.send("\r\n");
                }
                conn.send("0\r\n\r\n");
            }
        });
        // Room for one and a half (the proxy has it for three, as it learns a little later that one is done), and AVIF, for that takes
        // longest.
        let room = images()["slow.png"].len() * 3 / 2;
        let options = format!("avif = true\nwaiting = 100\nmax_held = {room}");
        let proxy = start(
            &origin,
            &format!("{runtime}hold = {}\n", room * 2),
            &options,
        );
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(proxy.addr())).collect();
        for (at, client) in clients.iter_mut().enumerate() {
            client.send(format!(
                "GET /{at} HTTP/1.1\r\nHost: {HOST}\r\nAccept: image/avif\r\n\r\n"
            ));
            origin.wait_requests(at + 1);
        }
        for client in &mut clients {
            let answer = client.response().expect(200);
            // What passed for want of room is asked for anew.
            assert_eq!(answer.is_stored(), answer.body != images()["slow.png"]);
        }
        assert_eq!(
            module(&proxy, "images")["failures"]["budget"]
                .as_u64()
                .unwrap_or(0),
            0
        );
        counted(&proxy, &["images", "passed_held"], CLIENTS as u64);
    }
}

#[test]
fn a_validation_keeps_the_variants_apart() {
    images();
    let origin = Origin::answering(|request| {
        let fields = ["Cache-Control: no-cache", "ETag: \"v\"", "Vary: Origin"];
        match request.get("if-none-match") {
            Some(_) => reply(304, &fields, ""),
            None => {
                let mut fields = fields.to_vec();
                fields.push("Content-Type: image/png");
                reply(200, &fields, &images()["alpha.png"])
            }
        }
    });
    let proxy = start(&origin, PROCESS, "grayscale = \"never\"\nwebp = true");
    let takes = "Accept: image/webp\r\n";
    let webp = ask(&proxy, "a", takes);
    let png = ask(&proxy, "a", "Accept: image/png\r\n");
    for _ in 0..2 {
        let again = ask(&proxy, "a", takes).expect_body(&webp.body);
        assert_eq!(again.get("content-type"), Some("image/webp"));
        let again = ask(&proxy, "a", "Accept: image/png\r\n").expect_body(&png.body);
        assert_eq!(again.get("content-type"), Some("image/png"));
        assert_eq!(again.get("etag"), Some("\"v\""));
    }
    assert!(webp.body != png.body && png.body == images()["alpha.png"]);
}

#[test]
fn inline_refuses_it_and_bad_options_are_named() {
    let origin = Arc::new(Origin::answering(|_| reply(200, &[], "")));
    for (runtime, options, told) in [
        ("runtime = \"inline\"\n", "", "blocking"),
        (
            THREADS,
            "quality = 101",
            "option `quality`: a number from 1 to 100",
        ),
        (
            THREADS,
            "grayscale = true",
            "option `grayscale`: always, never or save-data",
        ),
        (PROCESS, "wepb = true", "there is no option `wepb`"),
        (
            PROCESS,
            "widths = [\"wide\"]",
            "option `widths.0`: a number",
        ),
    ] {
        let config = config(&origin, &table(runtime, options));
        let text = Launch::bare().config(&config).run().expect(1).text();
        assert!(text.contains(told), "{text}");
    }
}
