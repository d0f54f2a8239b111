// SPDX-License-Identifier: Apache-2.0
//! A cable, frames through it, and what was counted at its ends.

use std::{
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use hhnet::xdp::{
    Programs,
    report::{Direction, Flow, Member},
};
use nix::sys::socket::{LinkAddr, MsgFlags, SockaddrLike as _, SockaddrStorage, sendto};

use crate::netns::{index, ip};

pub(crate) fn tc(arguments: &str) -> String {
    let output = Command::new("tc")
        .args(arguments.split(' '))
        .output()
        .expect("tc(8)");
    assert!(output.status.success(), "tc {arguments}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What is counted of all flows, in an order, without members and times.
pub(crate) fn flows(programs: &Programs, direction: Direction) -> Vec<String> {
    let text = |f: Flow| {
        let Flow {
            vlan,
            protocol,
            source,
            destination,
            transport,
            packets,
            bytes,
            ..
        } = f;
        format!("{vlan:?} {protocol} {source} {destination} {transport:?}: {packets}, {bytes}")
    };
    let flows = programs.flows().expect("flows").into_iter();
    let mut all: Vec<_> = flows
        .filter(|f| f.direction == direction)
        .map(text)
        .collect();
    all.sort();
    all
}

pub(crate) fn member(programs: &Programs, name: &str, direction: Direction) -> Member {
    let members = programs.members().expect("members");
    let wanted = |m: &Member| m.name == name && m.direction == direction;
    members.into_iter().find(wanted).expect("member")
}

/// Sends frames through a packet socket of `from`, as they are.
pub(crate) fn send(from: &str, frames: impl IntoIterator<Item = impl AsRef<[u8]>>) {
    let protocol = i32::from((libc::ETH_P_ALL as u16).to_be());
    // SAFETY: makes a descriptor that nobody else has.
    let socket = unsafe {
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW, protocol);
        assert!(socket >= 0, "packet socket");
        OwnedFd::from_raw_fd(socket)
    };
    let to = packet_address(index(from));
    for frame in frames {
        let frame = frame.as_ref();
        let sent = sendto(socket.as_raw_fd(), frame, &to, MsgFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }
}

fn packet_address(ifindex: u32) -> LinkAddr {
    // SAFETY: all zero is a valid address.
    let mut raw: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    raw.sll_family = libc::AF_PACKET as u16;
    raw.sll_ifindex = ifindex as i32;
    let length = size_of_val(&raw) as u32;
    // SAFETY: an address of that length.
    let storage = unsafe { SockaddrStorage::from_raw((&raw const raw).cast(), Some(length)) };
    *storage.expect("address").as_link_addr().expect("of a link")
}

/// Waits until `programs` has counted so many frames as received by `name`.
pub(crate) fn wait_for(programs: &Programs, name: &str, frames: u64) {
    let end = Instant::now() + Duration::from_secs(5);
    let seen = || {
        let m = member(programs, name, Direction::In);
        let kinds = [m.ipv4, m.ipv6, m.arp, m.lacp, m.lldp, m.other, m.malformed];
        kinds.iter().map(|kind| kind.packets).sum::<u64>()
    };
    while seen() < frames && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(seen(), frames);
}

/// A cable whose ends are up, and silent: nobody looks for routers.
pub(crate) fn cable(one: &str, other: &str) {
    ip(&format!("link add {one} type veth peer {other}"));
    for end in [one, other] {
        ip(&format!("link set {end} addrgenmode none up"));
    }
}
