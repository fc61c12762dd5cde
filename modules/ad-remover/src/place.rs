//! Where lists and contents come from: files, and URLs of which a copy is kept on disk.
//!
//! A copy is one file: a first line with the URL and the validators it came with, then the bytes. Invariant: it is replaced by rename,
//! so whoever reads has one whole copy or the other, and validators are always those of the bytes. Its time of modification says
//! when it was last known to be good. Awkward case: several processes keep the same copy; the last one to rename wins, and the others
//! see it by its stamp.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// No list or content is larger.
pub(crate) const MOST: u64 = 64 << 20;

/// A file, or a URL and its copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Url { url: String, copy: PathBuf },
}

/// What tells one state of a file from another: inode and length, and of a file that others write the time. A copy's time says when it
/// was asked for, which changes nothing.
pub(crate) type Stamp = Option<(u64, u64, Option<SystemTime>)>;

/// Validators of a copy (RFC 9110 section 8.8), empty where the origin gave none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Validators {
    pub(crate) etag: String,
    pub(crate) modified: String,
}

impl Place {
    /// The place that this text names.
    ///
    /// # Errors
    /// A URL without a directory for copies.
    pub(crate) fn new(text: &str, keep: Option<&Path>) -> Result<Place, String> {
        if !text.starts_with("http://") && !text.starts_with("https://") {
            return Ok(Place::File(text.into()));
        }
        let Some(keep) = keep else {
            return Err(format!(
                "{text}: `keep` must name the directory where copies are kept"
            ));
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Ok(Place::Url {
            url: text.to_owned(),
            copy: keep.join(format!("{:016x}", hasher.finish())),
        })
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Url { url, .. } => url.clone(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Place::File(path) => path,
            Place::Url { copy, .. } => copy,
        }
    }

    /// Its state.
    pub(crate) fn stamp(&self) -> Stamp {
        let data = fs::metadata(self.path()).ok()?;
        let time = match self {
            Place::File(_) => data.modified().ok(),
            Place::Url { .. } => None,
        };
        Some((data.ino(), data.len(), time))
    }

    /// Whether its copy has not been good for so long, or there is none. A file never is.
    pub(crate) fn is_due(&self, every: Duration) -> bool {
        let modified = fs::metadata(self.path()).and_then(|data| data.modified());
        let is_old = |then: SystemTime| then.elapsed().unwrap_or_default() >= every;
        matches!(self, Place::Url { .. }) && modified.map_or(true, is_old)
    }

    /// What its bytes are; `None` when they were never fetched. A copy that is not good is forgotten, and due again.
    ///
    /// # Errors
    /// A file that cannot be read, is too large, or is not what it should be.
    pub(crate) fn read<T>(
        &self,
        of: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let all = limited(self.path());
        if let Place::File(path) = self {
            let told = |why: String| format!("{}: {why}", path.display());
            let bytes = all.map_err(|why| told(why.to_string()))?;
            return of(&bytes).map(Some).map_err(told);
        }
        let Ok(all) = all else { return Ok(None) };
        let good = self.opened(&all).and_then(|(_, bytes)| of(bytes).ok());
        if good.is_none() {
            // When it cannot be removed, it is due when it is old.
            let _ = fs::remove_file(self.path());
        }
        Ok(good)
    }

    /// The validators and bytes of a copy, if it is one of this URL.
    fn opened<'a>(&self, all: &'a [u8]) -> Option<(Validators, &'a [u8])> {
        let end = all.iter().position(|byte| *byte == b'\n')?;
        let mut words = std::str::from_utf8(&all[..end]).ok()?.split('\t');
        if words.next() != Some(&self.name()) {
            return None;
        }
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (etag, modified) = (word(), word());
        Some((Validators { etag, modified }, &all[end + 1..]))
    }

    /// The validators of the copy.
    pub(crate) fn validators(&self) -> Validators {
        let all = limited(self.path()).unwrap_or_default();
        let opened = self.opened(&all);
        opened.map_or_else(Validators::default, |(validators, _)| validators)
    }

    /// Replaces the copy.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn keep(&self, validators: &Validators, bytes: &[u8]) -> io::Result<()> {
        let path = self.path();
        let directory = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let mut file = NamedTempFile::new_in(directory)?;
        let Validators { etag, modified } = validators;
        writeln!(file, "{}\t{etag}\t{modified}", self.name())?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// The copy is known to be good now.
    pub(crate) fn touch(&self) -> io::Result<()> {
        let file = File::options().append(true).open(self.path())?;
        file.set_modified(SystemTime::now())
    }
}

fn limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if read as u64 > MOST {
        return Err(io::Error::other(format!("it is larger than {MOST} bytes")));
    }
    Ok(bytes)
}
