// SPDX-License-Identifier: Apache-2.0
//! What is seen of a client from outside: the address the kernel was told to set, and
//! the frames that came out of its interface.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use dhcproto::v4::{Message, MessageType};
use dhcproto::{Decodable, Decoder};
use etherparse::SlicedPacket;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    self, AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, NetlinkAddr, SockFlag,
    SockProtocol, SockType, sockopt,
};

use super::wall_clock;
use crate::namespace::Namespace;
use crate::netlink::has_label;
use crate::packet::link_address;

/// Hears of IPv4 addresses on a machine as they are set.
pub(super) struct AddressWatch(OwnedFd);

impl AddressWatch {
    /// Begins to listen.
    pub(super) fn open(machine: &Namespace) -> Self {
        let open = || -> io::Result<OwnedFd> {
            let (family, kind) = (AddressFamily::Netlink, SockType::Raw);
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket::socket(family, kind, flags, SockProtocol::NetlinkRoute)?;
            let group = libc::RTMGRP_IPV4_IFADDR as u32;
            socket::bind(fd.as_raw_fd(), &NetlinkAddr::new(0, group))?;
            Ok(fd)
        };
        Self(machine.enter(open).expect("a netlink socket"))
    }

    /// When the next address is set on `interface`; `None` if that takes too long.
    pub(super) fn next(&self, interface: &str, patience: Duration) -> Option<Duration> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.checked_duration_since(Instant::now())?;
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            poll(&mut fds, timeout).expect("own socket can be waited for");
            let at = wall_clock();
            let mut buffer = [0; 8192];
            match socket::recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) if sets_address(&buffer[..length], interface) => return Some(at),
                Ok(_) | Err(nix::Error::EAGAIN) => {}
                Err(error) => panic!("listening for addresses: {error}"),
            }
        }
    }
}

fn sets_address(bytes: &[u8], interface: &str) -> bool {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes);
    matches!(
        message.map(|message| message.payload),
        Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)))
            if has_label(&address, interface)
    )
}

/// Keeps every frame that crosses an interface.
pub(super) struct Capture(OwnedFd);

/// What a client has sent.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// All frames.
    pub(super) frames: usize,
    /// When the first DISCOVER came.
    pub(super) discovered: Option<Duration>,
}

impl Capture {
    /// Begins to listen.
    pub(super) fn open(machine: &Namespace, interface: &str) -> Self {
        let open = || -> io::Result<OwnedFd> {
            let (family, kind) = (AddressFamily::Packet, SockType::Raw);
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket::socket(family, kind, flags, SockProtocol::EthAll)?;
            socket::bind(fd.as_raw_fd(), &link_address(interface)?)?;
            socket::setsockopt(&fd, sockopt::ReceiveTimestampns, &true)?;
            Ok(fd)
        };
        Self(machine.enter(open).expect("a packet socket"))
    }

    /// What has come from `mac` since the last call.
    pub(super) fn traffic_of(&self, mac: [u8; 6]) -> Traffic {
        let mut traffic = Traffic::default();
        while let Some((at, frame)) = self.frame().expect("own socket can be read") {
            if frame.get(6..12) != Some(&mac) {
                continue;
            }
            traffic.frames += 1;
            if is_discover(&frame) {
                traffic.discovered.get_or_insert(at);
            }
        }
        traffic
    }

    fn frame(&self) -> io::Result<Option<(Duration, Vec<u8>)>> {
        let mut buffer = vec![0; 2048];
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let mut control = nix::cmsg_space!(libc::timespec);
        let fd = self.0.as_raw_fd();
        let flags = MsgFlags::empty();
        let received = match socket::recvmsg::<LinkAddr>(fd, &mut slices, Some(&mut control), flags)
        {
            Ok(received) => received,
            Err(nix::Error::EAGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let at = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at)),
            _ => None,
        });
        let (at, length) = (at.expect("frames have timestamps"), received.bytes);
        buffer.truncate(length);
        Ok(Some((at, buffer)))
    }
}

fn is_discover(frame: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else {
        return false;
    };
    let payload = match &packet.transport {
        Some(etherparse::TransportSlice::Udp(udp)) => udp.payload(),
        _ => return false,
    };
    let message = Message::decode(&mut Decoder::new(payload));
    message.is_ok_and(|message| message.opts().has_msg_type(MessageType::Discover))
}
