//! A long sequence of operations against a plain map: after each the proxy and the map agree.

use crate::support::{Fixture, answer, body, response};
use bytes::Bytes;
use std::collections::HashMap;
use understudy_module::{Completion, Operation};

/// A small generator: the same sequence in every run of a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

async fn agrees(f: &Fixture, path: &str, want: Option<&Vec<u8>>) {
    let object = f.object(path);
    match (f.perform(Operation::Query(object.clone())).await, want) {
        (Completion::Absent, None) => return,
        (Completion::Found(info), Some(body)) => assert_eq!(info.length, body.len() as u64),
        (got, want) => panic!("{path}: {got:?}, {:?}", want.map(Vec::len)),
    }
    match (f.perform(Operation::Read(object)).await, want) {
        (Completion::Object(read), Some(body)) => assert!(read.body()[..] == body[..], "{path}"),
        (got, _) => panic!("{path}: {got:?}"),
    }
}

async fn plays(seed: u64) {
    let f = Fixture::start(|_| answer("500 Internal Server Error", "", "")).await;
    let mut dice = Dice(seed);
    let mut model: HashMap<String, Vec<u8>> = HashMap::new();
    // Injections in pieces that are open: number, path, and what they have.
    let mut open: Vec<(u64, String, Vec<u8>)> = Vec::new();
    for number in 0..150_u64 {
        let path = format!("/{}", dice.roll(8));
        match dice.roll(6) {
            0 => {
                let length = dice.roll(60_000);
                let inject = Operation::Inject(f.object(&path), response(body(length)));
                assert_eq!(f.perform(inject).await, Completion::Done);
                model.insert(path.clone(), body(length));
            }
            1 => {
                f.perform(Operation::Delete(f.object(&path))).await;
                model.remove(&path);
                // What is on its way under that key is not stored either, if it has begun; so it is given up here.
                open.retain(|(number, other, _)| {
                    let keep = *other != path;
                    if !keep {
                        f.tell(Operation::InjectAbort(*number));
                    }
                    keep
                });
            }
            2 if open.len() < 5 => {
                let first = body(dice.roll(3000));
                let head = response(first.clone());
                f.tell(Operation::InjectStart(f.object(&path), number, head));
                open.push((number, path.clone(), first));
            }
            3 if !open.is_empty() => {
                let at = dice.roll(open.len());
                let piece = body(dice.roll(40_000));
                let (number, _, whole) = &mut open[at];
                whole.extend_from_slice(&piece);
                f.tell(Operation::InjectBody(*number, Bytes::from(piece)));
            }
            4 if !open.is_empty() => {
                let (number, path, whole) = open.swap_remove(dice.roll(open.len()));
                let end = f.perform(Operation::InjectDone(number)).await;
                assert_eq!(end, Completion::Done);
                model.insert(path, whole);
            }
            _ => {
                let expire = Operation::SetExpiration(f.object(&path), 3_000_000_000);
                let want = if model.contains_key(&path) {
                    Completion::Done
                } else {
                    Completion::Absent
                };
                assert_eq!(f.perform(expire).await, want);
            }
        }
        agrees(&f, &path, model.get(&path)).await;
    }
    for at in 0..8 {
        let path = format!("/{at}");
        agrees(&f, &path, model.get(&path)).await;
    }
    assert_eq!(f.proxy.cache().stats().entries, model.len() as u64);
}

#[actix_rt::test]
async fn long_sequences_of_operations_agree_with_a_map() {
    for seed in [1, 0x1234_5678_9abc_def0] {
        plays(seed).await;
    }
}
