//! `modules list`: a table for people.
//!
//! Awkward case: times and bytes span many orders of magnitude, so each is written with three digits or so and its unit.

use serde_json::Value;

const HEAD: [&str; 12] = [
    "NAME", "RUNTIME", "STATE", "CALLS", "TIME", "WAIT", "IN", "OUT", "FAILURES", "RESTARTS",
    "HELD", "LIBRARY",
];

/// The table of what the admin answers.
pub(super) fn table(answer: &Value, hooks: bool) -> String {
    let modules = answer["modules"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if modules.is_empty() {
        return "no modules are loaded\n".to_owned();
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    for module in modules {
        let text = |key: &str| module[key].as_str().unwrap_or_default().to_owned();
        let failures: u64 = module["failures"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, n)| n.as_u64())
            .sum();
        let gauge = |name: &str| module["gauges"][name].as_u64().unwrap_or(0);
        rows.push([
            text("name"),
            text("runtime"),
            text("state"),
            module["calls"].as_u64().unwrap_or(0).to_string(),
            time(&module["time"]),
            time(&module["wait"]),
            bytes(&module["bytes_in"]),
            bytes(&module["bytes_out"]),
            failures.to_string(),
            (gauge("restarts") + gauge("rebuilt")).to_string(),
            bytes(&module["held"]),
            text("library"),
        ]);
        for (name, hook) in module["hooks"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|_| hooks)
        {
            let calls = hook["calls"].as_u64().unwrap_or(0);
            rows.push([
                format!("  {name}"),
                String::new(),
                String::new(),
                calls.to_string(),
                time(&hook["time"]),
                time(&hook["wait"]),
                bytes(&hook["bytes_in"]),
                bytes(&hook["bytes_out"]),
                hook["failures"].as_u64().unwrap_or(0).to_string(),
                String::new(),
                String::new(),
                String::new(),
            ]);
        }
        let unwatchable = module["unwatchable"].as_u64().unwrap_or(0);
        if hooks && unwatchable > 0 {
            rows.push(named("unwatchable", unwatchable));
        }
        // What the module counts itself has a name and a number.
        let counts = module["counts"].as_object();
        for (name, n) in counts.into_iter().flatten().filter(|_| hooks) {
            rows.push(named(&format!("count {name}"), n.as_u64().unwrap_or(0)));
        }
    }
    aligned(&rows)
}

/// A row of a name and a number.
fn named(name: &str, n: u64) -> [String; HEAD.len()] {
    let mut row = [const { String::new() }; HEAD.len()];
    row[0] = format!("  {name}");
    row[3] = n.to_string();
    row
}

/// Words to the left, numbers to the right.
fn aligned(rows: &[[String; 12]]) -> String {
    let width = |i: usize| {
        rows.iter()
            .map(|row| row[i].chars().count())
            .max()
            .unwrap_or(0)
    };
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, cell) in row.iter().enumerate() {
            let width = width(i);
            if i > 0 {
                line.push_str("  ");
            }
            line.push_str(&match i {
                0..=2 | 11 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            });
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn time(seconds: &Value) -> String {
    let s = seconds.as_f64().unwrap_or(0.0);
    match s {
        s if s <= 0.0 => "0".to_owned(),
        s if s < 1e-3 => format!("{:.1}us", s * 1e6),
        s if s < 1.0 => format!("{:.1}ms", s * 1e3),
        s => format!("{s:.1}s"),
    }
}

fn bytes(n: &Value) -> String {
    let n = n.as_u64().unwrap_or(0);
    match n {
        0..1024 => n.to_string(),
        1024..1_048_576 => format!("{:.1}K", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1}M", n as f64 / 1_048_576.0),
        _ => format!("{:.1}G", n as f64 / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::table;
    use serde_json::json;

    #[test]
    fn the_table_is_aligned_and_has_hooks_when_asked() {
        let answer = json!({"modules": [{
            "name": "a", "runtime": "process", "state": "demoted", "library": "builtin:empty", "calls": 1234, "time": 0.000_25,
            "wait": 1.5, "bytes_in": 2048, "bytes_out": 3, "failures": {"died": 2, "fail": 1}, "held": 0,
            "gauges": {"restarts": 4}, "hooks": {"log": {"calls": 7, "time": 0, "wait": 0, "bytes_in": 0, "bytes_out": 0, "failures": 0}},
            "counts": {"hits": 12, "saved_bytes": 34}, "unwatchable": 2,
        }]});
        assert_eq!(
            table(&answer, false),
            "NAME  RUNTIME  STATE    CALLS     TIME  WAIT    IN  OUT  FAILURES  RESTARTS  HELD  LIBRARY\n\
             a     process  demoted   1234  250.0us  1.5s  2.0K    3         3         4     0  builtin:empty\n"
        );
        let with_hooks = table(&answer, true);
        let hook: Vec<&str> = with_hooks
            .lines()
            .nth(2)
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        assert_eq!(hook, ["log", "7", "0", "0", "0", "0", "0"]);
        let counts: Vec<Vec<&str>> = with_hooks
            .lines()
            .skip(3)
            .map(|l| l.split_whitespace().collect())
            .collect();
        assert_eq!(
            counts,
            [
                &["unwatchable", "2"][..],
                &["count", "hits", "12"],
                &["count", "saved_bytes", "34"]
            ]
        );
        assert_eq!(
            table(&json!({"modules": []}), false),
            "no modules are loaded\n"
        );
    }
}
