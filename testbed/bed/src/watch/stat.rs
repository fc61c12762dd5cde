//! `/proc/PID/stat`, parsed.
//!
//! Awkward case: the second field is the command in parentheses, and a command may hold spaces, parentheses and line ends; only the
//! last `)` ends it.

/// What is read of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its process group's.
    pub group: u32,
    /// Its session's.
    pub session: u32,
    /// When it began, ticks since the machine did: tells a process from a later one of the same number.
    pub began: u64,
    /// Its own ticks in user mode and in the kernel.
    pub own: (u64, u64),
    /// Ticks of its children that it has waited for.
    pub waited: (u64, u64),
    /// Whether it has ended and nobody has waited for it yet.
    pub zombie: bool,
}

impl Stat {
    /// The text of `/proc/PID/stat`; `None` for anything else. Fields: proc_pid_stat(5).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pid = text.split_once(" (")?.0.parse().ok()?;
        let rest: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // rest[0] is field 3 of the manual.
        let number = |field: usize| rest.get(field - 3)?.parse::<i64>().ok();
        let ticks = |field| u64::try_from(number(field)?.max(0)).ok();
        let id = |field| u32::try_from(number(field)?.max(0)).ok();
        Some(Self {
            pid,
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            own: (ticks(14)?, ticks(15)?),
            waited: (ticks(16)?, ticks(17)?),
            began: ticks(22)?,
            zombie: matches!(rest.first(), Some(&"Z" | &"X")),
        })
    }
}

/// All processes there are. Empty where there is no `/proc`.
pub(crate) fn all() -> Vec<Stat> {
    let Ok(list) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let named = list.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_name().to_str()?.parse::<u32>().ok()
    });
    let read = named.filter_map(|pid| {
        // A command need not be UTF-8.
        let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Stat::parse(&String::from_utf8_lossy(&bytes))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_command_may_stand_in_the_parentheses() {
        let rest =
            "S 7 8 9 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 99 1000 200 18446744073709551615";
        for command in [
            "sh",
            "a b",
            "tmux: server",
            ") R 1 1 1 (",
            "((",
            "))",
            "x\ny",
            "",
            " ",
            "\u{fffd}",
        ] {
            let expected = Stat {
                pid: 42,
                parent: 7,
                group: 8,
                session: 9,
                own: (11, 12),
                waited: (13, 14),
                began: 99,
                zombie: false,
            };
            assert_eq!(
                Stat::parse(&format!("42 ({command}) {rest}\n")),
                Some(expected),
                "{command}"
            );
        }
    }

    #[test]
    fn what_is_no_stat_is_none() {
        for text in [
            "",
            "42",
            "42 (sh)",
            "42 (sh) S 1 2",
            "x (sh) S 7 8 9 0 -1 0 1 2 3 4 11 12 13 14 20 0 1 0 99",
            ")(",
            "1 (",
            "42 (sh S 7 8",
        ] {
            assert_eq!(Stat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_among_all() {
        assert!(all().iter().any(|s| s.pid == std::process::id()));
    }
}
