//! Content codings: what a robot says it accepts, and what an answer says it has.
//!
//! Invariant: what a robot accepts is a function of its number alone, so a request is the same whenever it is written. Browsers accept
//! them all; one robot of eight each stands for older clients and for those that accept none, which must get plain bytes. Awkward
//! case: `deflate` is asked for by no robot: it is spoken in two ways that cannot be told apart beforehand.

/// What Content-Encoding says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Coding {
    /// There is none.
    #[default]
    Plain,
    /// `gzip`.
    Gzip,
    /// `br`.
    Br,
    /// `zstd`.
    Zstd,
    /// Several, or one that no robot asks for.
    Other,
}

impl Coding {
    /// Of a field's value (RFC 9110 8.4.1: names are told without regard to case).
    #[must_use]
    pub fn of(value: &[u8]) -> Self {
        let is = |name: &str| value.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        if is("gzip") || is("x-gzip") {
            Self::Gzip
        } else if is("br") {
            Self::Br
        } else if is("zstd") {
            Self::Zstd
        } else if is("identity") || is("") {
            Self::Plain
        } else {
            Self::Other
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => "gzip",
            Self::Br => "br",
            Self::Zstd => "zstd",
            Self::Other => "another",
        }
    }
}

/// What a robot accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// It says nothing, and must get plain bytes.
    Nothing,
    /// gzip alone.
    Gzip,
    /// gzip and br.
    GzipBr,
    /// All that browsers accept.
    All,
}

impl Accept {
    /// What the robot of this number accepts.
    #[must_use]
    pub fn of(robot: u32) -> Self {
        match robot % 8 {
            0 => Self::Nothing,
            1 => Self::Gzip,
            2 => Self::GzipBr,
            _ => Self::All,
        }
    }

    /// The value of Accept-Encoding.
    #[must_use]
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Gzip => Some("gzip"),
            Self::GzipBr => Some("gzip, br"),
            Self::All => Some("gzip, br, zstd"),
        }
    }

    /// Whether an answer may have this coding.
    #[must_use]
    pub fn takes(self, coding: Coding) -> bool {
        match coding {
            Coding::Plain => true,
            Coding::Gzip => self != Self::Nothing,
            Coding::Br => matches!(self, Self::GzipBr | Self::All),
            Coding::Zstd => self == Self::All,
            Coding::Other => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_robot_takes_what_it_names_and_nothing_else() {
        let codings = [Coding::Gzip, Coding::Br, Coding::Zstd];
        for robot in 0..8 {
            let accept = Accept::of(robot);
            let named = accept.field().unwrap_or_default();
            for coding in codings {
                let there = named.split(", ").any(|name| name == coding.name());
                assert_eq!(accept.takes(coding), there, "{robot}: {named}");
            }
            assert!(accept.takes(Coding::Plain) && !accept.takes(Coding::Other));
        }
        assert_eq!(Accept::of(0).field(), None);
    }

    #[test]
    fn codings_are_read_as_the_standard_names_them() {
        for (value, coding) in [
            ("gzip", Coding::Gzip),
            ("X-GZip", Coding::Gzip),
            ("br", Coding::Br),
            ("zstd ", Coding::Zstd),
            ("identity", Coding::Plain),
            ("gzip, br", Coding::Other),
            ("deflate", Coding::Other),
        ] {
            assert_eq!(Coding::of(value.as_bytes()), coding, "{value}");
        }
    }
}
