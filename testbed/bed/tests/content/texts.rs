//! Style sheets, scripts, JSON and plain text.

use crate::kit::{body, objects};
use std::{fs, process::Command};
use understudy_bed::world::Format;

fn texts(kind: &str, format: Format) -> impl Iterator<Item = String> {
    objects(kind, format, 40)
        .into_iter()
        .map(|o| String::from_utf8(body(o)).unwrap())
}

#[test]
fn json_parses() {
    for text in texts("other", Format::Json) {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["id"].as_str().unwrap().len(), 16);
        assert!(
            value["items"]
                .as_array()
                .unwrap()
                .iter()
                .all(|item| item.is_null() || item["price"].is_number())
        );
    }
}

/// Outside strings and comments, every bracket is closed by its like.
fn assert_balanced(text: &str) {
    let (mut open, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap()
        } else if first == '"' {
            rest[1..].find('"').unwrap() + 2
        } else {
            match first {
                '(' => open.push(')'),
                '[' => open.push(']'),
                '{' => open.push('}'),
                ')' | ']' | '}' => assert_eq!(open.pop(), Some(first)),
                _ => {}
            }
            first.len_utf8()
        };
        rest = &rest[skip..];
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn scripts_and_style_sheets_leave_nothing_open() {
    for format in [Format::JavaScript, Format::Css] {
        texts("other", format).for_each(|text| assert_balanced(&text));
    }
}

#[test]
fn scripts_parse_by_node() {
    let directory = tempfile::tempdir().unwrap();
    for (number, text) in texts("other", Format::JavaScript).take(4).enumerate() {
        let file = directory.path().join(format!("{number}.js"));
        fs::write(&file, text).unwrap();
        let out = Command::new("node")
            .arg("--check")
            .arg(&file)
            .output()
            .expect("apt-get install nodejs");
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn style_sheets_are_rules() {
    for text in texts("other", Format::Css) {
        let rules: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("/*"))
            .collect();
        for line in rules {
            let rule = line.ends_with(" {") && line.starts_with('.');
            let declaration = line.starts_with("  ") && line.ends_with(';') && line.contains(": ");
            assert!(rule || declaration || line == "}", "{line}");
        }
    }
}

#[test]
fn plain_text_is_source_code_or_prose() {
    let (source, prose): (Vec<String>, Vec<String>) =
        texts("text", Format::Text).partition(|text| text.starts_with("/* "));
    assert!(source.len() > 10 && prose.len() > 10);
    source.iter().for_each(|text| assert_balanced(text));
    assert!(
        prose
            .iter()
            .all(|text| text.is_ascii() && text.ends_with('\n'))
    );
}
