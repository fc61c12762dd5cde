//! The conditions of rules: hosts, paths, types, statuses, names.
//!
//! Invariant: a pattern is checked once, when it is made; matching never fails and never allocates.
//! Awkward case: a path is compared as the client wrote it, without its query: `%41` is not `A` here, as it is not in keys.

/// Why a text is no pattern: what would be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoPattern(pub &'static str);

/// A host name, or `*.example.org` for the names below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(Box<str>);

impl HostPattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<HostPattern, NoPattern> {
        let name = text.strip_prefix("*.").unwrap_or(text);
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let fits = match text.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
            Some(literal) => !literal.is_empty() && literal.bytes().all(|b| plain(b) || b == b':'),
            None => !name.is_empty() && name.bytes().all(plain),
        };
        if !fits {
            return Err(NoPattern(
                "a name, or *.example.org for the names below it; without a port",
            ));
        }
        Ok(HostPattern(text.to_ascii_lowercase().into()))
    }

    /// Whether a host, without port and in any case, matches.
    pub fn matches(&self, host: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        match pattern.strip_prefix(b"*") {
            Some(suffix) => {
                host.len() > suffix.len()
                    && host
                        .get(host.len() - suffix.len()..)
                        .is_some_and(|end| end.eq_ignore_ascii_case(suffix))
            }
            None => host.eq_ignore_ascii_case(pattern),
        }
    }
}

/// The beginning of a path, or a whole path in which each `*` stands for any bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern(Box<str>);

impl PathPattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<PathPattern, NoPattern> {
        let begins = text.starts_with('/') || text.starts_with('*');
        let fits = |b: u8| b.is_ascii_graphic() && b != b'?' && b != b'#';
        if !begins || !text.bytes().all(fits) {
            return Err(NoPattern(
                "the beginning of a path, as /static/, or one with *, as /*.css; without a query",
            ));
        }
        Ok(PathPattern(text.into()))
    }

    /// Whether a path, its query taken off here, matches.
    pub fn matches(&self, path: &[u8]) -> bool {
        let end = memchr::memchr(b'?', path).unwrap_or(path.len());
        let path = path.get(..end).unwrap_or(path);
        // RFC 9110 section 4.2.3: an empty path is `/`.
        let path = if path.is_empty() { b"/" } else { path };
        let pattern = self.0.as_bytes();
        if pattern.contains(&b'*') {
            glob(pattern, path)
        } else {
            path.starts_with(pattern)
        }
    }
}

/// A media type without parameters, or `image/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern(Box<str>);

impl TypePattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<TypePattern, NoPattern> {
        let no = NoPattern("a media type without parameters, or image/*");
        let (kind, sub) = text.split_once('/').ok_or(no)?;
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b);
        let token = |part: &str| !part.is_empty() && part.bytes().all(fits);
        if !(token(kind) && (sub == "*" || token(sub)) || text == "*/*") {
            return Err(no);
        }
        Ok(TypePattern(text.to_ascii_lowercase().into()))
    }

    /// Whether a Content-Type matches. One that is missing matches nothing.
    pub fn matches(&self, content_type: Option<&[u8]>) -> bool {
        let Some(value) = content_type else {
            return false;
        };
        let kind = value.split(|b| *b == b';').next().unwrap_or_default();
        let kind = kind.trim_ascii();
        match self.0.as_bytes().strip_suffix(b"*") {
            Some(b"*/") => true,
            Some(prefix) => kind
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
            None => kind.eq_ignore_ascii_case(self.0.as_bytes()),
        }
    }
}

/// A status, or a class of them (`5xx`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusPattern {
    /// One.
    Is(u16),
    /// Those whose first digit this is.
    Class(u16),
}

impl StatusPattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<StatusPattern, NoPattern> {
        let no = NoPattern("a status from 200 to 599, or a class, as 5xx");
        if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            return match class.parse() {
                Ok(class @ 2..=5) if text.len() == 3 => Ok(StatusPattern::Class(class)),
                _ => Err(no),
            };
        }
        match text.parse() {
            Ok(status @ 200..=599) => Ok(StatusPattern::Is(status)),
            _ => Err(no),
        }
    }

    /// Whether a status matches.
    pub fn matches(self, status: u16) -> bool {
        match self {
            StatusPattern::Is(one) => status == one,
            StatusPattern::Class(class) => status / 100 == class,
        }
    }
}

/// The name of a parameter or cookie, in which each `*` stands for any bytes (`utm_*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern(Box<str>);

impl NamePattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn new(text: &str) -> Result<NamePattern, NoPattern> {
        let fits = |b: u8| b.is_ascii_graphic() && !b"&=#;,\"?".contains(&b);
        if text.is_empty() || !text.bytes().all(fits) {
            return Err(NoPattern("a name, in which * stands for anything"));
        }
        Ok(NamePattern(text.into()))
    }

    /// Whether a name matches. Case counts, as it does to those who read such names.
    pub fn matches(&self, name: &[u8]) -> bool {
        glob(self.0.as_bytes(), name)
    }
}

/// Whether a text is what a pattern says in which each `*` stands for any bytes. Time grows with the product of the lengths
/// at worst, and with their sum where there is one `*`.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit: one byte more for the star.
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, t));
                p += 1;
            }
            Some(byte) if text.get(t) == Some(byte) => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((after, from)) => {
                    back = Some((after, from + 1));
                    p = after;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|b| *b == b'*'))
}
