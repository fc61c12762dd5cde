//! Which kind of content something is: by its media type, else by how its path ends.

use super::entry::Entry;

/// Kinds of content in a fitted workload, in their order there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Html,
    Image,
    Other,
    Download,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Html, Self::Image, Self::Other, Self::Download];
}

/// The kind of what was answered, and whether that is the origin's word rather than a guess.
pub(super) fn kind(entry: &Entry<'_>) -> (Kind, bool) {
    if let Some(kind) = entry.media.as_deref().and_then(by_type) {
        return (kind, true);
    }
    (by_path(&entry.url), false)
}

fn by_type(media: &[u8]) -> Option<Kind> {
    let name = media.split(|b| *b == b';').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
    let (top, sub) = name.split_once('/')?;
    Some(match (top, sub) {
        ("text", "html") | ("application", "xhtml+xml") => Kind::Html,
        // A drawing in XML is text to whoever stores or compresses it.
        ("image", "svg+xml") => Kind::Other,
        ("image", _) => Kind::Image,
        ("text" | "font", _) => Kind::Other,
        ("audio" | "video", _) => Kind::Download,
        ("application", sub) => {
            let text = ["javascript", "json", "xml", "ecmascript", "wasm", "font"];
            if text.iter().any(|t| sub.contains(t)) && !sub.starts_with("vnd.openxml") {
                Kind::Other
            } else {
                Kind::Download
            }
        }
        _ => return None,
    })
}

fn by_path(url: &[u8]) -> Kind {
    let path = url
        .split(|b| matches!(b, b'?' | b'#' | b';'))
        .next()
        .unwrap_or_default();
    // The authority of an absolute URL has dots of its own.
    let path = match path.windows(3).position(|w| w == b"://") {
        Some(n) => {
            let rest = &path[n + 3..];
            rest.iter()
                .position(|b| *b == b'/')
                .map_or(&b""[..], |n| &rest[n..])
        }
        None => path,
    };
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let Some(dot) = name.iter().rposition(|b| *b == b'.') else {
        return Kind::Html;
    };
    match &*String::from_utf8_lossy(&name[dot + 1..]).to_ascii_lowercase() {
        "html" | "htm" | "xhtml" | "php" | "asp" | "aspx" | "jsp" | "shtml" | "cgi" => Kind::Html,
        "gif" | "jpg" | "jpeg" | "png" | "webp" | "avif" | "ico" | "bmp" => Kind::Image,
        "gz" | "tgz" | "zip" | "bz2" | "xz" | "zst" | "7z" | "rar" | "tar" | "iso" | "exe"
        | "msi" | "deb" | "rpm" | "dmg" | "jar" | "apk" | "cab" | "pdf" | "doc" | "docx"
        | "xls" | "xlsx" | "ppt" | "pptx" | "mp3" | "mp4" | "m4s" | "ts" | "webm" | "avi"
        | "mov" | "mpg" | "bin" | "img" => Kind::Download,
        _ => Kind::Other,
    }
}
