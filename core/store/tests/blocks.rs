//! A body cut anywhere and read from anywhere is the same body, and every byte of it is paid for exactly.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use understudy_store::{
    blocks::{Blocks, MAX_BLOCK, MIN_BLOCK, block, block_cost, body_cost},
    budget::{Budget, Reservation},
};

const PLENTY: u64 = 1 << 30;

fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at % 251) as u8 ^ (at / 251 % 256) as u8)
        .collect()
}

/// Appends a body of `whole` bytes in pieces of these sizes, over and over.
fn grow(
    whole: &[u8],
    sizes: &[usize],
    known: bool,
    credit: &mut Reservation,
    mut each: impl FnMut(&Blocks),
) -> Blocks {
    let mut blocks = Blocks::default();
    let (mut rest, mut sizes) = (whole, sizes.iter().cycle());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        assert!(blocks.append(piece, known.then_some(rest.len() as u64), credit));
        rest = after;
        each(&blocks);
    }
    blocks
}

fn read_from(blocks: &Blocks, mut offset: u64) -> Vec<u8> {
    let mut read = Vec::new();
    while let Some(bytes) = blocks.read(offset) {
        assert!(!bytes.is_empty());
        offset += bytes.len() as u64;
        read.extend_from_slice(&bytes);
    }
    read
}

#[test]
fn a_known_body_in_one_piece_is_one_exact_block() {
    for length in [1, 100, 10 * 1024, MAX_BLOCK] {
        let budget = Budget::new(PLENTY);
        let mut credit = budget.empty();
        let blocks = grow(&pattern(length), &[length], true, &mut credit, |_| ());
        assert_eq!(blocks.handles().len(), 1);
        assert_eq!((budget.used(), credit.bytes()), (block_cost(length), 0));
    }
}

#[test]
fn a_long_piece_is_cut_into_the_largest_blocks() {
    let budget = Budget::new(PLENTY);
    let blocks = grow(
        &pattern(MAX_BLOCK * 2 + 5),
        &[usize::MAX],
        true,
        &mut budget.empty(),
        |_| (),
    );
    let lengths: Vec<usize> = blocks.handles().iter().map(|block| block.len()).collect();
    assert_eq!(lengths, [MAX_BLOCK, MAX_BLOCK, 5]);
}

#[test]
fn a_dribbled_body_is_gathered_into_few_blocks() {
    let budget = Budget::new(PLENTY);
    let mut credit = budget.empty();
    let whole = pattern(200_000);
    let mut blocks = grow(&whole, &[7], false, &mut credit, |_| ());
    blocks.seal(&mut credit);
    assert!(
        blocks.handles().len() <= 6,
        "{} blocks",
        blocks.handles().len()
    );
    assert_eq!(blocks.handles().concat(), whole);
}

#[test]
fn without_room_the_bytes_are_kept_uncounted_and_it_is_said() {
    let budget = Budget::new(10_000);
    let mut credit = budget.empty();
    let mut blocks = Blocks::default();
    assert!(blocks.append(&pattern(5000), None, &mut credit));
    assert!(!blocks.append(&pattern(9000), None, &mut credit));
    assert_eq!(blocks.len(), 14_000);
    assert_eq!(read_from(&blocks, 5000), pattern(9000));
    assert!(budget.used() <= 10_000);
}

#[test]
fn released_blocks_leave_the_budget_when_their_last_reader_lets_go() {
    let budget = Budget::new(PLENTY);
    let mut credit = budget.empty();
    let mut blocks = grow(&pattern(3 * 5000), &[5000], false, &mut credit, |_| ());
    let first = blocks.read(0).unwrap();
    blocks.release_before(9999);
    assert_eq!(budget.used(), 3 * block_cost(5000));
    drop(first);
    assert_eq!(budget.used(), 2 * block_cost(5000));
    assert!(blocks.read(0).is_none() && blocks.read(4999).is_none());
    assert_eq!(read_from(&blocks, 5001).len(), 9999);
}

#[test]
fn a_block_of_its_own_is_paid_for() {
    let budget = Budget::new(block_cost(100));
    let held = block(&budget, &pattern(100)).unwrap();
    assert_eq!((&*held, budget.available()), (&*pattern(100), 0));
    assert!(block(&budget, b"x").is_none());
    drop(held);
    assert_eq!(budget.used(), 0);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_body_and_exact_accounts(
        length in 0_usize..60_000,
        sizes in prop::collection::vec(prop_oneof![1_usize..20, 1..MIN_BLOCK, MIN_BLOCK..20_000], 1..8),
        known: bool,
        from in 0.0..1.0_f64,
    ) {
        let whole = pattern(length);
        let budget = Budget::new(PLENTY);
        let mut credit = budget.empty();
        let mut appended = 0;
        let mut blocks = grow(&whole, &sizes, known, &mut credit, |blocks| {
            appended = blocks.len() as usize;
            let from = (from * appended as f64) as usize;
            assert_eq!(read_from(blocks, from as u64), &whole[from..appended]);
        });
        blocks.seal(&mut credit);
        prop_assert_eq!(blocks.handles().concat(), whole);
        prop_assert_eq!(budget.used() - credit.bytes(), blocks.cost());
        if known {
            prop_assert!(blocks.cost() <= body_cost(length as u64), "what respond reserves is enough");
        }
        drop((blocks, credit));
        prop_assert_eq!(budget.used(), 0);
    }
}
