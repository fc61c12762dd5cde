//! Where the hook `resolve` fires: a host needs addresses, since no connection to it is pooled.

use super::Transaction;
use crate::modules::handle::Handle;
use crate::modules::party::{Ran, Subject};
use std::net::IpAddr;
use understudy_module::{Edit, Edits, Hook, Part};
use understudy_upstream::{Named, Namer, UpstreamError};

/// The modules of a transaction, asked for addresses.
pub(super) struct Naming<'a> {
    party: &'a Handle,
    method: &'a [u8],
    key: &'a [u8],
}

impl Transaction {
    /// Whom to ask for addresses; `None` when no module wants to be.
    pub(super) fn naming(&self) -> Option<Naming<'_>> {
        let party = self.party.as_ref().filter(|p| p.wants(Hook::Resolve))?;
        Some(Naming {
            party,
            method: self.head.method_bytes(),
            key: self.route.as_ref().map_or(b"", |route| &route.key),
        })
    }
}

impl Namer for Naming<'_> {
    fn addresses<'a>(&'a self, host: &'a str, port: u16, found: &'a [IpAddr]) -> Named<'a> {
        Box::pin(async move {
            let mut edits = Edits::new();
            let subject = || Subject {
                method: self.method,
                url: self.key,
                part: Part::Host {
                    name: host,
                    port,
                    found,
                },
            };
            let ran = self.party.run(Hook::Resolve, 0, subject(), &mut edits);
            let ran = self.party.finish(Hook::Resolve, ran, subject, &mut edits);
            if matches!(ran.await, Ran::Closed) {
                return Err(UpstreamError::Namer);
            }
            let named = edits.iter().filter_map(|edit| match edit {
                Edit::Address(address) => Some(address),
                _ => None,
            });
            let named: understudy_upstream::hosts::Addresses = named.collect();
            Ok((!named.is_empty()).then_some(named))
        })
    }

    fn orders(&self) -> bool {
        self.party.orders_addresses()
    }
}
