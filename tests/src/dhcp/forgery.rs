// SPDX-License-Identifier: Apache-2.0
//! Messages that no server would send, to one client.

use std::net::{Ipv4Addr, SocketAddrV4};

use dhcproto::v4::{CLIENT_PORT, SERVER_PORT};

use super::model::Mac;
use crate::namespace::Namespace;
use crate::packet::{self, PacketSocket};

/// The fixed part of a message, and the magic cookie.
const FIXED: usize = 240;

/// Someone on the segment who may say anything.
#[derive(Debug)]
pub struct Forgery {
    socket: PacketSocket,
    from: Ipv4Addr,
    client: Mac,
}

impl Forgery {
    /// Speaks out of `interface` as the server `from`, to the client.
    ///
    /// # Panics
    /// When there is no such interface.
    pub fn new(namespace: &Namespace, interface: &str, from: Ipv4Addr, client: Mac) -> Self {
        let socket = namespace
            .enter(|| PacketSocket::open(interface))
            .unwrap_or_else(|e| panic!("forging on {interface}: {e}"));
        Self {
            socket,
            from,
            client,
        }
    }

    /// A reply as servers send it: BOOTREPLY, Ethernet, the client's address;
    /// `kind` is option 53, and `options` come raw.
    pub fn reply(&self, kind: u8, xid: u32, yiaddr: Ipv4Addr, options: &[(u8, &[u8])]) -> Vec<u8> {
        let mut message = vec![2, 1, 6, 0];
        message.extend(xid.to_be_bytes());
        message.extend([0; 8]);
        message.extend(yiaddr.octets());
        message.extend([0; 8]);
        message.extend(self.client);
        message.resize(FIXED - 4, 0);
        message.extend([99, 130, 83, 99, 53, 1, kind]);
        for (code, value) in options {
            message.extend([*code, value.len() as u8]);
            message.extend(*value);
        }
        message.push(255);
        message
    }

    /// The frame that brings a message to `to`, at the client's hardware address.
    pub fn frame(&self, message: &[u8], to: Ipv4Addr) -> Vec<u8> {
        packet::udp(
            (self.socket.mac(), SocketAddrV4::new(self.from, SERVER_PORT)),
            (self.client, SocketAddrV4::new(to, CLIENT_PORT)),
            message,
        )
    }

    /// Sends a frame, whole or not.
    pub fn send(&self, frame: &[u8]) {
        // What the link cannot carry is not worth a complaint.
        let _ = self.socket.send(frame);
    }
}
