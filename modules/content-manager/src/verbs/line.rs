//! Lines of words: the table of verbs, and what a line means.
//!
//! Invariant: every verb of the table is understood here, and every line that is not says why and how the verb is used.

use super::words::written;
use super::{Name, Prefix, Request, When};

/// A verb, for people.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct Verb {
    pub name: &'static str,
    /// Its arguments.
    pub usage: &'static str,
    pub does: &'static str,
}

const fn verb(name: &'static str, usage: &'static str, does: &'static str) -> Verb {
    Verb { name, usage, does }
}

/// All of them.
pub const VERBS: &[Verb] = &[
    verb(
        "query",
        "URL",
        "is it stored: status, length, type, age, time to live",
    ),
    verb(
        "fetch",
        "URL",
        "fetch it from its origin and store it, also when it is there",
    ),
    verb(
        "validate",
        "URL",
        "ask its origin whether what is stored is still good",
    ),
    verb(
        "expire",
        "URL SECONDS|DATE",
        "it is fresh until then; -1 makes it stale",
    ),
    verb("delete", "URL", "remove it"),
    verb(
        "read",
        "URL [BYTES|all] [raw]",
        "show what is stored; raw: also what would confuse a terminal",
    ),
    verb(
        "inject",
        "URL TYPE BYTES|<FILE [SECONDS]",
        "store what follows this line, or a file, as fresh for so long",
    ),
    verb(
        "inject-start",
        "URL TYPE [SECONDS]",
        "begin to store something in pieces; tells its number",
    ),
    verb(
        "inject-part",
        "NUMBER BYTES",
        "the next piece follows this line",
    ),
    verb("inject-done", "NUMBER", "it is whole, and visible now"),
    verb("inject-abort", "NUMBER", "forget it"),
    verb(
        "list",
        "[PREFIX|* [COUNT [AFTER]]]",
        "what is stored, in the order of its names",
    ),
    verb("stats", "", "figures of the cache and the proxy"),
    verb(
        "preload",
        "FILE|SITEMAP-URL",
        "fetch all that a file or a sitemap names",
    ),
];

/// What is understood of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The request.
    pub request: Request,
    /// Bytes that follow the line and belong to it.
    pub takes: Option<u64>,
}

/// What all verbs do, or one.
pub fn help(name: Option<&str>) -> String {
    let known = |verb: &&Verb| name.is_none_or(|name| verb.name == name);
    let line = |verb: &Verb| {
        let call = format!("{} {}", verb.name, verb.usage);
        format!("{call:<44} {}\n", verb.does)
    };
    let text: String = VERBS.iter().filter(known).map(line).collect();
    match name {
        Some(name) if text.is_empty() => unknown(name) + "\n",
        _ => text,
    }
}

fn unknown(name: &str) -> String {
    let near = VERBS.iter().find(|verb| verb.name.starts_with(name));
    match near {
        Some(near) => format!("{name:?} is no verb; did you mean {}?", near.name),
        None => format!("{name:?} is no verb; help lists them"),
    }
}

/// What a line means.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(line: &str) -> Result<Line, String> {
    let words = shlex::split(line).ok_or("a quotation mark is not closed")?;
    let (name, arguments) = words.split_first().ok_or("the line is empty")?;
    let verb = VERBS.iter().find(|verb| verb.name == name);
    let verb = verb.ok_or_else(|| unknown(name))?;
    meaning(verb.name, arguments)
        .map_err(|why| format!("{why}\nusage: {} {}", verb.name, verb.usage))
}

fn meaning(verb: &str, arguments: &[String]) -> Result<Line, String> {
    let mut words = Words(arguments.iter());
    let mut takes = None;
    let request = match verb {
        "query" => Request::Query { url: words.url()? },
        "fetch" => Request::Fetch { url: words.url()? },
        "validate" => Request::Validate { url: words.url()? },
        "expire" => Request::Expire {
            url: words.url()?,
            at: When::try_from(words.text("SECONDS|DATE")?)?,
        },
        "delete" => Request::Delete { url: words.url()? },
        "read" => {
            let url = words.url()?;
            let mut rest: Vec<String> = words.0.by_ref().cloned().collect();
            let raw = rest.pop_if(|word| word == "raw").is_some();
            let mut rest = Words(rest.iter());
            let limit = match rest.0.as_slice().first().map(String::as_str) {
                Some("all") => rest.0.next().map(|_| u64::MAX),
                _ => rest.number("BYTES")?,
            };
            rest.end()?;
            Request::Read { url, limit, raw }
        }
        "inject" => {
            let (url, content_type) = (words.url()?, words.text("TYPE")?);
            let source = words.text("BYTES|<FILE")?;
            let file = source.strip_prefix('<').map(str::to_owned);
            if file.is_none() {
                takes = Some(number("BYTES", &source)?);
            }
            Request::Inject {
                url,
                content_type,
                fresh: words.number("SECONDS")?,
                body: Default::default(),
                file,
            }
        }
        "inject-start" => Request::InjectStart {
            url: words.url()?,
            content_type: words.text("TYPE")?,
            fresh: words.number("SECONDS")?,
        },
        "inject-part" => {
            let of = number("NUMBER", &words.text("NUMBER")?)?;
            takes = Some(number("BYTES", &words.text("BYTES")?)?);
            Request::InjectPart {
                number: of,
                body: Default::default(),
            }
        }
        "inject-done" => Request::InjectDone {
            number: number("NUMBER", &words.text("NUMBER")?)?,
        },
        "inject-abort" => Request::InjectAbort {
            number: number("NUMBER", &words.text("NUMBER")?)?,
        },
        "list" => Request::List {
            prefix: Prefix::try_from(words.0.next().map(|w| written(w)).unwrap_or_default())?,
            count: words.number("COUNT")?,
            after: words
                .0
                .next()
                .map(|w| Name::try_from(written(w)))
                .transpose()?,
        },
        "stats" => Request::Stats {},
        _ => {
            let text = words.text("FILE|SITEMAP-URL")?;
            let sitemap = text.contains("://").then(|| Name::try_from(written(&text)));
            let sitemap = sitemap.transpose()?;
            Request::Preload {
                urls: Vec::new(),
                file: sitemap.is_none().then_some(text),
                sitemap,
            }
        }
    };
    words.end()?;
    Ok(Line { request, takes })
}

/// Of a line that is not understood: whether bytes follow it, and how many if that can be told. They are no lines, whoever wrote them.
pub fn follows(line: &str) -> Option<Option<u64>> {
    // Words as the parser has them, unless a quotation mark is not closed.
    let plain = || line.split_ascii_whitespace().map(str::to_owned).collect();
    let words = shlex::split(line).unwrap_or_else(plain);
    let mut words = words.iter().map(String::as_str);
    let name = words.next()?.trim_matches(['\'', '"']);
    let at = match name {
        "inject" => 2,
        "inject-part" => 1,
        "inject-start" | "inject-done" | "inject-abort" => return None,
        // Misspelt, but what was meant may bring bytes.
        _ if name.to_ascii_lowercase().starts_with("inject") => return Some(None),
        _ => return None,
    };
    match words.nth(at) {
        Some(word) if word.starts_with('<') => None,
        word => Some(word.and_then(|word| word.parse().ok())),
    }
}

/// The arguments, from the first to the last.
struct Words<'a>(std::slice::Iter<'a, String>);

impl Words<'_> {
    fn text(&mut self, what: &str) -> Result<String, String> {
        self.0.next().cloned().ok_or(format!("{what} is missing"))
    }

    fn url(&mut self) -> Result<Name, String> {
        Name::try_from(written(&self.text("URL")?))
    }

    fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<Option<T>, String> {
        self.0.next().map(|text| number(what, text)).transpose()
    }

    fn end(&mut self) -> Result<(), String> {
        match self.0.next() {
            Some(word) => Err(format!("{word:?} is too much")),
            None => Ok(()),
        }
    }
}

fn number<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, String> {
    let number = text.parse();
    number.map_err(|_| format!("{what}: {text:?} is no number"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::verbs::{Body, url_of};
    use understudy_module::{Bytes, ObjectId};

    fn name(url: &str) -> Name {
        Name::try_from(url.to_owned()).unwrap()
    }

    /// A line and the same in JSON.
    const SAME: &[(&str, &str)] = &[
        ("query http://a/", r#"{"verb":"query","url":"http://a/"}"#),
        ("fetch http://a/", r#"{"verb":"fetch","url":"http://a/"}"#),
        (
            "validate http://a/",
            r#"{"verb":"validate","url":"http://a/"}"#,
        ),
        (
            "expire http://a/ -1",
            r#"{"verb":"expire","url":"http://a/","at":-1}"#,
        ),
        (
            "expire http://a/ 'Sun, 06 Nov 1994 08:49:37 GMT'",
            r#"{"verb":"expire","url":"http://a/","at":"Sun, 06 Nov 1994 08:49:37 GMT"}"#,
        ),
        ("delete http://a/", r#"{"verb":"delete","url":"http://a/"}"#),
        ("read http://a/", r#"{"verb":"read","url":"http://a/"}"#),
        (
            "read http://a/ 9",
            r#"{"verb":"read","url":"http://a/","limit":9}"#,
        ),
        (
            "inject http://a/ text/css <a.css 60",
            r#"{"verb":"inject","url":"http://a/","type":"text/css","file":"a.css","fresh":60}"#,
        ),
        (
            "inject-start http://a/ 'text/html; charset=utf-8'",
            r#"{"verb":"inject-start","url":"http://a/","type":"text/html; charset=utf-8"}"#,
        ),
        ("inject-done 7", r#"{"verb":"inject-done","number":7}"#),
        ("inject-abort 7", r#"{"verb":"inject-abort","number":7}"#),
        ("list", r#"{"verb":"list"}"#),
        ("list * 5", r#"{"verb":"list","prefix":"*","count":5}"#),
        (
            r"list http://a/x 5 'http://a/x\nup'",
            r#"{"verb":"list","prefix":"http://a/x","count":5,"after":"http://a/x\nup"}"#,
        ),
        ("stats", r#"{"verb":"stats"}"#),
        (
            "preload urls.txt",
            r#"{"verb":"preload","file":"urls.txt"}"#,
        ),
        (
            "preload http://a/sitemap.xml",
            r#"{"verb":"preload","sitemap":"http://a/sitemap.xml"}"#,
        ),
    ];

    #[test]
    fn a_line_and_its_json_are_one_request() {
        for (line, json) in SAME {
            let read: Request = serde_json::from_str(json).unwrap();
            assert_eq!(parse(line).unwrap().request, read, "{line}");
        }
    }

    #[test]
    fn what_follows_a_line_is_what_json_has_as_its_body() {
        for (line, bytes, json) in [
            (
                "inject http://a/ text/plain 2",
                &b"hi"[..],
                r#"{"verb":"inject","url":"http://a/","type":"text/plain","body":"hi"}"#,
            ),
            (
                "inject-part 7 2",
                b"\xff\x00",
                r#"{"verb":"inject-part","number":7,"body":{"base64":"/wA="}}"#,
            ),
        ] {
            let mut line = parse(line).unwrap();
            assert_eq!(line.takes, Some(2));
            line.request.give(Bytes::from_static(bytes));
            assert_eq!(line.request, serde_json::from_str(json).unwrap());
        }
        assert_eq!(Body::json(b"hi"), "hi");
        assert_eq!(Body::json(b"\xff\x00")["base64"], "/wA=");
    }

    #[test]
    fn a_line_that_is_not_understood_says_why_and_how_it_is_written() {
        for (line, why) in [
            ("qeury http://a/", "\"qeury\" is no verb; help lists them"),
            ("del http://a/", "\"del\" is no verb; did you mean delete?"),
            ("query", "URL is missing\nusage: query URL"),
            ("query /x", "\"/x\" is no URL"),
            ("query https://a/", "only what http URLs name"),
            ("query http://a/ b", "\"b\" is too much"),
            ("query 'http://a/", "a quotation mark is not closed"),
            ("expire http://a/ soon", "\"soon\" is no time"),
            ("read http://a/ many", "BYTES: \"many\" is no number"),
            (
                "inject http://a/ text/plain -1",
                "BYTES: \"-1\" is no number",
            ),
            ("inject http://a/", "TYPE is missing"),
            ("list exa", "a prefix reaches to the end of the host"),
            ("preload ftp://a/", "is no URL"),
        ] {
            let told = parse(line).unwrap_err();
            assert!(told.contains(why), "{line}: {told}");
        }
    }

    #[test]
    fn what_follows_a_line_that_is_not_understood_is_known_or_known_to_be_unknown() {
        for (line, follows) in [
            ("inject /x text/plain 12", Some(Some(12))),
            ("inject-part x 12", Some(Some(12))),
            ("inject http://a/ text/plain", Some(None)),
            ("inject 'http://a/ text/plain x", Some(None)),
            ("inject /x text/plain <f", None),
            ("'inject' /x text/plain 12", Some(Some(12))),
            ("inject /x 'text/plain; 5 x' 12", Some(Some(12))),
            ("\"inject /x text/plain 12", Some(Some(12))),
            ("INJECT http://a.test/x text/plain 12", Some(None)),
            ("injects http://a.test/x text/plain 12", Some(None)),
            ("inject-done x", None),
            ("query /x", None),
            ("", None),
        ] {
            assert_eq!(super::follows(line), follows, "{line}");
        }
    }

    #[test]
    fn json_with_what_is_not_known_is_refused() {
        for json in [
            r#"{"verb":"qeury","url":"http://a/"}"#,
            r#"{"verb":"query"}"#,
            r#"{"verb":"query","url":"http://a/","x":1}"#,
            r#"{"verb":"query","url":"https://a/"}"#,
            r#"{"verb":"read","url":"http://a/","raw":true}"#,
            r#"{"verb":"inject-part","number":7,"body":{"base64":"*"}}"#,
            r#"{"verb":"expire","url":"http://a/","at":"soon"}"#,
        ] {
            assert!(serde_json::from_str::<Request>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn every_verb_is_understood_and_helped_with() {
        for verb in VERBS {
            let told = parse(verb.name).err().unwrap_or_default();
            assert!(!told.contains("no verb"), "{told}");
            assert!(help(Some(verb.name)).starts_with(verb.name));
            assert!(help(None).contains(verb.does));
        }
        assert!(help(Some("x")).contains("is no verb"));
    }

    #[test]
    fn a_name_is_written_as_it_is_read() {
        for key in [
            "http://a:80/x?y",
            "http://a:80/x\nup",
            r"http://a:80/x\nup",
            r"http://a:80/\\n\",
        ] {
            let line = format!("list * 1 '{}'", url_of(key.as_bytes()));
            let Request::List {
                after: Some(read), ..
            } = parse(&line).unwrap().request
            else {
                panic!("{line}");
            };
            assert_eq!(read.0.key(), key.as_bytes());
            // In JSON nothing needs to be written otherwise.
            let json = serde_json::json!({"verb": "query", "url": key}).to_string();
            let read = serde_json::from_str(&json).unwrap();
            assert_eq!(
                Request::Query {
                    url: Name(ObjectId::of_key(key.as_bytes()))
                },
                read
            );
        }
        assert_eq!(name("http://A#f").0.key(), b"http://a:80/");
    }

    #[test]
    fn the_line_that_lists_more_can_be_typed_as_it_is_told() {
        for key in [
            "http://a:80/x",
            "http://a:80/it's",
            r"http://a:80/'\n",
            "http://a:80/x\nup",
            "http://a:80/$x'\"`",
        ] {
            let told = crate::verbs::Told::Next(ObjectId::of_key(key.as_bytes()));
            let told = String::from_utf8(told.text().into_owned()).unwrap();
            let (_, line) = told.trim_end().split_once(": ").unwrap();
            let line = line.replace("PREFIX COUNT", "* 1");
            let Ok(Request::List {
                after: Some(read), ..
            }) = parse(&line).map(|l| l.request)
            else {
                panic!("{line}");
            };
            assert_eq!(read.0.key(), key.as_bytes(), "{line}");
        }
    }
}
