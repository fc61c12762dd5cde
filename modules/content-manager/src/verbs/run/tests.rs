#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn env() -> Env {
    Env {
        number: 7,
        now: 1000,
        root: None,
        parallel: 2,
        shown: 1 << 20,
        most_shown: u64::MAX,
        most_listed: usize::MAX,
    }
}

fn request(json: &str) -> Request {
    serde_json::from_str(json).unwrap()
}

/// Reads what comes in these pieces: what is told of it, and what is submitted last.
fn read(limit: u64, pieces: &[Bytes]) -> (Vec<Bytes>, Vec<(u16, Operation)>, Vec<Told>) {
    let json = format!(r#"{{"verb":"read","url":"http://a/","limit":{limit}}}"#);
    let (mut run, _) = Run::begin(request(&json), &env());
    let head = Box::new(Response::new(200, "").unwrap());
    let mut step = run.completed(0, Completion::Object(head));
    let (mut told, mut others) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        for one in step.told.drain(..) {
            match one {
                Told::Piece(bytes) => told.push(bytes),
                other => others.push(other),
            }
        }
        if step.over {
            break;
        }
        let last = at + 1 == pieces.len();
        step = run.completed(0, Completion::Part(piece.clone(), last));
    }
    for one in step.told.drain(..) {
        match one {
            Told::Piece(bytes) => told.push(bytes),
            other => others.push(other),
        }
    }
    assert!(step.over);
    (told, step.submit, others)
}

proptest! {
    #[test]
    fn a_text_is_told_in_whole_characters_and_nothing_is_lost(text in "[a-z\u{e9}\u{20ac}\u{1f600}]{1,40}", size in 1_usize..9) {
        let pieces: Vec<Bytes> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let (told, submitted, _) = read(u64::MAX, &pieces);
        prop_assert!(told.iter().all(|piece| std::str::from_utf8(piece).is_ok()), "{told:?}");
        prop_assert_eq!(told.concat(), text.as_bytes());
        prop_assert_eq!(submitted, [(0, Operation::ReadDone(7))]);
    }

    #[test]
    fn what_is_no_text_is_told_byte_for_byte(bytes: Vec<u8>, size in 1_usize..9) {
        let mut pieces: Vec<Bytes> = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        pieces.push(Bytes::new());
        prop_assert_eq!(read(u64::MAX, &pieces).0.concat(), bytes);
    }
}

#[test]
fn a_reading_ends_where_no_more_is_wanted_and_says_so() {
    for limit in [0, 4] {
        let (told, submitted, others) = read(limit, &["ab".into(), "cd".into(), "ef".into()]);
        assert_eq!(told.concat().len() as u64, limit);
        assert_eq!(others.last(), Some(&Told::Cut));
        assert_eq!(submitted, [(0, Operation::ReadDone(7))]);
    }
}

#[test]
fn what_is_given_up_leaves_nothing_open() {
    let (run, _) = Run::begin(request(r#"{"verb":"read","url":"http://a/"}"#), &env());
    assert_eq!(run.cancel(), [Operation::ReadDone(7)]);
    let (run, _) = Run::begin(request(r#"{"verb":"query","url":"http://a/"}"#), &env());
    assert_eq!(run.cancel(), []);
}

#[test]
fn an_expiration_is_counted_from_now_or_is_a_date() {
    for (at, want) in [
        ("60", 1060),
        ("-1", 999),
        ("\"Thu, 01 Jan 1970 00:01:00 GMT\"", 60),
    ] {
        let json = format!(r#"{{"verb":"expire","url":"http://a/","at":{at}}}"#);
        let (_, step) = Run::begin(request(&json), &env());
        let [(0, Operation::SetExpiration(_, until))] = step.submit[..] else {
            panic!("{step:?}");
        };
        assert_eq!(until, want);
    }
}

#[test]
fn what_a_step_of_a_preloading_tells_is_bounded_whatever_is_named() {
    let urls = vec![format!("\u{1}{}", "x".repeat(8000)); 3000];
    let json = serde_json::json!({"verb": "preload", "urls": urls}).to_string();
    let (mut run, mut step) = Run::begin(request(&json), &env());
    let mut told = 0;
    loop {
        let bytes: usize = step.told.iter().map(|told| told.text().len()).sum();
        assert!(bytes < 512 * 1024, "{bytes}");
        told += step.told.len();
        if step.over {
            break;
        }
        let [(mark, Operation::Statistics)] = step.submit[..] else {
            panic!("{:?}", step.submit);
        };
        step = run.completed(mark, Completion::Statistics(Vec::new()));
    }
    // Each, and that it is over.
    assert_eq!(told, 3001);
}

/// What is asked of the proxy when this is the sitemap at `http://a/map`.
fn mapped(text: Bytes) -> Step {
    let json = r#"{"verb":"preload","sitemap":"http://a/map"}"#;
    let (mut run, step) = Run::begin(request(json), &env());
    let [(mark, Operation::Fetch(_))] = step.submit[..] else {
        panic!("{:?}", step.submit);
    };
    let fetched = Completion::Fetched {
        status: 200,
        stored: true,
    };
    run.completed(mark, fetched);
    let read = Response::new(200, text).unwrap();
    run.completed(mark, Completion::Object(Box::new(read)))
}

#[test]
fn a_sitemap_names_urls_and_no_other_part_of_the_cache() {
    for text in [
        "<urlset><url><loc>http://a/x\nup</loc></url></urlset>",
        "<urlset><url><loc>http://a/x\\nup</loc></url></urlset>",
        "http://a/x\\nup\n\ny",
    ] {
        for (_, operation) in mapped(text.into()).submit {
            let Operation::Fetch(object) = operation else {
                continue;
            };
            assert!(!object.key().contains(&b'\n'), "{object:?}");
        }
    }
}

#[test]
fn no_part_of_a_sitemap_is_read_that_is_larger_than_any_that_is_meant() {
    for open in ["<!--", "<", "<urlset><url><loc>http://a/"] {
        let bomb = [open.as_bytes(), &vec![b'x'; 4 << 20]].concat();
        let told = mapped(bomb.into()).told;
        let is = |told: &Told| matches!(told, Told::Trouble(_, why) if why.contains("too long"));
        assert!(told.iter().any(is), "{open} {told:?}");
    }
}
