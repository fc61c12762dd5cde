//! What a proxy is called in reports, by the command that started it.
//!
//! Invariant: one word of the command, and none that can be a secret: never an option, an option's value or a variable. Awkward case:
//! the command's first word is often a program that only starts another one (`taskset`, `nice`), or this program itself as a `peer`.

/// A program that starts another: its name, its options that have a value of their own, and how many words stand before the command.
type Starter = (&'static str, &'static [&'static str], usize);

/// Those that are looked through.
const STARTERS: [Starter; 9] = [
    (
        "chrt",
        &[
            "-T",
            "-P",
            "-D",
            "--sched-runtime",
            "--sched-period",
            "--sched-deadline",
        ],
        1,
    ),
    (
        "env",
        &["-u", "-C", "-S", "--unset", "--chdir", "--split-string"],
        0,
    ),
    ("ionice", &["-c", "-n", "-p", "--class", "--classdata"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("nohup", &[], 0),
    (
        "numactl",
        &[
            "-C",
            "-N",
            "-m",
            "-i",
            "-p",
            "--physcpubind",
            "--cpunodebind",
            "--membind",
            "--interleave",
            "--preferred",
        ],
        0,
    ),
    ("setsid", &[], 0),
    (
        "stdbuf",
        &["-i", "-o", "-e", "--input", "--output", "--error"],
        0,
    ),
    ("taskset", &[], 1),
];

/// What the proxy that this command starts is called; nothing, if no word of it says.
pub(crate) fn name(command: &str) -> Option<String> {
    let words = shlex::split(command)?;
    let mut words = words.iter().map(String::as_str).peekable();
    loop {
        let program = base(words.find(|word| !is_variable(word))?);
        if program == "understudy-bed" && words.peek() == Some(&"peer") {
            words.next();
            // Every option of it has a value.
            let all = |_: &str| true;
            return operand(&mut words, all).map(str::to_owned);
        }
        let Some((_, valued, before)) = STARTERS.iter().find(|(name, ..)| *name == program) else {
            return Some(program.to_owned());
        };
        for _ in 0..*before {
            operand(&mut words, |option| takes_next(valued, option))?;
        }
        skip(&mut words, |option| takes_next(valued, option));
    }
}

/// The word without the directories before it.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or_default()
}

/// `NAME=value`, which is of the command's surroundings.
fn is_variable(word: &str) -> bool {
    let named = word.split_once('=').map(|(name, _)| name);
    named.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Whether the option's value is the next word. Letters may stand together behind one `-`, and long names may be cut short.
fn takes_next(valued: &[&str], option: &str) -> bool {
    if option.starts_with("--") {
        return valued.iter().any(|name| name.starts_with(option));
    }
    let has_value = |letter: &char| valued.contains(&format!("-{letter}").as_str());
    let mut letters = option.chars().skip(1);
    // Of the first that has one; what stands behind the letter is its value.
    letters.find(has_value).is_some() && letters.next().is_none()
}

/// Goes over options, with the values of those that have one in the next word.
fn skip<'a>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    has_value: impl Fn(&str) -> bool,
) {
    while let Some(option) = words.next_if(|word| word.starts_with('-')) {
        if option == "--" {
            return;
        }
        if has_value(option) && !option.contains('=') {
            words.next();
        }
    }
}

/// The next word that is no option.
fn operand<'a>(
    words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
    has_value: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    skip(words, has_value);
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_called_by_the_program_behind_all_that_only_starts_it() {
        for (command, expected) in [
            ("squid -N", Some("squid")),
            ("/usr/sbin/squid -N", Some("squid")),
            ("taskset -c 1 squid", Some("squid")),
            ("taskset 0x3 /opt/nginx -g x", Some("nginx")),
            ("taskset --cpu-list 0,1 nice -n 5 squid", Some("squid")),
            ("nice -19 squid", Some("squid")),
            ("nice --adjustment=19 squid", Some("squid")),
            ("nice --adjustment 19 squid", Some("squid")),
            ("nice --adj 19 squid", Some("squid")),
            ("nice -n19 squid", Some("squid")),
            ("ionice --class 3 squid", Some("squid")),
            ("ionice -c3 squid", Some("squid")),
            ("ionice -tc 3 squid", Some("squid")),
            ("numactl --cpunodebind 0 squid", Some("squid")),
            ("numactl -p 0 squid", Some("squid")),
            ("stdbuf --output L -e0 squid", Some("squid")),
            ("env --unset X squid", Some("squid")),
            ("env -iu X squid", Some("squid")),
            ("env - squid", Some("squid")),
            ("env -S \"squid --password x\"", None),
            ("env -iS \"squid --password a/x\"", None),
            ("env --split-string \"squid --password x\"", None),
            ("env \"-Ssquid --password x\"", None),
            ("chrt -i 0 taskset -c 1 squid", Some("squid")),
            ("env -u HOME KEY=secret squid", Some("squid")),
            ("KEY=secret PATH=/bin squid", Some("squid")),
            ("ionice -c 3 setsid -w squid", Some("squid")),
            (
                "target/release/understudy-bed peer squid --port 1",
                Some("squid"),
            ),
            (
                "understudy-bed peer --port 1 --cache=5M nginx",
                Some("nginx"),
            ),
            (
                "taskset -c 0 a/understudy-bed peer varnish",
                Some("varnish"),
            ),
            ("understudy run --config a.toml", Some("understudy")),
            ("sh -c 'squid --password 5'", Some("sh")),
            ("nice -n 5", None),
            ("understudy-bed peer", None),
            ("taskset -c", None),
            ("squid 'open", None),
            ("", None),
        ] {
            assert_eq!(name(command).as_deref(), expected, "{command}");
        }
    }
}
