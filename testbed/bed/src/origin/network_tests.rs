#![allow(clippy::unwrap_used)]

use super::network::*;
use crate::seed::Seed;
use proptest::prelude::*;
use std::time::Duration;

fn path(delay: u64, loss: f64) -> Path {
    Path {
        delay: Duration::from_millis(delay),
        loss,
    }
}

/// Milliseconds until the last of these bytes is there.
fn arrival(path: Path, bytes: u64) -> u128 {
    path.arrival(bytes, Seed(1).stream(&[1])).as_millis()
}

#[test]
fn each_window_costs_a_round_trip_and_is_twice_the_one_before() {
    let window = |segments: u64| segments * SEGMENT;
    for (bytes, expected) in [
        (0, 40),
        (1, 40),
        (window(10), 40),
        (window(10) + 1, 120),
        (window(30), 120),
        (window(30) + 1, 200),
        (window(70), 200),
        (window(150), 280),
        (window(310), 360),
        (window(630), 440),
        // From here each window is the largest.
        (window(630 + 512), 520),
        (window(630 + 512) + 1, 600),
        (window(630 + 1024), 600),
    ] {
        assert_eq!(arrival(path(40, 0.0), bytes), expected, "{bytes} bytes");
    }
}

#[test]
fn without_delay_and_loss_all_is_there_at_once() {
    assert_eq!(arrival(path(0, 0.0), u64::MAX), 0);
}

#[test]
fn a_path_that_loses_all_sends_each_segment_twice() {
    for (delay, timeout) in [(0, 200), (40, 200), (100, 200), (150, 300)] {
        let path = path(delay, 1.0);
        assert_eq!(path.timeout().as_millis(), timeout);
        assert_eq!(
            arrival(path, 3 * SEGMENT),
            3 * timeout + u128::from(delay),
            "{delay} ms"
        );
        let handshake = path.handshake(&mut Seed(1).stream(&[2]));
        assert_eq!(handshake, 2 * (path.delay + SYN_TIMEOUT));
    }
}

#[test]
fn a_handshake_without_loss_is_a_round_trip() {
    let handshake = path(40, 0.0).handshake(&mut Seed(1).stream(&[2]));
    assert_eq!(handshake.as_millis(), 80);
}

#[test]
fn the_share_lost_is_the_one_that_was_said() {
    // Without delay a time-out is all the time there is: it counts the losses.
    for loss in [0.0005, 0.01, 0.2] {
        let path = path(0, loss);
        let segments = (20_000.0 / loss) as u64;
        let lost = path
            .arrival(segments * SEGMENT, Seed(1).stream(&[3]))
            .as_millis()
            / path.timeout().as_millis();
        let expected = segments as f64 * loss;
        // Five standard deviations of a binomial number.
        assert!(
            (lost as f64 - expected).abs() < 5.0 * expected.sqrt(),
            "{lost} of {segments} at {loss}"
        );
    }
}

proptest! {
    #[test]
    fn bursts_are_in_order_and_none_is_empty(delay in 0u64..100, loss in 0.0f64..0.5, number: u64) {
        let mut before = Duration::ZERO;
        for burst in path(delay, loss).bursts(Seed(1).stream(&[number])).take(50) {
            prop_assert!(burst.at >= before && burst.bytes > 0);
            before = burst.at;
        }
    }

    #[test]
    fn loss_makes_nothing_earlier(delay in 0u64..100, loss in 0.0f64..0.5, bytes in 0u64..1_000_000, number: u64) {
        let stream = || Seed(1).stream(&[number]);
        prop_assert!(
            path(delay, loss).arrival(bytes, stream()) >= path(delay, 0.0).arrival(bytes, stream())
        );
    }
}
