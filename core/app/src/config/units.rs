//! Sizes and durations as people write them.
//!
//! Invariant: what is written is an exact whole number of bytes or milliseconds; nothing is rounded or wraps around.

use super::problem::Fault;
use std::time::Duration;

const SIZES: [(&str, u64); 4] = [
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
];
const TIMES: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// A size in bytes: a whole number, or one with K, M, G or T (powers of 1024).
pub(crate) fn size(text: &str) -> Result<u64, Fault> {
    let cure = "write bytes, or a whole number with K, M or G, such as \"256M\"";
    let (number, unit) = split(text);
    let factor = match unit
        .strip_suffix("iB")
        .or(unit.strip_suffix('B'))
        .unwrap_or(unit)
    {
        "" if unit != "iB" => 1,
        letter => match SIZES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(letter))
        {
            Some((_, factor)) => *factor,
            None => return Err(Fault::new(format!("{text:?} is not a size"), cure)),
        },
    };
    whole(number, factor)
        .ok_or_else(|| Fault::new(format!("{text:?} is not a size"), cure))?
        .map_err(|()| Fault::new(format!("{text:?} is more than can be counted"), cure))
}

/// A duration: a whole number with ms, s, m, h or d.
pub(crate) fn duration(text: &str) -> Result<Duration, Fault> {
    let cure = "write a whole number with ms, s, m, h or d, such as \"30s\"";
    let (number, unit) = split(text);
    if unit.is_empty() && !number.is_empty() {
        // Nothing that takes a duration takes none.
        let number = if number.bytes().all(|b| b == b'0') {
            "30"
        } else {
            number
        };
        return Err(Fault::new(
            format!("{text} has no unit"),
            format!("write \"{number}s\" for seconds, or use ms, m, h or d"),
        ));
    }
    let factor = TIMES
        .iter()
        .find(|(name, _)| *name == unit)
        .map(|(_, factor)| *factor);
    let millis = factor
        .and_then(|factor| whole(number, factor))
        .ok_or_else(|| Fault::new(format!("{text:?} is not a duration"), cure))?;
    match millis {
        // A century is for ever; more would overflow sums of instants somewhere down the line.
        Ok(millis) if millis <= 36_500 * 86_400_000 => Ok(Duration::from_millis(millis)),
        _ => Err(Fault::new(
            format!("{text:?} is longer than a century"),
            cure,
        )),
    }
}

/// A size in the largest unit that divides it.
pub(crate) fn show_size(bytes: u64) -> String {
    match SIZES
        .iter()
        .find(|(_, factor)| bytes > 0 && bytes.is_multiple_of(*factor))
    {
        Some((name, factor)) => format!("\"{}{name}\"", bytes / factor),
        None => bytes.to_string(),
    }
}

/// A duration in the largest unit that divides it.
pub(crate) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match TIMES
        .iter()
        .find(|(_, factor)| millis > 0 && millis.is_multiple_of(*factor))
    {
        Some((name, factor)) => format!("\"{}{name}\"", millis / factor),
        None => "\"0s\"".to_owned(),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

/// `None`: not a number; `Some(Err)`: too large.
fn whole(number: &str, factor: u64) -> Option<Result<u64, ()>> {
    if number.is_empty() {
        return None;
    }
    Some(
        number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(factor))
            .ok_or(()),
    )
}

#[cfg(test)]
mod tests {
    use super::{duration, show_duration, show_size, size};
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn sizes_are_powers_of_1024() {
        let cases = [
            ("0", 0),
            ("1", 1),
            ("64K", 65_536),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64KB", 65_536),
            ("16 M", 16 << 20),
            ("1G", 1 << 30),
            ("2T", 2 << 40),
            ("512B", 512),
            ("18446744073709551615", u64::MAX),
        ];
        for (text, want) in cases {
            assert_eq!(size(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in [
            "", "K", "-1", "1.5G", "12X", "1GG", "1KBB", "1iB", "i", "1i", "0x10", "1_000", "١K",
            " 1", "M256",
        ] {
            let fault = size(text).expect_err(text);
            assert_eq!(fault.message, format!("{text:?} is not a size"));
        }
    }

    #[test]
    fn sizes_do_not_wrap() {
        for text in [
            "18446744073709551616",
            "16777216T",
            "17179869184G",
            "99999999999999999999999K",
        ] {
            assert_eq!(
                size(text).expect_err(text).message,
                format!("{text:?} is more than can be counted")
            );
        }
    }

    #[test]
    fn durations_have_a_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("1d", 86_400_000),
            ("0s", 0),
            ("36500d", 36_500 * 86_400_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(
            duration("30").expect_err("no unit").to_string_for_test(),
            "30 has no unit; write \"30s\" for seconds, or use ms, m, h or d"
        );
        for text in ["", "s", "-1s", "1.5s", "1w", "1M", "1S", "ten"] {
            assert_eq!(
                duration(text).expect_err(text).message,
                format!("{text:?} is not a duration")
            );
        }
        for text in [
            "36501d",
            "18446744073709551615ms",
            "99999999999999999999s",
            "999999999999d",
        ] {
            assert_eq!(
                duration(text).expect_err(text).message,
                format!("{text:?} is longer than a century")
            );
        }
    }

    impl super::Fault {
        fn to_string_for_test(&self) -> String {
            format!("{}; {}", self.message, self.cure)
        }
    }

    proptest! {
        #[test]
        fn a_size_shown_reads_back(bytes: u64) {
            prop_assert_eq!(size(show_size(bytes).trim_matches('"')), Ok(bytes));
        }

        #[test]
        fn a_duration_shown_reads_back(millis in 0u64..=36_500 * 86_400_000) {
            let d = Duration::from_millis(millis);
            prop_assert_eq!(duration(show_duration(d).trim_matches('"')), Ok(d));
        }

        #[test]
        fn any_text_is_answered(text: String) {
            let _ = size(&text);
            let _ = duration(&text);
        }
    }
}
