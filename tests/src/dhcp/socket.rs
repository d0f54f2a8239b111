// SPDX-License-Identifier: Apache-2.0
//! The sockets of a DHCP server.
//!
//! Messages come by UDP. Replies leave by a packet socket, because a client
//! without an address answers no ARP (RFC 2131, 4.1).

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use dhcproto::v4::{CLIENT_PORT, Message, SERVER_PORT};
use dhcproto::{Decodable, Decoder, Encodable};
use nix::sys::socket::{
    self, AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrIn, sockopt,
};
use nix::sys::time::TimeVal;

use super::model::Mac;
use crate::packet::{self, PacketSocket};

/// How long [`Sockets::receive`] waits at most.
const TICK: TimeVal = TimeVal::new(0, 50_000);

/// Both sockets, bound to one interface.
#[derive(Debug)]
pub(super) struct Sockets {
    udp: OwnedFd,
    packet: PacketSocket,
}

impl Sockets {
    /// Opens the sockets in the network namespace of the calling thread.
    pub(super) fn open(interface: &str) -> io::Result<Self> {
        Ok(Self {
            udp: listen(interface)?,
            packet: PacketSocket::open(interface)?,
        })
    }

    /// The next message and the address it was sent to; `None` when nothing
    /// (or nothing that is DHCP) came for a moment.
    pub(super) fn receive(&self) -> io::Result<Option<(Message, Ipv4Addr)>> {
        let mut buffer = [0; 2048];
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let mut control = nix::cmsg_space!(libc::in_pktinfo);
        let fd = self.udp.as_raw_fd();
        let flags = MsgFlags::empty();
        let received = socket::recvmsg::<SockaddrIn>(fd, &mut slices, Some(&mut control), flags);
        let (length, destination) = match received {
            Ok(message) => (message.bytes, destination(message.cmsgs()?)),
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let message = Message::decode(&mut Decoder::new(&buffer[..length])).ok();
        Ok(message.zip(destination))
    }

    /// The frame of `reply` to a client at `mac` and, in the IP header, `to`.
    pub(super) fn frame(&self, reply: &Message, from: Ipv4Addr, mac: Mac, to: Ipv4Addr) -> Vec<u8> {
        let payload = reply.to_vec().expect("a reply can be encoded");
        packet::udp(
            (self.packet.mac(), SocketAddrV4::new(from, SERVER_PORT)),
            (mac, SocketAddrV4::new(to, CLIENT_PORT)),
            &payload,
        )
    }

    /// Sends a reply to a relay, or to a client that is behind a router.
    pub(super) fn send_routed(&self, reply: &Message, to: SocketAddrV4) {
        let payload = reply.to_vec().expect("a reply can be encoded");
        let fd = self.udp.as_raw_fd();
        socket::sendto(fd, &payload, &SockaddrIn::from(to), MsgFlags::empty())
            .unwrap_or_else(|e| panic!("sending to {to}: {e}"));
    }

    /// Sends a frame.
    pub(super) fn send(&self, frame: &[u8]) {
        // A link that is down is what some tests want.
        let _ = self.packet.send(frame);
    }
}

fn listen(interface: &str) -> io::Result<OwnedFd> {
    let fd = socket::socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    socket::setsockopt(&fd, sockopt::BindToDevice, &interface.into())?;
    socket::setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    socket::setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
    socket::setsockopt(&fd, sockopt::ReceiveTimeout, &TICK)?;
    let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, SERVER_PORT);
    socket::bind(fd.as_raw_fd(), &SockaddrIn::from(any))?;
    Ok(fd)
}

fn destination(mut control: impl Iterator<Item = ControlMessageOwned>) -> Option<Ipv4Addr> {
    control.find_map(|message| match message {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)))
        }
        _ => None,
    })
}
