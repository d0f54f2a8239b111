// SPDX-License-Identifier: Apache-2.0
//! What rtnetlink does not say of a link: its speed, and who answers LACP on
//! each member of a bond.

use std::{
    collections::BTreeMap,
    fs,
    mem::MaybeUninit,
    os::fd::{AsRawFd as _, OwnedFd},
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{Device, Kind, Mac};

/// `SIOCETHTOOL` takes one of these: `ETHTOOL_GSET`, which every driver knows.
const ETHTOOL_GSET: u32 = 1;

/// `struct ethtool_cmd` of linux/ethtool.h.
#[repr(C)]
#[derive(Default)]
struct EthtoolCmd {
    cmd: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    others: [u8; 6],
    packets: [u32; 2],
    speed_hi: u16,
    others_hi: [u8; 2],
    lp_advertising: u32,
    reserved: [u32; 2],
}

/// What rtnetlink does not say of a link.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Nic {
    /// Speed in Mbit/s; none without carrier, and of drivers that do not know.
    pub speed: Option<u32>,
    /// The system of the LACP partner that has spoken on it, of a member.
    pub partner: Option<Mac>,
}

/// What it does not say of all NICs, by their index.
pub fn nics(devices: &[Device]) -> BTreeMap<u32, Nic> {
    let Ok(socket) = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    ) else {
        return BTreeMap::new();
    };
    let bonds = devices.iter().filter(|device| device.speaks_lacp());
    let partners: Vec<_> = bonds.flat_map(partners_of).collect();
    let all = devices
        .iter()
        .filter(|device| device.ethernet && device.kind == Kind::Other);
    let nic = |device: &Device| Nic {
        speed: speed_of(&socket, &device.name),
        partner: partners
            .iter()
            .find(|(member, _)| *member == device.name)
            .map(|(_, mac)| *mac),
    };
    all.map(|device| (device.index, nic(device))).collect()
}

/// `ethtool NAME`
fn speed_of(socket: &OwnedFd, name: &str) -> Option<u32> {
    let mut command = EthtoolCmd {
        cmd: ETHTOOL_GSET,
        ..EthtoolCmd::default()
    };
    // SAFETY: all zero is a request without a name.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut command).cast();
    // SAFETY: the kernel reads the request and writes the command it points to,
    // both of which outlive the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if done != 0 {
        return None;
    }
    let speed = u32::from(command.speed_hi) << 16 | u32::from(command.speed);
    // SPEED_UNKNOWN is -1, of older drivers in 16 bits.
    let unknown = [0, u32::MAX, u32::from(u16::MAX)];
    (!unknown.contains(&speed)).then_some(speed)
}

/// Who has spoken on each member, by the members' names: rtnetlink tells of the active
/// aggregator only. Needs `CAP_NET_ADMIN`.
fn partners_of(bond: &Device) -> Vec<(String, Mac)> {
    // A link's name has no slash in it, and is neither of the two names with dots.
    let file = format!("/proc/net/bonding/{}", bond.name);
    fs::read_to_string(file).map_or_else(|_| Vec::new(), |text| partners(&text))
}

/// Reads `/proc/net/bonding/bond0` (`bond_info_show_slave` in bond_procfs.c).
fn partners(text: &str) -> Vec<(String, Mac)> {
    let mut found = Vec::new();
    let (mut member, mut is_partner) = (None, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Slave Interface: ") {
            (member, is_partner) = (Some(name), false);
        } else if line.starts_with("details ") {
            is_partner = line.starts_with("details partner lacp pdu");
        } else if let Some(address) = line.trim_start().strip_prefix("system mac address: ")
            && let (Some(member), true) = (member, is_partner)
            && let Some(mac) = parse(address).filter(|mac| *mac != [0; 6])
        {
            found.push((member.to_owned(), mac));
        }
    }
    found
}

fn parse(text: &str) -> Option<Mac> {
    let bytes = text.trim().split(':');
    let bytes: Result<Vec<u8>, _> = bytes.map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes.ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_has_its_own_partner() {
        let text = "\
802.3ad info
Active Aggregator Info:
\tPartner Mac Address: 0a:0a:0a:0a:0a:0a

Slave Interface: enp2s1
details actor lacp pdu:
    system mac address: 0c:20:12:fe:01:01
details partner lacp pdu:
    system priority: 65535
    system mac address: 0a:0a:0a:0a:0a:0a
    oper key: 1

Slave Interface: enp2s2
details actor lacp pdu:
    system mac address: 0c:20:12:fe:01:01
details partner lacp pdu:
    system mac address: 0b:0b:0b:0b:0b:0b

Slave Interface: enp2s3
details partner lacp pdu:
    system mac address: 00:00:00:00:00:00
";
        assert_eq!(
            partners(text),
            [
                ("enp2s1".to_owned(), [10; 6]),
                ("enp2s2".to_owned(), [11; 6])
            ]
        );
        assert_eq!(partners("Slave Interface: x\nsystem mac address: 1:2"), []);
    }

    #[test]
    fn the_struct_is_as_large_as_the_kernel_has_it() {
        assert_eq!(size_of::<EthtoolCmd>(), 44);
    }

    #[test]
    fn what_is_no_nic_has_no_details() {
        let lo = Device {
            name: "lo".into(),
            index: 1,
            ..Device::default()
        };
        assert_eq!(nics(&[lo]), BTreeMap::new());
    }
}
