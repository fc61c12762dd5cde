//! Dialling: the addresses of a destination in order, with staggered attempts (RFC 8305), each shown to the policy first.
//!
//! Invariant: no connect goes out to an address that the policy was not asked about in the line before. Awkward case: a
//! refused address is passed over, so a name with one allowed address works, and only all refused is `Refused`.

use crate::UpstreamError;
use crate::policy::{DialPolicy, effective};
use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How long an attempt goes alone before the next address is tried beside it (RFC 8305 section 5).
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// What a dial is given.
pub(crate) struct Dial<'a> {
    /// In the order to try.
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) port: u16,
    /// Asked for every address; `None` for reverse groups.
    pub(crate) policy: Option<&'a dyn DialPolicy>,
    /// The client's address to dial from (needs IP_TRANSPARENT).
    pub(crate) from: Option<IpAddr>,
    /// The end of it, for all addresses together.
    pub(crate) deadline: Instant,
}

impl Dial<'_> {
    /// The first connection to come about, without Nagle's delay.
    pub(crate) async fn run(self) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let deadline = self.deadline;
        let mut outcome = Outcome::default();
        // The common case, one address, needs no set of futures.
        if let [only] = self.addresses {
            if let Some(to) = self.admit(*only, &mut outcome) {
                return match timeout_at(deadline, attempt(to, self.from)).await {
                    Ok(Ok(stream)) => Ok((stream, to)),
                    Ok(Err(error)) => Err(UpstreamError::Connect(error)),
                    Err(_) => Err(UpstreamError::ConnectTimeout),
                };
            }
            return Err(outcome.error());
        }
        match timeout_at(deadline, self.race(&mut outcome)).await {
            Ok(Some(connected)) => Ok(connected),
            Ok(None) => Err(outcome.error()),
            Err(_) => Err(UpstreamError::ConnectTimeout),
        }
    }

    /// Tries the addresses: the next one starts when an attempt fails, or after [`ATTEMPT_DELAY`].
    async fn race(&self, outcome: &mut Outcome) -> Option<(TcpStream, SocketAddr)> {
        let mut waiting = self.addresses.iter();
        let mut running = FuturesUnordered::new();
        loop {
            let next = loop {
                match waiting.next() {
                    Some(address) => match self.admit(*address, outcome) {
                        Some(to) => break Some(to),
                        None => continue,
                    },
                    None => break None,
                }
            };
            let last = next.is_none();
            if let Some(to) = next {
                let from = self.from;
                running.push(async move { (attempt(to, from).await, to) });
            }
            let stagger = sleep_until(Instant::now() + ATTEMPT_DELAY);
            tokio::select! {
                biased;
                done = running.next() => match done {
                    Some((Ok(stream), to)) => return Some((stream, to)),
                    Some((Err(error), to)) => {
                        tracing::debug!(%to, %error, "connect failed");
                        outcome.failed = Some(error);
                    }
                    // Nothing runs and nothing waits.
                    None => return None,
                },
                () = stagger, if !last => {}
            }
        }
    }

    /// The address to dial, if the policy allows it.
    fn admit(&self, address: IpAddr, outcome: &mut Outcome) -> Option<SocketAddr> {
        let address = effective(address);
        if self.policy.is_some_and(|policy| !policy.allows(address)) {
            outcome.refused.get_or_insert(address);
            return None;
        }
        Some(SocketAddr::new(address, self.port))
    }
}

/// What became of the attempts that did not connect.
#[derive(Default)]
struct Outcome {
    refused: Option<IpAddr>,
    failed: Option<io::Error>,
}

impl Outcome {
    fn error(self) -> UpstreamError {
        match (self.failed, self.refused) {
            (Some(error), _) => UpstreamError::Connect(error),
            (None, Some(address)) => UpstreamError::Refused(address),
            (None, None) => UpstreamError::NoAddress,
        }
    }
}

/// One connect.
async fn attempt(to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
    let stream = match from {
        None => TcpStream::connect(to).await?,
        Some(from) => from_address(to, effective(from))?.connect(to).await?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A socket bound to another host's address. The kernel chooses the port: the client's own is taken by its connection.
fn from_address(to: SocketAddr, from: IpAddr) -> io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    let socket = TcpSocket::from_std_stream(socket.into());
    let options = SockRef::from(&socket);
    let allowed = match to {
        SocketAddr::V4(_) => options.set_ip_transparent_v4(true),
        SocketAddr::V6(_) => options.set_ip_transparent_v6(true),
    };
    options.set_reuse_address(true)?;
    // An address of this machine can be bound without the right to be transparent; for any other, the lack of that
    // right is the better explanation.
    socket
        .bind(SocketAddr::new(from, 0))
        .map_err(|error| allowed.err().unwrap_or(error))?;
    Ok(socket)
}
