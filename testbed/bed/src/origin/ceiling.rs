//! How many requests a second the origin answers: so that a run can tell that it was not the origin that was slow.
//!
//! The workload's own mix of objects, without network, think time and aborts, over connections that stay. The client is as little as
//! can be: it is on another thread, and counts bytes. Awkward case: with fewer free cores than two the client takes from the origin,
//! so requests for each second of the origin's own processor time are told as well.

use super::{Config, start};
use crate::{
    content::Library,
    seed::Seed,
    workload::{Aborts, Distribution, Network, Workload},
    world::{Object, World},
};
use std::{
    cell::Cell,
    fmt, io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How it is measured.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections; each has one request under way.
    pub connections: usize,
    /// How long.
    pub time: Duration,
    /// How many requests are made ahead; they are sent again and again.
    pub requests: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 64,
            time: Duration::from_secs(5),
            requests: 20_000,
        }
    }
}

/// What an origin can do.
#[derive(Debug, Clone, Copy)]
pub struct Ceiling {
    /// Requests answered.
    pub requests: u64,
    /// Bytes of answers, heads included.
    pub bytes: u64,
    /// Seconds it took.
    pub seconds: f64,
    /// Seconds of the processor that the origin used, where the system tells it.
    pub processor: Option<f64>,
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, bytes) = (self.requests as f64, self.bytes as f64);
        write!(
            f,
            "origin, one thread: {:.0} requests/s, {:.0} MB/s ({:.1} KB each) in {:.1} s",
            requests / self.seconds,
            bytes / self.seconds / 1e6,
            bytes / requests.max(1.0) / 1e3,
            self.seconds,
        )?;
        match self.processor {
            Some(processor) if processor > 0.0 => write!(
                f,
                "; {:.0} requests for each second of its processor",
                requests / processor
            ),
            _ => Ok(()),
        }
    }
}

/// Starts an origin of this workload and asks as fast as it answers.
///
/// # Errors
/// It does not start, or answers something else than 200 with a length.
pub fn measure(
    workload: &Workload,
    seed: Seed,
    library: Arc<Library>,
    options: &Options,
) -> io::Result<Ceiling> {
    let mut workload = workload.clone();
    workload.network = Network::default();
    workload.aborts = Aborts::default();
    workload.connections.server = Distribution::Constant(f64::MAX);
    let epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let epoch = i64::try_from(epoch).unwrap_or(0);
    let world = World::new(Arc::new(workload), seed, epoch);
    let requests = requests(&world, options.requests);
    let running = start(Config::new(world, library))?;
    let address = running.addresses()[0];
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::task::LocalSet::new().run_until(drive(address, requests, options)))
}

/// Requests for objects as the workload mixes them, pages with what they embed.
fn requests(world: &World, number: usize) -> Vec<Vec<u8>> {
    let direct = Distribution::Table(
        (0u8..)
            .zip(&world.workload().content)
            .filter(|(_, content)| content.direct > 0.0)
            .map(|(kind, content)| (f64::from(kind), content.direct))
            .collect(),
    );
    let mut stream = world.seed().stream(&[0]);
    let mut found = Vec::with_capacity(number);
    let mut id = 0;
    while found.len() < number {
        let page = Object {
            kind: direct.sample(&mut stream) as u8,
            id,
        };
        id += 1;
        for object in std::iter::once(page).chain(world.embedded(page)) {
            let request = format!(
                "GET {} HTTP/1.1\r\nHost: origin\r\nX-Bed-Request: {id:x}\r\n\r\n",
                world.path(object)
            );
            found.push(request.into_bytes());
        }
    }
    found
}

/// What the connections share.
struct Shared {
    requests: Vec<Vec<u8>>,
    next: Cell<usize>,
    answered: Cell<u64>,
    bytes: Cell<u64>,
    end: Instant,
}

async fn drive(
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    options: &Options,
) -> io::Result<Ceiling> {
    let begin = Instant::now();
    let before = processor();
    let shared = Rc::new(Shared {
        requests,
        next: Cell::new(0),
        answered: Cell::new(0),
        bytes: Cell::new(0),
        end: begin + options.time,
    });
    let tasks: Vec<_> = (0..options.connections)
        .map(|_| tokio::task::spawn_local(connection(address, Rc::clone(&shared))))
        .collect();
    for task in tasks {
        task.await.map_err(io::Error::other)??;
    }
    Ok(Ceiling {
        requests: shared.answered.get(),
        bytes: shared.bytes.get(),
        seconds: begin.elapsed().as_secs_f64(),
        processor: processor().zip(before).map(|(now, before)| now - before),
    })
}

async fn connection(address: SocketAddr, shared: Rc<Shared>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    while Instant::now() < shared.end {
        let number = shared.next.get();
        shared.next.set(number + 1);
        let request = &shared.requests[number % shared.requests.len()];
        stream.write_all(request).await?;
        let mut have = 0;
        let whole = loop {
            let read = stream.read(&mut buffer[have..]).await?;
            if read == 0 {
                return Err(wrong("broke off or has a head above 64 KiB"));
            }
            have += read;
            if let Some(whole) = whole(&buffer[..have])? {
                break whole;
            }
        };
        let mut left = whole.saturating_sub(have as u64);
        while left > 0 {
            let read = stream.read(&mut buffer).await? as u64;
            if read == 0 {
                return Err(wrong("broke off"));
            }
            left = left.saturating_sub(read);
        }
        shared.answered.set(shared.answered.get() + 1);
        shared.bytes.set(shared.bytes.get() + whole);
    }
    Ok(())
}

/// Bytes of head and body, once the head is there.
fn whole(bytes: &[u8]) -> io::Result<Option<u64>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(bytes).map_err(io::Error::other)? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length as u64,
    };
    if head.code != Some(200) {
        return Err(wrong("is not 200"));
    }
    let body = head
        .headers
        .iter()
        .find(|f| f.name.eq_ignore_ascii_case("content-length"))
        .and_then(|f| std::str::from_utf8(f.value).ok()?.parse::<u64>().ok())
        .ok_or_else(|| wrong("has no length"))?;
    Ok(Some(length + body))
}

fn wrong(what: &str) -> io::Error {
    io::Error::other(format!("ceiling: an answer of the origin {what}"))
}

/// Seconds of the processor that this process used but for this thread: the origin's, as there is nothing else.
fn processor() -> Option<f64> {
    Some(used("/proc/self/stat")? - used("/proc/thread-self/stat")?)
}

/// User and system time of a process or thread (proc_pid_stat(5)); its name may hold spaces, so fields count from behind it.
fn used(file: &str) -> Option<f64> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    // Ticks; there are 100 in a second on every Linux.
    Some((user + system) / 100.0)
}
