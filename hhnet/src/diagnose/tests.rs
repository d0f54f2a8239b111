// SPDX-License-Identifier: Apache-2.0
//! Each cause from a situation of the lab: the facts that `hhnet diagnose --json` has
//! printed there, under `situations/`.

use super::*;
use crate::status::Step;

/// The facts of a situation.
macro_rules! situation {
    ($name:literal) => {
        serde_json::from_str::<Facts>(include_str!(concat!("situations/", $name, ".json")))
            .expect("facts")
    };
}

/// The most likely cause is `cause`, and its sentence this one.
#[track_caller]
fn expect_first(facts: &Facts, cause: Cause, sentence: &str) {
    let found = findings(facts);
    let first = found.first().expect("a finding");
    assert_eq!((first.cause, first.sentence.as_str()), (cause, sentence));
    assert!(!first.next_step.is_empty() && !first.next_step.ends_with('.'));
}

fn causes(facts: &Facts) -> Vec<Cause> {
    findings(facts)
        .iter()
        .map(|finding| finding.cause)
        .collect()
}

#[test]
fn no_member_has_a_carrier() {
    let facts = situation!("no_carrier");
    expect_first(
        &facts,
        Cause::NoCarrier,
        "enp2s1 and enp2s2 have no carrier: the cables or the switch ports are down",
    );
    assert_eq!(causes(&facts), [Cause::NoCarrier], "nothing was sent");
}

#[test]
fn a_member_is_down_and_nobody_answers() {
    let mut facts = situation!("member_down");
    facts.status.interfaces[0].dhcp.as_mut().unwrap().discovers = 5;
    expect_first(
        &facts,
        Cause::NoCarrier,
        "enp2s2 has no carrier: the cable or the switch port is down",
    );
    assert_eq!(causes(&facts), [Cause::NoCarrier, Cause::NoOffer]);
    // A server that answers has come by the other one.
    facts.status.interfaces[0].dhcp.as_mut().unwrap().empty = 5;
    assert_eq!(causes(&facts), [Cause::EmptyOffers, Cause::NoCarrier]);
}

#[test]
fn a_member_of_a_working_bond_is_down() {
    let facts = situation!("member_lost");
    expect_first(
        &facts,
        Cause::NoCarrier,
        "enp2s2 has no carrier: the cable or the switch port is down",
    );
    assert_eq!(causes(&facts), [Cause::NoCarrier]);
}

#[test]
fn somebody_has_set_a_member_down() {
    let mut facts = situation!("member_lost");
    facts.status.bonds[0].members[1].up = false;
    expect_first(
        &facts,
        Cause::InterfaceDown,
        "enp2s2 is set down: somebody on this machine has switched it off",
    );
    facts.status.interfaces[0].up = false;
    expect_first(
        &facts,
        Cause::InterfaceDown,
        "bond0.1001 is set down: somebody on this machine has switched it off",
    );
}

#[test]
fn the_switch_does_not_speak_lacp() {
    let mut facts = situation!("no_lacp");
    facts.status.interfaces[0].dhcp.as_mut().unwrap().age_ms = 8300;
    expect_first(
        &facts,
        Cause::NoLacp,
        "no LACPDU has come from the switch on enp2s1 and enp2s2 in 8s, although their links are \
         up: the switch ports are in no port-channel, or LACP is off there",
    );
    // It has come to speak, and stopped.
    for member in &mut facts.status.bonds[0].members {
        member.received.as_mut().unwrap().lacp.packets = 3;
    }
    let first = &findings(&facts)[0].sentence;
    assert!(
        first.starts_with("no LACPDU comes any more (6 LACPDUs before) from the switch on enp2s1"),
        "{first}"
    );
    // Too early to tell.
    facts.status.interfaces[0].dhcp.as_mut().unwrap().age_ms = 2000;
    assert!(!causes(&facts).contains(&Cause::NoLacp));
}

#[test]
fn one_port_of_the_switch_does_not_speak_lacp() {
    let mut facts = situation!("member_without_lacp");
    facts.status.interfaces[0].dhcp.as_mut().unwrap().age_ms = 8300;
    expect_first(
        &facts,
        Cause::NoLacp,
        "no LACPDU has come from the switch on enp2s2 in 8s, while enp2s1 has a partner: the \
         switch port is in no port-channel, or LACP is off there",
    );
}

#[test]
fn the_switches_are_no_pair() {
    let mut facts = situation!("different_partners");
    expect_first(
        &facts,
        Cause::DifferentPartners,
        "the members have different LACP partners: enp2s1 has partner 0a:0a:0a:0a:0a:0a and enp2s2 \
         has partner 0e:0e:0e:0e:0e:0e: they are cabled to switches that are not one MLAG or ESLAG \
         pair",
    );
    let lacp = facts.status.bonds[0].members[1].lacp.as_mut().unwrap();
    lacp.partner_mac = Some("0a:0a:0a:0a:0a:0a".into());
    let early = causes(&facts);
    assert!(!early.contains(&Cause::DifferentAggregators), "{early:?}");
    facts.status.interfaces[0].dhcp.as_mut().unwrap().age_ms = 12_000;
    expect_first(
        &facts,
        Cause::DifferentAggregators,
        "the members have one LACP partner but do not aggregate: enp2s1 has aggregator 1 and \
         enp2s2 has aggregator 2: the switch has them in different port-channels",
    );
    let lacp = facts.status.bonds[0].members[1].lacp.as_mut().unwrap();
    lacp.aggregator = Some(1);
    expect_first(
        &facts,
        Cause::LacpNotAgreed,
        "LACP has not come together on enp2s2: this end is not in sync, its partner in sync, not \
         collecting",
    );
}

#[test]
fn nobody_answers() {
    let facts = situation!("no_offer");
    let dhcp = facts.status.interfaces[0].dhcp.as_ref().unwrap();
    assert_eq!((dhcp.discovers, dhcp.age_ms / 1000), (2, 0));
    expect_first(
        &facts,
        Cause::NoOffer,
        "no DHCP server has answered 2 DISCOVERs on enp2s1 in 0s, although the link is up",
    );
    let facts = situation!("silent_relay");
    let first = &findings(&facts)[0];
    assert_eq!(first.cause, Cause::NoOffer);
    assert!(first.next_step.contains("carries VLAN 1001"), "{first:?}");
}

#[test]
fn the_pool_is_exhausted() {
    let facts = situation!("empty_offers");
    expect_first(
        &facts,
        Cause::EmptyOffers,
        "1 OFFER without an address came on enp2s1.1001 to 1 DISCOVER: the DHCP pool of VLAN 1001 \
         is exhausted, or the fabric's server does not know the subnet",
    );
}

#[test]
fn a_server_offers_and_gives_nothing() {
    let mut facts = situation!("no_ack");
    let dhcp = facts.status.interfaces[0].dhcp.as_mut().unwrap();
    (dhcp.offers, dhcp.requests) = (2, 5);
    expect_first(
        &facts,
        Cause::NoAck,
        "2 OFFERs came on enp2s1, but no ACK to 5 REQUESTs: the DHCP server offers an address and \
         then does not give it",
    );
    // Sent a moment ago.
    let dhcp = facts.status.interfaces[0].dhcp.as_mut().unwrap();
    (dhcp.age_ms, dhcp.requests) = (10, 1);
    assert!(findings(&facts).is_empty());
    // The offer took long to come, and came a moment ago.
    let dhcp = facts.status.interfaces[0].dhcp.as_mut().unwrap();
    dhcp.age_ms = 5900;
    dhcp.steps = vec![Step {
        step: "offer".into(),
        ms: 5100.0,
    }];
    assert!(findings(&facts).is_empty());
    let dhcp = facts.status.interfaces[0].dhcp.as_mut().unwrap();
    dhcp.age_ms = 6200;
    assert_eq!(findings(&facts)[0].cause, Cause::NoAck);
}

#[test]
fn a_server_refuses() {
    let facts = situation!("nak");
    expect_first(
        &facts,
        Cause::Nak,
        "the DHCP server has refused enp2s1 an address: 1 NAK to 1 REQUEST",
    );
}

#[test]
fn another_machine_has_the_address() {
    let facts = situation!("address_conflict");
    expect_first(
        &facts,
        Cause::AddressConflict,
        "another machine uses the address that was leased for enp2s1: ARP has shown it once",
    );
}

#[test]
fn the_port_is_in_another_vlan() {
    let mut facts = situation!("wrong_vlan");
    facts.heard[0].packets = 12;
    expect_first(
        &facts,
        Cause::WrongVlan,
        "12 packets of VLAN 1002 came in on enp2s1, and none of VLAN 1001, where enp2s1.1001 \
         waits: the switch port seems to carry another VLAN",
    );
    let wrong = |facts: &Facts| causes(facts).contains(&Cause::WrongVlan);
    assert!(wrong(&facts));
    // By chance.
    let mut few = facts.clone();
    few.heard[0].packets = 2;
    assert!(!wrong(&few));
    // From before the command.
    let mut earlier = facts.clone();
    earlier.heard[0].idle_ms = u64::MAX;
    assert!(!wrong(&earlier));
    // A trunk, of which hhnet uses the other VLAN as well.
    let mut trunk = facts.clone();
    trunk.status.interfaces.push(Interface {
        vlan: Some(1002),
        lower: Some("enp2s1".into()),
        ..Interface::default()
    });
    assert!(!wrong(&trunk));
    // Ours is there, too.
    let mut both = facts.clone();
    both.heard.push(Heard {
        vlan: Some(1001),
        ..both.heard[0].clone()
    });
    assert!(!wrong(&both));
}

#[test]
fn another_client_is_on_the_interface() {
    let mut facts = situation!("another_client");
    let pid = facts.rivals[0].process.as_ref().unwrap().1;
    let sentence = |who: &str| format!("another DHCP client is at work on enp2s1: {who}");
    expect_first(
        &facts,
        Cause::AnotherClient,
        &sentence(&format!(
            "busybox (process {pid}) holds a packet socket on it"
        )),
    );
    facts.rivals[0].process = None;
    facts.rivals[0].socket = Socket::Port68;
    facts.status.interfaces[0].addresses = vec!["10.0.1.77/24".into()];
    expect_first(
        &facts,
        Cause::AnotherClient,
        &sentence(
            "a process that cannot be seen from here holds UDP port 68, and the address \
             10.0.1.77/24 is not hhnet's",
        ),
    );
}

#[test]
fn somebody_has_added_an_address() {
    let facts = situation!("foreign_address");
    expect_first(
        &facts,
        Cause::ForeignAddress,
        "enp2s1 has 10.9.9.9/24, which hhnet has not set: somebody else configures the interface",
    );
}

#[test]
fn a_lease_is_not_renewed_and_lost() {
    let facts = situation!("renewal_unanswered");
    expect_first(
        &facts,
        Cause::RenewalUnanswered,
        "the lease of 10.0.1.10/24 on enp2s1 has not been renewed for 3s: 10.0.1.1 does not \
         answer, and in 2s the address goes",
    );
    // The first renewal has just been sent.
    let mut facts = facts;
    let dhcp = facts.status.interfaces[0].dhcp.as_mut().unwrap();
    dhcp.lease.as_mut().unwrap().remaining_ms = Some(3600);
    assert!(findings(&facts).is_empty());
    let facts = situation!("lease_lost");
    assert_eq!(causes(&facts), [Cause::LeaseLost]);
}

#[test]
fn large_packets_are_lost() {
    let mut facts = situation!("mtu_black_hole");
    expect_first(
        &facts,
        Cause::MtuBlackHole,
        "10.0.1.1 answers small pings on enp2s1.1001 but none of 9000 bytes, the interface's MTU: \
         something on the way drops large packets",
    );
    facts.pings[0].small_answered = 0;
    let found = findings(&facts);
    let first = (found[0].cause, found[0].severity);
    assert_eq!(first, (Cause::GatewaySilent, Severity::Warning));
    facts.pings[0].small_answered = 1;
    facts.pings[0].large_answered = 1;
    assert!(findings(&facts).is_empty());
}

#[test]
fn frames_come_twice() {
    let mut facts = situation!("member_lost");
    let all = facts.status.duplicates.as_mut().unwrap();
    (all.compared, all.replicated) = (1000, 20);
    all.duplication_fraction = Some(0.02);
    assert!(causes(&facts).contains(&Cause::Duplicates));
    facts
        .status
        .duplicates
        .as_mut()
        .unwrap()
        .duplication_fraction = Some(0.009);
    assert!(!causes(&facts).contains(&Cause::Duplicates));
}

#[test]
fn programs_that_are_missing_are_a_warning() {
    let mut facts = situation!("foreign_address");
    facts.status.interfaces[0].addresses.pop();
    facts.status.ports[0].complaint = Some("loading the programs: no BTF".into());
    let diagnosis = Diagnosis::of(facts);
    assert_eq!(
        diagnosis.text(),
        "warning: nothing is counted on enp2s1: loading the programs: no BTF.\n  \
         Next: leases work without; flows and dups stay empty until programs can be loaded.\n"
    );
    assert_eq!(diagnosis.status(), 0);
}

#[test]
fn without_an_agent_nobody_renews() {
    let mut facts = situation!("member_lost");
    facts.status.agent = None;
    assert!(causes(&facts).contains(&Cause::NoAgent));
    let nothing = Diagnosis::of(Facts::default());
    assert_eq!(nothing.text(), "Nothing is wrong.\n");
    assert_eq!(nothing.status(), 0);
}

/// Another VLAN of the same bond waits as well: its silence is not the reason here.
#[test]
fn a_failure_is_about_its_own_interface() {
    let mut facts = situation!("silent_relay");
    let mut other = facts.status.interfaces[0].clone();
    other.name = "bond0.1002".into();
    facts.status.interfaces.insert(0, other);
    let found = findings_about(&facts, "bond0.1001");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].interfaces, ["bond0.1001"]);
    let said = failure("bond0.1001", "7 DISCOVERs sent", &found);
    assert!(
        said[0].starts_with("Failed to get IP address for bond0.1001: no DHCP server has answered"),
        "{said:?}"
    );
    assert!(said[1].starts_with("  Next: check that the switch port carries VLAN 1001"));
    assert_eq!(said[2], "  7 DISCOVERs sent");
    let unexplained = failure("bond0.1001", "7 DISCOVERs sent", &[]);
    let expected = "Failed to get IP address for bond0.1001: 7 DISCOVERs sent";
    assert_eq!(unexplained, [expected]);
}

/// Scripts read it.
#[test]
fn the_json_of_a_finding() {
    let found = findings(&situation!("foreign_address"));
    let json = serde_json::to_value(&found[0]).unwrap();
    assert_eq!(json["cause"], "foreign_address");
    assert_eq!(json["severity"], "wrong");
    assert_eq!(json["interfaces"], serde_json::json!(["enp2s1"]));
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    let all = ["cause", "interfaces", "next_step", "sentence", "severity"];
    assert_eq!(keys, all);
}
