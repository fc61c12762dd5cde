//! Descriptors and timers, and the paper's outcome: hundreds of transactions wait for a remote service and hold no thread.

use super::remote::{Remote, Waits};
use super::script::Script;
use super::*;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
struct Of(SocketAddr);

impl Library for Of {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Waits::new(self.0)))
    }
}

/// The service answers nobody before all have asked it: were a thread held for one that waits, the last would never come.
pub fn four_hundred_transactions_wait_for_a_service_together(kind: Kind) {
    on_a_worker(|worker| async move {
        let remote = Remote::start();
        let mut spec = spec(kind);
        spec.limits.threads = 5;
        let library = Arc::new(Of(remote.address));
        let loaded = load(spec, library, 1, &worker.environment).await.unwrap();
        let link = Rc::new(Link::new(loaded, &worker.seat));
        let all: Vec<_> = (0..400)
            .map(|_| {
                let (link, id) = (link.clone(), worker.id());
                actix_rt::spawn(async move {
                    let (mut visit, mut edits) = (Visit::default(), Edits::new());
                    let event = head(id, Hook::RequestHead);
                    let told = call(&link, &mut visit, &event, &mut edits).await;
                    link.leave(&mut visit, id);
                    assert_eq!(told, Ok(Verdict::Continue));
                    assert_eq!(edits.iter().next(), Some(Edit::Add(b"X-Remote", b"!")));
                })
            })
            .collect();
        until(|| remote.asked.load(Ordering::SeqCst) == 400).await;
        assert_eq!(remote.answered.load(Ordering::SeqCst), 0);
        assert_eq!(worker.seat.waiting(), 400);
        remote.open();
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(remote.answered.load(Ordering::SeqCst), 400);
        assert_eq!(worker.seat.stray_resumes(), 0);
        assert_eq!(worker.seat.waiting(), 0);
    });
}

pub fn a_descriptor_is_ready_again_and_again_until_it_is_read_dry(kind: Kind) {
    on_a_worker(|worker| async move {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let fd = ours.as_raw_fd();
        let read = Arc::new(Mutex::new(Vec::new()));
        let inside = Arc::<AtomicUsize>::default();
        let (to, within) = (read.clone(), inside.clone());
        let script = Script::new(|_, _| Verdict::Continue)
            // Watched in init, before there is anybody to watch.
            .other(move |hook, host, _| {
                if hook == Hook::Init {
                    host.watch(fd, Interest::Read, 42);
                }
                Ok(())
            })
            .ready(move |host, fd, interest, tag| {
                assert_eq!(within.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                assert_eq!((interest, tag), (Interest::Read, 42));
                let mut byte = [0];
                if (&ours).read(&mut byte).is_ok_and(|n| n == 1) {
                    to.lock().unwrap().push(byte[0]);
                }
                if byte[0] == b'.' {
                    host.unwatch(fd, Interest::Read);
                }
                within.fetch_sub(1, Ordering::SeqCst);
            });
        let link = worker.link(spec(kind), &script).await;
        theirs.write_all(b"abc").unwrap();
        until(|| read.lock().unwrap().len() == 3).await;
        theirs.write_all(b"d.ef").unwrap();
        until(|| read.lock().unwrap().len() == 5).await;
        // Told once a byte, and no more behind the end of the watch: a whole notice passes.
        tell(&link, Notice::Timer).await.unwrap();
        tell(&link, Notice::Timer).await.unwrap();
        assert_eq!(*read.lock().unwrap(), b"abcd.");
        assert_eq!(gauge(link.loaded(), "panics"), 0);
    });
}

pub fn both_directions_of_one_descriptor_are_told_with_their_tags(kind: Kind) {
    on_a_worker(|worker| async move {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"x").unwrap();
        let fd = ours.as_raw_fd();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let to = seen.clone();
        let script = Script::new(|_, _| Verdict::Continue)
            .other(move |hook, host, _| {
                if hook == Hook::Init {
                    host.watch(fd, Interest::Write, 1);
                    host.watch(fd, Interest::Read, 2);
                }
                Ok(())
            })
            .ready(move |host, fd, interest, tag| {
                to.lock().unwrap().push((interest, tag));
                host.unwatch(fd, interest);
            });
        let _link = worker.link(spec(kind), &script).await;
        until(|| seen.lock().unwrap().len() >= 2).await;
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_by_key(|(_, tag)| *tag);
        assert_eq!(seen, [(Interest::Write, 1), (Interest::Read, 2)]);
        drop(ours);
    });
}

pub fn a_number_that_is_another_file_s_meanwhile_does_not_take_over_the_watch(kind: Kind) {
    on_a_worker(|worker| async move {
        let (watched, mut theirs) = UnixStream::pair().unwrap();
        let (other, mut noise) = UnixStream::pair().unwrap();
        let fd = watched.as_raw_fd();
        let tags = Arc::new(Mutex::new(Vec::new()));
        let (to, keep) = (
            tags.clone(),
            Mutex::new(std::os::fd::OwnedFd::from(watched)),
        );
        let script = Script::new(|_, _| Verdict::Continue)
            .other(move |hook, host, _| {
                if hook == Hook::Init {
                    host.watch(fd, Interest::Read, 1);
                    // Before the actor is there to hear of it.
                    rustix::io::dup2(&other, &mut keep.lock().unwrap()).unwrap();
                }
                Ok(())
            })
            .ready(move |host, fd, interest, tag| {
                to.lock().unwrap().push(tag);
                host.unwatch(fd, interest);
            });
        noise.write_all(b"noise").unwrap();
        let link = worker.link(spec(kind), &script).await;
        tell(&link, Notice::Timer).await.unwrap();
        tell(&link, Notice::Timer).await.unwrap();
        assert!(tags.lock().unwrap().is_empty(), "told of another file");
        theirs.write_all(b"x").unwrap();
        until(|| *tags.lock().unwrap() == [1]).await;
    });
}

pub fn what_cannot_be_watched_is_counted_and_does_not_spin(kind: Kind) {
    on_a_worker(|worker| async move {
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let fd = file.as_raw_fd();
        let script = Script::new(|_, _| Verdict::Continue).other(move |hook, host, _| {
            if hook == Hook::Init {
                host.watch(fd, Interest::Read, 1);
                host.watch(9999, Interest::Read, 1);
            }
            Ok(())
        });
        let link = worker.link(spec(kind), &script).await;
        until(|| link.loaded().unwatchable() == 2).await;
        assert_eq!(worker.one(&link).await, Ok(Verdict::Continue));
        assert_eq!(script.tally.of(Hook::Ready), 0);
        assert_eq!(link.loaded().unwatchable(), 2);
    });
}

pub fn the_timer_rings_again_and_again(kind: Kind) {
    on_a_worker(|worker| async move {
        let mut script = Script::new(|_, _| Verdict::Continue);
        script.about.timer = Some(Duration::from_millis(10));
        let link = worker.link(spec(kind), &script).await;
        until(|| script.tally.of(Hook::Timer) >= 3).await;
        drop(link);
        until(|| script.tally.of(Hook::Fini) == 1).await;
    });
}
