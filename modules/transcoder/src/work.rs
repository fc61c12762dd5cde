//! The threads that transcode, and the queue before them.
//!
//! Hooks only hand over: a large image delays neither the hooks of other transactions nor itself more than it must. Invariant: every
//! task ends in exactly one `resume`. Awkward cases: a task that waited too long, or panics a decoder, keeps its original.

use crate::coming::Held;
use crate::transcode::{Made, Want, transcode};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use understudy_module::{Answer, Bytes, Edits, Host, Refused, Token, Verdict, guard};

/// An image that waits.
pub(crate) struct Task {
    pub(crate) host: Host,
    pub(crate) token: Token,
    pub(crate) image: Bytes,
    pub(crate) want: Want,
    /// The entity tag of the original, if it has one.
    pub(crate) etag: Option<Vec<u8>>,
    pub(crate) since: Instant,
    /// As long as it lives, its bytes count.
    pub(crate) _held: Held,
}

/// Where tasks go. When the last holder lets go, the threads end what they have and leave.
#[derive(Debug, Clone)]
pub(crate) struct Workers {
    queue: SyncSender<Task>,
}

impl Workers {
    /// So many threads, before which so many tasks may wait.
    ///
    /// # Errors
    /// When the system has no thread for them.
    pub(crate) fn start(
        threads: usize,
        waiting: usize,
        patience: Duration,
        max_pixels: u64,
    ) -> Result<Workers, String> {
        let (queue, tasks) = sync_channel(waiting);
        let tasks = Arc::new(Mutex::new(tasks));
        for _ in 0..threads {
            let tasks = tasks.clone();
            std::thread::Builder::new()
                .name("transcoder".to_owned())
                .spawn(move || {
                    while let Some(task) = next(&tasks) {
                        task.run(patience, max_pixels);
                    }
                })
                .map_err(|why| format!("no thread to work in: {why}"))?;
        }
        Ok(Workers { queue })
    }

    /// Hands over, unless too many wait.
    pub(crate) fn take(&self, task: Task) -> bool {
        self.queue.try_send(task).is_ok()
    }
}

fn next(tasks: &Mutex<Receiver<Task>>) -> Option<Task> {
    tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .recv()
        .ok()
}

/// The counter of those that waited too long.
const WAITED: &str = "kept_waited";

impl Task {
    fn run(self, patience: Duration, max_pixels: u64) {
        let (made, count) = if self.since.elapsed() > patience {
            (None, WAITED)
        } else {
            match guard(|| transcode(&self.image, &self.want, max_pixels)) {
                Ok(Ok(made)) => (Some(made), "images"),
                Ok(Err(kept)) => (None, kept.name()),
                Err(_) => (None, "kept_panicked"),
            }
        };
        self.host.count(count, 1);
        let answer = match made {
            None => {
                let mut answer = Answer::from(Verdict::Continue);
                if count == WAITED {
                    // The next to ask may find fewer before it.
                    let _ = answer.edits.no_store();
                }
                answer
            }
            Some(made) => {
                self.host.count("bytes_in", self.image.len() as u64);
                self.host.count("bytes_out", made.bytes.len() as u64);
                match edits(&made, self.etag) {
                    Ok(edits) => Answer {
                        verdict: Verdict::Replace(made.bytes.into()),
                        edits,
                    },
                    Err(refused) => Verdict::fail(refused.to_string()).into(),
                }
            }
        };
        self.host.resume(self.token, answer);
    }
}

/// What the head says of other bytes: their type, no longer the digests of the original, and a tag that is weak, for the two are
/// equivalent at best (RFC 9110 section 8.8.1).
fn edits(made: &Made, etag: Option<Vec<u8>>) -> Result<Edits, Refused> {
    let mut edits = Edits::new();
    edits.set(b"Content-Type", made.kind.as_bytes())?;
    for digest in ["Content-MD5", "Digest", "Content-Digest", "Repr-Digest"] {
        edits.delete(digest.as_bytes())?;
    }
    if let Some(etag) = etag.filter(|etag| !etag.starts_with(b"W/")) {
        edits.set(b"ETag", &[b"W/", &etag[..]].concat())?;
    }
    Ok(edits)
}
