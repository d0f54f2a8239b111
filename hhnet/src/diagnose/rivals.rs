// SPDX-License-Identifier: Apache-2.0
//! Others on this machine who configure the same interface.

use super::{Cause, Facts, Finding, Rank, Rival, Socket, list, one_or};
use crate::status::Interface;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let leased = facts.status.interfaces.iter();
    leased
        .filter(|interface| interface.dhcp.is_some())
        .filter_map(|interface| Some(of_interface(facts, interface)?.about(&[&interface.name])))
        .collect()
}

fn of_interface(facts: &Facts, interface: &Interface) -> Option<Finding> {
    let foreign = foreign_addresses(interface);
    let mut rivals = facts.rivals.iter();
    if let Some(rival) = rivals.find(|rival| rival.interface == interface.name) {
        return Some(another_client(interface, rival, &foreign));
    }
    if foreign.is_empty() {
        return None;
    }
    let name = &interface.name;
    let sentence = format!(
        "{name} has {}, which hhnet has not set: somebody else configures the interface",
        list(&foreign)
    );
    let commands: Vec<String> = foreign
        .iter()
        .map(|address| format!("ip addr del {address} dev {name}"))
        .collect();
    let next = format!("find out who, then {}", list(&commands));
    Some(Finding::new(
        Cause::ForeignAddress,
        Rank::Contended,
        sentence,
        next,
    ))
}

/// Addresses of an interface that are not of its lease.
fn foreign_addresses(interface: &Interface) -> Vec<&str> {
    let lease = interface
        .dhcp
        .as_ref()
        .and_then(|dhcp| dhcp.lease.as_ref())
        .map(|lease| lease.address.as_str());
    let all = interface.addresses.iter().map(String::as_str);
    all.filter(|address| Some(*address) != lease).collect()
}

fn another_client(interface: &Interface, rival: &Rival, foreign: &[&str]) -> Finding {
    let name = &interface.name;
    let who = match &rival.process {
        Some((process, pid)) => format!("{process} (process {pid})"),
        None => "a process that cannot be seen from here".into(),
    };
    let socket = match rival.socket {
        Socket::Packet => "a packet socket on it",
        Socket::Port68 => "UDP port 68",
    };
    let set = match foreign.len() {
        0 => String::new(),
        number => format!(
            ", and the {} {} not hhnet's",
            one_or(number, "address", "addresses"),
            list(foreign) + one_or(number, " is", " are")
        ),
    };
    let sentence = format!("another DHCP client is at work on {name}: {who} holds {socket}{set}");
    let next = match &rival.process {
        Some((process, pid)) => remedy(process, *pid, name),
        None => format!("find it (ss -0pn, ss -lunp) and stop it on {name}"),
    };
    Finding::new(Cause::AnotherClient, Rank::Contended, sentence, next)
}

/// How each client is told to let go of an interface.
fn remedy(process: &str, pid: u32, interface: &str) -> String {
    match process {
        "systemd-network" => format!(
            "let systemd-networkd leave {interface} alone: DHCP=no in the .network file that matches \
             it (networkctl status {interface}), then networkctl reload"
        ),
        "NetworkManager" => format!("nmcli device set {interface} managed no"),
        "dhcpcd" => format!("dhcpcd -k {interface}, and denyinterfaces {interface} in dhcpcd.conf"),
        _ => format!("stop it: kill {pid}, and whatever starts it for {interface}"),
    }
}
