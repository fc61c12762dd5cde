//! Address ranges: CIDRs and the words that stand for well-known ones.
//!
//! Invariant: a word means the same in every list.
//! Awkward case: a refused IPv4 range can also be reached through addresses that embed it (NAT64, 6to4), so refusals cover those too.

use super::{problem::Fault, suggest::nearest};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The words, each with its ranges.
pub(crate) const WORDS: [(&str, &[&str]); 7] = [
    ("loopback", &["127.0.0.0/8", "::1/128"]),
    // RFC 1918 and RFC 4193.
    (
        "private",
        &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
    ),
    ("link-local", &["169.254.0.0/16", "fe80::/10"]),
    // Where clouds serve credentials to the machines they run: AWS, Google, Azure and others; AWS on IPv6; Alibaba; Azure's host; Oracle.
    (
        "metadata",
        &[
            "169.254.169.254/32",
            "fd00:ec2::254/128",
            "100.100.100.200/32",
            "168.63.129.16/32",
            "192.0.0.192/32",
        ],
    ),
    ("unspecified", &["0.0.0.0/8", "::/128"]),
    (
        "multicast",
        &["224.0.0.0/4", "255.255.255.255/32", "ff00::/8"],
    ),
    ("all", &["0.0.0.0/0", "::/0"]),
];

/// The ranges a word, a CIDR or a single address stands for.
pub(crate) fn ranges(text: &str) -> Result<Vec<IpNet>, Fault> {
    if let Some((_, nets)) = WORDS.iter().find(|(word, _)| *word == text) {
        return Ok(nets.iter().filter_map(|net| net.parse().ok()).collect());
    }
    if let Ok(net) = text.parse::<IpNet>() {
        let whole = net.trunc();
        if whole != net {
            return Err(Fault::new(
                format!("{text:?} has bits set behind its prefix"),
                format!(
                    "write {:?}, or {:?} for the one address",
                    whole.to_string(),
                    net.addr().to_string()
                ),
            ));
        }
        return Ok(vec![net]);
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(vec![IpNet::from(ip)]);
    }
    let cure = match nearest(text, WORDS.iter().map(|(word, _)| *word)) {
        Some(word) => format!("did you mean {word:?}?"),
        None => format!(
            "write a range such as \"10.0.0.0/8\", an address, or one of {}",
            WORDS.map(|(word, _)| word).join(", ")
        ),
    };
    Err(Fault::new(
        format!("{text:?} is not a range of addresses"),
        cure,
    ))
}

/// The IPv6 ranges through which an IPv4 range can be reached by translation: NAT64's well-known prefix (RFC 6052) and 6to4 (RFC 3056).
pub(crate) fn embedded(net: &IpNet) -> Vec<IpNet> {
    let IpNet::V4(v4) = net else {
        return Vec::new();
    };
    [nat64(v4), six_to_four(v4)]
        .into_iter()
        .flatten()
        .map(IpNet::V6)
        .collect()
}

fn nat64(net: &Ipv4Net) -> Option<Ipv6Net> {
    let [a, b, c, d] = net.network().octets();
    let address = Ipv6Addr::new(
        0x64,
        0xff9b,
        0,
        0,
        0,
        0,
        u16::from_be_bytes([a, b]),
        u16::from_be_bytes([c, d]),
    );
    Ipv6Net::new(address, 96 + net.prefix_len()).ok()
}

fn six_to_four(net: &Ipv4Net) -> Option<Ipv6Net> {
    let [a, b, c, d]: [u8; 4] = Ipv4Addr::octets(&net.network());
    let address = Ipv6Addr::new(
        0x2002,
        u16::from_be_bytes([a, b]),
        u16::from_be_bytes([c, d]),
        0,
        0,
        0,
        0,
        0,
    );
    Ipv6Net::new(address, 16 + net.prefix_len()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{WORDS, embedded, ranges};
    use std::net::IpAddr;

    #[test]
    fn every_range_of_every_word_is_one() {
        for (word, nets) in WORDS {
            assert_eq!(ranges(word).unwrap().len(), nets.len(), "{word}");
        }
    }

    #[test]
    fn words_cover_what_they_say() {
        let cases = [
            ("loopback", "127.1.2.3", true),
            ("loopback", "::1", true),
            ("loopback", "128.0.0.1", false),
            ("private", "172.31.255.255", true),
            ("private", "172.32.0.0", false),
            ("private", "fd12::1", true),
            ("link-local", "169.254.1.1", true),
            ("link-local", "fe80::1", true),
            ("metadata", "169.254.169.254", true),
            ("metadata", "fd00:ec2::254", true),
            ("unspecified", "0.0.0.0", true),
            ("multicast", "239.1.1.1", true),
            ("all", "8.8.8.8", true),
            ("all", "2001:db8::1", true),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
        ];
        for (text, ip, want) in cases {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(
                ranges(text).unwrap().iter().any(|net| net.contains(&ip)),
                want,
                "{text} {ip}"
            );
        }
    }

    #[test]
    fn mistakes_name_their_cure() {
        let cases = [
            (
                "10.1.2.3/8",
                "\"10.1.2.3/8\" has bits set behind its prefix; write \"10.0.0.0/8\", or \"10.1.2.3\" for the one address",
            ),
            (
                "loopbak",
                "\"loopbak\" is not a range of addresses; did you mean \"loopback\"?",
            ),
            (
                "10.0.0.0/33",
                "\"10.0.0.0/33\" is not a range of addresses; write a range such as \"10.0.0.0/8\", an address, or one of loopback, private, link-local, metadata, unspecified, multicast, all",
            ),
        ];
        for (text, want) in cases {
            let fault = ranges(text).unwrap_err();
            assert_eq!(format!("{}; {}", fault.message, fault.cure), want);
        }
    }

    #[test]
    fn translated_addresses_are_covered() {
        let nets: Vec<_> = ranges("loopback")
            .unwrap()
            .iter()
            .flat_map(embedded)
            .collect();
        for (ip, want) in [
            ("64:ff9b::7f00:1", true),
            ("2002:7f00:1::1", true),
            ("64:ff9b::808:808", false),
            ("2002:808:808::1", false),
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(nets.iter().any(|net| net.contains(&ip)), want, "{ip}");
        }
    }
}
