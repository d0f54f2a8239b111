// SPDX-License-Identifier: Apache-2.0
//! UDP port 68, for when there is an address.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::dhcp::{CLIENT_PORT, SERVER_PORT};

/// Larger than any frame of a 9 kB MTU.
const BUFFER: usize = 9216;

/// A UDP socket for when there is an address: what a renewal is sent from, and
/// what keeps the kernel from answering servers with "port unreachable".
pub struct PortSocket(UdpSocket);

impl PortSocket {
    /// Opens port 68 on the interface of this name.
    ///
    /// At any address, not at the leased one: a server broadcasts its NAK to a
    /// renewal (RFC 2131, section 4.1), and a socket bound to one address does
    /// not hear that.
    ///
    /// # Errors
    /// When another DHCP client holds the port there.
    pub fn open(interface: &str) -> io::Result<PortSocket> {
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::IPV4, kind, Some(Protocol::UDP))?;
        socket.bind_device(Some(interface.as_bytes()))?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT).into())?;
        Ok(PortSocket(UdpSocket::from_std(socket.into())?))
    }

    /// Sends a message to a server.
    ///
    /// # Errors
    /// As of the socket: no route, for instance.
    pub async fn send(&self, server: Ipv4Addr, message: &[u8]) -> io::Result<()> {
        self.0
            .send_to(message, SocketAddrV4::new(server, SERVER_PORT))
            .await
            .map(drop)
    }

    /// Receives one message.
    ///
    /// # Errors
    /// As of the socket.
    pub async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; BUFFER];
        let (length, _) = self.0.recv_from(&mut buffer).await?;
        buffer.truncate(length);
        Ok(buffer)
    }
}
