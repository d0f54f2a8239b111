// SPDX-License-Identifier: Apache-2.0
//! Frames written byte by byte, for the parser on the host and in the kernel.

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const AUTHENTICATION: u8 = 51;
pub(crate) const DESTINATION: u8 = 60;
pub(crate) const ICMPV6: u8 = 58;

pub(crate) const VLAN: u16 = 0x8100;
pub(crate) const SERVICE_VLAN: u16 = 0x88a8;

/// A frame from EtherType, tags (TPID and VLAN id) and payload.
pub(crate) fn ethernet(tags: &[(u16, u16)], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for (tpid, vlan) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend((vlan | 0xa000).to_be_bytes()); // priority 5
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 packet from 10.0.1.10 to 10.0.1.1 with `options` words of options.
pub(crate) fn ipv4(options: u8, protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = 20 + 4 * usize::from(options);
    let mut packet = vec![0x45 + options, 0];
    packet.extend((header as u16 + payload.len() as u16).to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 10, 0, 1, 10, 10, 0, 1, 1]);
    packet.resize(header, 1); // no operation
    packet.extend(payload);
    packet
}

/// An IPv6 packet from fd00::10 to fd00::1.
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64]);
    for last in [0x10, 1] {
        packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

/// Extension headers in front of `payload`, whose protocol is `last`; answers
/// the first header's number too, for [`ipv6`]. A fragment header is a first
/// fragment's, the others are 16 bytes long.
pub(crate) fn extensions(chain: &[u8], last: u8, payload: &[u8]) -> (u8, Vec<u8>) {
    let mut bytes = Vec::new();
    for (position, header) in chain.iter().enumerate() {
        let next = chain.get(position + 1).copied().unwrap_or(last);
        match *header {
            FRAGMENT => bytes.extend([next, 0, 0, 1, 0, 0, 0, 7]),
            AUTHENTICATION => bytes.extend([next, 2].into_iter().chain([0; 14])),
            _ => bytes.extend([next, 1].into_iter().chain([0; 14])),
        }
    }
    bytes.extend(payload);
    (chain.first().copied().unwrap_or(last), bytes)
}

/// A UDP header from port 4660 to 53 and `length` bytes.
pub(crate) fn udp(length: u8) -> Vec<u8> {
    let mut datagram = vec![0x12, 0x34, 0, 53, 0, 8 + length, 0, 0];
    datagram.extend(0..length);
    datagram
}

/// A TCP header from port 40000 to 443.
pub(crate) fn tcp() -> Vec<u8> {
    let mut segment = vec![0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10];
    segment.extend([0xff, 0xff, 0, 0, 0, 0]);
    segment
}

/// An ICMP or ICMPv6 message of `kind` with identifier 0x4d2.
pub(crate) fn icmp(kind: u8, code: u8) -> Vec<u8> {
    vec![kind, code, 0, 0, 4, 0xd2, 0, 1, 1, 2, 3, 4]
}

/// A frame of each sort the parser tells apart, with its name.
pub(crate) fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let v4 = |packet: Vec<u8>| ethernet(&[], 0x0800, &packet);
    let v6 = |(next, payload): (u8, Vec<u8>)| ethernet(&[], 0x86dd, &ipv6(next, &payload));
    let tagged = |tags: &[(u16, u16)]| ethernet(tags, 0x0800, &ipv4(0, UDP, 0, &udp(20)));
    let chain = [
        HOP_BY_HOP,
        DESTINATION,
        43,
        FRAGMENT,
        AUTHENTICATION,
        DESTINATION,
    ];
    let mut big = ipv4(0, TCP, 0, &tcp());
    big[2..4].fill(0);
    let mut later = vec![UDP, 0, 0, 9, 0, 0, 0, 7];
    later.extend([0xee; 32]);
    vec![
        ("udp", v4(ipv4(0, UDP, 0, &udp(20)))),
        ("tcp", v4(ipv4(0, TCP, 0x4000, &tcp()))),
        ("all options", v4(ipv4(10, TCP, 0, &tcp()))),
        ("echo request", v4(ipv4(0, ICMP, 0, &icmp(8, 0)))),
        ("unreachable", v4(ipv4(0, ICMP, 0, &icmp(3, 4)))),
        ("sctp", v4(ipv4(0, 132, 0, &udp(4)))),
        ("gre", v4(ipv4(0, 47, 0, &[0, 0, 8, 0, 1, 2, 3, 4]))),
        ("short udp", v4(ipv4(0, UDP, 0, &[1, 2, 3, 4, 5, 6, 7]))),
        ("first fragment", v4(ipv4(0, UDP, 0x2000, &udp(20)))),
        ("later fragment", v4(ipv4(0, UDP, 0x2003, &udp(20)))),
        ("total length 0", v4(big)),
        ("vlan", tagged(&[(VLAN, 1001)])),
        ("priority tag", tagged(&[(VLAN, 0)])),
        ("qinq", tagged(&[(SERVICE_VLAN, 200), (VLAN, 1001)])),
        ("three tags", tagged(&[(VLAN, 1), (VLAN, 2), (VLAN, 3)])),
        ("64 tags", tagged(&[(VLAN, 7); 64])),
        ("v6 udp", v6((UDP, udp(20)))),
        ("v6 echo reply", v6((ICMPV6, icmp(129, 0)))),
        ("v6 solicitation", v6((ICMPV6, icmp(135, 0)))),
        ("v6 six extensions", v6(extensions(&chain, TCP, &tcp()))),
        (
            "v6 seven extensions",
            v6(extensions(&[DESTINATION; 7], TCP, &tcp())),
        ),
        (
            "v6 64 extensions",
            v6(extensions(&[HOP_BY_HOP; 64], TCP, &tcp())),
        ),
        ("v6 later fragment", v6((FRAGMENT, later))),
        ("v6 no next header", v6((59, Vec::new()))),
        (
            "v6 in vlan",
            ethernet(&[(VLAN, 1001)], 0x86dd, &ipv6(UDP, &udp(3))),
        ),
        ("arp", ethernet(&[], 0x0806, &[0; 28])),
        ("lacp", ethernet(&[], 0x8809, &[1; 110])),
        ("lldp", ethernet(&[], 0x88cc, &[2; 60])),
        ("stp", ethernet(&[], 38, &[0x42, 0x42, 3, 0, 0])),
        ("mpls", ethernet(&[], 0x8847, &[0; 46])),
    ]
}
