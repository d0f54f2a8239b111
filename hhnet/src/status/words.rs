// SPDX-License-Identifier: Apache-2.0
//! What is known of each thing, in words.

use std::fmt::{self, Display, Write as _};

use super::{
    Bond, Dhcp, Lacp, Lease, Port, Program,
    text::{News, Paint},
};
use crate::xdp::{
    Mode,
    dups::Compared,
    report::{Direction, Member},
};

pub(super) fn bond_text(bond: &Bond, paint: Paint) -> String {
    let mode = if bond.lacp { "802.3ad" } else { "not 802.3ad" };
    let members = bond.members.len();
    let aggregator = match bond.aggregator {
        Some(id) => {
            let ports = bond.ports_in_aggregator;
            let news = match usize::from(ports) == members {
                true => format!("{ports}"),
                false => paint.word(News::Poor, ports),
            };
            format!("{news} of {members} ports in aggregator {id}")
        }
        None => paint.word(News::Bad, "no aggregator"),
    };
    let partner = match &bond.partner {
        Some(mac) => format!("partner {mac}"),
        None => paint.word(News::Bad, "no partner"),
    };
    let (policy, mtu) = (&bond.policy, bond.mtu);
    format!("{mode} {policy}, MTU {mtu}, {aggregator}, {partner}")
}

pub(super) fn carrier_text(port: &Port, paint: Paint) -> String {
    match (port.up, port.carrier) {
        (false, _) => paint.word(News::Bad, "down"),
        (true, false) => paint.word(News::Bad, "no carrier"),
        (true, true) => "carrier".into(),
    }
}

pub(super) fn lacp_text(lacp: &Lacp, paint: Paint) -> Vec<String> {
    let mut facts = Vec::new();
    facts.extend(lacp.aggregator.map(|id| format!("aggregator {id}")));
    facts.push(match lacp {
        _ if lacp.distributing => paint.word(News::Good, "collecting and distributing"),
        _ if lacp.active => paint.word(News::Poor, "in use without LACP"),
        _ => paint.word(
            News::Bad,
            format_args!("not in use, {}", lacp.actor.progress()),
        ),
    });
    facts.push(match lacp {
        _ if lacp.actor.is_defaulted() => paint.word(News::Bad, "no LACPDU heard"),
        _ if lacp.actor.is_expired() => paint.word(News::Bad, "no LACPDU any more"),
        _ if lacp.distributing && lacp.partner.passes() => "partner too".into(),
        _ => paint.word(
            News::Poor,
            format_args!("partner {}", lacp.partner.progress()),
        ),
    });
    if lacp.churned {
        facts.push(paint.word(News::Bad, "churned"));
    }
    if lacp.failures > 0 {
        facts.push(paint.word(
            News::Poor,
            format_args!("link failed {} times", lacp.failures),
        ));
    }
    facts
}

pub(super) fn share_text(port: &Port, bond: &str) -> Option<String> {
    let part = |counted: &Option<Member>, direction: &str| {
        let share = counted.as_ref().and_then(|member| member.share)?;
        Some(format!(
            "{:.1}% of {bond}'s bytes {direction}",
            share.bytes * 100.0
        ))
    };
    let parts = [part(&port.received, "in"), part(&port.sent, "out")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

pub(super) fn program_text(program: &Program) -> String {
    let mode = program.mode;
    let text = match (program.direction, mode) {
        (Direction::In, Mode::Native | Mode::Generic) => format!("XDP {mode}"),
        (direction, _) => format!("{direction} by {mode}"),
    };
    match &program.fallback_reason {
        Some(reason) => format!("{text} ({reason})"),
        None => text,
    }
}

pub(crate) fn dhcp_text(dhcp: &Dhcp, paint: Paint) -> String {
    let news = if dhcp.state == "BOUND" {
        News::Good
    } else {
        News::Poor
    };
    let state = paint.word(news, &dhcp.state);
    let Some(lease) = &dhcp.lease else {
        let (sent, offers) = (dhcp.discovers, dhcp.offers);
        let (age, none) = (Span(dhcp.age_ms), paint.word(News::Bad, "no address"));
        let mut text = format!("{state}, {none} for {age}, {sent} DISCOVERs sent, {offers} OFFERs");
        if dhcp.empty > 0 {
            let _ = write!(text, " and {} empty ones", dhcp.empty);
        }
        return text + " received";
    };
    let (address, server) = (&lease.address, lease.server);
    let mut text = format!("{address} from {server}, {state}");
    match lease.remaining_ms {
        Some(left) => {
            let _ = write!(text, ", {} left", Span(left));
            if let Some(renewal) = lease.renew_in_ms {
                let _ = write!(text, ", renewal in {}", Span(renewal));
            }
        }
        None => text += ", for ever",
    }
    text
}

/// What came with the address.
pub(super) fn options(lease: &Lease) -> Vec<String> {
    let list = |name: &str, all: Vec<String>| {
        (!all.is_empty()).then(|| format!("{name} {}", all.join(" ")))
    };
    let texts = |all: &[std::net::Ipv4Addr]| all.iter().map(ToString::to_string).collect();
    let mut facts: Vec<String> = lease.routes.clone();
    facts.extend(list("DNS", texts(&lease.dns)));
    facts.extend(list("NTP", texts(&lease.ntp)));
    let domains = lease.domain.iter().chain(&lease.search).cloned();
    let mut domains: Vec<String> = domains.collect();
    domains.dedup();
    facts.extend(list("domain", domains));
    facts.extend(lease.mtu.map(|mtu| format!("server's MTU {mtu}")));
    facts
}

pub(super) fn duplicates_text(all: &Compared, paint: Paint) -> String {
    let copies = all.copies() + all.answered_again;
    let compared = all.compared;
    if copies == 0 {
        return format!("none of {compared} frames");
    }
    let part = copies as f64 * 100.0 / compared.max(1) as f64;
    let news = paint.word(
        News::Poor,
        format_args!("{copies} of {compared} frames ({part:.1}%)"),
    );
    format!("{news}: hhnet dups says why")
}

/// `10 Gbit/s`
pub(crate) fn speed(mbps: u32) -> String {
    match mbps {
        1000.. if mbps.is_multiple_of(1000) => format!("{} Gbit/s", mbps / 1000),
        _ => format!("{mbps} Mbit/s"),
    }
}

/// A span of milliseconds as people say it: `23h59m`, `4m10s`, `7s`.
pub struct Span(pub u64);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        match seconds {
            0..60 => write!(f, "{seconds}s"),
            60..3600 => write!(f, "{}m{}s", seconds / 60, seconds % 60),
            3600.. => write!(f, "{}h{}m", seconds / 3600, seconds / 60 % 60),
        }
    }
}
