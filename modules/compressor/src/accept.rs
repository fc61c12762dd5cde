//! What a client says of content codings in Accept-Encoding (RFC 9110 section 12.5.3).
//!
//! Invariant: a coding is only chosen when the client names it or says `*`, and never one that it refuses (`q=0`). Awkward case: no
//! field at all. The RFC lets a server send anything then; those who send none are programs that decode nothing, so they get no coding.

use crate::coder::Coding;

/// The weights of a request, in thousandths; 0 is a refusal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Accept {
    codings: [u16; Coding::ALL.len()],
    identity: Option<u16>,
}

impl Accept {
    /// From the lines of the field.
    pub(crate) fn of<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Accept {
        let mut named = [None; Coding::ALL.len()];
        let (mut identity, mut any) = (None, None);
        for member in lines.flat_map(|line| line.split(|b| *b == b',')) {
            let mut parts = member.split(|b| *b == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let weight = Some(parts.find_map(weight).unwrap_or(1000));
            match Coding::named(name) {
                Some(coding) => named[coding as usize] = weight,
                None if name.eq_ignore_ascii_case(b"identity") => identity = weight,
                None if name == b"*" => any = weight,
                None => {}
            }
        }
        Accept {
            codings: named.map(|weight| weight.or(any).unwrap_or(0)),
            identity: identity.or(any),
        }
    }

    /// The coding with the highest weight, of equal ones the first in this order; none when the client would rather have none.
    pub(crate) fn choose(&self, order: &[Coding]) -> Option<Coding> {
        let weighed = order
            .iter()
            .rev()
            .map(|one| (self.codings[*one as usize], one));
        let (weight, best) = weighed.max_by_key(|(weight, _)| *weight)?;
        (weight > 0 && Some(weight) >= self.identity).then_some(*best)
    }

    /// The same said in one way, so that what is stored serves all who accept the same: the codings of the highest weight, in our
    /// order. `plain`: none. Nothing when the client accepts none of ours, and wants one.
    pub(crate) fn normal(&self, plain: bool) -> Option<String> {
        let best = self.choose(&Coding::ALL).filter(|_| !plain);
        let Some(best) = best else {
            return self.takes_identity().then(|| "identity".to_owned());
        };
        let best = self.codings[best as usize];
        let equal = |one: &Coding| self.codings[*one as usize] == best;
        let mut names: Vec<&str> = Coding::ALL
            .into_iter()
            .filter(equal)
            .map(Coding::name)
            .collect();
        if !self.takes_identity() {
            names.push("identity;q=0");
        }
        Some(names.join(", "))
    }

    /// Whether the client takes this coding.
    pub(crate) fn takes(&self, coding: Coding) -> bool {
        self.codings[coding as usize] > 0
    }

    /// Whether it takes an answer without any.
    pub(crate) fn takes_identity(&self) -> bool {
        self.identity != Some(0)
    }
}

/// `q=0.5` as 500. One that cannot be read is a refusal: nobody knows what was meant.
fn weight(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', value @ ..] = parameter else {
        return None;
    };
    let value = std::str::from_utf8(value)
        .ok()
        .and_then(|v| v.trim().parse().ok());
    let value = value.filter(|value| (0.0..=1.0).contains(value));
    Some((value.unwrap_or(0.0_f32) * 1000.0) as u16)
}

#[cfg(test)]
mod tests {
    use super::Accept;
    use crate::coder::Coding::{self, Br, Gzip, Zstd};

    #[test]
    fn the_best_coding_by_weight_then_by_our_order_is_chosen() {
        for (field, chosen) in [
            ("", None),
            ("gzip", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("GZIP , deflate", Some(Gzip)),
            ("gzip, deflate, br, zstd", Some(Zstd)),
            ("gzip, deflate, br", Some(Br)),
            ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
            ("gzip;q=0.5, br; Q=0.8, zstd;q=0", Some(Br)),
            ("gzip;q=0.001", Some(Gzip)),
            ("gzip;q=0", None),
            ("gzip;q=0.000, br", Some(Br)),
            ("*", Some(Zstd)),
            ("*, zstd;q=0", Some(Br)),
            ("*;q=0", None),
            ("gzip, *;q=0", Some(Gzip)),
            ("identity", None),
            ("gzip;q=0.5, identity", None),
            ("gzip;q=0.5, identity;q=0.5", Some(Gzip)),
            ("gzip;q=0.5, identity;q=0", Some(Gzip)),
            ("deflate, compress, sdch", None),
            ("gzip;q=2", None),
            ("gzip;q=NaN", None),
            ("gzip;q=often, br", Some(Br)),
            (";;,,q=1,", None),
        ] {
            let accept = Accept::of([field.as_bytes()].into_iter());
            assert_eq!(accept.choose(&[Zstd, Br, Gzip]), chosen, "{field}");
        }
    }

    #[test]
    fn who_accepts_the_same_says_the_same() {
        for (field, normal) in [
            ("gzip", Some("gzip")),
            ("gzip, deflate", Some("gzip")),
            ("deflate , X-GZIP;q=1.0,compress", Some("gzip")),
            ("zstd, br, deflate, gzip", Some("gzip, br, zstd")),
            ("br;q=0.9, gzip;q=0.9, zstd;q=0.1", Some("gzip, br")),
            ("*", Some("gzip, br, zstd")),
            ("gzip, *;q=0", Some("gzip, identity;q=0")),
            ("deflate", Some("identity")),
            ("gzip;q=0.1, identity", Some("identity")),
            ("deflate, identity;q=0", None),
        ] {
            let accept = Accept::of([field.as_bytes()].into_iter());
            assert_eq!(accept.normal(false).as_deref(), normal, "{field:?}");
            // It means the same to whoever reads it.
            let again = normal.map(|normal| Accept::of([normal.as_bytes()].into_iter()));
            let again = again.and_then(|again| again.normal(false));
            assert_eq!(again.as_deref(), normal, "{field:?}");
        }
        let accept = |field: &str| Accept::of([field.as_bytes()].into_iter()).normal(true);
        assert_eq!(accept("gzip, br").as_deref(), Some("identity"));
        assert_eq!(accept("gzip, *;q=0"), None);
    }

    #[test]
    fn lines_are_one_list_and_our_order_is_ours() {
        let accept = Accept::of([&b"gzip"[..], b"br;q=1"].into_iter());
        assert_eq!(accept.choose(&[Br, Gzip]), Some(Br));
        assert_eq!(accept.choose(&[Gzip, Br]), Some(Gzip));
        assert_eq!(accept.choose(&[Zstd]), None);
        assert_eq!(accept.choose(&[]), None);
    }

    #[test]
    fn what_is_not_named_is_not_taken_but_for_identity() {
        let takes = |field: &str| {
            let accept = Accept::of([field.as_bytes()].into_iter());
            (
                Coding::ALL.map(|one| accept.takes(one)),
                accept.takes_identity(),
            )
        };
        assert_eq!(takes("gzip"), ([true, false, false], true));
        assert_eq!(takes("*;q=0.1, br;q=0"), ([true, false, true], true));
        assert_eq!(takes("zstd, identity;q=0"), ([false, false, true], false));
        assert_eq!(takes("zstd, *;q=0"), ([false, false, true], false));
        assert_eq!(takes("identity, *;q=0"), ([false; 3], true));
    }
}
