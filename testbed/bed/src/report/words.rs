//! Figures as people read them, and texts made safe for HTML.

use std::borrow::Cow;

/// The text with all that HTML would take for its own replaced; for elements' content and for attributes in double quotes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A number with three digits that count.
pub(crate) fn digits(value: f64) -> String {
    let size = value.abs();
    if size >= 99.95 || size == 0.0 {
        grouped(value.round())
    } else if size >= 9.995 {
        format!("{value:.1}")
    } else if size >= 0.9995 {
        format!("{value:.2}")
    } else {
        format!("{value:.3}")
    }
}

/// A whole number with a thin space between thousands.
pub(crate) fn grouped(value: f64) -> String {
    let plain = format!("{:.0}", value.abs());
    let mut out = String::from(if value < 0.0 && plain != "0" {
        "\u{2212}"
    } else {
        ""
    });
    for (n, c) in plain.chars().enumerate() {
        if n > 0 && (plain.len() - n) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// A count.
pub(crate) fn count(value: u64) -> String {
    grouped(value as f64)
}

/// A time of so many microseconds.
pub(crate) fn micros(value: f64) -> String {
    match value {
        v if v >= 999_500.0 => format!("{} s", digits(v / 1e6)),
        v if v >= 999.5 => format!("{} ms", digits(v / 1e3)),
        v => format!("{v:.0} µs"),
    }
}

/// Bytes, in the units of memory.
pub(crate) fn bytes(value: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value;
    let mut unit = "bytes";
    for next in units {
        if scaled < 1023.5 {
            break;
        }
        (scaled, unit) = (scaled / 1024.0, next);
    }
    format!("{} {unit}", digits(scaled))
}

/// A share of 1.
pub(crate) fn percent(value: f64) -> String {
    format!("{:.1} %", value * 100.0)
}

/// A time from the run's beginning or a length: `45 s`, `2:30 min`, `1:05 h`.
pub(crate) fn seconds(value: f64) -> String {
    let whole = value.max(0.0).round() as u64;
    match whole {
        0..120 => format!("{whole} s"),
        120..7200 => match (whole / 60, whole % 60) {
            (m, 0) => format!("{m} min"),
            (m, s) => format!("{m}:{s:02} min"),
        },
        _ => format!("{}:{:02} h", whole / 3600, whole % 3600 / 60),
    }
}

/// A moment on an axis that is so many seconds long: `15 s`, `2:15` (minutes) or `1:05 h`.
pub(crate) fn moment(at: f64, span: f64) -> String {
    let whole = at.max(0.0).round() as u64;
    match span {
        s if s < 120.0 => format!("{whole} s"),
        s if s < 7200.0 => format!("{}:{:02}", whole / 60, whole % 60),
        _ => format!("{}:{:02} h", whole / 3600, whole % 3600 / 60),
    }
}

/// The text of a round number without the zeros behind its point: `10 s` for `10.0 s`.
pub(crate) fn round(text: &str) -> String {
    let (number, unit) = match text.split_once(' ') {
        Some((number, unit)) => (number, format!(" {unit}")),
        None => (text, String::new()),
    };
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    };
    format!("{number}{unit}")
}

/// What is told by `text` if it is there, and a dash if not.
pub(crate) fn or_dash<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "\u{2013}".to_owned(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        for (found, expected) in [
            (digits(0.0), "0"),
            (digits(0.1234), "0.123"),
            (digits(1.234), "1.23"),
            (digits(12.34), "12.3"),
            (digits(99.96), "100"),
            (digits(1_234_567.0), "1\u{202f}234\u{202f}567"),
            (grouped(-1234.0), "\u{2212}1\u{202f}234"),
            (micros(999.0), "999 µs"),
            (micros(1_500.0), "1.50 ms"),
            (micros(999_900.0), "1.00 s"),
            (micros(2_742_000.0), "2.74 s"),
            (bytes(512.0), "512 bytes"),
            (bytes(1536.0), "1.50 KiB"),
            (bytes(3e9), "2.79 GiB"),
            (percent(0.578), "57.8 %"),
            (seconds(45.0), "45 s"),
            (seconds(150.0), "2:30 min"),
            (seconds(600.0), "10 min"),
            (seconds(7500.0), "2:05 h"),
            (round("10.0 s"), "10 s"),
            (round("0.020"), "0.02"),
            (round("100 ms"), "100 ms"),
            (moment(75.0, 100.0), "75 s"),
            (moment(75.0, 600.0), "1:15"),
            (moment(7500.0, 9000.0), "2:05 h"),
            (or_dash(None::<f64>, percent), "\u{2013}"),
        ] {
            assert_eq!(found, expected);
        }
        assert_eq!(
            escape("<a href=\"x\">&'"),
            "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"
        );
    }
}
