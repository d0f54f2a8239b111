// SPDX-License-Identifier: Apache-2.0
//! Who else on this machine speaks DHCP on our interfaces, and what came in by
//! which VLAN.

use std::{collections::BTreeMap, fs, path::Path};

use nix::net::if_::if_nametoindex;

use super::{
    Facts, Heard, Rival, Socket, ping,
    proc::{packet_sockets, socket_inode, udp_sockets},
};
use crate::{
    dhcp::CLIENT_PORT,
    status::{Interface, Status},
    xdp::report::{Direction, Flow},
};

/// DHCP clients by the name of their process, of which the kernel keeps 15 characters.
/// Some hear all protocols, as others do who are no DHCP clients.
const CLIENTS: [&str; 9] = [
    "busybox",
    "connmand",
    "dhclient",
    "dhcpcd",
    "dhcpcd5",
    "NetworkManager",
    "systemd-network",
    "udhcpc",
    "wickedd-dhcp4",
];

/// What no DHCP client is called: ourselves.
const OURSELVES: &str = "hhnet";

/// A process.
#[derive(Clone, Debug)]
struct Process {
    name: String,
    pid: u32,
    /// Its arguments, NUL-separated.
    arguments: String,
}

/// How many packets came in by which port and VLAN.
pub fn heard(flows: &[Flow]) -> Vec<Heard> {
    let mut heard: BTreeMap<(&str, Option<u16>), (u64, u64)> = BTreeMap::new();
    for flow in flows.iter().filter(|f| f.direction == Direction::In) {
        let entry = heard
            .entry((&flow.member, flow.vlan))
            .or_insert((0, u64::MAX));
        *entry = (entry.0 + flow.packets, entry.1.min(flow.idle_ms));
    }
    let heard = heard.into_iter();
    heard
        .map(|((port, vlan), (packets, idle_ms))| Heard {
            port: port.to_owned(),
            vlan,
            packets,
            idle_ms,
        })
        .collect()
}

/// Completes what the agent knows by a look at this machine's processes and by
/// pings, which take a second at most. For root; others see less.
pub fn around(facts: &mut Facts) {
    facts.rivals = rivals(&facts.status);
    facts.pings = ping::gateways(&facts.status);
}

/// Other DHCP clients on the interfaces that hhnet leases addresses on, in this
/// network namespace.
pub fn rivals(status: &Status) -> Vec<Rival> {
    let leased: Vec<&Interface> = status
        .interfaces
        .iter()
        .filter(|interface| interface.dhcp.is_some())
        .collect();
    if leased.is_empty() {
        return Vec::new();
    }
    let holders = holders();
    let mut found = Vec::new();
    for interface in leased {
        let ours = |process: &Process| {
            let agent = status.agent.as_ref().map(|agent| agent.pid);
            process.name == OURSELVES || Some(process.pid) == agent
        };
        for (inode, socket, is_certain) in candidates(interface) {
            let holder = holders.get(&inode);
            let rival = Rival {
                interface: interface.name.clone(),
                process: holder.map(|process| (process.name.clone(), process.pid)),
                socket,
            };
            let is_client = match holder {
                Some(process) if ours(process) => false,
                Some(process) => is_certain || is_client_on(process, interface, socket),
                None => is_certain,
            };
            let known = |other: &Rival| {
                (&other.interface, &other.process) == (&rival.interface, &rival.process)
            };
            if is_client && !found.iter().any(known) {
                found.push(rival);
            }
        }
    }
    found
}

/// Whether a process is a DHCP client, and at work on this interface: a packet
/// socket is bound to it, but port 68 may be held for any.
fn is_client_on(process: &Process, interface: &Interface, socket: Socket) -> bool {
    let is_client = CLIENTS.contains(&process.name.as_str());
    let mut arguments = process.arguments.split('\0');
    let is_here = socket == Socket::Packet || arguments.any(|word| word == interface.name);
    is_client && is_here
}

/// Sockets that a DHCP client on the interface could have: inode, sort, and
/// whether nobody else has such a one.
fn candidates(interface: &Interface) -> Vec<(u64, Socket, bool)> {
    const ALL: u16 = libc::ETH_P_ALL as u16;
    const IPV4: u16 = libc::ETH_P_IP as u16;
    // A link that has gone meanwhile has no sockets.
    let index = if_nametoindex(interface.name.as_str()).unwrap_or(0);
    let packet = fs::read_to_string("/proc/net/packet").unwrap_or_default();
    let packet = packet_sockets(&packet).into_iter();
    let packet = packet.filter(|socket| index != 0 && socket.ifindex == index);
    let packet = packet.filter(|socket| [ALL, IPV4].contains(&socket.protocol));
    let packet = packet.map(|socket| (socket.inode, Socket::Packet, socket.protocol == IPV4));
    let udp = fs::read_to_string("/proc/net/udp").unwrap_or_default();
    let udp = udp_sockets(&udp).into_iter();
    let udp = udp.filter(|socket| socket.port == CLIENT_PORT);
    let has = |address: &str| {
        let mut own = interface.addresses.iter();
        own.any(|own| own.split('/').next() == Some(address))
    };
    let udp = udp.map(|socket| {
        (
            socket.inode,
            Socket::Port68,
            has(&socket.address.to_string()),
        )
    });
    packet.chain(udp).collect()
}

/// Which process holds which socket, by inode. Of processes that may not be looked
/// into nothing is known.
fn holders() -> BTreeMap<u64, Process> {
    let mut holders = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else {
        return holders;
    };
    for entry in processes.flatten() {
        let path = entry.path();
        let Some(pid) = entry.file_name().to_str().and_then(|pid| pid.parse().ok()) else {
            continue;
        };
        let inodes = socket_inodes(&path);
        if inodes.is_empty() {
            continue;
        }
        let read = |file: &str| fs::read_to_string(path.join(file)).unwrap_or_default();
        let process = Process {
            name: read("comm").trim_end().to_owned(),
            pid,
            arguments: read("cmdline"),
        };
        holders.extend(inodes.into_iter().map(|inode| (inode, process.clone())));
    }
    holders
}

fn socket_inodes(process: &Path) -> Vec<u64> {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else {
        return Vec::new();
    };
    let links = descriptors.flatten();
    let links = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| socket_inode(link.to_str()?))
        .collect()
}
