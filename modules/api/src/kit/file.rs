//! Cases as files: one a file, in TOML.

use crate::kit::base64;
use crate::kit::case::Case;
use crate::kit::expect::{Expect, ExpectMessage};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::Path;
use toml::{Table, Value};

/// The cases of a directory: its files that end in `.toml`, by name.
///
/// ```toml
/// name = "a word is marked"             # else: the file's name
/// client = "192.0.2.7:40000"            # else: this
/// cached = false                        # true: a hit, no hook towards the origin is called
/// addresses = ["192.0.2.80"]            # what a look-up of the host finds
/// boundaries = [4, 8]                   # places in the bodies to be cut around
///
/// [options]                             # the module's, dotted as it asks for them; tables may be tables
/// word = "fox"
///
/// [request]
/// head = """
/// POST http://example.org/form HTTP/1.1
/// Host: example.org
/// """
/// body = "a text"                       # or { base64 = "AAEC" }, { file = "body.bin" } beside the case
///
/// [response]                            # absent: 200, no fields, no body
/// head = """
/// HTTP/1.1 200 OK
/// Content-Type: text/plain
/// """
/// body = "the quick fox"
///
/// [expect]                              # all of it may be absent; equality is always demanded
/// hooks = ["request_head", "response_body", "free"]
/// failure = "none"                      # or its word: fail, panic, deadline, ...; absent: none
/// injected = "bytes"
/// verdict = { request_head = "continue" }
/// notes = { words = "1" }
///
/// [expect.returned]                     # and expect.request, expect.forwarded, expect.stored
/// status = 200                          # target = "/form" for a request
/// fields = { X-Words = "1" }            # there, once, with this value
/// absent = ["Server"]
/// body = "the quick [fox]"
/// ```
///
/// # Errors
/// A sentence that names the file and what in it cannot be read.
pub fn cases(directory: &Path) -> Result<Vec<Case>, String> {
    let listed = std::fs::read_dir(directory)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(|why| format!("{}: {why}", directory.display()))?;
    let mut paths: Vec<_> = listed.into_iter().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(format!(
            "{}: there is no case (*.toml)",
            directory.display()
        ));
    }
    paths
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            std::fs::read_to_string(path)
                .map_err(|why| why.to_string())
                .and_then(|text| case(&name, &text, directory))
                .map_err(|why| format!("{}: {why}", path.display()))
        })
        .collect()
}

/// The case in this text. Files it names are in `directory`.
pub(crate) fn case(name: &str, text: &str, directory: &Path) -> Result<Case, String> {
    let mut all = Keys::of("", text.parse::<Table>().map_err(|why| why.to_string())?);
    let mut case = Case::new(name, "GET", "/");
    if let Some(name) = all.text("name")? {
        case.name = name;
    }
    if let Some(client) = all.text("client")? {
        case.client = client
            .parse()
            .map_err(|_| format!("client: {client} is no address:port"))?;
    }
    case.cached = match all.take("cached") {
        None => false,
        Some(Value::Boolean(cached)) => cached,
        Some(_) => return Err("cached: true or false".to_owned()),
    };
    if let Some(addresses) = all.texts("addresses")? {
        let parsed = addresses
            .iter()
            .map(|a| a.parse().map_err(|_| format!("addresses: {a}")));
        case.addresses = parsed.collect::<Result<_, String>>()?;
    }
    if let Some(boundaries) = all.list("boundaries")? {
        let number = |one: Value| one.as_integer().and_then(|n| usize::try_from(n).ok());
        let numbers: Option<Vec<usize>> = boundaries.into_iter().map(number).collect();
        case.boundaries = numbers.ok_or("boundaries: numbers of bytes")?;
    }
    if let Some(Value::Table(options)) = all.take("options") {
        flatten("", options, &mut case.options);
    }
    let mut request = all.table("request")?.ok_or("there is no [request]")?;
    let head = request.text("head")?.ok_or("request.head: there is none")?;
    let (first, lines) = head_of(&head).map_err(|why| format!("request.head: {why}"))?;
    let mut words = first.split_ascii_whitespace();
    (case.method, case.target) = match (words.next(), words.next()) {
        (Some(method), Some(target)) => (method.to_owned(), target.to_owned()),
        _ => return Err(format!("request.head: `{first}` is no request line")),
    };
    case.request = lines;
    case.request_body = request.body("body", directory)?;
    request.end()?;
    if let Some(mut response) = all.table("response")? {
        if let Some(head) = response.text("head")? {
            let (first, lines) = head_of(&head).map_err(|why| format!("response.head: {why}"))?;
            let status = first
                .split_ascii_whitespace()
                .nth(1)
                .and_then(|s| s.parse().ok());
            case.status = status.ok_or(format!("response.head: `{first}` is no status line"))?;
            case.response = lines;
        }
        case.response_body = response.body("body", directory)?;
        response.end()?;
    }
    if let Some(expect) = all.table("expect")? {
        case.expect = expected(expect, directory)?;
    }
    all.end()?;
    Ok(case)
}

fn expected(mut keys: Keys, directory: &Path) -> Result<Expect, String> {
    let expect = Expect {
        hooks: keys.texts("hooks")?,
        verdict: keys.pairs("verdict")?,
        failure: keys.text("failure")?,
        request: message(keys.table("request")?, directory)?,
        forwarded: message(keys.table("forwarded")?, directory)?,
        stored: message(keys.table("stored")?, directory)?,
        returned: message(keys.table("returned")?, directory)?,
        injected: keys
            .body("injected", directory)?
            .map(|bytes| bytes.to_vec()),
        notes: keys.pairs("notes")?,
    };
    keys.end()?;
    Ok(expect)
}

fn message(keys: Option<Keys>, directory: &Path) -> Result<ExpectMessage, String> {
    let Some(mut keys) = keys else {
        return Ok(ExpectMessage::default());
    };
    let status = match keys.take("status") {
        None => None,
        Some(value) => Some(
            value
                .as_integer()
                .and_then(|n| u16::try_from(n).ok())
                .ok_or(format!("{}status: a number", keys.place))?,
        ),
    };
    let message = ExpectMessage {
        status,
        target: keys.text("target")?,
        fields: keys.pairs("fields")?,
        absent: keys.texts("absent")?.unwrap_or_default(),
        body: keys.body("body", directory)?.map(|bytes| bytes.to_vec()),
    };
    keys.end()?;
    Ok(message)
}

/// First line and field lines of a head written as text.
fn head_of(text: &str) -> Result<(String, Vec<u8>), String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().ok_or("it is empty")?.to_owned();
    let mut fields = Vec::new();
    for line in lines {
        fields.extend_from_slice(line.trim_end().as_bytes());
        fields.extend_from_slice(b"\r\n");
        if !line.contains(':') {
            return Err(format!("`{line}` is no field line"));
        }
    }
    Ok((first, fields))
}

fn flatten(before: &str, table: Table, into: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        nested(format!("{before}{key}"), value, into);
    }
}

fn nested(key: String, value: Value, into: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => flatten(&format!("{key}."), table, into),
        Value::Array(members) => {
            for (index, member) in members.into_iter().enumerate() {
                nested(format!("{key}.{index}"), member, into);
            }
        }
        Value::String(text) => {
            into.insert(key, text);
        }
        other => {
            into.insert(key, other.to_string());
        }
    }
}

/// The keys of a table that were not read yet: one that nobody reads is a mistake of the author's.
struct Keys {
    place: String,
    table: Table,
}

impl Keys {
    fn of(place: &str, table: Table) -> Keys {
        Keys {
            place: place.to_owned(),
            table,
        }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.table.remove(key)
    }

    fn wrong<T>(&self, key: &str, what: &str) -> Result<T, String> {
        Err(format!("{}{key}: {what} is expected", self.place))
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(key, "a text"),
        }
    }

    fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(members)) => Ok(Some(members)),
            Some(_) => self.wrong(key, "a list"),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, String> {
        let Some(members) = self.list(key)? else {
            return Ok(None);
        };
        let texts = members
            .into_iter()
            .map(|one| one.as_str().map(str::to_owned));
        match texts.collect() {
            Some(texts) => Ok(Some(texts)),
            None => self.wrong(key, "a list of texts"),
        }
    }

    fn table(&mut self, key: &str) -> Result<Option<Keys>, String> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(table)) => {
                Ok(Some(Keys::of(&format!("{}{key}.", self.place), table)))
            }
            Some(_) => self.wrong(key, "a table"),
        }
    }

    fn pairs(&mut self, key: &str) -> Result<BTreeMap<String, String>, String> {
        let mut pairs = BTreeMap::new();
        if let Some(Value::Table(table)) = self.take(key) {
            flatten("", table, &mut pairs);
        }
        Ok(pairs)
    }

    /// A text, `{ base64 = ".." }` or `{ file = ".." }`.
    fn body(&mut self, key: &str, directory: &Path) -> Result<Option<Bytes>, String> {
        let table = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) => return Ok(Some(text.into())),
            Some(Value::Table(table)) => table,
            Some(_) => return self.wrong(key, "a text or a table"),
        };
        let mut keys = Keys::of(&format!("{}{key}.", self.place), table);
        let body = if let Some(text) = keys.text("base64")? {
            match base64::decode(&text) {
                Some(bytes) => bytes,
                None => return keys.wrong("base64", "base64"),
            }
        } else if let Some(name) = keys.text("file")? {
            std::fs::read(directory.join(&name)).map_err(|why| format!("{name}: {why}"))?
        } else {
            return self.wrong(key, "a text, { base64 = .. } or { file = .. }");
        };
        keys.end()?;
        Ok(Some(body.into()))
    }

    fn end(self) -> Result<(), String> {
        match self.table.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("{}{key}: a case has no such key", self.place)),
        }
    }
}
