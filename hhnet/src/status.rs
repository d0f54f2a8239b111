// SPDX-License-Identifier: Apache-2.0
//! `hhnet status`: the whole picture, one line a thing.

use std::{fmt, time::Duration};

use crate::{
    link::{BondState, Device, Kind, MacText, PortState},
    session::Report,
    xdp::{Attachment, Mode, report::Direction},
};

/// What is known, to be displayed.
#[derive(Debug)]
pub struct Status<'a> {
    /// All links.
    pub devices: &'a [Device],
    /// Sessions by the name of their interface.
    pub leases: Vec<(&'a str, Report)>,
    /// Programs of this agent.
    pub attachments: Vec<&'a Attachment>,
    /// Process id of the agent and when it began, since boot; `None` without one.
    pub agent: Option<(u32, Duration)>,
    /// Now, since boot.
    pub now: Duration,
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for device in self.devices {
            match &device.kind {
                Kind::Bond(bond) => {
                    line(f, &device.name, bond_text(device, bond))?;
                    let members = self
                        .devices
                        .iter()
                        .filter(|m| m.master == Some(device.index));
                    for member in members {
                        line(f, &format!("  {}", member.name), self.member(member))?;
                    }
                }
                Kind::Vlan(id) => line(f, &device.name, self.leasable(device, Some(*id)))?,
                Kind::Other => {
                    if self.leases.iter().any(|(name, _)| *name == device.name) {
                        line(f, &device.name, self.leasable(device, None))?;
                    }
                }
            }
        }
        let mut told = Vec::new();
        for attachment in &self.attachments {
            let ifindex = attachment.ifindex;
            // Members say so themselves.
            let is_member = |d: &Device| d.name == attachment.name && d.port.is_some();
            if !told.contains(&ifindex) && !self.devices.iter().any(is_member) {
                told.push(ifindex);
                line(f, &attachment.name, self.programs(ifindex))?;
            }
        }
        match self.agent {
            Some((pid, born)) => {
                let age = Span(self.now.saturating_sub(born));
                line(
                    f,
                    "agent",
                    format!("pid {pid}, up {age}, {}", env!("HHNET_BUILD")),
                )
            }
            None => line(f, "agent", "not running".into()),
        }
    }
}

impl Status<'_> {
    fn member(&self, member: &Device) -> String {
        let mut text = match (&member.port, member.carrier) {
            (_, false) => "no carrier".into(),
            (Some(port), true) => format!("carrier, {}", port_text(port)),
            (None, true) => "up".into(),
        };
        let programs = self.programs(member.index);
        if !programs.is_empty() {
            text += &format!(", {programs}");
        }
        text
    }

    /// The programs on a link: `XDP native, out by tcx`.
    fn programs(&self, ifindex: u32) -> String {
        let here = self.attachments.iter().filter(|a| a.ifindex == ifindex);
        here.map(|attachment| program_text(attachment))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn leasable(&self, device: &Device, vlan: Option<u16>) -> String {
        let state = if device.up { "up" } else { "down" };
        let vlan = vlan.map_or_else(String::new, |id| format!("vlan {id}, "));
        let head = format!("{vlan}{state}, MTU {}", device.mtu);
        match self.leases.iter().find(|(name, _)| *name == device.name) {
            Some((_, report)) => format!("{head}, {}", self.lease(report)),
            None => head,
        }
    }

    fn lease(&self, report: &Report) -> String {
        let Some(lease) = &report.lease else {
            let counters = &report.counters;
            return format!(
                "{}, no address, {} DISCOVERs sent, {} OFFERs received",
                report.state, counters.discovers, counters.offers
            );
        };
        let left = |at: Duration| Span(at.saturating_sub(self.now));
        let mut text = format!("{} from {}, {}", lease.prefix, lease.server, report.state);
        match lease.expiry() {
            Some(expiry) => {
                let renewal = lease.since + lease.times.renew;
                text += &format!(", {} left", left(expiry));
                if renewal > self.now {
                    text += &format!(", renewal in {}", left(renewal));
                }
            }
            None => text += ", for ever",
        }
        text
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, text: String) -> fmt::Result {
    writeln!(f, "{name:<15} {text}")
}

fn bond_text(device: &Device, bond: &BondState) -> String {
    let mode = if bond.lacp { "802.3ad" } else { "not 802.3ad" };
    let partner = match bond.partner.filter(|mac| *mac != [0; 6]) {
        Some(mac) => format!("partner {}", MacText(mac)),
        None => "no partner".into(),
    };
    let aggregator = match bond.aggregator {
        Some(id) => format!("{} ports in aggregator {id}", bond.ports),
        None => "no aggregator".into(),
    };
    format!(
        "{mode} {}, MTU {}, {aggregator}, {partner}",
        bond.policy, device.mtu
    )
}

fn port_text(port: &PortState) -> String {
    let lacp = if port.distributing() {
        "collecting and distributing"
    } else if port.active {
        "in use without LACP"
    } else {
        "not in use"
    };
    let aggregator = port
        .aggregator
        .map_or_else(String::new, |id| format!("aggregator {id}, "));
    let churned = if port.churned { ", churned" } else { "" };
    format!("{aggregator}{lacp}{churned}")
}

fn program_text(attachment: &Attachment) -> String {
    let mode = attachment.mode;
    let text = match (attachment.direction, mode) {
        (Direction::In, Mode::Native | Mode::Generic) => format!("XDP {mode}"),
        (direction, _) => format!("{direction} by {mode}"),
    };
    match &attachment.fallback_reason {
        Some(reason) => format!("{text} ({reason})"),
        None => text,
    }
}

/// A span of time as people say it: `23h59m`, `4m10s`, `7s`.
struct Span(Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds}s"),
            60..3600 => write!(f, "{}m{}s", seconds / 60, seconds % 60),
            3600.. => write!(f, "{}h{}m", seconds / 3600, seconds / 60 % 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::{Lease, Times};

    fn port(index: u32, name: &str, actor: u8) -> Device {
        let port = PortState {
            active: true,
            actor,
            aggregator: Some(1),
            ..PortState::default()
        };
        Device {
            index,
            name: name.into(),
            up: true,
            carrier: true,
            master: Some(9),
            port: Some(port),
            ..Device::default()
        }
    }

    fn lease() -> Lease {
        Lease {
            prefix: "10.0.1.10/24".parse().unwrap(),
            server: [10, 0, 1, 1].into(),
            since: Duration::from_secs(1000),
            times: Times::new(86400, None, None),
            routes: vec![],
            mtu: None,
            dns: vec![],
            ntp: vec![],
            hostname: None,
            domain: None,
            search: vec![],
        }
    }

    #[test]
    fn a_bonded_server_on_one_screen() {
        let bond = BondState {
            lacp: true,
            policy: "layer2+3".into(),
            aggregator: Some(1),
            ports: 2,
            partner: Some([10; 6]),
        };
        let devices = [
            port(2, "enp2s1", 0x3d),
            port(3, "enp2s2", 0x45),
            Device {
                index: 9,
                name: "bond0".into(),
                kind: Kind::Bond(bond),
                mtu: 1500,
                ..Device::default()
            },
            Device {
                index: 10,
                name: "bond0.1001".into(),
                kind: Kind::Vlan(1001),
                up: true,
                mtu: 1500,
                ..Device::default()
            },
        ];
        let report = Report {
            state: "BOUND",
            lease: Some(lease()),
            ..Report::default()
        };
        let status = Status {
            devices: &devices,
            leases: vec![("bond0.1001", report)],
            attachments: vec![],
            agent: None,
            now: Duration::from_secs(1012),
        };
        assert_eq!(
            status.to_string(),
            "bond0           802.3ad layer2+3, MTU 1500, 2 ports in aggregator 1, partner 0a:0a:0a:0a:0a:0a\n  \
               enp2s1        carrier, aggregator 1, collecting and distributing\n  \
               enp2s2        carrier, aggregator 1, in use without LACP\n\
             bond0.1001      vlan 1001, up, MTU 1500, 10.0.1.10/24 from 10.0.1.1, BOUND, 23h59m left, renewal in 11h59m\n\
             agent           not running\n"
        );
    }

    #[test]
    fn an_empty_machine_has_no_agent() {
        let status = Status {
            devices: &[],
            leases: vec![],
            attachments: vec![],
            agent: None,
            now: Duration::ZERO,
        };
        assert_eq!(status.to_string(), "agent           not running\n");
    }
}
