// SPDX-License-Identifier: Apache-2.0
//! A raw ICMP socket that also hears errors, and from whom.
//!
//! With `IP_RECVERR` (ip(7)) the kernel queues each ICMP error about what the socket
//! has sent, with its sender; and, with `IP_PMTUDISC_PROBE`, sends what the interface
//! can, unfragmented, whatever it has learned of the path.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::{AsFd, AsRawFd as _},
    time::{Duration, Instant},
};

use nix::{
    cmsg_space,
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt::Ipv4RecvErr,
    },
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Problem, ProblemKind};
use crate::{
    cli::Source,
    diagnose::forbid_fragments,
    icmp::{self, Reply},
};

/// The largest IPv4 packet.
const BUFFER: usize = 1 << 16;
/// Packets, or errors, that are read in one go: a storm must not keep us from the clock.
const AT_ONCE: usize = 256;
/// Errors that may wait in front of a packet, as the kernel reports each instead of
/// sending it.
const IN_THE_WAY: usize = 8;

/// Echo requests of one identifier to one host.
#[derive(Debug)]
pub(super) struct Icmp {
    socket: Socket,
    id: u16,
    /// The address they are sent from.
    pub(super) source: Ipv4Addr,
    /// The host.
    pub(super) to: Ipv4Addr,
    heard: VecDeque<Heard>,
}

/// What has come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer.
    Reply(Reply),
    /// An ICMP error.
    Error(Error),
}

/// An ICMP error, or this kernel's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Error {
    /// Who says so; none if the packet has not left this server.
    pub(super) from: Option<Ipv4Addr>,
    pub(super) icmp_type: u8,
    pub(super) icmp_code: u8,
    /// What the next link takes, where that is what is wrong.
    pub(super) mtu: Option<u32>,
}

/// Ties a socket to a source.
///
/// # Errors
/// When this server has no such address or interface.
pub(super) fn bind(socket: &Socket, from: Option<&Source>) -> Result<(), Problem> {
    let (bound, what) = match from {
        None => return Ok(()),
        Some(Source::Address(address)) => {
            let bound = socket.bind(&SocketAddrV4::new(*address, 0).into());
            (bound, format!("address {address}"))
        }
        Some(Source::Device(name)) => {
            let bound = socket.bind_device(Some(name.as_str().as_bytes()));
            (bound, format!("interface {name}"))
        }
    };
    bound.map_err(|error| {
        let text = match error.raw_os_error() {
            Some(libc::EADDRNOTAVAIL | libc::ENODEV) => format!("this server has no {what}"),
            _ => format!("{what}: {error}"),
        };
        Problem::new(ProblemKind::NoSource, text)
    })
}

/// Why the kernel does not send to a host.
fn unsent(error: &io::Error, to: Ipv4Addr) -> Problem {
    match error.raw_os_error() {
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH) => {
            let text = format!("this server has no route to {to}");
            Problem::new(ProblemKind::NoRoute, text)
        }
        _ => Problem::new(ProblemKind::Refused, format!("sending to {to}: {error}")),
    }
}

impl Icmp {
    /// A socket for requests of this identifier.
    ///
    /// # Errors
    /// When there is no such source, or no route.
    pub(super) fn open(from: Option<&Source>, to: Ipv4Addr, id: u16) -> Result<Icmp, Problem> {
        let failed = |error: io::Error| unsent(&error, to);
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4));
        let socket = socket.map_err(failed)?;
        bind(&socket, from)?;
        setsockopt(&socket, Ipv4RecvErr, &true).map_err(|errno| failed(errno.into()))?;
        forbid_fragments(&socket).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        let address = SocketAddrV4::new(to, 0);
        socket.connect(&address.into()).map_err(failed)?;
        let own = socket.local_addr().map_err(failed)?;
        let own = own.as_socket_ipv4();
        Ok(Icmp {
            socket,
            id,
            source: own.map_or(Ipv4Addr::UNSPECIFIED, |own| *own.ip()),
            to,
            heard: VecDeque::new(),
        })
    }

    /// Sends a request of so many bytes, IP header included. One that is too large for
    /// the interface is sent as well: the error is heard.
    ///
    /// # Errors
    /// When the kernel does not send it for another reason.
    pub(super) fn send(&mut self, sequence: u16, size: usize) -> Result<(), Problem> {
        let message = icmp::request(self.id, sequence, size.saturating_sub(icmp::IP_HEADER));
        let mut unexplained = 0;
        for _ in 0..IN_THE_WAY {
            let Err(error) = self.socket.send(&message) else {
                return Ok(());
            };
            let (read, is_too_large) = self.read_errors();
            // Dropped by a queue of this server's own, of which only who hears errors is
            // told (ip(7)): as good as lost on the way.
            let is_dropped = error.raw_os_error() == Some(libc::ENOBUFS);
            if is_too_large || is_dropped {
                return Ok(());
            }
            // An error that had come before is reported once. One that comes again, with
            // nothing in the queue, is this packet's own.
            unexplained += u32::from(read == 0);
            if unexplained > 1 && error.kind() != io::ErrorKind::Interrupted {
                return Err(unsent(&error, self.to));
            }
        }
        Err(unsent(&io::ErrorKind::NetworkUnreachable.into(), self.to))
    }

    /// What comes back next, until then; none if nothing does.
    pub(super) fn hear(&mut self, until: Instant) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            // Rounded up: a wait of zero would not wait at all.
            let wait = PollTimeout::try_from(left + Duration::from_millis(1));
            let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let polled = poll(&mut polled, wait.unwrap_or(PollTimeout::MAX));
            if polled.is_ok_and(|number| number > 0) {
                self.read_errors();
                self.read_packets();
            }
        }
    }

    /// Forgets what has come so far: what others hear of the host comes here, too, and
    /// fills the queue, in which the kernel's own errors would have no room.
    pub(super) fn forget(&mut self) {
        self.read_errors();
        self.read_packets();
        self.heard.clear();
    }

    fn read_packets(&mut self) {
        let mut buffer = vec![0; BUFFER];
        for _ in 0..AT_ONCE {
            match nix::sys::socket::recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => {
                    let reply = icmp::reply(&buffer[..length], self.id);
                    self.heard.extend(reply.map(Heard::Reply));
                }
                Err(Errno::EINTR) => {}
                // Nothing more; or an error that is in the queue as well, where it says
                // more, and is no longer reported.
                Err(_) => return,
            }
        }
    }

    /// Reads the queue of errors. Returns how many there were, somebody else's among
    /// them, and whether one says that a packet is too large for this server's own
    /// interface.
    fn read_errors(&mut self) -> (usize, bool) {
        let (mut number, mut is_too_large) = (0, false);
        while number < AT_ONCE
            && let Some((error, packet)) = self.next_error()
        {
            number += 1;
            // It quotes nothing of a packet that was never made.
            let is_local = error.from.is_none();
            if is_local || icmp::quoted(&packet, self.id).is_some() {
                is_too_large |= is_local && error.mtu.is_some();
                self.heard.push_back(Heard::Error(error));
            }
        }
        (number, is_too_large)
    }

    /// The next error, and the packet that it is about.
    fn next_error(&self) -> Option<(Error, [u8; icmp::HEADER])> {
        let mut packet = [0; icmp::HEADER];
        let mut control = cmsg_space!(libc::sock_extended_err, libc::sockaddr_in);
        let mut pieces = [IoSliceMut::new(&mut packet)];
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrIn>(fd, &mut pieces, Some(&mut control), flags).ok()?;
        let mut found = message.cmsgs().ok()?.filter_map(|message| match message {
            ControlMessageOwned::Ipv4RecvErr(error, offender) => Some(read(error, offender)),
            _ => None,
        });
        let error = found.next()?;
        Some((error, packet))
    }
}

fn read(error: libc::sock_extended_err, offender: Option<libc::sockaddr_in>) -> Error {
    let from = offender.filter(|_| error.ee_origin == libc::SO_EE_ORIGIN_ICMP);
    let is_too_large = error.ee_errno == libc::EMSGSIZE as u32;
    Error {
        from: from.map(|from| Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr))),
        icmp_type: error.ee_type,
        icmp_code: error.ee_code,
        mtu: is_too_large.then_some(error.ee_info),
    }
}
