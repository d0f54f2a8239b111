// SPDX-License-Identifier: Apache-2.0
//! The frames that programs are measured with.

/// A sort of frame, and how one of them becomes the next.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) name: &'static str,
    pub(super) frame: Vec<u8>,
    /// Offsets of what changes from frame to frame: the IPv4 identification (0 if
    /// there is none), the number of the flow, and the number of the frame.
    pub(super) identification_at: u32,
    pub(super) flow_at: u32,
    pub(super) serial_at: u32,
    /// So many flows in turn, a power of two.
    pub(super) flows: u32,
    /// Whether no frame is a copy of another; else all are.
    pub(super) is_unique: bool,
}

const VLAN: [u16; 2] = [0x8100, 1001];
const SERVICE_VLAN: [u16; 2] = [0x88a8, 200];
const PAYLOAD: [u8; 64] = [0xa5; 64];
const ETHERNET: usize = 14;
const TAG: usize = 4;
const IPV4: usize = 20;
const IPV6: usize = 40;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

impl Traffic {
    /// Unique UDP datagrams of so many flows.
    pub(super) fn udp(name: &'static str, flows: u32) -> Self {
        let ports_at = (ETHERNET + TAG + IPV4) as u32;
        Self {
            name,
            frame: ethernet(&[VLAN], 0x0800, &ipv4(UDP, &udp())),
            identification_at: (ETHERNET + TAG + 4) as u32,
            flow_at: ports_at,
            serial_at: ports_at + 8,
            flows,
            is_unique: true,
        }
    }

    /// All that is measured.
    pub(super) fn all() -> [Self; 8] {
        [
            Self::one(),
            Self::thousand(),
            Self::udp("UDP, 16,384 flows", 16_384),
            Self {
                name: "UDP, all copies",
                is_unique: false,
                ..Self::thousand()
            },
            Self::tcp(),
            Self::icmp(),
            Self::ipv6(),
            Self::qinq(),
        ]
    }

    /// A single flow.
    pub(super) fn one() -> Self {
        Self::udp("UDP, 1 flow", 1)
    }

    /// What goals are set for.
    pub(super) fn thousand() -> Self {
        Self::udp("UDP, 1,024 flows", 1024)
    }

    /// Segments with data and a timestamp, as Linux sends them.
    fn tcp() -> Self {
        Self {
            name: "TCP",
            frame: ethernet(&[VLAN], 0x0800, &ipv4(TCP, &tcp())),
            serial_at: (ETHERNET + TAG + IPV4 + 4) as u32,
            ..Self::thousand()
        }
    }

    /// Echo requests.
    fn icmp() -> Self {
        Self {
            name: "ICMP",
            frame: ethernet(&[VLAN], 0x0800, &ipv4(ICMP, &icmp())),
            flow_at: (ETHERNET + TAG + IPV4 + 4) as u32,
            ..Self::thousand()
        }
    }

    fn ipv6() -> Self {
        let ports_at = (ETHERNET + TAG + IPV6) as u32;
        Self {
            name: "IPv6 UDP",
            frame: ethernet(&[VLAN], 0x86dd, &ipv6(UDP, &udp())),
            identification_at: 0,
            flow_at: ports_at,
            serial_at: ports_at + 8,
            ..Self::thousand()
        }
    }

    fn qinq() -> Self {
        let one_tag = Self::thousand();
        let tag = TAG as u32;
        Self {
            name: "QinQ UDP",
            frame: ethernet(&[SERVICE_VLAN, VLAN], 0x0800, &ipv4(UDP, &udp())),
            identification_at: one_tag.identification_at + tag,
            flow_at: one_tag.flow_at + tag,
            serial_at: one_tag.serial_at + tag,
            ..one_tag
        }
    }
}

fn ethernet(tags: &[[u16; 2]], ether_type: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for word in tags.iter().flatten().chain([&ether_type]) {
        frame.extend(word.to_be_bytes());
    }
    [&frame, payload].concat()
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = ((IPV4 + payload.len()) as u16).to_be_bytes();
    let mut header = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0];
    header.extend([64, protocol, 0, 0, 10, 0, 1, 10, 10, 0, 1, 1]);
    [&header, payload].concat()
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    for last in [0x10, 1] {
        header.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    [&header, payload].concat()
}

fn udp() -> Vec<u8> {
    let length = ((8 + PAYLOAD.len()) as u16).to_be_bytes();
    let header = [0x12, 0x34, 0, 53, length[0], length[1], 0x5e, 0xed];
    [&header[..], &PAYLOAD].concat()
}

fn tcp() -> Vec<u8> {
    let mut header = vec![0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x18];
    header.extend([0xff, 0xff, 0x5e, 0xed, 0, 0]);
    header.extend([1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8]); // timestamp
    [&header[..], &PAYLOAD].concat()
}

fn icmp() -> Vec<u8> {
    let header = [8, 0, 0x5e, 0xed, 0, 0, 0, 1];
    [&header[..], &PAYLOAD].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_lie_in_the_fields_they_are_called_after() {
        for traffic in Traffic::all() {
            let at = |offset: u32| &traffic.frame[offset as usize..][..2];
            let (id, flow) = (traffic.identification_at, traffic.flow_at);
            assert!(id == 0 || at(id) == [0, 1], "{}", traffic.name);
            let flows = [[0x12, 0x34], [0x9c, 0x40], [0, 0]];
            assert!(
                flows.iter().any(|word| at(flow) == word),
                "{}",
                traffic.name
            );
            let serials = [[0xa5, 0xa5], [0, 0]];
            let serial = at(traffic.serial_at);
            assert!(
                serials.iter().any(|word| serial == word),
                "{}",
                traffic.name
            );
        }
    }
}
