//! A world of every format and of sizes from nothing to megabytes, and one library for all tests.

use std::sync::{Arc, LazyLock};
use understudy_bed::{
    content::Library,
    seed::Seed,
    workload::Workload,
    world::{Format, Object, World},
};

pub(crate) const SEED: Seed = Seed(1963);

/// Parts are made when they are first asked for: encoders are slow without optimisation.
pub(crate) static LIBRARY: LazyLock<Library> = LazyLock::new(|| Library::lazy(SEED));

pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let kinds = [
        ("html", "html", "uniform = [1, 40000]"),
        ("page", "html", "constant = 60000"),
        ("image", "image", "uniform = [1, 30000]"),
        ("other", "other", "uniform = [1, 60000]"),
        ("text", "text", "uniform = [1, 60000]"),
        ("download", "download", "uniform = [1, 300000]"),
        ("poster", "image", "uniform = [100000, 400000]"),
        ("release", "download", "uniform = [3000000, 9000000]"),
    ];
    let mut text = String::from("name = \"all\"\n");
    for (name, bodies, size) in kinds {
        text += &format!(
            "[[content]]\nname = \"{name}\"\nbodies = \"{bodies}\"\ndirect = 1\nsize = {{ {size} }}\n\
             cachable = 1\nlife = {{ length = {{ constant = 1000 }} }}\nads = 0.1\n"
        );
        if bodies == "html" {
            text += "embeds = [{ content = \"image\", count = { zipf = 13 } }]\n";
        }
    }
    text += r#"
[demand]
robot_rate = 0.4
peak = 10
recurrence = 0.5
popularity = { uniform = { } }
working_set = 100
[connections]
robot = { constant = 1 }
robot_open = 4
server = { constant = 1 }
[[phases]]
name = "top"
seconds = 60
from = 1
to = 1
measured = true
"#;
    let workload = Workload::parse(&text).expect("the tests' own workload");
    World::new(Arc::new(workload), SEED, 1_700_000_000)
});

/// The first objects of a kind that are of this format.
pub(crate) fn objects(kind: &str, format: Format, count: usize) -> Vec<Object> {
    let kind = WORLD.workload().kind(kind).expect("a kind of the tests");
    let all = (0..).map(|id| Object { kind, id });
    all.filter(|&object| WORLD.format(object) == format)
        .take(count)
        .collect()
}

/// The body of an object's first version.
pub(crate) fn body(object: Object) -> Vec<u8> {
    LIBRARY.body(&WORLD, object, 1).to_vec()
}

/// Bytes of this in gzip, as the proxies' compressors make it.
pub(crate) fn packed(bytes: &[u8]) -> usize {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all").len()
}
