// SPDX-License-Identifier: Apache-2.0
//! Labels are bounded, whatever peers and links are called.

use super::*;

fn text(status: &Status) -> String {
    let facts = Facts {
        status,
        flows: None,
        process: None,
        took: Duration::ZERO,
    };
    render(&facts, Format::Prometheus)
}

/// What a server or a relay chooses changes samples, and never adds one.
#[test]
fn ten_thousand_servers_are_as_many_series_as_one() {
    let mut status = status();
    let lines = text(&status).lines().count();
    for number in (0..1_000_000_u32).step_by(100) {
        let dhcp = status.interfaces[0].dhcp.as_mut().expect("a client");
        let lease = dhcp.lease.as_mut().expect("a lease");
        lease.address = format!("{}/24", std::net::Ipv4Addr::from(number << 8));
        lease.server = number.into();
        lease.relay = Some((!number).into());
        lease.domain = Some(format!("d{number}"));
        lease.search = vec![format!("s{number}")];
        lease.hostname = Some(format!("h{number}"));
        // A reason that there is none of is not exported.
        dhcp.dropped = [(format!("r{number}"), 1)].into();
        let text = text(&status);
        assert_eq!(text.lines().count(), lines, "{number}: {text}");
    }
}

#[test]
fn a_link_of_an_odd_name_is_one_plain_label() {
    let mut status = status();
    status.interfaces[0].name = "e\x1b[2J\u{202e}\n\"x".into();
    let text = text(&status);
    let label = r#"hhnet_dhcp_bound{interface="e\\u001b[2J\\u202e\\u000a\"x"} 1"#;
    assert!(text.lines().any(|line| line == label), "{text}");
    assert!(!text.contains(['\x1b', '\u{202e}']), "{text:?}");
}
