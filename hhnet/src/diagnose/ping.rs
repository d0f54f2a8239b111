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
    icmp::{self, IP_HEADER, SMALL, request},
    status::{Interface, Status},
};

/// Pings of each size.
const EACH: u16 = 3;
/// For all of them together.
const PATIENCE: Duration = Duration::from_secs(1);
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
pub(crate) fn forbid_fragments(socket: &Socket) -> io::Result<()> {
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
        let reply = icmp::reply(packet, id);
        let reply = reply.filter(|reply| is_theirs && reply.sequence < 2 * EACH);
        answered |= reply.map_or(0, |reply| 1 << reply.sequence);
    }
    Ok(answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{Dhcp, Lease};

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
