// SPDX-License-Identifier: Apache-2.0
//! A peering by way of the gateway, which may translate addresses.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::node::Node;
use super::peering::Link;
use super::vpc::Vpc;
use crate::process;
use crate::wait::PATIENCE;

/// What a side shows of itself to the other one.
#[derive(Clone, Copy, Debug)]
pub struct Expose<'a> {
    /// The side, all of its subnet.
    pub vpc: &'a Vpc,
    /// As what.
    pub nat: Nat,
}

/// How addresses are translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// Not at all.
    None,
    /// Each address to one of this subnet, which is as large, and back, whoever begins.
    Stateless(Ipv4Net),
    /// All to a few addresses. Only this side begins; what it has begun is forgotten
    /// after `idle` without a packet.
    Stateful {
        /// The few addresses.
        pool: Ipv4Net,
        /// In whole seconds.
        idle: Duration,
    },
}

impl Expose<'_> {
    /// What the other side sends its packets to.
    fn visible(&self) -> Ipv4Net {
        match self.nat {
            Nat::None => self.vpc.subnet,
            Nat::Stateless(subnet) | Nat::Stateful { pool: subnet, .. } => subnet,
        }
    }

    fn idle(&self) -> Option<Duration> {
        match self.nat {
            Nat::Stateful { idle, .. } => Some(idle),
            Nat::None | Nat::Stateless(_) => None,
        }
    }
}

/// A peering, until dropped.
#[derive(Debug)]
pub struct GatewayPeering<'a> {
    /// What each side shows.
    pub expose: [Expose<'a>; 2],
    /// The gateway's tables for this peering: two sides may have the same subnet.
    _gateway: Node,
    /// Routes to it go with them.
    _links: [Link<'a>; 2],
}

impl<'a> GatewayPeering<'a> {
    pub(super) fn new(expose: [Expose<'a>; 2], numbers: [u8; 2]) -> Self {
        let gateway = Node::new("gateway");
        let machine = gateway.namespace();
        machine.sysctl("net/ipv4/ip_forward", "1");
        let links = [0, 1].map(|side| {
            let (own, other) = (expose[side], expose[1 - side]);
            let link = Link::lay(own.vpc.node(), &gateway, numbers[side]);
            link.route(own.vpc.node(), other.visible(), link.ends[1]);
            link.route(&gateway, own.vpc.subnet, link.ends[0]);
            if let Nat::Stateful { pool, .. } = own.nat {
                // Silence for what nobody has asked for.
                gateway.add_blackhole(pool);
            }
            link
        });
        let sides = [0, 1].map(|side| Side {
            interface: &links[side].name,
            subnet: expose[side].vpc.subnet,
            nat: expose[side].nat,
        });
        let mut nft = machine.command("nft");
        nft.args(["-f", "-"]);
        process::run_with_stdin(&mut nft, &ruleset(&sides), PATIENCE).success("nft -f -");
        for idle in expose.iter().filter_map(Expose::idle) {
            for kind in [
                "icmp_timeout",
                "udp_timeout",
                "udp_timeout_stream",
                "tcp_timeout_established",
            ] {
                let key = format!("net/netfilter/nf_conntrack_{kind}");
                machine.sysctl(&key, &idle.as_secs().to_string());
            }
        }
        Self {
            expose,
            _gateway: gateway,
            _links: links,
        }
    }
}

/// A side as the gateway sees it.
struct Side<'a> {
    interface: &'a str,
    subnet: Ipv4Net,
    nat: Nat,
}

/// What nft makes of it.
fn ruleset(sides: &[Side; 2]) -> String {
    let [one, other] = sides;
    let mut rules = [String::new(), String::new(), String::new(), String::new()];
    let [inward, outward, source, forward] = &mut rules;
    for (own, peer) in [(one, other), (other, one)] {
        let (to_own, to_peer, subnet) = (own.interface, peer.interface, own.subnet);
        // Writing to a string does not fail.
        let _ = match own.nat {
            Nat::None => Ok(()),
            Nat::Stateless(shown) => {
                let (there, back) = (rebase(subnet), rebase(shown));
                writeln!(
                    inward,
                    "iifname {to_peer} ip daddr {shown} ip daddr set ip daddr {there}"
                )
                .and_then(|()| {
                    writeln!(
                        outward,
                        "oifname {to_peer} ip saddr {subnet} ip saddr set ip saddr {back}"
                    )
                })
            }
            Nat::Stateful { pool, .. } => {
                let (first, last) = (pool.network(), pool.broadcast());
                writeln!(
                    source,
                    "oifname {to_peer} ip saddr {subnet} snat to {first}-{last}"
                )
            }
        };
        // What begins from a side that the other one's state does not forbid.
        if !matches!(peer.nat, Nat::Stateful { .. }) {
            let _ = writeln!(
                forward,
                "iifname {to_own} oifname {to_peer} ip saddr {subnet} accept"
            );
        }
    }
    format!(
        "table ip peering {{
chain inward {{ type filter hook prerouting priority raw
{inward}}}
chain outward {{ type filter hook postrouting priority 300
{outward}}}
chain source {{ type nat hook postrouting priority srcnat
{source}}}
chain forward {{ type filter hook forward priority filter; policy drop
ct state established,related accept
{forward}}}
}}\n"
    )
}

/// Keeps an address's place in its subnet, and puts it into this one.
fn rebase(subnet: Ipv4Net) -> String {
    let host = Ipv4Addr::from(!u32::from(subnet.netmask()));
    format!("and {host} or {}", subnet.network())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(nat: [Nat; 2]) -> String {
        let subnets = ["10.0.1.0/24", "10.0.2.0/24"].map(|text| text.parse().expect("a subnet"));
        ruleset(&[
            Side {
                interface: "a",
                subnet: subnets[0],
                nat: nat[0],
            },
            Side {
                interface: "b",
                subnet: subnets[1],
                nat: nat[1],
            },
        ])
    }

    fn net(text: &str) -> Ipv4Net {
        text.parse().expect("a subnet")
    }

    #[track_caller]
    fn expect(rules: &str, lines: &[&str]) {
        for line in lines {
            assert!(
                rules.lines().any(|found| found == *line),
                "no {line:?} in\n{rules}"
            );
        }
    }

    #[test]
    fn without_translation_either_side_begins() {
        let rules = rules([Nat::None, Nat::None]);
        expect(
            &rules,
            &[
                "iifname a oifname b ip saddr 10.0.1.0/24 accept",
                "iifname b oifname a ip saddr 10.0.2.0/24 accept",
            ],
        );
        assert!(
            !rules.contains("snat") && !rules.contains(" set "),
            "{rules}"
        );
    }

    #[test]
    fn a_stateless_side_is_seen_at_the_same_place_of_another_subnet() {
        expect(
            &rules([Nat::None, Nat::Stateless(net("192.168.2.0/24"))]),
            &[
                "iifname a ip daddr 192.168.2.0/24 ip daddr set ip daddr and 0.0.0.255 or 10.0.2.0",
                "oifname a ip saddr 10.0.2.0/24 ip saddr set ip saddr and 0.0.0.255 or 192.168.2.0",
            ],
        );
    }

    #[test]
    fn only_the_stateful_side_begins() {
        let pool = net("192.168.5.40/31");
        let idle = Duration::from_secs(2);
        let rules = rules([Nat::None, Nat::Stateful { pool, idle }]);
        expect(
            &rules,
            &[
                "oifname a ip saddr 10.0.2.0/24 snat to 192.168.5.40-192.168.5.41",
                "iifname b oifname a ip saddr 10.0.2.0/24 accept",
            ],
        );
        assert!(!rules.contains("iifname a oifname b"), "{rules}");
    }
}
