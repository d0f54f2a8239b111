// SPDX-License-Identifier: Apache-2.0
//! Command lines, right and wrong.

use std::ffi::OsString;

use std::time::Duration;

use super::*;

fn ask(line: &str) -> Result<Verb, Refusal> {
    parse(line.split_whitespace().map(OsString::from))
}

fn complaint(line: &str) -> String {
    match ask(line) {
        Err(Refusal::Usage(text)) => text,
        other => panic!("{line}: expected a usage error, got {other:?}"),
    }
}

#[test]
fn the_mtu_may_stand_before_or_after_the_interfaces() {
    let after = ask("bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036").unwrap();
    let before = ask("bond 1001 layer2+3 --mtu=9036 enp2s1 enp2s2").unwrap();
    assert_eq!(after, before);
    let Verb::Bond(bond) = after else {
        panic!("not a bond")
    };
    assert_eq!(bond.lease.mtu, Some(9036));
    assert_eq!(bond.members.len(), 2);
}

#[test]
fn flags_of_our_own_change_no_default() {
    let Ok(Verb::Bond(bond)) = ask("bond 1001 vlan+srcmac enp2s1") else {
        panic!("refused")
    };
    assert_eq!(bond.lacp_rate, LacpRate::Slow);
    assert_eq!(bond.lease.timeout(), Duration::from_secs(300));
    assert_eq!(bond.policy, HashPolicy::VlanSrcmac);
}

#[test]
fn metrics_are_somewhere_or_off() {
    for line in ["dhcp enp2s1", "p2p enp2s1 10.0.1.0/31 10.0.1.1"] {
        for (flag, expected) in [
            ("", None),
            ("--metrics=off", Some(Exposure::Off)),
            ("--metrics=127.0.0.1:19478", Some(Exposure::USUAL)),
            (
                "--metrics [::]:9",
                Some(Exposure::At("[::]:9".parse().unwrap())),
            ),
        ] {
            let found = match ask(&format!("{line} {flag}")) {
                Ok(Verb::Dhcp(dhcp)) => dhcp.lease.metrics,
                Ok(Verb::P2p(p2p)) => p2p.metrics,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{line} {flag}");
        }
    }
    assert_eq!(
        ask("metrics --flows=5"),
        Ok(Verb::Metrics(Metrics { flows: Some(5) }))
    );
}

#[test]
fn members_may_be_several_and_watched() {
    let line = "flows --watch --member enp2s1 --member=enp2s2 --by packets";
    let Ok(Verb::Flows(flows)) = ask(line) else {
        panic!("refused")
    };
    let members: Vec<_> = flows.members.iter().map(IfName::as_str).collect();
    assert_eq!(members, ["enp2s1", "enp2s2"]);
    assert!(flows.watch && !flows.json);
}

#[test]
fn what_is_checked_may_be_several_hosts_from_several_sources_or_a_page_alone() {
    let line = "check 10.0.5.10 server-2 --from=10.0.1.10 --from enp2s2 --port=22 --port=179";
    let Ok(Verb::Check(check)) = ask(line) else {
        panic!("refused")
    };
    assert_eq!(check.hosts, ["10.0.5.10", "server-2"]);
    let enp2s2 = Source::Device("enp2s2".parse().unwrap());
    assert_eq!(check.from, [Source::Address([10, 0, 1, 10].into()), enp2s2]);
    assert_eq!((check.pings, check.ports), (5, vec![22, 179]));
    assert_eq!((check.seconds, check.min_mbits), (None, None));
    assert!(ask("check --url=http://1.0.0.1").is_ok());
    let usage = complaint("check --json");
    assert!(usage.starts_with("Usage: hhnet check <host>..."), "{usage}");
}

#[test]
fn every_policy_is_read_back_from_its_name() {
    for policy in HashPolicy::ALL {
        assert_eq!(policy.name().parse(), Ok(policy));
    }
}

#[test]
fn help_and_nonsense_are_usage_errors() {
    for line in ["", "--help", "bogus", "bond --help"] {
        assert!(complaint(line).contains("Usage: hhnet"), "{line}");
    }
}

#[test]
fn missing_arguments_get_the_verbs_usage() {
    for (line, usage) in [
        (
            "bond 1001 layer2+3",
            "Usage: hhnet bond <vlan> <policy> <iface>... [--mtu=N]\n",
        ),
        ("vlan 1000", "Usage: hhnet vlan <vlan> <iface> [--mtu=N]\n"),
        (
            "p2p enp2s1 10.0.1.0/31",
            "Usage: hhnet p2p <iface> <local/31> <remote>\n",
        ),
        (
            "bond 1001 layer2+3 --mtu=9036",
            "Error: at least one interface required for bond\n",
        ),
    ] {
        assert_eq!(complaint(line), usage, "{line}");
    }
}

#[test]
fn a_bad_value_gets_one_line_that_names_it_and_what_is_allowed() {
    for (line, bad, allowed) in [
        (
            "bond 1001 layer7 enp2s1",
            "layer7",
            "layer2, layer2+3, layer3+4",
        ),
        ("bond 0 layer2 enp2s1", "0", "1 to 4094"),
        ("vlan 4095 enp2s1", "4095", "1 to 4094"),
        ("vlan abc enp2s1", "abc", "1 to 4094"),
        (
            "vlan 1001 averylongnicname0",
            "averylongnicname0",
            "15 characters",
        ),
        (
            "vlan 1001 enp2s1longer",
            "enp2s1longer.1001",
            "15 characters",
        ),
        ("vlan 1001 ../etc", "../etc", "not an interface name"),
        ("vlan 1001 enp2s1 --mtu=575", "575", "576 to 65535"),
        ("vlan 1001 enp2s1 --mtu=abc", "abc", "576 to 65535"),
        ("vlan 1001 enp2s1 --mtu=+1500", "+1500", "576 to 65535"),
        ("vlan 1001 enp2s1 --metrics=9478", "9478", "127.0.0.1:19478"),
        (
            "vlan 1001 enp2s1 --metrics=127.0.0.1:0",
            "127.0.0.1:0",
            "or at",
        ),
        ("vlan 1001 enp2s1 --metrics=Off", "Off", "off"),
        ("metrics --flows=0", "0", "1 to 1000"),
        ("metrics --flows=1001", "1001", "1 to 1000"),
        ("vlan 1001 enp2s1 --timeout=0", "0", "1 to 86400"),
        (
            "vlan 1001 enp2s1 --xdp=maybe",
            "maybe",
            "native, tc, generic, off",
        ),
        ("vlan +5 enp2s1", "+5", "1 to 4094"),
        ("vlan 1001 enp2s1 --flows=15", "15", "16 to 1048576"),
        ("flows --top=0", "0", "from 1 on"),
        ("flows --by=age", "age", "bytes, packets"),
        ("flows --member=a/b", "a/b", "not an interface name"),
        (
            "p2p enp2s1 10.0.1.0/31 0.0.0.0",
            "0.0.0.0",
            "no address of a machine",
        ),
        (
            "p2p enp2s1 127.0.0.2/31 10.0.0.1",
            "127.0.0.2",
            "no address of a machine",
        ),
        (
            "p2p enp2s1 10.0.1.0/+31 10.0.1.1",
            "10.0.1.0/+31",
            "a.b.c.d/n",
        ),
        ("bond 1001 layer2 enp2s1 enp2s1", "enp2s1", "twice"),
        ("p2p enp2s1 10.0.1.0 10.0.1.1", "10.0.1.0", "a.b.c.d/n"),
        (
            "p2p enp2s1 10.0.1.0/33 10.0.1.1",
            "10.0.1.0/33",
            "a.b.c.d/n",
        ),
        ("p2p enp2s1 10.0.1.1/31 10.0.1.1", "10.0.1.1", "both ends"),
        ("cleanup now", "now", "unexpected"),
        ("check 2001:db8::1", "2001:db8::1", "IPv4"),
        ("check a/b", "a/b", "name or an IPv4 address"),
        ("check a --pings=1001", "1001", "0 to 1000"),
        ("check a --port=0", "0", "1 to 65535"),
        ("check a --seconds=3601", "3601", "0 to 3600"),
        ("check a --min-mbits=fast", "fast", "megabits"),
        ("check a --from=a/b", "a/b", "not an interface name"),
        ("check --url=https://1.0.0.1", "https://1.0.0.1", "TLS"),
    ] {
        let text = complaint(line);
        assert!(
            text.contains(bad) && text.contains(allowed),
            "{line}: {text}"
        );
        assert_eq!(text.lines().count(), 1, "{line}: {text}");
    }
}

#[test]
fn what_was_meant_is_guessed() {
    assert_eq!(
        complaint("bnod 1001 layer2 enp2s1"),
        "Error: there is no command bnod; did you mean bond?\n\
         Usage: hhnet <COMMAND>, hhnet --help lists them\n"
    );
    assert_eq!(
        complaint("xyz"),
        "Error: there is no command xyz\nUsage: hhnet <COMMAND>, hhnet --help lists them\n"
    );
    assert_eq!(
        complaint("vlan 1001 enp2s1 --timout=20"),
        "Error: unexpected argument '--timout' found; a similar argument exists: '--timeout'\n"
    );
}

/// A terminal of 24 lines and 80 columns, with a line for the prompt.
#[test]
fn the_help_fits_a_screen_and_begins_with_what_people_need() {
    let help = complaint("--help");
    assert!(help.lines().count() < 24, "{help}");
    let needed = ["hhnet bond 1001", "hhnet status", "hhnet cleanup"];
    let places = needed.map(|command| help.find(command).unwrap_or(usize::MAX));
    let usage = help.find("Usage: hhnet").unwrap();
    assert!(places.iter().all(|place| *place < usage), "{help}");
    assert_eq!(help, complaint(""), "as without any argument");
}

#[test]
fn no_help_is_wider_than_a_screen() {
    let verbs = command();
    for verb in verbs.get_subcommands().map(clap::Command::get_name) {
        let help = complaint(&format!("{verb} --help"));
        let wide = help.lines().find(|line| line.chars().count() > 80);
        // The usage is one line, to be copied.
        let wide = wide.filter(|line| !line.starts_with("Usage: "));
        assert_eq!(wide, None, "{verb}: {help}");
        assert_eq!(help, complaint(&format!("{verb} -h")), "one help for both");
    }
}
