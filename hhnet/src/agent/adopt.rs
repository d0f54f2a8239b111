// SPDX-License-Identifier: Apache-2.0
//! What an agent that was killed has left behind, taken over by the next one.

use tracing::{info, warn};

use super::Agent;
use crate::{
    link::{Device, Kind},
    session::{self, Session, record},
};

impl Agent {
    /// Goes on with the leases on record whose interfaces are still there.
    /// Their addresses never leave the interface meanwhile.
    pub(super) async fn adopt(&mut self) {
        let records = record::load();
        if records.is_empty() {
            return;
        }
        let devices = match self.links.devices().await {
            Ok(devices) => devices,
            Err(error) => return warn!("{error}"),
        };
        let exposure = records.iter().find_map(|record| record.settings.metrics);
        for record in records {
            let same = |d: &&Device| d.index == record.index && d.name == record.interface;
            let Some(device) = devices.iter().find(same) else {
                session::forget(&self.host, &record.interface, record.index).await;
                continue;
            };
            info!("{}: going on with {}", device.name, record.lease.prefix);
            let (links, host) = (self.links.clone(), self.host.clone());
            let settings = record.settings;
            match Session::start(links, host, device.clone(), settings, Some(record)) {
                Ok(session) => self.sessions.push(session),
                Err(error) => {
                    warn!("{}: {error}", device.name);
                    continue;
                }
            }
            let lowest = lowest(device, &devices);
            self.count_on(&lowest, settings.xdp).await;
            let bond = lowest.first().and_then(|member| member.master);
            self.count_members_of(bond, settings.xdp);
        }
        self.adopted = self.sessions.len();
        if !self.sessions.is_empty() {
            // It says in the log why there are none.
            self.expose(exposure).await;
        }
    }
}

/// The devices a leased interface gets its frames from: the members of the bond
/// below, the parent of a VLAN, or the interface itself.
fn lowest(device: &Device, all: &[Device]) -> Vec<Device> {
    let below = match device.kind {
        Kind::Vlan(_) => all.iter().find(|d| Some(d.index) == device.lower),
        Kind::Bond(_) | Kind::Other => Some(device),
    };
    match below {
        Some(bond) if bond.is_bond() => {
            let member = |d: &&Device| d.master == Some(bond.index);
            all.iter().filter(member).cloned().collect()
        }
        Some(other) => vec![other.clone()],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::BondState;

    fn device(index: u32, kind: Kind) -> Device {
        Device {
            index,
            kind,
            ..Device::default()
        }
    }

    #[test]
    fn frames_come_from_the_members_the_parent_or_the_interface_itself() {
        let mut members = [1, 2].map(|index| device(index, Kind::Other));
        members.iter_mut().for_each(|m| m.master = Some(3));
        let bond = device(3, Kind::Bond(BondState::default()));
        let mut on_bond = device(4, Kind::Vlan(1001));
        on_bond.lower = Some(3);
        let port = device(5, Kind::Other);
        let mut on_port = device(6, Kind::Vlan(1001));
        on_port.lower = Some(5);
        let all = [
            &members[..],
            &[bond, on_bond.clone(), port.clone(), on_port.clone()],
        ]
        .concat();
        assert_eq!(lowest(&on_bond, &all), members);
        for leased in [&on_port, &port] {
            assert_eq!(lowest(leased, &all), std::slice::from_ref(&port));
        }
    }
}
