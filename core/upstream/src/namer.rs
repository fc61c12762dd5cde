//! Somebody who has a say in the addresses of hosts: the seam at which modules stand.

use crate::UpstreamError;
use crate::hosts::Addresses;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// What is named: addresses in the order to be dialled, or `None` to leave it.
pub type Named<'a> = Pin<Box<dyn Future<Output = Result<Option<Addresses>, UpstreamError>> + 'a>>;

/// Asked when a host needs addresses: a connection is to be dialled, and none is pooled.
pub trait Namer {
    /// The addresses of a host. Asked with none found first; when nothing is named then, and [`Namer::orders`], once more
    /// with those that were found. Addresses named are under the dial policy like all others.
    fn addresses<'a>(&'a self, host: &'a str, port: u16, found: &'a [IpAddr]) -> Named<'a>;

    /// Whether it wants to see what was found.
    fn orders(&self) -> bool;
}
