//! A helper that the test plays: it listens on a Unix socket, notes each line, and answers when and what the test says.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The helper; it ends with the process.
pub(crate) struct Peer {
    dir: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Answers each line by what this says, on a thread of its own, so in any order; `None`: never.
    pub(crate) fn answering(
        answer: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Peer {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer) = (lines.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, answer) = (noted.clone(), answer.clone());
                std::thread::spawn(move || {
                    let to = Arc::new(Mutex::new(stream.try_clone().unwrap()));
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        let (number, line) = line.split_once(' ').unwrap();
                        let (number, line) = (number.to_owned(), line.to_owned());
                        noted.lock().unwrap().push(line.clone());
                        let (to, answer) = (to.clone(), answer.clone());
                        std::thread::spawn(move || {
                            if let Some(text) = answer(&line) {
                                let _ = writeln!(to.lock().unwrap(), "{number} {text}");
                            }
                        });
                    }
                });
            }
        });
        Peer { dir, lines }
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// The option that names it.
    pub(crate) fn option(&self) -> String {
        format!("socket = \"{}\"\n", self.path().display())
    }

    /// What it was asked so far, in order.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Writes a script into this directory; answers its path.
pub(crate) fn script(dir: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}
