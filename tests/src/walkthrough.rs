// SPDX-License-Identifier: Apache-2.0
//! The story of VLAB's documentation, from the first attachment to ping's `(DUP!)`, as
//! a user of the servers sees it. What is shown is checked.

use std::time::Duration;

use crate::harness::Pings;
use crate::stage::{Shown, Stage};
use crate::vlab::{Connection, Dhcp, Expose, Fabric, Nat, Vpc};

/// Builds the fabric and plays all chapters.
///
/// # Errors
/// The first command that did not show what it should, or a broken stage.
pub fn play(stage: &mut Stage) -> Result<(), String> {
    let fabric = Fabric::new();
    let played = story(stage, &fabric);
    if played.is_err() {
        fabric.give_up();
    }
    played
}

fn story(stage: &mut Stage, fabric: &Fabric) -> Result<(), String> {
    let vpc_1 = fabric.create("vpc-1", "10.0.1.0/24", 1001, Dhcp::Fabric);
    let vpc_2 = fabric.create("vpc-2", "10.0.2.0/24", 1002, Dhcp::Fabric);
    let two = Two {
        fabric,
        vpcs: [&vpc_1, &vpc_2],
    };
    two.attach(stage)?;
    two.peer(stage)?;
    overlap(stage, fabric)?;
    two.peer_by_gateway(stage)?;
    two.translate(stage)?;
    two.translate_sources(stage)?;
    two.duplicate(stage)?;
    two.leave(stage)
}

/// Two servers, each in a VPC of its own.
struct Two<'a> {
    fabric: &'a Fabric,
    vpcs: [&'a Vpc; 2],
}

impl Two<'_> {
    fn attach(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Two servers in two VPCs")?;
        for (vpc, number) in self.vpcs.iter().zip(1..) {
            let connection = Connection::of(number);
            self.fabric.attach(vpc, connection);
            stage.remark(&format!(
                "{}, with the subnet {} and DHCP, is attached to {}.",
                vpc.name,
                vpc.subnet,
                connection.name()
            ))?;
            let server = self.fabric.server(number);
            stage.run(server, "hhnet cleanup")?.good()?;
            let bond = format!("hhnet {}", connection.verb(vpc.vlan));
            let shown = stage.run(server, &bond)?.good()?;
            let expected = format!("10.0.{number}.10/24\n");
            let is_it = shown.text == expected;
            shown.check(is_it, &format!("it is not {expected:?}"))?;
            self.fabric.await_lacp(connection);
        }
        stage.remark("Nobody has connected the two: the gateway of each knows no way.")?;
        self.expect_no_way(stage)
    }

    /// Neither reaches the other, and each is told so by its gateway.
    fn expect_no_way(&self, stage: &mut Stage) -> Result<(), String> {
        for (number, to, gateway) in [(1, "10.0.2.10", "10.0.1.1"), (2, "10.0.1.10", "10.0.2.1")] {
            let said = format!("From {gateway} icmp_seq=1 Destination Net Unreachable");
            unanswered(self.ping(stage, number, to)?)?.says(&said)?;
        }
        Ok(())
    }

    fn ping(&self, stage: &mut Stage, number: u8, to: &str) -> Result<Shown, String> {
        stage.run(self.fabric.server(number), &format!("ping -c 3 {to}"))
    }

    fn peer(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Peering")?;
        let [one, other] = self.vpcs;
        let peering = self.fabric.peer(one, other);
        stage.remark("The two VPCs are peered: two routers are on the way, so the TTL is 62.")?;
        answered(self.ping(stage, 1, "10.0.2.10")?, 62)?;
        answered(self.ping(stage, 2, "10.0.1.10")?, 62)?;
        drop(peering);
        stage.remark("The peering is deleted.")?;
        self.expect_no_way(stage)?;
        stage.remark("hhnet check says in a sentence how far packets come.")?;
        let server = self.fabric.server(1);
        let check = stage.run(server, "hhnet check 10.0.1.1 10.0.2.10 --seconds=0")?;
        let failed = check.code == 1;
        let check = check.check(failed, "its exit status is not 1")?;
        let why = "10.0.2.10: none of 5 pings was answered: network unreachable, says 10.0.1.1.";
        check.says(why)?.says("Failed: 1 of 2 paths.").map(drop)
    }

    fn peer_by_gateway(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Peering by the gateway")?;
        let _peering = self.fabric.peer_by_gateway(self.expose([Nat::None; 2]));
        stage.remark("The gateway is one more router on the way.")?;
        answered(self.ping(stage, 1, "10.0.2.10")?, 61)?;
        answered(self.ping(stage, 2, "10.0.1.10")?, 61).map(drop)
    }

    fn translate(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Stateless NAT")?;
        let shown = "192.168.2.0/24".parse().expect("a subnet");
        let nat = [Nat::None, Nat::Stateless(shown)];
        let _peering = self.fabric.peer_by_gateway(self.expose(nat));
        stage.remark("vpc-2 is exposed as 192.168.2.0/24: its own addresses lead nowhere.")?;
        let said = "From 10.0.1.1 icmp_seq=1 Destination Net Unreachable";
        unanswered(self.ping(stage, 1, "10.0.2.10")?)?.says(said)?;
        answered(self.ping(stage, 1, "192.168.2.10")?, 61)?;
        stage.remark("The other way round each address is translated to its own one, too.")?;
        let many = "ping -c 10 -i 0.2 10.0.1.10";
        answered(stage.run(self.fabric.server(2), many)?, 61)?;
        let flows = "hhnet flows --by=packets --top=6";
        let flows = stage.run(self.fabric.server(1), flows)?.good()?;
        received_from(flows, &["192.168.2.10"]).map(drop)
    }

    fn translate_sources(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Stateful source NAT")?;
        let nat = Nat::Stateful {
            pool: "192.168.5.40/31".parse().expect("a subnet"),
            idle: Duration::from_secs(30),
        };
        let _peering = self.fabric.peer_by_gateway(self.expose([Nat::None, nat]));
        stage.remark(
            "All of vpc-2 is seen as 192.168.5.40 and .41, and only vpc-2 can begin. \
             What it has begun is forgotten after 30 s without a packet.",
        )?;
        let from_inside = "ping -c 10 -i 0.2 10.0.1.10";
        answered(stage.run(self.fabric.server(2), from_inside)?, 61)?;
        stage.remark("server-01 has heard from one of these two.")?;
        let server = self.fabric.server(1);
        let flows = stage.run(server, "hhnet flows --by=packets --top=6")?;
        received_from(flows.good()?, &["192.168.5.40", "192.168.5.41"])?;
        stage.remark("The other way round nobody answers, not even the gateway.")?;
        for pool in ["192.168.5.40", "192.168.5.41"] {
            let shown = stage.run(server, &format!("ping -c 3 -i 0.2 -W 1 {pool}"))?;
            unanswered(shown)?;
        }
        stage.remark("And server-02 has no other address for server-01.")?;
        let said = "From 10.0.1.1 icmp_seq=1 Destination Net Unreachable";
        unanswered(self.ping(stage, 1, "10.0.2.10")?)?
            .says(said)
            .map(drop)
    }

    fn duplicate(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("ping says (DUP!)")?;
        self.fabric.forward_by_both(self.vpcs[0], Connection::of(1));
        stage.remark(
            "Both leaves forward what should come by one of them. ping sees copies, but not whence.",
        )?;
        let shown = self.ping(stage, 1, "10.0.1.1")?.good()?;
        let pings = Pings::parse(&shown.text).ok_or("no summary of ping")?;
        let shown = shown.check(pings.duplicates > 0, "no (DUP!)")?;
        shown.check(pings.all_answered(0), "not all answered")?;
        stage.remark("hhnet saw each copy on the member it came by.")?;
        let dups = stage.run(self.fabric.server(1), "hhnet dups")?.good()?;
        let is_it = |line: &str| {
            line.contains("echo replies from 10.0.1.1 arrived twice")
                && line.contains("once on enp2s1 and once on enp2s2")
        };
        let is_told = dups.text.lines().any(is_it);
        dups.check(is_told, "not which member each copy came by")
            .map(drop)
    }

    fn leave(&self, stage: &mut Stage) -> Result<(), String> {
        stage.chapter("Nothing is left")?;
        for number in [1, 2, 3] {
            stage
                .run(self.fabric.server(number), "hhnet cleanup")?
                .good()?;
        }
        let links = self.fabric.server(1).links();
        let clean = links == ["enp2s1", "enp2s2", "lo"];
        clean
            .then_some(())
            .ok_or(format!("there still is one of {links:?}"))
    }

    fn expose(&self, nat: [Nat; 2]) -> [Expose<'_>; 2] {
        [0, 1].map(|side| Expose {
            vpc: self.vpcs[side],
            nat: nat[side],
        })
    }
}

/// A third VPC has the subnet of the first one.
fn overlap(stage: &mut Stage, fabric: &Fabric) -> Result<(), String> {
    stage.chapter("Overlapping subnets")?;
    let (vpc, connection) = (
        fabric.create("vpc-3", "10.0.1.0/24", 2001, Dhcp::Fabric),
        Connection::of(3),
    );
    fabric.attach(&vpc, connection);
    stage.remark(&format!(
        "vpc-3 is in another IPv4 namespace, has the subnet of vpc-1, and is attached to {}.",
        connection.name()
    ))?;
    let server = fabric.server(3);
    let verb = format!("hhnet {}", connection.verb(vpc.vlan));
    stage.run(server, &verb)?.good()?.says("10.0.1.10/24")?;
    stage.remark("Two servers with one address, and each has a gateway that answers.")?;
    for number in [1, 3] {
        let server = fabric.server(number);
        let shown = stage.run(server, "ping -c 3 -i 0.2 10.0.1.1")?;
        answered(shown, 64)?;
    }
    let routers = [1, 3].map(|number| {
        let known = fabric.server(number).ip_json("neigh show 10.0.1.1");
        let address = known.first().and_then(|router| router["lladdr"].as_str());
        address.map(str::to_owned)
    });
    if routers.contains(&None) || routers[0] == routers[1] {
        return Err(format!("not two gateways: {routers:?}"));
    }
    stage.run(server, "hhnet cleanup")?.good().map(drop)
}

/// A flow came in from one of these addresses.
fn received_from(flows: Shown, sources: &[&str]) -> Result<Shown, String> {
    let is_it = |line: &str| {
        let mut words = line.split_whitespace();
        let is_in = words.any(|word| word == "in");
        // The source follows the direction.
        is_in && words.any(|word| sources.contains(&word))
    };
    let is_there = flows.text.lines().any(is_it);
    flows.check(is_there, &format!("nothing came in from {sources:?}"))
}

/// All were answered once, from so many hops away.
fn answered(shown: Shown, ttl: u8) -> Result<Shown, String> {
    let pings = Pings::parse(&shown.text).ok_or("no summary of ping")?;
    let code = shown.code;
    let near = pings.ttls.iter().all(|&seen| seen == ttl);
    let good = pings.all_answered(code) && near && pings.duplicates == 0;
    shown.check(
        good,
        &format!("not all answered with a TTL of {ttl}: {pings:?}"),
    )
}

/// None was answered.
fn unanswered(shown: Shown) -> Result<Shown, String> {
    let pings = Pings::parse(&shown.text).ok_or("no summary of ping")?;
    let code = shown.code;
    shown.check(
        pings.none_answered(code),
        &format!("something answered: {pings:?}"),
    )
}
