// SPDX-License-Identifier: Apache-2.0
//! ARP packets for IPv4 on Ethernet (RFC 826), as far as a DHCP client needs
//! them: to ask whether an address is free, and to say that it is ours (RFC 5227).

use std::net::Ipv4Addr;

use crate::link::Mac;

/// Length of a packet, without Ethernet header and padding.
pub const LEN: usize = 28;

/// Ethernet, IPv4, and the lengths of their addresses.
const HEADER: [u8; 6] = [0, 1, 0x08, 0x00, 6, 4];
const REQUEST: [u8; 2] = [0, 1];
const REPLY: [u8; 2] = [0, 2];

/// What a packet says, request or reply alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arp {
    /// Hardware address of whoever sent it.
    pub sender: Mac,
    /// Address the sender has; unspecified in a probe.
    pub sender_ip: Ipv4Addr,
    /// Address it is about.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Asks who has `address`, without saying that we want it
    /// ("ARP Probe", RFC 5227, section 1.1).
    pub fn probe(mac: Mac, address: Ipv4Addr) -> Arp {
        Arp {
            sender: mac,
            sender_ip: Ipv4Addr::UNSPECIFIED,
            target_ip: address,
        }
    }

    /// Says that we have `address` ("ARP Announcement", RFC 5227, section 1.1).
    pub fn announcement(mac: Mac, address: Ipv4Addr) -> Arp {
        Arp {
            sender: mac,
            sender_ip: address,
            target_ip: address,
        }
    }

    /// Encodes it as a request.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LEN);
        bytes.extend(HEADER);
        bytes.extend(REQUEST);
        bytes.extend(self.sender);
        bytes.extend(self.sender_ip.octets());
        bytes.extend([0; 6]);
        bytes.extend(self.target_ip.octets());
        bytes
    }

    /// Reads a request or a reply; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Arp> {
        let bytes = bytes.first_chunk::<LEN>()?;
        if bytes[..6] != HEADER || ![REQUEST, REPLY].contains(&[bytes[6], bytes[7]]) {
            return None;
        }
        let address = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let [a, b, c, d] = address(8);
        Some(Arp {
            sender: [a, b, c, d, bytes[12], bytes[13]],
            sender_ip: address(14).into(),
            target_ip: address(24).into(),
        })
    }

    /// Whether somebody else than `mac` uses `address`, or wants to: it sends
    /// with it, or probes for it at the same time (RFC 5227, section 2.1.1).
    pub fn claims(&self, address: Ipv4Addr, mac: Mac) -> bool {
        let probes = self.sender_ip.is_unspecified() && self.target_ip == address;
        self.sender != mac && (self.sender_ip == address || probes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: Mac = [2, 0, 0, 0, 0, 1];
    const THEIRS: Mac = [2, 0, 0, 0, 0, 2];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);

    #[test]
    fn what_is_encoded_can_be_read() {
        for arp in [
            Arp::probe(OURS, ADDRESS),
            Arp::announcement(THEIRS, ADDRESS),
        ] {
            let bytes = arp.encode();
            assert_eq!(bytes.len(), LEN);
            assert_eq!(Arp::decode(&bytes), Some(arp));
        }
    }

    #[test]
    fn only_others_claim_an_address() {
        assert!(Arp::probe(THEIRS, ADDRESS).claims(ADDRESS, OURS));
        assert!(Arp::announcement(THEIRS, ADDRESS).claims(ADDRESS, OURS));
        assert!(!Arp::probe(OURS, ADDRESS).claims(ADDRESS, OURS), "our own");
        let question = Arp {
            sender: THEIRS,
            sender_ip: Ipv4Addr::new(10, 0, 1, 1),
            target_ip: ADDRESS,
        };
        assert!(!question.claims(ADDRESS, OURS), "only wants to speak to us");
    }

    #[test]
    fn other_protocols_lengths_and_operations_are_none() {
        let good = Arp::probe(OURS, ADDRESS).encode();
        for len in 0..LEN {
            assert_eq!(Arp::decode(&good[..len]), None, "{len} bytes");
        }
        for (at, value) in [(1, 6), (2, 0x86), (4, 8), (5, 16), (7, 3)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Arp::decode(&bad), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Arp::decode(&bytes);
        }
    }
}
