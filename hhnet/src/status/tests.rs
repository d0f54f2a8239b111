// SPDX-License-Identifier: Apache-2.0
//! A bonded server from its facts to its text and its JSON.

use std::time::Duration;

use super::*;
use crate::{
    dhcp::{
        client::{Counters, Milestones},
        lease::{self, Times},
    },
    link::{Address, BondState, Device, Kind, Nic, PortState, Route, RouteTo},
    session::Report,
    xdp::{dups::DupReport, report::Counted},
};

/// What must not change under the same schema: see [`SCHEMA`].
const SNAPSHOT: &str = include_str!("schema-1.json");

fn member(index: u32, name: &str, actor: u8, partner: u8) -> Device {
    let port = PortState {
        active: true,
        actor,
        partner,
        aggregator: Some(1),
        ..PortState::default()
    };
    Device {
        index,
        name: name.into(),
        ethernet: true,
        up: true,
        carrier: true,
        mtu: 1500,
        master: Some(9),
        port: Some(port),
        ..Device::default()
    }
}

fn devices() -> Vec<Device> {
    let bond = BondState {
        lacp: true,
        policy: "layer2+3".into(),
        aggregator: Some(1),
        ports: 1,
        partner: Some([10; 6]),
    };
    vec![
        member(2, "enp2s1", 0x3d, 0x3d),
        member(3, "enp2s2", 0x45, 0),
        Device {
            index: 9,
            name: "bond0".into(),
            kind: Kind::Bond(bond),
            mtu: 1500,
            up: true,
            carrier: true,
            mac: Some([12; 6]),
            ..Device::default()
        },
        Device {
            index: 10,
            name: "bond0.1001".into(),
            kind: Kind::Vlan(1001),
            lower: Some(9),
            up: true,
            carrier: true,
            mtu: 1500,
            ..Device::default()
        },
    ]
}

fn lease() -> lease::Lease {
    lease::Lease {
        prefix: "10.0.1.10/24".parse().unwrap(),
        server: [10, 0, 1, 1].into(),
        relay: Some([172, 30, 0, 9].into()),
        since: Duration::from_secs(1000),
        times: Times::new(86400, None, None),
        routes: vec![Route {
            to: "0.0.0.0/0".parse().unwrap(),
            via: RouteTo::Gateway([10, 0, 1, 1].into()),
        }],
        mtu: None,
        dns: vec![[1, 1, 1, 1].into(), [1, 0, 0, 1].into()],
        ntp: vec![],
        hostname: None,
        domain: None,
        search: vec!["example.com".into()],
    }
}

fn counted(bytes: u64) -> Member {
    Member {
        name: "enp2s1".into(),
        bond: Some("bond0".into()),
        mode: Some(Mode::Native),
        ipv4: Counted { packets: 3, bytes },
        ..Member::default()
    }
}

/// A server with a lease, and one of two members that nobody answers.
fn status(report: Report) -> Status {
    let mut duplicates = DupReport::default();
    duplicates.total.received = 12;
    duplicates.total.compared = 10;
    duplicates.total.strong_same_member = 2;
    let facts = Facts {
        devices: &devices(),
        addresses: &[Address {
            index: 10,
            address: [10, 0, 1, 10].into(),
            len: 24,
            global: true,
        }],
        nics: [(
            2,
            Nic {
                speed: Some(10_000),
                partner: Some([10; 6]),
            },
        )]
        .into(),
        sessions: vec![("bond0.1001", Duration::from_secs(998), report)],
        complaints: &[("enp2s2".into(), "no programs today".into())],
        members: vec![counted(306)],
        duplicates: Some(duplicates),
        agent: Some((181, Duration::from_secs(1008))),
        now: Duration::from_secs(1012),
        ..Facts::default()
    };
    let mut status = facts.status();
    // Not of the build that runs the test.
    status.agent.as_mut().unwrap().build = "0.1.0".into();
    status
}

fn bound() -> Report {
    Report {
        state: "BOUND",
        lease: Some(lease()),
        remarks: vec!["warning: nobody wants to know the name servers".into()],
        counters: Counters {
            discovers: 1,
            offers: 1,
            requests: 1,
            acks: 1,
            ..Counters::default()
        },
        milestones: Milestones {
            began: Some(Duration::from_secs(998)),
            link: Some(Duration::from_secs(998)),
            path: Some(Duration::from_millis(999_500)),
            offer: Some(Duration::from_secs(1000)),
            ack: Some(Duration::from_micros(1_000_000_700)),
            in_force: Some(Duration::from_millis(1_000_001)),
        },
    }
}

#[test]
fn a_bonded_server_on_one_screen() {
    assert_eq!(
        status(bound()).text(Paint::Plain),
        "\
bond0           802.3ad layer2+3, MTU 1500, 1 of 2 ports in aggregator 1, partner 0a:0a:0a:0a:0a:0a
  enp2s1        carrier, 10 Gbit/s, aggregator 1, collecting and distributing, partner too
                100.0% of bond0's bytes in
  enp2s2        carrier, aggregator 1, in use without LACP, no LACPDU heard
                no programs today
bond0.1001      vlan 1001, up, MTU 1500, 10.0.1.10/24 from 10.0.1.1, BOUND, 23h59m left, renewal in 11h59m
                default via 10.0.1.1, DNS 1.1.1.1 1.0.0.1, domain example.com
                warning: nobody wants to know the name servers
duplicates      2 of 10 frames (20.0%): hhnet dups says why
agent           pid 181, up 4s, 0.1.0
"
    );
}

#[test]
fn an_interface_that_waits_says_for_how_long() {
    let report = Report {
        state: "SELECTING",
        counters: Counters {
            discovers: 7,
            ..Counters::default()
        },
        ..Report::default()
    };
    let mut status = status(report);
    status.interfaces[0].addresses.clear();
    let text = status.text(Paint::Plain);
    assert!(
        text.contains(
            "MTU 1500, SELECTING, no address for 14s, 7 DISCOVERs sent, 0 OFFERs received\n"
        ),
        "{text}"
    );
}

#[test]
fn what_others_have_set_and_what_is_down_are_shown() {
    let mut status = status(bound());
    status.interfaces[0].addresses.push("10.9.9.9/24".into());
    status.interfaces[0].carrier = false;
    status.bonds[0].members[1].up = false;
    status.bonds[0].partner = None;
    let text = status.text(Paint::Plain);
    for words in [
        "  enp2s2        down\n",
        "aggregator 1, no partner\n",
        "vlan 1001, no carrier, MTU 1500, 10.9.9.9/24, 10.0.1.10/24 from 10.0.1.1, BOUND",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn an_agent_that_has_gone_on_says_that_it_counts_anew() {
    let mut status = status(bound());
    let said = |status: &Status| {
        let text = status.text(Paint::Plain);
        text.lines().last().expect("a line").trim().to_owned()
    };
    for (leases, words) in [(1, "with a lease of"), (2, "with 2 leases of")] {
        status.agent.as_mut().unwrap().adopted = leases;
        let last = said(&status);
        assert!(last.contains(words), "{last}");
        assert!(last.ends_with("counts from its own beginning"), "{last}");
    }
}

#[test]
fn colours_change_no_word() {
    let status = status(bound());
    let coloured = status.text(Paint::Coloured);
    assert!(coloured.contains("\x1b[32mBOUND\x1b[0m"), "{coloured}");
    let mut plain = String::new();
    for piece in coloured.split('\x1b') {
        plain +=
            piece.split_once('m').map_or(
                piece,
                |(code, rest)| {
                    if code.starts_with('[') { rest } else { piece }
                },
            );
    }
    assert_eq!(plain, status.text(Paint::Plain));
}

#[test]
fn an_empty_machine_has_no_agent() {
    let status = Facts::default().status();
    assert_eq!(status.text(Paint::Plain), "agent           not running\n");
    assert_eq!(status.schema, SCHEMA);
}

/// Scripts read it. If this fails because a field was added, add it to the file; if one
/// was renamed or means something else, raise [`SCHEMA`].
#[test]
fn the_json_is_as_it_was() {
    let status = status(bound());
    let json = serde_json::to_string_pretty(&status).unwrap();
    assert_eq!(json.trim(), SNAPSHOT.trim(), "now it is\n{json}");
    let back: Status = serde_json::from_str(&json).unwrap();
    assert_eq!(back, status);
}

#[test]
fn the_json_of_an_older_agent_can_be_read() {
    let old: Status =
        serde_json::from_str(r#"{"schema": 1, "bonds": [{"name": "bond0"}]}"#).unwrap();
    assert_eq!(old.bond("bond0").map(|bond| bond.members.len()), Some(0));
}
