//! Where answers came from, as the log of modules says it (the paper's LogHier).
//!
//! Every miss tells it to the modules, and most are of few origins: the word is written once for an address and found again. Invariant:
//! a word is never told of another address. Awkward case: addresses that fall on one place take turns there, and each is written
//! anew.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

/// Where an answer out of the store came from.
pub(crate) const NOWHERE: &str = "HIER_NONE/-";

/// Places for addresses.
const PLACES: usize = 16;

/// An address and its word.
type Told = (IpAddr, Rc<str>);

/// The words.
#[derive(Default)]
pub(crate) struct Whence {
    places: [RefCell<Option<Told>>; PLACES],
}

impl std::fmt::Debug for Whence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whence").finish_non_exhaustive()
    }
}

impl Whence {
    /// The word for an answer of this origin.
    #[inline]
    pub(crate) fn of(&self, origin: SocketAddr) -> Rc<str> {
        let ip = origin.ip();
        // Neighbours differ in their last byte.
        let last = match ip {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        };
        let place = &self.places[usize::from(last) % PLACES];
        if let Some((of, word)) = &*place.borrow()
            && *of == ip
        {
            return word.clone();
        }
        write(place, ip)
    }
}

#[cold]
fn write(place: &RefCell<Option<Told>>, ip: IpAddr) -> Rc<str> {
    let word: Rc<str> = format!("HIER_DIRECT/{}", ip.to_canonical()).into();
    place.replace(Some((ip, word.clone())));
    word
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_has_its_own_word_whoever_was_at_its_place() {
        let whence = Whence::default();
        let cases = [
            ("127.0.0.1:80", "HIER_DIRECT/127.0.0.1"),
            ("127.0.0.17:80", "HIER_DIRECT/127.0.0.17"),
            ("[::ffff:127.0.0.1]:1", "HIER_DIRECT/127.0.0.1"),
            ("[2001:db8::1]:80", "HIER_DIRECT/2001:db8::1"),
            ("127.0.0.1:81", "HIER_DIRECT/127.0.0.1"),
        ];
        for (origin, word) in cases.iter().chain(&cases) {
            assert_eq!(*whence.of(origin.parse().unwrap()), **word);
        }
    }
}
