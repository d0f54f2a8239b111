// SPDX-License-Identifier: Apache-2.0
//! Packet sockets: heard and sent on one link, with or without an address.

use std::{
    io::{self, IoSliceMut},
    os::fd::AsRawFd,
};

use nix::{
    cmsg_space,
    sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg},
};
use socket2::{Domain, SockAddr, SockFilter, Socket, Type};
use tokio::io::unix::AsyncFd;

use crate::{
    dhcp::{CLIENT_PORT, packet::Checksum},
    link::Mac,
};

/// Everybody on an Ethernet.
pub const BROADCAST: Mac = [0xff; 6];

/// Larger than any frame of a 9 kB MTU.
const BUFFER: usize = 9216;
/// `struct tpacket_auxdata`, linux/if_packet.h.
const AUXDATA: usize = 20;

/// A packet socket for one protocol on one link. Ethernet headers are the
/// kernel's business.
pub struct RawSocket {
    socket: AsyncFd<Socket>,
    index: u32,
    protocol: u16,
}

/// A packet as it came.
pub struct Received {
    /// From the network layer's header on.
    pub bytes: Vec<u8>,
    /// The machine on the link that sent it: a server, a relay or a router.
    pub from: Option<Mac>,
    /// What its UDP checksum is worth.
    pub checksum: Checksum,
}

impl RawSocket {
    /// Hears replies of DHCP servers on the link with this index.
    ///
    /// # Errors
    /// Without `CAP_NET_RAW`, or when the link is gone.
    pub fn dhcp(index: u32) -> io::Result<RawSocket> {
        RawSocket::open(index, libc::ETH_P_IP as u16, &replies_only())
    }

    /// Hears ARP on the link with this index.
    ///
    /// # Errors
    /// As for [`RawSocket::dhcp`].
    pub fn arp(index: u32) -> io::Result<RawSocket> {
        RawSocket::open(index, libc::ETH_P_ARP as u16, &[])
    }

    /// Sends IPv4 packets on the link with this index, and hears nothing.
    ///
    /// # Errors
    /// As for [`RawSocket::dhcp`].
    pub fn sender(index: u32) -> io::Result<RawSocket> {
        const NOTHING: [SockFilter; 1] = [SockFilter::new(RETURN, 0, 0, 0)];
        RawSocket::open(index, libc::ETH_P_IP as u16, &NOTHING)
    }

    fn open(index: u32, protocol: u16, filter: &[SockFilter]) -> io::Result<RawSocket> {
        // Protocol 0 receives nothing: no packet slips in before the filter.
        let kind = Type::DGRAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::PACKET, kind, None)?;
        ask_for_auxdata(&socket)?;
        if !filter.is_empty() {
            socket.attach_filter(filter)?;
        }
        socket.bind(&link_address(index, protocol, BROADCAST)?)?;
        // SAFETY: Socket owns its descriptor and keeps it open, unchanged,
        // until it is dropped together with the AsyncFd.
        let socket = unsafe { AsyncFd::register(socket) }?;
        Ok(RawSocket {
            socket,
            index,
            protocol,
        })
    }

    /// Sends a packet to a machine on the link.
    ///
    /// # Errors
    /// `ENETDOWN` or `ENOBUFS` while the link, or the bond below it, cannot
    /// send yet; retransmission takes care of that.
    pub fn send(&self, packet: &[u8], to: Mac) -> io::Result<()> {
        let to = link_address(self.index, self.protocol, to)?;
        self.socket.get_ref().send_to(packet, &to).map(drop)
    }

    /// Closes the socket on another thread: the kernel waits until no CPU
    /// delivers packets to it any more (`synchronize_net` in packet_release),
    /// which takes milliseconds that nobody here has to wait for.
    pub fn close(self) {
        let socket = self.socket.into_inner();
        tokio::task::spawn_blocking(move || drop(socket));
    }

    /// Receives one packet.
    ///
    /// # Errors
    /// As of the socket; `ENETDOWN` once when the link goes down.
    pub async fn receive(&self) -> io::Result<Received> {
        self.socket
            .async_io(tokio::io::Interest::READABLE, receive)
            .await
    }
}

fn receive(socket: &Socket) -> io::Result<Received> {
    const TP_STATUS_CSUMNOTREADY: u32 = 1 << 3;
    let mut buffer = vec![0; BUFFER];
    let mut control = cmsg_space!([u8; AUXDATA]);
    let mut pieces = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut pieces, Some(&mut control), flags)?;
    let mut status = 0;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Unknown(auxdata) = control
            && let Some(first) = auxdata.data_bytes.first_chunk::<4>()
        {
            status = u32::from_ne_bytes(*first);
        }
    }
    let (length, from) = (message.bytes, message.address.and_then(|from| from.addr()));
    buffer.truncate(length);
    Ok(Received {
        bytes: buffer,
        from,
        checksum: if status & TP_STATUS_CSUMNOTREADY != 0 {
            Checksum::Partial
        } else {
            Checksum::Complete
        },
    })
}

// Classic BPF, linux/bpf_common.h and linux/filter.h.
const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_HEADER_LEN: u16 = 0xb1; // BPF_LDX | BPF_B | BPF_MSH
const LOAD_BYTE_AFTER: u16 = 0x50; // BPF_LD | BPF_B | BPF_IND
const LOAD_HALF_AFTER: u16 = 0x48; // BPF_LD | BPF_H | BPF_IND
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Lets the kernel drop everything but unfragmented BOOTP replies to port 68;
/// the rest is checked by [`crate::dhcp::packet`] and [`crate::dhcp::reply`].
fn replies_only() -> [SockFilter; 11] {
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

/// A machine on a link (packet(7)).
fn link_address(index: u32, protocol: u16, mac: Mac) -> io::Result<SockAddr> {
    let [a, b, c, d, e, f] = mac;
    let fill = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: index as i32,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: [a, b, c, d, e, f, 0, 0],
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
