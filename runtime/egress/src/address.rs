//! Addresses that no component reaches, whatever its tenant allows: judged after a name has been resolved, on the very address that is
//! connected to.
//!
//! IPv4: everything that IANA's special-purpose registry does not call globally reachable. IPv6: only global unicast, less what of it
//! is special or leads to an IPv4 address in disguise. The operator may except networks; services that hand out a machine's own
//! credentials are never excepted. Servers that the system's administrator has chosen may be inside, and nowhere else that is special.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// IPv4 networks that are refused, and why.
const V4: [([u8; 4], u8, &str); 17] = [
    ([0, 0, 0, 0], 8, "this network"),
    ([10, 0, 0, 0], 8, "private"),
    ([100, 64, 0, 0], 10, "shared"),
    ([127, 0, 0, 0], 8, "loopback"),
    ([169, 254, 0, 0], 16, "link-local"),
    ([172, 16, 0, 0], 12, "private"),
    ([192, 0, 0, 0], 24, "special"),
    ([192, 0, 2, 0], 24, "documentation"),
    ([192, 31, 196, 0], 24, "special"),
    ([192, 52, 193, 0], 24, "special"),
    ([192, 88, 99, 0], 24, "6to4"),
    ([192, 168, 0, 0], 16, "private"),
    ([198, 18, 0, 0], 15, "benchmarking"),
    ([198, 51, 100, 0], 24, "documentation"),
    ([203, 0, 113, 0], 24, "documentation"),
    ([224, 0, 0, 0], 4, "multicast"),
    ([240, 0, 0, 0], 4, "reserved"),
];

/// IPv6 networks that have names of their own among what is refused.
const V6: [([u16; 4], u8, &str); 13] = [
    ([0x2001, 0, 0, 0], 32, "Teredo"),
    ([0x2001, 0, 0, 0], 23, "special"),
    ([0x2001, 0xdb8, 0, 0], 32, "documentation"),
    ([0x2002, 0, 0, 0], 16, "6to4"),
    ([0x3fff, 0, 0, 0], 20, "documentation"),
    ([0x2620, 0x4f, 0x8000, 0], 48, "special"),
    ([0xfe80, 0, 0, 0], 10, "link-local"),
    ([0xfec0, 0, 0, 0], 10, "site-local"),
    ([0xfc00, 0, 0, 0], 7, "unique local"),
    ([0xff00, 0, 0, 0], 8, "multicast"),
    ([0x64, 0xff9b, 0, 0], 32, "NAT64"),
    ([0x100, 0, 0, 0], 64, "discard-only"),
    ([0x5f00, 0, 0, 0], 16, "segment routing"),
];

/// Networks in which the system's administrator may choose servers, by what they are called above.
const INSIDE: [&str; 4] = ["private", "shared", "loopback", "unique local"];

/// Where machines of the large clouds are given their own credentials.
const METADATA: [IpAddr; 6] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// The addresses that are refused.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    excepted: Vec<IpNet>,
}

impl Addresses {
    /// Refuses all special addresses but those of some networks.
    pub fn except(excepted: Vec<IpNet>) -> Self {
        Addresses { excepted }
    }

    /// Why an address is not reached, in a word; none: it may be.
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        if METADATA.contains(&address) {
            return Some("metadata service");
        }
        if self.excepted.iter().any(|network| network.contains(&address)) {
            return None;
        }
        match address {
            IpAddr::V4(address) => refusal_v4(address),
            IpAddr::V6(address) => refusal_v6(address),
        }
    }

    /// The same for a server that the system's administrator has chosen: mail servers stand beside, on this machine or in its network.
    pub fn refusal_to_administrator(&self, address: IpAddr) -> Option<&'static str> {
        self.refusal(address).filter(|why| !INSIDE.contains(why))
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    V4.into_iter().find_map(|(network, length, why)| {
        let network = u32::from(Ipv4Addr::from(network));
        ((bits ^ network) >> (32 - length) == 0).then_some(why)
    })
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    if address == Ipv6Addr::LOCALHOST {
        return Some("loopback");
    }
    if address == Ipv6Addr::UNSPECIFIED {
        return Some("unspecified");
    }
    let bits = u128::from(address);
    match bits >> 32 {
        0 => return Some("IPv4-compatible"),
        0xffff => return Some("IPv4-mapped"),
        0xffff_0000 => return Some("IPv4-translated"),
        _ => {}
    }
    let named = V6.into_iter().find_map(|([a, b, c, d], length, why)| {
        let network = u128::from(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0));
        ((bits ^ network) >> (128 - length) == 0).then_some(why)
    });
    let global = bits >> 125 == 0b001;
    named.or_else(|| (!global).then_some("reserved"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_class_of_addresses_is_refused_at_both_its_ends() {
        let cases: [(&str, &[&str]); 24] = [
            ("this network", &["0.0.0.0", "0.255.255.255"]),
            (
                "private",
                &[
                    "10.0.0.0",
                    "10.255.255.255",
                    "172.16.0.0",
                    "172.31.255.255",
                    "192.168.0.1",
                    "192.168.255.255",
                ],
            ),
            ("shared", &["100.64.0.0", "100.127.255.255"]),
            ("loopback", &["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"]),
            (
                "link-local",
                &["169.254.0.0", "169.254.255.255", "fe80::", "fe80::1", "febf:ffff::1"],
            ),
            (
                "special",
                &[
                    "192.0.0.0",
                    "192.0.0.255",
                    "192.31.196.1",
                    "192.52.193.1",
                    "2001:1::1",
                    "2001:1ff::1",
                    "2620:4f:8000::1",
                ],
            ),
            (
                "documentation",
                &[
                    "192.0.2.1",
                    "198.51.100.1",
                    "203.0.113.255",
                    "2001:db8::",
                    "2001:db8:ffff::1",
                    "3fff::1",
                    "3fff:fff::1",
                ],
            ),
            ("6to4", &["192.88.99.1", "2002::", "2002:7f00:1::1", "2002:ffff::"]),
            ("benchmarking", &["198.18.0.0", "198.19.255.255"]),
            ("multicast", &["224.0.0.0", "239.255.255.255", "ff00::", "ff02::1", "ffff::1"]),
            (
                "reserved",
                &["240.0.0.0", "255.255.255.255", "4000::", "1fff::1", "200::1", "8000::1"],
            ),
            ("Teredo", &["2001::", "2001:0:ffff::1"]),
            ("site-local", &["fec0::1", "feff::1"]),
            ("unique local", &["fc00::1", "fdff:ffff::1"]),
            ("NAT64", &["64:ff9b::7f00:1", "64:ff9b:1::1", "64:ff9b::808:808"]),
            ("discard-only", &["100::1"]),
            ("segment routing", &["5f00::1"]),
            ("unspecified", &["::"]),
            ("IPv4-mapped", &["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0.0.0.0"]),
            ("IPv4-compatible", &["::127.0.0.1", "::8.8.8.8", "::2"]),
            ("IPv4-translated", &["::ffff:0:127.0.0.1"]),
            (
                "metadata service",
                &[
                    "169.254.169.254",
                    "169.254.170.2",
                    "168.63.129.16",
                    "100.100.100.200",
                    "192.0.0.192",
                    "fd00:ec2::254",
                ],
            ),
            (
                "",
                &[
                    "1.1.1.1",
                    "8.8.8.8",
                    "9.255.255.255",
                    "11.0.0.0",
                    "100.63.255.255",
                    "100.128.0.0",
                    "126.255.255.255",
                    "128.0.0.0",
                ],
            ),
            (
                "",
                &[
                    "172.15.255.255",
                    "172.32.0.0",
                    "192.0.1.0",
                    "192.169.0.0",
                    "198.17.255.255",
                    "198.20.0.0",
                    "223.255.255.255",
                ],
            ),
        ];
        let strict = Addresses::default();
        for (class, addresses) in cases {
            for text in addresses {
                assert_eq!(strict.refusal(address(text)).unwrap_or_default(), class, "{text}");
            }
        }
        for public in ["2606:4700::1111", "2a00:1450::1", "2001:200::1", "2001:4860:4860::8888", "3ffe::1"] {
            assert_eq!(strict.refusal(address(public)), None, "{public}");
        }
    }

    #[test]
    fn the_administrator_chooses_servers_inside_and_nothing_else_that_is_special() {
        let strict = Addresses::default();
        for (text, reached) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("fd00::1", true),
            ("1.1.1.1", true),
            ("169.254.169.254", false),
            ("100.100.100.200", false),
            ("fd00:ec2::254", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
            ("0.0.0.0", false),
            ("224.0.0.1", false),
            ("::ffff:127.0.0.1", false),
        ] {
            assert_eq!(strict.refusal_to_administrator(address(text)).is_none(), reached, "{text}");
        }
    }

    #[test]
    fn the_operator_excepts_networks_but_never_a_metadata_service() {
        let network = |text: &str| text.parse().expect("a network");
        let lenient = Addresses::except(vec![network("10.1.0.0/16"), network("0.0.0.0/0"), network("fd00::/8")]);
        for (text, reached) in [
            ("10.1.2.3", true),
            ("127.0.0.1", true),
            ("fd00::1", true),
            ("fe80::1", false),
            ("::ffff:10.1.2.3", false),
            ("169.254.169.254", false),
            ("168.63.129.16", false),
            ("fd00:ec2::254", false),
        ] {
            assert_eq!(lenient.refusal(address(text)).is_none(), reached, "{text}");
        }
    }
}
