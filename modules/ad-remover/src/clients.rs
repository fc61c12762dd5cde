//! For which clients advertisements are removed: by network, and by a field of the request.
//!
//! Invariant: the narrowest network that holds an address decides, and of two equal ones `off`.

use ipnet::IpNet;
use std::net::IpAddr;

/// The switch.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    on: Vec<IpNet>,
    off: Vec<IpNet>,
}

impl Clients {
    /// Of these networks or addresses. Without any in `on`, all are on that are not in `off`.
    ///
    /// # Errors
    /// A sentence that names what is none.
    pub(crate) fn new(on: &[String], off: &[String]) -> Result<Clients, String> {
        Ok(Clients {
            on: networks(on)?,
            off: networks(off)?,
        })
    }

    /// Whether it is on for this client.
    pub(crate) fn has(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let narrowest = |of: &[IpNet]| {
            let holding = of.iter().filter(|network| network.contains(&client));
            holding.map(IpNet::prefix_len).max()
        };
        match (narrowest(&self.on), narrowest(&self.off)) {
            (Some(on), Some(off)) => on > off,
            (None, Some(_)) => false,
            (Some(_), None) => true,
            (None, None) => self.on.is_empty(),
        }
    }
}

fn networks(texts: &[String]) -> Result<Vec<IpNet>, String> {
    let network = |text: &String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| address())
            .map_err(|_| format!("{text:?} is neither a network (192.0.2.0/24) nor an address"))
    };
    texts.iter().map(network).collect()
}
