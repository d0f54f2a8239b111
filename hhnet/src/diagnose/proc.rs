// SPDX-License-Identifier: Apache-2.0
//! `/proc/net/packet` and `/proc/net/udp`: who could be a DHCP client.

use std::net::Ipv4Addr;

/// A packet socket (`packet_seq_show` in net/packet/af_packet.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PacketSocket {
    /// What it hears: an EtherType, or `ETH_P_ALL`.
    pub(super) protocol: u16,
    /// The link it is bound to; zero for all.
    pub(super) ifindex: u32,
    /// Its inode, by which a process holds it.
    pub(super) inode: u64,
}

/// A UDP socket (`udp4_format_sock` in net/ipv4/udp.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UdpSocket {
    /// The address it is bound to.
    pub(super) address: Ipv4Addr,
    /// Its port.
    pub(super) port: u16,
    /// Its inode.
    pub(super) inode: u64,
}

/// All of `/proc/net/packet`. Lines that make no sense are left out.
pub(super) fn packet_sockets(text: &str) -> Vec<PacketSocket> {
    // sk RefCnt Type Proto Iface R Rmem User Inode
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, protocol, ifindex, .., inode] = fields[..] else {
            return None;
        };
        Some(PacketSocket {
            protocol: u16::from_str_radix(protocol, 16).ok()?,
            ifindex: ifindex.parse().ok()?,
            inode: inode.parse().ok()?,
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// All of `/proc/net/udp`. Lines that make no sense are left out.
pub(super) fn udp_sockets(text: &str) -> Vec<UdpSocket> {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ref pointer drops
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (address, port) = fields.get(1)?.split_once(':')?;
        // In the byte order of this machine, as the kernel prints it.
        let address = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
        Some(UdpSocket {
            address: address.into(),
            port: u16::from_str_radix(port, 16).ok()?,
            inode: fields.get(9)?.parse().ok()?,
        })
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// The inode that a link in `/proc/PID/fd` names: `socket:[12345]`.
pub(super) fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_sockets_are_read() {
        let text = "\
sk               RefCnt Type Proto  Iface R Rmem   User   Inode
ffff888102c0f800 3      2    0800   5     1 0      0      20833
ffff888102c0f000 3      3    0003   0     1 0      0      20834
nonsense
";
        let read = packet_sockets(text);
        let socket = |protocol, ifindex, inode| PacketSocket {
            protocol,
            ifindex,
            inode,
        };
        assert_eq!(read, [socket(0x0800, 5, 20833), socket(3, 0, 20834)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn udp_sockets_are_read() {
        let text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  337: 0A01000A:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20840 2 00000000d2f0b5a5 0
  338: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 20841 2 00000000d2f0b5a5 0
  339: short
";
        let read = udp_sockets(text);
        let socket = |address: [u8; 4], inode| UdpSocket {
            address: address.into(),
            port: 68,
            inode,
        };
        assert_eq!(
            read,
            [socket([10, 0, 1, 10], 20840), socket([0, 0, 0, 0], 20841)]
        );
    }

    #[test]
    fn only_sockets_have_an_inode() {
        assert_eq!(socket_inode("socket:[12345]"), Some(12345));
        for other in ["/dev/null", "pipe:[7]", "socket:[]", "socket:[1"] {
            assert_eq!(socket_inode(other), None, "{other}");
        }
    }
}
