// SPDX-License-Identifier: Apache-2.0
//! What the agent's programs have counted of the answers to our pings.

use std::net::{IpAddr, Ipv4Addr};

use super::Copies;
use crate::xdp::{
    dups::{DupReport, FlowDups},
    report::Transport,
};

/// Of echo replies from `host` to the requests of this identifier; none if no copy was
/// counted, as where they come in no program runs.
pub(super) fn copies(report: &DupReport, host: Ipv4Addr, id: u16) -> Option<Copies> {
    let replies = Transport::Icmp {
        icmp_type: 0,
        icmp_code: 0,
        icmp_id: id,
    };
    let is_ours = |flow: &&FlowDups| {
        flow.protocol == 1 && flow.source == IpAddr::V4(host) && flow.transport == replies
    };
    let flow = report.flows.iter().find(is_ours)?;
    Some(Copies {
        members: flow.members.clone(),
        same_member: flow.duplicates.same_member,
        other_member: flow.duplicates.other_member,
        answered_again: flow.duplicates.answered_again,
        explanation: flow.explanation.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::report::Duplicates;

    const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 10);

    fn flow(icmp_type: u8, icmp_id: u16, source: Ipv4Addr) -> FlowDups {
        FlowDups {
            vlan: Some(1001),
            protocol: 1,
            source: source.into(),
            destination: Ipv4Addr::new(10, 0, 1, 10).into(),
            transport: Transport::Icmp {
                icmp_type,
                icmp_code: 0,
                icmp_id,
            },
            packets: 7,
            duplicates: Duplicates {
                other_member: 2,
                ..Duplicates::default()
            },
            members: vec!["enp2s1".into(), "enp2s2".into()],
            explanation: "2 of 5".into(),
        }
    }

    #[test]
    fn only_answers_of_that_host_to_those_pings() {
        let report = DupReport {
            flows: vec![
                flow(8, 7, HOST),
                flow(0, 8, HOST),
                flow(0, 7, Ipv4Addr::LOCALHOST),
                flow(0, 7, HOST),
            ],
            ..DupReport::default()
        };
        let found = copies(&report, HOST, 7).expect("counted");
        assert_eq!((found.same_member, found.other_member), (0, 2));
        assert_eq!(found.members, ["enp2s1", "enp2s2"]);
        assert_eq!(copies(&report, HOST, 9), None);
    }
}
