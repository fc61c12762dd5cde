//! Cases are read from files, and a mistake in one is told with its place; bodies are cut in every way.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;
use understudy_module::Bytes;
use understudy_module::kit::{self, Case, Cuts, Random};

/// The case in this text, or why it cannot be read.
fn read(text: &str) -> Result<Case, String> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("one.toml"), text).unwrap();
    std::fs::write(directory.path().join("body.bin"), [0, 1, 2]).unwrap();
    std::fs::write(directory.path().join("notes.txt"), "no case").unwrap();
    Ok(kit::cases(directory.path())?.remove(0))
}

#[test]
fn a_case_has_what_its_file_says() {
    let case = read(
        r#"
        client = "[2001:db8::7]:9"
        addresses = ["2001:db8::80"]
        boundaries = [4]
        [options]
        words.first = "a"
        list = [1, "b"]
        [request]
        head = """
        POST http://example.org/ HTTP/1.1
        Host: example.org
        """
        body = { base64 = "AAEC" }
        [response]
        head = "HTTP/1.1 404 Not Found"
        body = { file = "body.bin" }
        [expect.stored]
        status = 404
        "#,
    )
    .unwrap();
    assert_eq!(case.name, "one");
    assert_eq!(case.client, "[2001:db8::7]:9".parse().unwrap());
    assert_eq!(case.boundaries, [4]);
    let options: Vec<_> = case.options.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        options,
        [("list.0", "1"), ("list.1", "b"), ("words.first", "a")]
    );
    assert_eq!(
        (&*case.method, &*case.target),
        ("POST", "http://example.org/")
    );
    assert_eq!(
        String::from_utf8(case.request).unwrap().trim(),
        "Host: example.org"
    );
    assert_eq!(case.request_body.as_deref(), Some(&[0, 1, 2][..]));
    assert_eq!(
        (case.status, case.response_body.as_deref()),
        (404, Some(&[0, 1, 2][..]))
    );
    assert_eq!(case.expect.stored.status, Some(404));
}

#[test]
fn a_mistake_is_told_with_file_and_key() {
    const GET: &str = "[request]\nhead = \"GET / HTTP/1.1\"\n";
    for (text, told) in [
        ("", "there is no [request]"),
        (
            "[request]\nhead = \"GET\"",
            "request.head: `GET` is no request line",
        ),
        (
            "[request]\nhead = \"GET / HTTP/1.1\\nHost\"",
            "`Host` is no field line",
        ),
        (
            &format!("cashed = true\n{GET}"),
            "cashed: a case has no such key",
        ),
        (
            &format!("{GET}bdy = \"\""),
            "request.bdy: a case has no such key",
        ),
        (
            &format!("{GET}body = {{ file = \"none\" }}"),
            "none: No such file",
        ),
        (
            &format!("{GET}body = {{ base64 = \"?\" }}"),
            "request.body.base64: base64 is expected",
        ),
        (
            &format!("{GET}[response]\nhead = \"HTTP\""),
            "response.head: `HTTP` is no status line",
        ),
        (
            &format!("{GET}[expect.returned]\nfeilds = 1"),
            "expect.returned.feilds: a case has no",
        ),
        (
            &format!("{GET}[expect.returned]\nstatus = \"x\""),
            "expect.returned.status: a number",
        ),
        ("=", "TOML"),
    ] {
        let why = read(text).unwrap_err();
        assert!(
            why.contains("one.toml: ") && why.contains(told),
            "{told}: {why}"
        );
    }
}

#[test]
fn a_directory_without_cases_is_told() {
    let directory = tempfile::tempdir().unwrap();
    assert!(
        kit::cases(directory.path())
            .unwrap_err()
            .contains("there is no case")
    );
    assert!(kit::cases(Path::new("/no/such/place")).is_err());
}

/// The pieces' lengths, and whether the end comes by itself; the pieces must be the body.
fn shape(cuts: &Cuts, body: &Bytes) -> (Vec<usize>, bool) {
    let pieces = cuts.pieces(body);
    let joined: Vec<u8> = pieces
        .iter()
        .flat_map(|(piece, _)| piece.to_vec())
        .collect();
    assert_eq!(joined, **body);
    let lasts: Vec<bool> = pieces.iter().map(|(_, last)| *last).collect();
    let (end, before) = lasts.split_last().unwrap();
    assert!(*end && !before.contains(&true));
    let apart = pieces.back().unwrap().0.is_empty();
    (pieces.iter().map(|(piece, _)| piece.len()).collect(), apart)
}

#[test]
fn a_short_body_is_cut_in_all_ways() {
    for length in 1..=10 {
        let body = Bytes::from(vec![b'x'; length]);
        let ways = Cuts::ways(length, &[], &mut Random::new(1));
        let shapes: HashSet<_> = ways.iter().map(|cuts| shape(cuts, &body)).collect();
        let together = shapes.iter().filter(|(_, apart)| !apart).count();
        assert_eq!(together, 1 << (length - 1), "{length}");
        assert!(shapes.iter().any(|(_, apart)| *apart));
    }
}

#[test]
fn a_longer_body_is_cut_in_bytes_in_two_everywhere_and_around_boundaries() {
    let body = Bytes::from(vec![b'x'; 40]);
    let ways = Cuts::ways(40, &[20], &mut Random::new(1));
    let shapes: HashSet<_> = ways.iter().map(|cuts| shape(cuts, &body).0).collect();
    assert!(shapes.contains(&vec![1; 40]));
    for at in 1..40 {
        assert!(shapes.contains(&vec![at, 40 - at]), "{at}");
    }
    assert!(shapes.contains(&vec![19, 1, 1, 19]));
}

#[test]
fn a_body_of_many_kilobytes_is_cut_in_few_ways() {
    let body = Bytes::from(vec![b'x'; 100_000]);
    let ways = Cuts::ways(100_000, &[], &mut Random::new(1));
    assert!(ways.len() < 40);
    ways.iter().for_each(|cuts| drop(shape(cuts, &body)));
}

#[test]
fn chance_is_the_same_in_every_run() {
    let ways = |seed| Cuts::ways(100, &[], &mut Random::new(seed));
    assert_eq!(ways(1), ways(1));
    assert_ne!(ways(1), ways(2));
}
