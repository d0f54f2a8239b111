// SPDX-License-Identifier: Apache-2.0
//! Ports, or what a protocol has instead.

use hhnet_ebpf::flow::Attributes;
use serde::{Deserialize, Serialize};

/// What tells flows between two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Transport {
    /// TCP, UDP, SCTP, DCCP, UDP-Lite.
    Ports {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        icmp_code: u8,
        /// Identifier, of echoes alone.
        icmp_id: u16,
    },
    /// Fragments that do not carry the transport header.
    Fragments {
        /// Always true.
        fragments: bool,
    },
    /// A protocol without ports.
    Nothing {},
}

impl Transport {
    /// Reads the ports of a key by its protocol.
    pub fn new(attributes: Attributes) -> Self {
        let (source, destination) = attributes.ports();
        match attributes.protocol() {
            _ if attributes.is_later_fragment() => Self::Fragments { fragments: true },
            1 | 58 => {
                let [icmp_type, icmp_code] = destination.to_be_bytes();
                Self::Icmp {
                    icmp_type,
                    icmp_code,
                    icmp_id: source,
                }
            }
            6 | 17 | 33 | 132 | 136 => Self::Ports {
                source_port: source,
                destination_port: destination,
            },
            _ => Self::Nothing {},
        }
    }
}
