// SPDX-License-Identifier: Apache-2.0
//! More interfaces than there are member slots, one after the other.

mod netns;

use std::net::UdpSocket;

use hhnet::xdp::{
    Programs, Wanted,
    report::{Direction, Flow, Member},
};
use hhnet_ebpf::member::MAX_MEMBERS;
use netns::{in_netns, index, ip};

/// Datagrams of one IPv4 flow and one IPv6 flow on the loopback interface.
fn talk(datagrams: usize) {
    for (from, to) in [
        ("127.0.0.1:7001", "127.0.0.1:7002"),
        ("[::1]:7001", "[::1]:7002"),
    ] {
        let receiver = UdpSocket::bind(to).expect("port");
        let sender = UdpSocket::bind(from).expect("port");
        for _ in 0..datagrams {
            sender.send_to(&[0; 100], to).expect("send");
            receiver.recv(&mut [0; 100]).expect("receive");
        }
    }
}

/// So many interfaces, all of them down.
fn ports(number: u32) -> Vec<String> {
    let names: Vec<String> = (0..number).map(|n| format!("port{n}")).collect();
    for name in &names {
        ip(&format!("link add {name} type veth"));
    }
    names
}

fn attach(programs: &mut Programs, name: &str) -> Result<(), String> {
    let both = [
        programs.attach(name, index(name), Wanted::Generic),
        programs.attach_egress(name, index(name), Wanted::Tc),
    ];
    let attached = both.into_iter().collect::<Result<Vec<_>, _>>();
    attached.map(drop).map_err(|error| error.to_string())
}

fn of(programs: &Programs, name: &str) -> (Vec<Member>, Vec<Flow>) {
    let (mut members, mut flows) = (
        programs.members().expect("members"),
        programs.flows().expect("flows"),
    );
    members.retain(|member| member.name == name);
    flows.retain(|flow| flow.member == name);
    (members, flows)
}

/// The flows of each direction are all that was counted for the member.
fn adds_up(programs: &Programs, name: &str, datagrams: u64) {
    let (members, flows) = of(programs, name);
    assert_eq!(members.len(), 2, "{members:?}");
    for member in members {
        let its = flows.iter().filter(|f| f.direction == member.direction);
        let listed = its.clone().map(|flow| flow.packets).sum::<u64>();
        assert_eq!(listed, 2 * datagrams, "{member:?} {flows:?}");
        let bytes = its.map(|flow| flow.bytes).sum::<u64>();
        assert_eq!(bytes, member.ipv4.bytes + member.ipv6.bytes);
        assert_eq!(member.ipv4.packets, datagrams);
    }
}

#[test]
fn a_slot_goes_to_another_interface_without_what_was_counted_in_it() {
    in_netns(|| {
        ip("link set lo up");
        let ports = ports(MAX_MEMBERS);
        let mut programs = Programs::load().expect("load");
        attach(&mut programs, "lo").expect("the first slot");
        let (last, others) = ports.split_last().expect("many");
        for port in others {
            attach(&mut programs, port).expect("a slot");
        }
        talk(10);
        adds_up(&programs, "lo", 10);
        let refused = attach(&mut programs, last).unwrap_err();
        assert!(refused.contains("32 interfaces are counted"), "{refused}");

        programs.detach(index("lo")).expect("detach");
        adds_up(&programs, "lo", 10);
        attach(&mut programs, last).expect("the slot of lo");
        assert_eq!(of(&programs, "lo"), (Vec::new(), Vec::new()));
        let (members, flows) = of(&programs, last);
        assert_eq!((members.len(), flows.len()), (2, 0));
        assert!(members.iter().all(|m| m.ipv4.packets + m.lost_flows == 0));

        // And back: the same flows, in the same slot.
        programs.detach(index(last)).expect("detach");
        attach(&mut programs, "lo").expect("a slot");
        talk(7);
        adds_up(&programs, "lo", 7);
        let (members, _) = of(&programs, "lo");
        let directions: Vec<_> = members.iter().map(|m| m.direction).collect();
        assert_eq!(directions, [Direction::In, Direction::Out]);
    });
}

#[test]
fn the_slot_of_the_interface_that_was_left_first_is_taken_first() {
    in_netns(|| {
        let ports = ports(MAX_MEMBERS + 2);
        let mut programs = Programs::load().expect("load");
        let (newcomers, first) = ports.split_at(2);
        for port in first {
            attach(&mut programs, port).expect("a slot");
        }
        for left in [&first[5], &first[3], &first[9]] {
            programs.detach(index(left)).expect("detach");
        }
        for newcomer in newcomers {
            attach(&mut programs, newcomer).expect("a slot");
        }
        let members = programs.members().expect("members");
        let known = |name: &String| members.iter().any(|member| member.name == *name);
        let left = [&first[5], &first[3], &first[9]].map(known);
        assert_eq!(left, [false, false, true]);
        assert!(newcomers.iter().all(known));
    });
}
