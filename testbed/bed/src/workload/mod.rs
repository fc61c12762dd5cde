//! The file that says what traffic is like: content, demand, network and phases.
//!
//! The shape here is the file's own, unknown keys refused; `check` is what a shape must also be. Units are in the names or said
//! beside them: sizes in bytes, times in seconds.

mod check;
mod command;
mod describe;
mod distribution;
mod expected;
mod schedule;
mod standard;

pub use command::{WorkloadArgs, bytes, workload_command};
pub use describe::describe;
pub use distribution::Distribution;
#[cfg(test)]
pub(crate) use distribution::tests::is_zipf;
pub(crate) use distribution::{exponential, uniform};
pub use expected::Expected;
pub use schedule::{Phase, Schedule};
pub use standard::{STANDARD, standard};

use serde::{Deserialize, Serialize};

/// A workload, as its file says it. WORKLOAD's tables are files of this shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// What it is called in reports.
    pub name: String,
    /// What it is of, for people.
    #[serde(default)]
    pub about: String,
    /// Kinds of content. A kind's place in this list is its number.
    pub content: Vec<Content>,
    /// How robots choose and how fast.
    pub demand: Demand,
    /// Shares of request types; the rest is plain.
    #[serde(default)]
    pub types: Types,
    /// Shares of methods among direct requests; the rest is GET, as is all that is embedded.
    #[serde(default)]
    pub methods: Methods,
    /// Shares of exchanges that are broken off.
    #[serde(default)]
    pub aborts: Aborts,
    /// How many connections and how many requests on each.
    pub connections: Connections,
    /// The origin and the networks on both sides.
    #[serde(default)]
    pub network: Network,
    /// The phases in their order.
    pub phases: Vec<PhaseShape>,
}

/// A kind of content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Its name: the first part of its objects' paths, so lower-case letters, digits and `-`.
    pub name: String,
    /// Which bodies its objects have.
    pub bodies: Bodies,
    /// Its weight among what is asked for directly; 0: only embedded.
    #[serde(default)]
    pub direct: f64,
    /// Sizes of bodies, bytes.
    pub size: Distribution,
    /// The share of objects that caches may store.
    pub cachable: f64,
    /// When objects change.
    pub life: Life,
    /// What a page of this kind embeds.
    #[serde(default)]
    pub embeds: Vec<Embeds>,
    /// The share of objects that are advertisements or trackers, recognisable by their path (`/ads/...`).
    #[serde(default)]
    pub ads: f64,
}

/// Which bodies objects of a kind have: each object of the kind is one format of these, always the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bodies {
    /// HTML pages.
    Html,
    /// JPEG, PNG, GIF and WebP; what is too small for the others is GIF.
    Image,
    /// JPEG alone, as the paper's transcoder had.
    Jpeg,
    /// Style sheets, scripts, JSON, plain text and fonts.
    Other,
    /// Plain text alone, as the paper's compressor had (source code).
    Text,
    /// Archives: gzip and zip.
    Download,
}

/// When objects of a kind change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// Mean seconds between two versions of an object, drawn for each object.
    pub length: Distribution,
    /// How far from regular: a change lies anywhere within this share of the length around its regular time. 0 to 1.
    #[serde(default)]
    pub variance: f64,
}

/// What a page embeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embeds {
    /// The name of the kind of content.
    pub content: String,
    /// How many, drawn for each page.
    pub count: Distribution,
}

/// How robots choose and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// Requests a second of one robot at peak, embedded ones included; robots = peak rate / this.
    pub robot_rate: f64,
    /// The peak rate in requests a second of a full-scale run without `--rate`.
    pub peak: f64,
    /// The share of direct requests that ask again for something seen.
    pub recurrence: f64,
    /// How often each object of the working set is chosen by those.
    pub popularity: Popularity,
    /// The most objects in the working set, embedded ones too, as seconds of peak rate: the newest ones, sliding.
    pub working_set: f64,
    /// The most objects in the working set as a share of peak rate times the seconds of the longest measured phase, when that is
    /// less: for runs that are scaled down.
    #[serde(default = "one")]
    pub working_set_share: f64,
    /// The most bytes of objects in the working set, when that is less: for an origin that has only so much.
    #[serde(default)]
    pub working_set_bytes: Option<f64>,
}

/// How often each object of the working set is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Popularity {
    /// All alike, but `hot_share` of choices fall on the `hot_set` share of objects.
    Uniform {
        /// The share of the working set that is hot.
        #[serde(default)]
        hot_set: f64,
        /// The share of choices that fall on the hot set.
        #[serde(default)]
        hot_share: f64,
    },
    /// The object of rank r is chosen with a weight of r to the minus `exponent`; ranks are scattered over the working set.
    Zipf {
        /// 0 is uniform, the Web's is 0.6 to 1.
        exponent: f64,
    },
}

/// Shares of request types; the rest is plain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Types {
    /// If-Modified-Since a second before Last-Modified: to be answered 200.
    pub ims200: f64,
    /// If-Modified-Since a second behind Last-Modified: to be answered 304.
    pub ims304: f64,
    /// `no-cache` in Cache-Control and Pragma: to be answered by the origin.
    pub reload: f64,
}

/// Shares of methods among direct requests; the rest is GET, as is all that is embedded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Methods {
    /// HEAD.
    pub head: f64,
    /// POST, of a body of `post_size` bytes.
    pub post: f64,
    /// Bytes of a POST's body.
    pub post_size: Distribution,
}

impl Default for Methods {
    fn default() -> Self {
        Self {
            head: 0.0,
            post: 0.0,
            post_size: Distribution::Constant(0.0),
        }
    }
}

/// Shares of exchanges that are broken off at a uniform place in the body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Aborts {
    /// By the robot.
    pub robot: f64,
    /// By the origin.
    pub server: f64,
}

/// How many connections and how many requests on each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// Requests a robot sends on a connection before it closes it.
    pub robot: Distribution,
    /// The most connections a robot has open at a time.
    pub robot_open: usize,
    /// Requests the origin answers on a connection before it closes it.
    pub server: Distribution,
    /// Seconds after which the origin closes an idle connection.
    #[serde(default = "fifteen")]
    pub server_idle: f64,
}

/// The origin's thinking and the networks on both sides of the proxy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Seconds the origin thinks before it answers (below 0 is 0).
    pub think: Distribution,
    /// Seconds each way between proxy and origin.
    pub server_delay: f64,
    /// The share of packets lost between proxy and origin.
    pub server_loss: f64,
    /// Seconds each way between robots and proxy.
    pub client_delay: f64,
    /// The share of packets lost between robots and proxy.
    pub client_loss: f64,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            think: Distribution::Constant(0.0),
            server_delay: 0.0,
            server_loss: 0.0,
            client_delay: 0.0,
            client_loss: 0.0,
        }
    }
}

/// A phase of a run, before it is scaled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseShape {
    /// What it is called.
    pub name: String,
    /// Seconds it lasts at full scale; with `until_fill`, the most.
    pub seconds: f64,
    /// The rate it begins with, a share of peak.
    pub from: f64,
    /// The rate it ends with, a share of peak; in between the rate moves evenly.
    pub to: f64,
    /// Ends when stored misses come to this many times the proxy's cache size.
    #[serde(default)]
    pub until_fill: Option<f64>,
    /// What recurrence is multiplied by.
    #[serde(default = "one")]
    pub recurrence: f64,
    /// What the shares of request types are multiplied by.
    #[serde(default = "one")]
    pub special: f64,
    /// Whether it is a plateau that figures are quoted from.
    #[serde(default)]
    pub measured: bool,
}

fn one() -> f64 {
    1.0
}

fn fifteen() -> f64 {
    15.0
}

/// Why a workload is none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is no TOML of this shape; the message has line and key.
    #[error("{0}")]
    Shape(#[from] toml::de::Error),
    /// A value cannot be; the first says where it stands, the second what it must be.
    #[error("`{0}` {1}")]
    Value(String, String),
    /// No file and no standard workload is called so.
    #[error("there is no workload {0:?}: name a file, or one of {known}", known = STANDARD.join(", "))]
    Unknown(String),
    /// The file cannot be read.
    #[error("{0}: {1}")]
    File(String, std::io::Error),
}

impl Workload {
    /// A workload from the text of its file, checked.
    ///
    /// # Errors
    /// The text is no TOML of this shape, or a value in it cannot be.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let workload: Self = toml::from_str(text)?;
        check::check(&workload)?;
        Ok(workload)
    }

    /// A standard workload by name, or the one in this file.
    ///
    /// # Errors
    /// There is neither, or the file is not a workload.
    pub fn load(name: &str) -> Result<Self, Error> {
        if let Some(text) = standard(name) {
            return Self::parse(text);
        }
        match std::fs::read_to_string(name) {
            Ok(text) => Self::parse(&text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                Err(Error::Unknown(name.to_owned()))
            }
            Err(e) => Err(Error::File(name.to_owned(), e)),
        }
    }

    /// The number of the kind of content of this name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<u8> {
        self.content
            .iter()
            .position(|c| c.name == name)
            .and_then(|n| u8::try_from(n).ok())
    }
}
