//! Frames: a length, a kind, and fields in a fixed order, little-endian.
//!
//! Invariant: reading never panics and never takes more than the frame holds, whatever the bytes are; a count is never trusted
//! for an allocation. Awkward case: the other side may be a child gone mad, so a length beyond [`MAX_FRAME`] ends the connection
//! before anything is waited for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest frame, in either direction. A body that is held whole and replaced fits; nothing sane is longer.
pub const MAX_FRAME: usize = 32 * 1024 * 1024;

/// Bytes before a frame's content: its length.
pub(crate) const PREFIX: usize = 4;

/// What no frame may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Writing.
pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    fn bytes(&mut self, value: &[u8]);
    fn flag(&mut self, value: bool) {
        self.u8(u8::from(value));
    }
    fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }
    fn address(&mut self, value: IpAddr);
    fn socket(&mut self, value: SocketAddr) {
        self.address(value.ip());
        self.u16(value.port());
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn u8(&mut self, value: u8) {
        self.push(value);
    }
    #[inline]
    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    #[inline]
    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    /// Whatever is longer than a frame is refused as a whole by [`frame`], so the length always fits.
    #[inline]
    fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.extend_from_slice(value);
    }
    fn address(&mut self, value: IpAddr) {
        match value {
            IpAddr::V4(v4) => {
                self.u8(4);
                self.extend_from_slice(&v4.octets());
            }
            IpAddr::V6(v6) => {
                self.u8(6);
                self.extend_from_slice(&v6.octets());
            }
        }
    }
}

/// Appends a frame. One that would be too long is taken back, and the answer is `false`.
#[inline]
pub(crate) fn frame(out: &mut Vec<u8>, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = out.len();
    out.u32(0);
    out.u8(kind);
    fill(out);
    let len = out.len() - start - PREFIX;
    if len > MAX_FRAME {
        out.truncate(start);
        return false;
    }
    out[start..start + PREFIX].copy_from_slice(&(len as u32).to_le_bytes());
    true
}

/// The first frame in these bytes, when it is whole: its content, and how many bytes it took.
///
/// # Errors
/// When its length is none a frame may have.
#[inline]
pub fn next_frame(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, Malformed> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    let len = u32::from_le_bytes(*prefix) as usize;
    if len == 0 || len > MAX_FRAME {
        return Err(Malformed("a frame of an impossible length"));
    }
    Ok(rest.get(..len).map(|content| (content, PREFIX + len)))
}

/// Reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Get<'a>(&'a [u8]);

type Got<T> = Result<T, Malformed>;

impl<'a> Get<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Get<'a> {
        Get(bytes)
    }
    #[inline]
    fn array<const N: usize>(&mut self) -> Got<[u8; N]> {
        let (array, rest) = self
            .0
            .split_first_chunk::<N>()
            .ok_or(Malformed("a frame that ends early"))?;
        self.0 = rest;
        Ok(*array)
    }
    #[inline]
    pub(crate) fn u8(&mut self) -> Got<u8> {
        Ok(self.array::<1>()?[0])
    }
    #[inline]
    pub(crate) fn u16(&mut self) -> Got<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }
    #[inline]
    pub(crate) fn u32(&mut self) -> Got<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }
    #[inline]
    pub(crate) fn u64(&mut self) -> Got<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }
    pub(crate) fn flag(&mut self) -> Got<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("neither yes nor no")),
        }
    }
    #[inline]
    pub(crate) fn bytes(&mut self) -> Got<&'a [u8]> {
        let len = self.u32()? as usize;
        if len > self.0.len() {
            return Err(Malformed("a field longer than its frame"));
        }
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(bytes)
    }
    pub(crate) fn text(&mut self) -> Got<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("text that is no UTF-8"))
    }
    pub(crate) fn address(&mut self) -> Got<IpAddr> {
        match self.u8()? {
            4 => Ok(Ipv4Addr::from(self.array::<4>()?).into()),
            6 => Ok(Ipv6Addr::from(self.array::<16>()?).into()),
            _ => Err(Malformed("an address of no family")),
        }
    }
    pub(crate) fn socket(&mut self) -> Got<SocketAddr> {
        Ok(SocketAddr::new(self.address()?, self.u16()?))
    }
    /// A count of things of which each takes at least `least` bytes.
    pub(crate) fn count(&mut self, least: usize) -> Got<usize> {
        let count = self.u32()? as usize;
        if count.saturating_mul(least) > self.0.len() {
            return Err(Malformed("a count greater than the frame"));
        }
        Ok(count)
    }
    /// Nothing may be left.
    pub(crate) fn end(self) -> Got<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("a frame with something behind its end"))
        }
    }
}
