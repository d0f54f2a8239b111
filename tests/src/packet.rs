// SPDX-License-Identifier: Apache-2.0
//! Frames as they are.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use etherparse::PacketBuilder;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    self, AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, sockopt,
};

/// What fits into a receiving socket: bursts of a thousand interfaces.
const RECEIVE_BUFFER: usize = 4 << 20;

/// No link of a test has a larger MTU than jumbo frames need.
const LONGEST_FRAME: usize = 9216 + 18;

/// A socket that sends frames out of one interface, and may receive those that come in.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
    mac: [u8; 6],
}

impl PacketSocket {
    /// Opens a socket in the network namespace of the calling thread, which
    /// only sends.
    ///
    /// # Errors
    /// Those of packet(7), and that there is no such interface.
    pub fn open(interface: &str) -> io::Result<Self> {
        // Without a protocol: nothing is to be received.
        Self::open_for(interface, None)
    }

    /// The same, for a socket that also receives everything that comes in.
    ///
    /// # Errors
    /// Those of [`PacketSocket::open`].
    pub fn open_both_ways(interface: &str) -> io::Result<Self> {
        let socket = Self::open_for(interface, Some(SockProtocol::EthAll))?;
        socket::setsockopt(&socket.fd, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
        Ok(socket)
    }

    fn open_for(interface: &str, protocol: Option<SockProtocol>) -> io::Result<Self> {
        let link = link_address(interface)?;
        let mac = link.addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket::socket(AddressFamily::Packet, SockType::Raw, flags, protocol)?;
        bind(&fd, &link, protocol.is_some())?;
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

    /// The next frame that has come in, if there is one.
    ///
    /// # Errors
    /// Those of recv(2), such as `ENETDOWN`.
    pub fn receive(&self) -> io::Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; LONGEST_FRAME];
        match socket::recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Ok(length) => {
                buffer.truncate(length);
                Ok(Some(buffer))
            }
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The frame of a UDP packet, with both checksums.
pub fn udp(
    (from_mac, from): ([u8; 6], SocketAddrV4),
    (to_mac, to): ([u8; 6], SocketAddrV4),
    payload: &[u8],
) -> Vec<u8> {
    let packet = PacketBuilder::ethernet2(from_mac, to_mac)
        .ipv4(from.ip().octets(), to.ip().octets(), 64)
        .udp(from.port(), to.port());
    let mut frame = Vec::with_capacity(packet.size(payload.len()));
    packet
        .write(&mut frame, payload)
        .expect("a frame fits into memory");
    frame
}

/// Binds a packet socket to the link; one that receives does so for all
/// protocols, but not what this machine itself sends.
fn bind(fd: &OwnedFd, link: &LinkAddr, receives: bool) -> io::Result<()> {
    let all = (libc::ETH_P_ALL as u16).to_be();
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: if receives { all } else { 0 },
        sll_ifindex: i32::try_from(link.ifindex()).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let yes: libc::c_int = 1;
    let ignore = libc::PACKET_IGNORE_OUTGOING;
    // SAFETY: plain system calls on an open descriptor, with pointers to locals of the
    // sizes that are named.
    let failed = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            size_of_val(&address) as libc::socklen_t,
        ) != 0
            || libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_PACKET,
                ignore,
                (&raw const yes).cast(),
                size_of_val(&yes) as libc::socklen_t,
            ) != 0
    };
    if failed {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub(crate) fn link_address(interface: &str) -> io::Result<LinkAddr> {
    let mut entries = getifaddrs()?.filter(|entry| entry.interface_name == interface);
    let address = entries.find_map(|entry| entry.address?.as_link_addr().copied());
    address.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}
