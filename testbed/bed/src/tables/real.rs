//! The "real" server of the paper's Table 6 and its content: photographs of about 8 KB and texts of 8 KB that no cache may store.
//!
//! Invariant: it has an address of its own (127.0.0.2), so modules are told by `match.hosts` which answers are theirs. The paper's
//! modules looked at every answer for that; here the proxy does, once for a transaction.

use super::adapted::Object;
use crate::{
    content::Library,
    origin,
    seed::Seed,
    workload::Workload,
    world::{self, World},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// The host that modules match.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// How many different objects of a kind are asked for, in turn.
const OBJECTS: u64 = 64;

/// The server, and what it has.
pub(super) struct Real {
    origin: origin::Running,
    pub(super) images: Vec<Object>,
    pub(super) texts: Vec<Object>,
}

impl Real {
    /// Starts it, with images, with texts, or with both: what nobody asks for is not made.
    pub(super) fn start(seed: u64, images: bool, texts: bool) -> Result<Self, String> {
        let workload = Workload::parse(include_str!("../../workloads/real.toml"))
            .map_err(|e| format!("real.toml: {e}"))?;
        let epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs() as i64);
        let world = World::new(Arc::new(workload), Seed(seed), epoch);
        let library = Arc::new(Library::lazy(Seed(seed)));
        let objects = |name: &str| {
            let kind = world.workload().kind(name);
            let kind = kind.ok_or_else(|| format!("real.toml has no {name}"))?;
            let object = |id| {
                let object = world::Object { kind, id };
                let version = world.version(object, epoch).number;
                Object {
                    path: world.path(object),
                    body: library.body(&world, object, version).to_vec(),
                }
            };
            Ok::<_, String>((1..=OBJECTS).map(object).collect())
        };
        let asked = |name, asked| if asked { objects(name) } else { Ok(Vec::new()) };
        let (images, texts) = (asked("images", images)?, asked("texts", texts)?);
        let config = origin::Config {
            listen: vec![SocketAddr::from((HOST, 0))],
            ..origin::Config::new(world, library)
        };
        let origin = origin::start(config).map_err(|e| format!("the real server: {e}"))?;
        Ok(Self {
            origin,
            images,
            texts,
        })
    }

    pub(super) fn address(&self) -> Result<SocketAddr, String> {
        let first = self.origin.addresses().first().copied();
        first.ok_or_else(|| "the real server has no address".to_owned())
    }
}
