//! Blocks of field lines: the same as setting each, without a second look.
#![allow(clippy::unwrap_used)]

use understudy_module::{Edit, Edits, FieldBlock, MAX_BYTES, Refused};

#[test]
fn a_block_is_its_lines_set_one_after_the_other() {
    let lines = [("X-1", " one "), ("Via-2", ""), ("x-1", "two")];
    let block = FieldBlock::new(lines).unwrap();
    let (mut whole, mut each) = (Edits::new(), Edits::new());
    for edits in [&mut whole, &mut each] {
        edits.add(b"Before", b"0").unwrap();
    }
    whole.set_block(&block).unwrap();
    for (name, value) in lines {
        each.set(name.as_bytes(), value.as_bytes()).unwrap();
    }
    assert_eq!(whole, each);
    assert_eq!(whole.iter().nth(1), Some(Edit::Set(b"X-1", b"one")));
    assert_eq!(whole.lines().text(), each.lines().text());
}

#[test]
fn a_block_is_undone_as_other_edits_are() {
    let block = FieldBlock::new([("A", "1"), ("B", "2")]).unwrap();
    let mut edits = Edits::new();
    edits.set(b"C", b"3").unwrap();
    let mark = edits.mark();
    edits.set_block(&block).unwrap();
    assert_eq!(edits.all_set().map(|lines| lines.len()), Some(3));
    edits.delete(b"D").unwrap();
    assert!(edits.all_set().is_none());
    edits.undo(mark);
    assert!(edits.is_at(mark));
    assert_eq!(edits.all_set().unwrap().text(), b"C: 3\r\n");
    edits.clear();
    assert!(edits.is_empty() && edits.lines().is_empty());
}

#[test]
fn what_may_not_be_written_makes_no_block() {
    for (name, value, why) in [
        ("", "x", Refused::Name),
        ("a b", "x", Refused::Name),
        ("A", "x\r\ny: z", Refused::Value),
        ("Content-Length", "1", Refused::Framing),
        ("Connection", "close", Refused::Framing),
    ] {
        assert_eq!(FieldBlock::new([(name, value)]).err(), Some(why), "{name}");
    }
    let long = "v".repeat(MAX_BYTES);
    assert_eq!(
        FieldBlock::new([("A", &long)]).err(),
        Some(Refused::TooMuch)
    );
}

#[test]
fn a_block_that_has_no_room_is_not_set_at_all() {
    let block = FieldBlock::new([("A", "v".repeat(MAX_BYTES / 2)), ("B", "1".to_owned())]).unwrap();
    let mut edits = Edits::new();
    edits.set_block(&block).unwrap();
    let mark = edits.mark();
    assert_eq!(edits.set_block(&block), Err(Refused::TooMuch));
    assert!(edits.is_at(mark));
    assert_eq!(edits.lines().len(), 2);
}

#[test]
fn a_line_that_is_refused_for_want_of_room_is_not_among_the_lines() {
    let mut edits = Edits::new();
    while edits.no_store().is_ok() {}
    let block = FieldBlock::new([("X-1", "a")]).unwrap();
    assert!(edits.set(b"X-1", b"a").is_err());
    assert!(edits.add(b"X-2", b"b").is_err());
    assert!(edits.set_block(&block).is_err());
    assert_eq!(edits.lines().text(), b"");
    assert!(edits.all_set().is_some_and(|lines| lines.is_empty()));
}

#[test]
fn what_was_refused_takes_no_room_from_who_has_the_record_next() {
    let mut edits = Edits::new();
    let (name, value) = (vec![b'n'; 1024], vec![b'v'; MAX_BYTES]);
    for _ in 0..=MAX_BYTES / name.len() {
        assert_eq!(edits.note(&name, &value), Err(Refused::TooMuch));
        edits.clear();
    }
    edits.delete(b"X-1").unwrap();
}

/// Every sequence of so many steps out of a few, on a record that has the block set and on one that has its lines set.
#[test]
fn a_block_that_stands_for_its_lines_is_them_whatever_comes_behind() {
    let lines = [("X-1", "one"), ("X-2", "two")];
    let block = FieldBlock::new(lines).unwrap();
    let other = FieldBlock::new([("X-2", "three")]).unwrap();
    let steps: [&dyn Fn(&mut Edits); 8] = [
        &|edits| edits.add(b"X-1", b"more").unwrap(),
        &|edits| edits.delete(b"X-2").unwrap(),
        &|edits| edits.keep_length().unwrap(),
        &|edits| edits.note(b"word", b"said").unwrap(),
        &|edits| edits.set_block(&other).unwrap(),
        &|edits| edits.set(b"X-3", b"three").unwrap(),
        &|edits| edits.clear(),
        &|edits| edits.target(b"/x").unwrap(),
    ];
    let (mut whole, mut each) = (Edits::new(), Edits::new());
    for number in 0..steps.len().pow(3) {
        whole.clear();
        each.clear();
        whole.set_block(&block).unwrap();
        for (name, value) in lines {
            each.set(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let mut marks = vec![(Edits::new().mark(), 0), (whole.mark(), 2)];
        let mut rest = number;
        for _ in 0..3 {
            let step = steps[rest % steps.len()];
            rest /= steps.len();
            step(&mut whole);
            step(&mut each);
            marks.push((whole.mark(), whole.len()));
            assert_eq!(whole, each, "{number}");
            assert_eq!(whole.mark(), each.mark());
            assert_eq!(
                (whole.len(), whole.is_empty()),
                (each.len(), each.is_empty())
            );
            assert_eq!(whole.lines().text(), each.lines().text());
            let set = |edits: &Edits| edits.all_set().map(|lines| lines.text().to_vec());
            assert_eq!(set(&whole), set(&each));
            for (mark, _) in &marks {
                assert_eq!(whole.says_more_since(*mark), each.says_more_since(*mark));
                assert!(whole.asides(*mark).eq(each.asides(*mark)));
                assert!(whole.since(*mark).eq(each.since(*mark)));
            }
        }
        // Backwards, also past what was forgotten.
        for (mark, len) in marks.into_iter().rev() {
            if len <= whole.len() {
                whole.undo(mark);
                each.undo(mark);
                assert_eq!((whole.len(), each.len()), (len, len));
            }
            assert_eq!(whole, each);
            assert_eq!(whole.lines().text(), each.lines().text());
        }
        assert!(whole.is_empty());
    }
}
