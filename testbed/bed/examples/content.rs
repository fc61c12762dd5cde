//! How fast bodies are made, and how much there is of them.
//!
//! `cargo run --release -p understudy-bed --example content [WORKLOAD]`: the time to make the library, then for each kind of content
//! of the workload and for each format: bodies a second of one core's time, their mean length, and what gzip makes of them.

use std::{collections::BTreeMap, io::Write as _, sync::Arc, time::Instant};
use understudy_bed::{
    content::Library,
    seed::Seed,
    watch::{Thread, Watch},
    workload::Workload,
    world::{Object, World},
};

/// Bodies made for the figures of a kind.
const BODIES: u64 = 50_000;
/// Bodies compressed of a kind.
const PACKED: u64 = 400;

const NO_TIME: &str = "this system does not tell a thread's processor time (/proc/thread-self)";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1);
    let workload = Workload::load(name.as_deref().unwrap_or("polymix-4"))?;
    let (seed, begun, thread) = (Seed(1), Instant::now(), Thread::current());
    let library = Library::new(seed);
    let (wall, digest) = (begun.elapsed().as_secs_f64(), library.digest());
    let whole = Watch::tree(std::process::id()).look();
    println!(
        "library {wall:.2} s, {:.2} s of processors, {} MB in memory, digest {digest:08x}",
        whole.user + whole.system,
        whole.memory >> 20,
    );
    let world = World::new(Arc::new(workload), seed, 1_700_000_000);
    for (kind, content) in (0u8..).zip(&world.workload().content) {
        let objects = |count| (0..count).map(move |id| Object { kind, id });
        let (mut bytes, begun) = (0, thread.seconds().ok_or(NO_TIME)?);
        for object in objects(BODIES) {
            bytes += std::hint::black_box(library.body(&world, object, 1)).len();
        }
        let seconds = thread.seconds().ok_or(NO_TIME)? - begun;
        println!(
            "{:10} {:9.0} bodies/s, {:.2} us each, mean {} bytes",
            content.name,
            BODIES as f64 / seconds,
            seconds * 1e6 / BODIES as f64,
            bytes / BODIES,
        );
        let mut formats: BTreeMap<&str, (u64, u64, usize)> = BTreeMap::new();
        for object in objects(PACKED) {
            let body = library.body(&world, object, 1).to_vec();
            let level = flate2::Compression::new(6);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(&body)?;
            let sums = formats.entry(world.format(object).extension()).or_default();
            sums.0 += 1;
            sums.1 += body.len() as u64;
            sums.2 += encoder.finish()?.len();
        }
        for (format, (count, bytes, packed)) in formats {
            println!(
                "  {format:8} {:3.0} %, mean {:7} bytes, gzip 1:{:.2}",
                100.0 * count as f64 / PACKED as f64,
                bytes / count,
                bytes as f64 / packed as f64,
            );
        }
    }
    Ok(())
}
