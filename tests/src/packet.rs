// SPDX-License-Identifier: Apache-2.0
//! Frames as they are.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType};

/// A socket that sends frames out of one interface.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    mac: [u8; 6],
}

impl PacketSocket {
    /// Opens a socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// Those of packet(7), and that there is no such interface.
    pub fn open(interface: &str) -> io::Result<Self> {
        let link = link_address(interface)?;
        let mac = link.addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let flags = SockFlag::SOCK_CLOEXEC;
        // Without a protocol: nothing is to be received.
        let fd = socket::socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        socket::bind(fd.as_raw_fd(), &link)?;
        Ok(Self { fd, mac })
    }

    /// The interface's own address.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Sends a frame, which begins with its Ethernet header.
    ///
    /// # Errors
    /// Those of send(2), such as `ENETDOWN`.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        socket::send(self.fd.as_raw_fd(), frame, MsgFlags::empty())?;
        Ok(())
    }
}

fn link_address(interface: &str) -> io::Result<LinkAddr> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let address = entries.find_map(|entry| entry.address?.as_link_addr().copied());
    address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}
