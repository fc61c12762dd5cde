//! `understudy-bed run --adapts`: content that a proxy changes on purpose is judged through the change.
#![allow(clippy::unwrap_used)]

#[path = "adapted/wrong.rs"]
mod wrong;

use std::{net::TcpListener, path::Path, process::Command};
use understudy_bed::{
    oracle::Adaptations,
    record::{Adaptation, Adapted, Fault, Results},
    robots::{self, Plan, Shape},
    workload::Workload,
};
use wrong::{Does, TEXT};

/// Pages with a photograph each, and texts.
const WORKLOAD: &str = r#"
name = "adapted"

[[content]]
name = "photos"
bodies = "jpeg"
size = { uniform = [4096, 6144] }
cachable = 0.8
life = { length = { constant = 604800 } }

[[content]]
name = "pages"
bodies = "html"
direct = 1
size = { exp = 6144 }
cachable = 0.8
life = { length = { constant = 604800 } }
embeds = [{ content = "photos", count = { constant = 1 } }]

[[content]]
name = "texts"
bodies = "text"
direct = 1
size = { uniform = [2048, 8192] }
cachable = 0.8
life = { length = { constant = 604800 } }

[demand]
robot_rate = 1
peak = 30
recurrence = 0.4
popularity = { zipf = { exponent = 0.8 } }
working_set = 600

[methods]
head = 0.1
post = 0.05
post_size = { constant = 100 }

[connections]
robot = { zipf = 16 }
robot_open = 4
server = { zipf = 16 }

[[phases]]
name = "top"
seconds = 4
from = 1
to = 1
measured = true
"#;

/// Understudy with a transcoder, a compressor and a text-injector, all at once.
const PROXY: &str = r#"
workers = 1
[[listen]]
address = "@PROXY@"
[cache]
memory = "64M"
[access]
allow_to = ["loopback"]
[admin]
address = "off"
[[module]]
name = "compressor"
library = "builtin:compressor"
runtime = "inline"
[[module]]
name = "text-injector"
library = "builtin:text-injector"
runtime = "inline"
[module.options]
text = "@TEXT@"
on = "store"
[[module]]
name = "transcoder"
library = "builtin:transcoder"
runtime = "process"
deadline = "30s"
[module.options]
grayscale = "always"
patience_ms = 20000
"#;

fn counted(results: &Results, adaptation: Adaptation) -> Adapted {
    let counts = results.total.adapted.get(&adaptation);
    counts.copied().unwrap_or_default()
}

/// All that were meant were made, and none wrongly; how often.
fn adapted_rightly(results: &Results, said: &str) -> [(Adaptation, Adapted); 3] {
    use Adaptation::{Compressed, Gray, Injected};
    [Gray, Compressed, Injected].map(|adaptation| {
        let counts = counted(results, adaptation);
        let right = counts.adapted > 0 && counts.wrong == 0;
        assert!(right, "{adaptation:?}: {counts:?}\n{said}");
        (adaptation, counts)
    })
}

/// A run against this proxy, told by the command line; its results and what it said.
fn command(dir: &Path, proxy: &str, start: &str) -> (Results, String) {
    let workload = dir.join("workload.toml");
    std::fs::write(&workload, WORKLOAD).unwrap();
    let out = dir.join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args(["run", workload.to_str().unwrap(), "--proxy", proxy])
        .args(["--start", start, "--out", out.to_str().unwrap()])
        .args(["--adapts", "gray,compressed"])
        .args(["--must-adapt", &format!("pages:injected={TEXT}")])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let faults = std::fs::read_to_string(out.join("faults.jsonl")).unwrap_or_default();
    // A debug build beside other tests may well be too slow for its figures to count.
    assert!(
        matches!(output.status.code(), Some(0 | 3)),
        "{told}{errors}{faults}"
    );
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<h2>Adapted content</h2>"));
    (Results::read(&out.join("results.json")).unwrap(), told)
}

#[test]
fn understudy_with_three_modules_at_once_has_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = free.local_addr().unwrap().to_string();
    drop(free);
    let config = PROXY.replace("@PROXY@", &proxy).replace("@TEXT@", TEXT);
    let path = dir.path().join("understudy.toml");
    std::fs::write(&path, config).unwrap();
    let binary = understudy_testbed::proxy::binary().display();
    let start = format!("{binary} run --config {}", path.display());
    let (results, told) = command(dir.path(), &proxy, &start);
    assert_eq!(results.total.failures(), 0, "{told}");
    for (adaptation, counts) in adapted_rightly(&results, &told) {
        assert_eq!(counts.unjudged, 0, "{adaptation:?}");
        let line = format!(
            "adapted   {}: {} adapted",
            adaptation.name(),
            counts.adapted
        );
        assert!(told.contains(&line), "{told}");
    }
    let compressed = counted(&results, Adaptation::Compressed);
    assert!(compressed.unasked > 0, "{compressed:?}");
    let phases = results.phases.iter();
    let by_phase: u64 = phases
        .filter_map(|p| p.figures.adapted.get(&Adaptation::Compressed))
        .map(|counts| counts.adapted)
        .sum();
    assert!(by_phase > 0 && by_phase <= compressed.adapted);
    assert!(results.total.sources.hit.documents > 0, "{told}");
    let generator = results.total.generator.unwrap();
    assert!(generator.judges > 0.0, "{generator:?}");
}

/// A short run against a proxy that does this; its results, and what was kept of its faults.
fn run(does: Does) -> (Results, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut adapts = Adaptations::default();
    adapts
        .add(&format!("gray,compressed,injected={TEXT}"), false)
        .unwrap();
    if does == Does::Nothing {
        adapts.add(&format!("injected={TEXT}"), true).unwrap();
    }
    // The proxy here takes no bodies of requests.
    let workload = Workload::parse(&WORKLOAD.replace("post = 0.05", "")).unwrap();
    let mut plan = Plan::new(workload, wrong::start(does));
    plan.adapts = adapts;
    plan.shape = Shape::Plateau {
        warm: 0.1,
        plateau: 1.0,
    };
    plan.rate = Some(40.0);
    plan.out = Some(dir.path().to_path_buf());
    let results = robots::run(&plan, |_| {}).unwrap();
    let kept = std::fs::read_to_string(dir.path().join("faults.jsonl"));
    (results, kept.unwrap())
}

#[test]
fn what_is_adapted_rightly_is_no_fault() {
    let (results, kept) = run(Does::Right);
    assert_eq!(results.total.failures(), 0, "{kept}");
    adapted_rightly(&results, &kept);
}

#[test]
fn each_way_of_adapting_wrongly_is_found_out() {
    use Adaptation::{Compressed, Gray, Injected};
    use Fault::{Truncated, WronglyAdapted};
    for (does, adaptation, fault, why) in [
        (
            Does::DamagesAByte,
            Compressed,
            WronglyAdapted,
            "compressed: inflates to other bytes",
        ),
        (
            Does::CutsOff,
            Compressed,
            WronglyAdapted,
            "compressed: does not inflate",
        ),
        (
            Does::CompressesForAll,
            Compressed,
            WronglyAdapted,
            "compressed: Content-Encoding gzip",
        ),
        (Does::HalvesTheText, Injected, WronglyAdapted, "injected: "),
        (Does::DoublesTheText, Injected, WronglyAdapted, "injected: "),
        (Does::Overwrites, Injected, WronglyAdapted, "injected: "),
        (
            Does::Negative,
            Gray,
            WronglyAdapted,
            "gray: another picture",
        ),
        (Does::KeepsColours, Gray, WronglyAdapted, "gray: not gray"),
        (Does::Endless, Gray, Truncated, "more than "),
    ] {
        let (results, kept) = run(does);
        let faults = &results.total.faults;
        assert!(faults.contains_key(&fault), "{does:?}: {faults:?}");
        let failed: Vec<_> = faults.keys().filter(|f| f.is_failure()).collect();
        assert_eq!(failed, [&fault], "{does:?}");
        let why = format!(r#""adapted":"{why}"#);
        assert!(kept.contains(&why), "{does:?}: {kept}");
        let counts = counted(&results, adaptation);
        assert!(counts.wrong > 0, "{does:?}: {counts:?}");
    }
}

#[test]
fn what_had_to_be_adapted_and_was_not_is_a_fault_and_what_had_not_is_none() {
    let (results, _) = run(Does::Nothing);
    let injected = counted(&results, Adaptation::Injected);
    assert!(injected.passed > 0 && injected.adapted == 0);
    assert_eq!(
        results.total.faults,
        [(Fault::NotAdapted, injected.passed)].into()
    );
    assert!(counted(&results, Adaptation::Gray).passed > 0);
}

/// Pages that a proxy without a store, which is taken for one with room for everything, is said to have missed falsely.
fn pages_missed(does: Does) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let text = WORKLOAD.replace("post = 0.05", "");
    let text = text.replace("recurrence = 0.4", "recurrence = 0.9");
    let photos = r#"embeds = [{ content = "photos", count = { constant = 1 } }]"#;
    let text = text.replace(photos, "");
    let mut plan = Plan::new(Workload::parse(&text).unwrap(), wrong::start(does));
    let meant = format!("compressed,injected={TEXT}");
    plan.adapts.add(&meant, false).unwrap();
    plan.cache = Some(1 << 30);
    plan.shape = Shape::Plateau {
        warm: 0.1,
        plateau: 3.0,
    };
    plan.rate = Some(60.0);
    plan.out = Some(dir.path().to_path_buf());
    let results = robots::run(&plan, |_| {}).unwrap();
    assert_eq!(results.total.failures(), 0, "{does:?}");
    let kept = std::fs::read_to_string(dir.path().join("faults.jsonl")).unwrap();
    let missed = |line: &&str| {
        let kept: serde_json::Value = serde_json::from_str(line).unwrap();
        let page = kept["path"].as_str().unwrap().ends_with(".html");
        page && kept["faults"] == serde_json::json!(["false_miss"])
    };
    kept.lines().filter(missed).count()
}

#[test]
fn a_page_that_an_adaptation_had_no_time_for_need_not_be_stored_though_it_came_compressed() {
    assert_eq!(pages_missed(Does::LeavesPages), 0);
    assert!(pages_missed(Does::Right) > 0);
}

#[test]
fn a_length_that_no_form_of_the_object_has_is_a_fault_of_fields() {
    let faults = run(Does::WrongLength).0.total.faults;
    assert!(faults.contains_key(&Fault::Fields), "{faults:?}");
}

#[test]
fn a_coding_that_head_tells_of_and_nobody_asked_for_is_a_fault_of_fields() {
    let faults = run(Does::MislabelsHeads).0.total.faults;
    let failed: Vec<_> = faults.keys().filter(|f| f.is_failure()).collect();
    assert_eq!(failed, [&Fault::Fields]);
}

#[test]
fn a_strong_tag_of_two_forms_is_a_fault_of_fields() {
    let faults = run(Does::SharesATag).0.total.faults;
    let failed: Vec<_> = faults.keys().filter(|f| f.is_failure()).collect();
    assert_eq!(failed, [&Fault::Fields]);
}
