// SPDX-License-Identifier: Apache-2.0
//! Sockets of the client: raw ones before there is an address, UDP after.

use std::{
    io::{self, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessageOwned, MsgFlags, recvmsg},
};
use socket2::{Domain, Protocol, SockAddr, SockFilter, Socket, Type};
use tokio::{io::unix::AsyncFd, net::UdpSocket};

use super::{CLIENT_PORT, SERVER_PORT, packet::Checksum};

/// Larger than any frame of a 9 kB MTU.
const BUFFER: usize = 9216;
/// `struct tpacket_auxdata`, linux/if_packet.h.
const AUXDATA: usize = 20;

/// A packet socket that hears DHCP replies on one link and can send without
/// an address.
pub struct LinkSocket {
    socket: AsyncFd<Socket>,
    everyone: SockAddr,
}

impl LinkSocket {
    /// Opens a socket on the link with this index.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, or when the link is gone.
    pub fn open(index: u32) -> io::Result<LinkSocket> {
        // Protocol 0 receives nothing: no packet slips in before the filter.
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None)?;
        ask_for_auxdata(&socket)?;
        socket.attach_filter(&filter())?;
        let everyone = link_address(index)?;
        socket.bind(&everyone)?;
        // SAFETY: Socket owns its descriptor and keeps it open, unchanged,
        // until it is dropped together with the AsyncFd.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(LinkSocket { socket, everyone })
    }

    /// Sends an IPv4 packet to everyone on the link.
    ///
    /// # Errors
    /// `ENETDOWN` or `ENOBUFS` while the link, or the bond below it, cannot
    /// send yet; retransmission takes care of that.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket
            .get_ref()
            .send_to(packet, &self.everyone)
            .map(drop)
    }

    /// Receives one IPv4 packet.
    ///
    /// # Errors
    /// As of the socket; `ENETDOWN` once when the link goes down.
    pub async fn receive(&self) -> io::Result<(Vec<u8>, Checksum)> {
        self.socket
            .async_io(tokio::io::Interest::READABLE, receive)
            .await
    }
}

fn receive(socket: &Socket) -> io::Result<(Vec<u8>, Checksum)> {
    const TP_STATUS_CSUMNOTREADY: u32 = 1 << 3;
    let mut buffer = vec![0; BUFFER];
    let mut control = cmsg_space!([u8; AUXDATA]);
    let mut pieces = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags)?;
    let mut status = 0;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Unknown(auxdata) = control
            && let Some(first) = auxdata.data_bytes.first_chunk::<4>()
        {
            status = u32::from_ne_bytes(*first);
        }
    }
    let (length, partial) = (message.bytes, status & TP_STATUS_CSUMNOTREADY != 0);
    buffer.truncate(length);
    Ok((
        buffer,
        if partial {
            Checksum::Partial
        } else {
            Checksum::Complete
        },
    ))
}

/// Lets the kernel drop everything but unfragmented BOOTP replies to port 68;
/// the rest is checked by [`super::packet`] and [`super::message`].
fn filter() -> [SockFilter; 11] {
    // Classic BPF, linux/bpf_common.h and linux/filter.h.
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_HEADER_LEN: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
    const LOAD_BYTE_AFTER: u16 = 0x50; // BPF_LD | BPF_B | BPF_IND
    const LOAD_HALF_AFTER: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
    const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    let op = SockFilter::new;
    [
        op(LOAD_BYTE, 0, 0, 9),
        op(EQUAL, 0, 7, 17), // UDP, else drop
        op(LOAD_HALF, 0, 0, 6),
        op(ANY_BIT, 5, 0, 0x3fff), // a fragment: drop
        op(LOAD_HEADER_LEN, 0, 0, 0),
        op(LOAD_HALF_AFTER, 0, 0, 2),
        op(EQUAL, 0, 2, CLIENT_PORT as u32),
        op(LOAD_BYTE_AFTER, 0, 0, 8),
        op(EQUAL, 1, 0, 2), // BOOTREPLY: keep
        op(RETURN, 0, 0, 0),
        op(RETURN, 0, 0, u32::MAX),
    ]
}

fn ask_for_auxdata(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and pointer and length describe one.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_AUXDATA,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The broadcast address of a link, for IPv4 packets.
fn link_address(index: u32) -> io::Result<SockAddr> {
    let fill = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_IP as u16).to_be(),
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
        };
        // SAFETY: both pointers come from `try_init`, which gives storage for
        // any kind of socket address and its length.
        unsafe {
            storage.cast::<libc::sockaddr_ll>().write(address);
            length.write(size_of::<libc::sockaddr_ll>() as libc::socklen_t);
        }
        Ok(())
    };
    // SAFETY: `fill` writes a whole sockaddr_ll and its length.
    unsafe { SockAddr::try_init(fill) }.map(|(_, address)| address)
}

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
