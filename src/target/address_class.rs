//! What an address is for: the internet, a private network, this machine, or nothing that a webhook may ever reach.
//!
//! From IANA's registries of special-purpose addresses (RFC 6890 and what has come since) and the documentation of the
//! clouds, whose metadata services hand credentials to whoever asks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address is for, from what may be reached most freely to what never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressClass {
    /// On the internet.
    External,
    /// In a private network, or in a range for documentation, benchmarks or a site's own NAT64: fake-IP resolvers hand
    /// such addresses out.
    Private,
    /// This machine.
    Loopback,
    /// Never dialled.
    Never(Reserved),
}

/// Why an address is never dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reserved {
    /// Leads to a metadata service of a cloud.
    Metadata,
    /// Of one link, where metadata services lie too.
    LinkLocal,
    /// Leads to many.
    Multicast,
    /// "This host", which systems take for the loopback.
    Unspecified,
    /// Of no use, now or any more.
    Unusable,
}

use AddressClass::{Loopback, Never, Private};
use Reserved::{LinkLocal, Metadata, Multicast, Unspecified, Unusable};

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(a: u16, b: u16, c: u16, d: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), length)
}

const fn host(a: u16, b: u16, g: u16, h: u16) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, g, h), 128)
}

/// The first that holds an address tells.
const V4: &[(Ipv4Net, AddressClass)] = &[
    // Alibaba; Oracle's older one, inside a range for protocols. The others' is link-local.
    (v4(100, 100, 100, 200, 32), Never(Metadata)),
    (v4(192, 0, 0, 192, 32), Never(Metadata)),
    // Azure's WireServer, which gives a machine its certificates.
    (v4(168, 63, 129, 16, 32), Never(Metadata)),
    (v4(169, 254, 0, 0, 16), Never(LinkLocal)),
    (v4(0, 0, 0, 0, 8), Never(Unspecified)),
    (v4(224, 0, 0, 0, 4), Never(Multicast)),
    (v4(240, 0, 0, 0, 4), Never(Unusable)),
    (v4(192, 0, 0, 0, 24), Never(Unusable)),
    // The anycast of 6to4, which leads to whoever announces it (RFC 7526).
    (v4(192, 88, 99, 0, 24), Never(Unusable)),
    (v4(127, 0, 0, 0, 8), Loopback),
    (v4(10, 0, 0, 0, 8), Private),
    (v4(172, 16, 0, 0, 12), Private),
    (v4(192, 168, 0, 0, 16), Private),
    (v4(100, 64, 0, 0, 10), Private),
    (v4(198, 18, 0, 0, 15), Private),
    (v4(192, 0, 2, 0, 24), Private),
    (v4(198, 51, 100, 0, 24), Private),
    (v4(203, 0, 113, 0, 24), Private),
];

/// The same, of what holds no IPv4 address.
const V6: &[(Ipv6Net, AddressClass)] = &[
    // Amazon (the instance's and the pod's), Google, Oracle, Scaleway.
    (host(0xfd00, 0xec2, 0, 0x254), Never(Metadata)),
    (host(0xfd00, 0xec2, 0, 0x23), Never(Metadata)),
    (host(0xfd20, 0xce, 0, 0x254), Never(Metadata)),
    (host(0xfd00, 0xc1, 0xa9fe, 0xa9fe), Never(Metadata)),
    (host(0xfd00, 0x42, 0, 0x42), Never(Metadata)),
    (host(0, 0, 0, 0), Never(Unspecified)),
    (host(0, 0, 0, 1), Loopback),
    (v6(0xfe80, 0, 0, 0, 10), Never(LinkLocal)),
    (v6(0xff00, 0, 0, 0, 8), Never(Multicast)),
    (v6(0xfc00, 0, 0, 0, 7), Private),
    (v6(0xfec0, 0, 0, 0, 10), Private),
    (v6(0x64, 0xff9b, 1, 0, 48), Private),
    (v6(0x2001, 0xdb8, 0, 0, 32), Private),
    (v6(0x2001, 2, 0, 0, 48), Private),
    (v6(0x3fff, 0, 0, 0, 20), Private),
    (v6(0x2000, 0, 0, 0, 3), AddressClass::External),
    // 100::/64 is where packets are thrown away, 5f00::/16 routes within a domain; nothing else is given out.
    (v6(0, 0, 0, 0, 0), Never(Unusable)),
];

const SITE_NAT64: Ipv6Net = v6(0x64, 0xff9b, 1, 0, 48);
const TEREDO: Ipv6Net = v6(0x2001, 0, 0, 0, 32);

impl AddressClass {
    /// That of an address; an IPv4 address inside an IPv6 one is judged as what it is.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => find(V4, |net: &Ipv4Net| net.contains(&address)),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn find<N>(ranges: &[(N, AddressClass)], holds: impl Fn(&N) -> bool) -> AddressClass {
    ranges.iter().find(|(net, _)| holds(net)).map_or(AddressClass::External, |(_, class)| *class)
}

fn of_v6(address: Ipv6Addr) -> AddressClass {
    if let Some(inner) = translated(address) {
        return AddressClass::of(inner.into());
    }
    let own = find(V6, |net: &Ipv6Net| net.contains(&address));
    let segments = address.segments();
    // ISATAP (RFC 5214, section 6.1): the interface identifier holds one, whatever the prefix.
    if matches!(segments[4], 0 | 0x200) && segments[5] == 0x5efe {
        return own.max(AddressClass::of(last_32(address).into()));
    }
    // A site's own NAT64: behind a prefix of 48, 56, 64 or 96 bits, around the octet that is kept free (RFC 6052, section 2.2).
    if SITE_NAT64.contains(&address) {
        let octets = address.octets();
        let behind = |places: [usize; 4]| Ipv4Addr::from(places.map(|at| octets[at]));
        let all = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]].map(behind);
        let leads_to_metadata = |inner| matches!(AddressClass::of(IpAddr::V4(inner)), Never(Metadata | LinkLocal));
        if all.into_iter().any(leads_to_metadata) {
            return Never(Metadata);
        }
    }
    own
}

/// The IPv4 address that an IPv6 address stands for.
fn translated(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        // Mapped and compatible (RFC 4291, section 2.5.5), SIIT (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff | 0, _, _] | [0, 0, 0, 0, 0xffff, 0, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            Some(last_32(address))
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        // Teredo (RFC 4380, section 4): the client's, its bits inverted.
        _ if TEREDO.contains(&address) => Some(Ipv4Addr::from_bits(!last_32(address).to_bits())),
        _ => None,
    }
}

fn last_32(address: Ipv6Addr) -> Ipv4Addr {
    Ipv4Addr::from_bits(address.to_bits() as u32)
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::External => "external",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::Never(Metadata) => "metadata",
            Self::Never(LinkLocal) => "link-local",
            Self::Never(Multicast) => "multicast",
            Self::Never(Unspecified) => "unspecified",
            Self::Never(Unusable) => "reserved",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AddressClass::External;
    use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

    fn class(text: &str) -> AddressClass {
        AddressClass::of(text.parse().unwrap_or_else(|_| panic!("{text}")))
    }

    /// Bad inputs 196 to 254, as the system's look-up gives them back.
    #[test]
    fn bad_206_to_254_every_range_has_its_class_up_to_its_edges() {
        for (wanted, texts) in [
            (
                External,
                "8.8.8.8 172.15.255.255 172.32.0.0 100.63.255.254 100.128.0.1 198.17.255.255 198.20.0.0 11.0.0.0",
            ),
            (External, "9.255.255.255 192.167.255.255 192.169.0.0 128.0.0.1 126.255.255.255 1.0.0.0 223.255.255.255"),
            (External, "192.0.1.255 192.88.98.255 192.88.100.0 169.253.255.255 169.255.0.0 203.0.114.0"),
            (External, "2606:4700::1111 2001:4860::8888 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808:: 3fff:1000::"),
            (Private, "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.1 100.64.0.0 100.127.255.255"),
            (Private, "192.0.2.1 198.51.100.1 203.0.113.255 198.18.0.0 198.19.255.255 fc00:: fdff::1 fec0::1"),
            (Private, "2001:db8:: 3fff::1 3fff:fff:: 2001:2::1 64:ff9b:1::a00:1 64:ff9b:1:808:8:800::"),
            (
                Private,
                "::ffff:10.0.0.1 ::10.0.0.1 ::ffff:0:a00:1 64:ff9b::a00:1 2002:a00:1::5 2001:0:1:2:3:4:f5ff:fffe",
            ),
            (Private, "64:ff9b:1:e1::5db8:d822 64:ff9b:1:808:e0:100:: 64:ff9b:1:8e0:1:100::"),
            (Private, "2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:192.168.0.1"),
            (Loopback, "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::127.0.0.1 ::ffff:0:7f00:1"),
            (Loopback, "64:ff9b::7f00:1 2002:7f00:1:: 2001:0:1:2:3:4:80ff:fffe"),
            (Never(Metadata), "100.100.100.200 192.0.0.192 fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42"),
            (
                Never(Metadata),
                "fd00:c1::a9fe:a9fe ::ffff:100.100.100.200 64:ff9b:1::a9fe:a9fe 64:ff9b:1:a9fe:a9:fe00::",
            ),
            (
                Never(Metadata),
                "64:ff9b:1:0:a9:fea9:fe00:0 64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1:0:64:6464:c800:0 168.63.129.16",
            ),
            (Never(LinkLocal), "169.254.169.254 169.254.0.0 169.254.255.255 fe80::1 febf::1 ::ffff:169.254.1.1"),
            (Never(LinkLocal), "64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: ::a9fe:a9fe fe80::5efe:8.8.8.8"),
            (Never(LinkLocal), "2001:0:1:2:3:4:5601:5601 2606:4700::5efe:169.254.169.254"),
            (Never(Unspecified), "0.0.0.0 0.255.255.255 :: ::ffff:0.0.0.0 64:ff9b::"),
            (Never(Multicast), "224.0.0.1 239.255.255.255 ff02::1 ff0e::1"),
            (Never(Unusable), "240.0.0.1 255.255.255.255 192.88.99.1 192.0.0.8 100::1 5f00::1 4000::1 1::1"),
        ] {
            for text in texts.split(' ') {
                assert_eq!(class(text), wanted, "{text}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However an IPv4 address is wrapped, it is judged as what it is.
        #[test]
        fn no_wrapping_changes_the_class(bits in any::<u32>(), rest in any::<u64>()) {
            let inner = Ipv4Addr::from_bits(bits);
            // ::1 and :: are addresses of their own.
            let is_compatible = bits > 1;
            let low = u128::from(bits);
            let prefix = |high: u128| Ipv6Addr::from_bits(high << 32 | low);
            let mut wrapped = vec![prefix(0xffff), prefix(0xffff << 16), prefix(0x64_ff9b << 64)];
            wrapped.extend(is_compatible.then(|| prefix(0)));
            wrapped.push(Ipv6Addr::from_bits(0x2002 << 112 | low << 80 | u128::from(rest)));
            wrapped.push(Ipv6Addr::from_bits(0x2001 << 112 | u128::from(rest) << 32 | u128::from(!bits)));
            for address in wrapped {
                prop_assert_eq!(AddressClass::of(address.into()), AddressClass::of(inner.into()), "{}", address);
            }
        }
    }
}
