// SPDX-License-Identifier: Apache-2.0
//! Does the gateway answer, and does it answer large packets, too? At most
//! [`EACH`] pings of each size, and a second.

use std::{
    io,
    mem::MaybeUninit,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, Socket, Type};

use super::Pings;
use crate::{
    dhcp::packet::internet_checksum,
    status::{Interface, Status},
};

/// Pings of each size.
const EACH: u16 = 3;
/// For all of them together.
const PATIENCE: Duration = Duration::from_secs(1);
/// IPv4 header, in front of what a raw socket is given.
const IP_HEADER: usize = 20;
/// ICMP header of an echo: type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;
/// As ping has it by default: 56 bytes of payload.
const SMALL: usize = HEADER + 56;
/// Larger than any frame of a 9 kB MTU.
const BUFFER: usize = 9216;

/// Pings the gateways of all leased interfaces at the same time.
pub(super) fn gateways(status: &Status) -> Vec<Pings> {
    thread::scope(|scope| {
        let interfaces = status.interfaces.iter();
        let gateways = interfaces.filter_map(|i| Some((i, gateway_of(i)?)));
        let started: Vec<_> = gateways
            .map(|(interface, gateway)| scope.spawn(move || ping(interface, gateway)))
            .collect();
        let ended = started.into_iter().map(|pinging| pinging.join());
        // One that cannot be pinged is not spoken of.
        ended.filter_map(|pings| pings.ok()?.ok()).collect()
    })
}

/// The first router of the lease's routes.
fn gateway_of(interface: &Interface) -> Option<Ipv4Addr> {
    let lease = interface.dhcp.as_ref()?.lease.as_ref()?;
    let mut routes = lease.routes.iter();
    routes.find_map(|route| route.split_once(" via ")?.1.parse().ok())
}

fn ping(interface: &Interface, gateway: Ipv4Addr) -> io::Result<Pings> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.bind_device(Some(interface.name.as_bytes()))?;
    forbid_fragments(&socket)?;
    // Distinguishes these from what others send at the same time.
    let id = std::process::id() as u16;
    let large = (interface.mtu as usize)
        .saturating_sub(IP_HEADER)
        .max(SMALL);
    let to = SocketAddrV4::new(gateway, 0).into();
    for sequence in 0..EACH {
        socket.send_to(&request(id, sequence, SMALL), &to)?;
        socket.send_to(&request(id, EACH + sequence, large), &to)?;
    }
    let answered = answers(&socket, gateway, id)?;
    let number = |range: std::ops::Range<u16>| {
        let range = range.filter(|sequence| answered & 1 << sequence != 0);
        range.count() as u32
    };
    Ok(Pings {
        interface: interface.name.clone(),
        gateway,
        sent: EACH.into(),
        small_answered: number(0..EACH),
        large: interface.mtu,
        large_answered: number(EACH..2 * EACH),
    })
}

/// Don't-fragment on all packets, whatever the kernel has learned of the path.
fn forbid_fragments(socket: &Socket) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    let probe = libc::IP_PMTUDISC_PROBE;
    // SAFETY: the kernel reads an int from a reference to one.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const probe).cast(),
            size_of_val(&probe) as libc::socklen_t,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// An echo request (RFC 792) of so many bytes, without its IP header.
fn request(id: u16, sequence: u16, length: usize) -> Vec<u8> {
    let mut message = vec![0; length];
    message[0] = 8;
    message[4..6].copy_from_slice(&id.to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    let sum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// The sequence number of an echo reply to these requests, its IP header included.
fn reply(packet: &[u8], id: u16) -> Option<u16> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let [0, 0, _, _, a, b, c, d, ..] = *packet.get(header..)? else {
        return None;
    };
    (u16::from_be_bytes([a, b]) == id).then_some(u16::from_be_bytes([c, d]))
}

/// Which sequence numbers are answered within the time, as bits.
fn answers(socket: &Socket, gateway: Ipv4Addr, id: u16) -> io::Result<u32> {
    const ALL: u32 = (1 << (2 * EACH)) - 1;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = [MaybeUninit::new(0); BUFFER];
    let mut answered = 0;
    while answered != ALL {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        socket.set_read_timeout(Some(left))?;
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        // SAFETY: all of the buffer was initialised when it was made.
        let packet = unsafe { buffer[..length].assume_init_ref() };
        let is_theirs = from.as_socket().map(|from| from.ip()) == Some(IpAddr::V4(gateway));
        let sequence = reply(packet, id).filter(|sequence| is_theirs && *sequence < 2 * EACH);
        answered |= sequence.map_or(0, |sequence| 1 << sequence);
    }
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Dhcp, Lease};

    #[test]
    fn a_request_is_an_echo_with_a_checksum() {
        let message = request(0x1234, 5, SMALL);
        assert_eq!(message.len(), 64);
        assert_eq!(message[..2], [8, 0]);
        assert_eq!(message[4..8], [0x12, 0x34, 0, 5]);
        assert_eq!(internet_checksum(&[&message]), 0);
    }

    #[test]
    fn only_replies_to_us_count() {
        let packet = |kind: u8, id: u16| {
            let mut packet = vec![0x45; 1];
            packet.resize(20, 0);
            packet.extend(request(id, 4, HEADER));
            packet[20] = kind;
            packet
        };
        assert_eq!(reply(&packet(0, 7), 7), Some(4));
        assert_eq!(reply(&packet(8, 7), 7), None, "a request");
        assert_eq!(reply(&packet(0, 8), 7), None, "to somebody else");
        for cut in 0..packet(0, 7).len() {
            assert_eq!(reply(&packet(0, 7)[..cut], 7), None, "{cut} bytes");
        }
    }

    #[test]
    fn the_gateway_is_the_first_router() {
        let routes = ["10.0.1.1", "default via 10.0.1.1", "9.9.9.9 via 10.0.1.2"];
        let lease = Lease {
            address: "10.0.1.10/32".into(),
            server: [10, 0, 1, 1].into(),
            relay: None,
            age_ms: 0,
            remaining_ms: None,
            renew_in_ms: None,
            routes: routes.map(str::to_owned).into(),
            mtu: None,
            dns: vec![],
            ntp: vec![],
            domain: None,
            search: vec![],
            hostname: None,
        };
        let interface = Interface {
            dhcp: Some(Dhcp {
                lease: Some(lease),
                ..Dhcp::default()
            }),
            ..Interface::default()
        };
        assert_eq!(gateway_of(&interface), Some([10, 0, 1, 1].into()));
        assert_eq!(gateway_of(&Interface::default()), None);
    }
}
