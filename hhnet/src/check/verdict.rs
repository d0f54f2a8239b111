// SPDX-License-Identifier: Apache-2.0
//! What is good enough. The rules are those of the fabric's own connectivity test: each
//! ping is answered, duplicates do not matter, and iperf3 reaches a minimum.

use super::{Fetch, Pair, PathMtu, Pings, Problem, ProblemKind, Report, SCHEMA, Throughput, words};

/// The first HTTP status that is an error.
const HTTP_ERROR: u16 = 400;
/// Sequence numbers of lost pings that are told; there may be hundreds.
const TOLD: usize = 8;

/// Something that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// For a cell of the matrix.
    pub(super) short: String,
    /// In a sentence, without a full stop.
    pub(super) sentence: String,
}

impl Failure {
    fn new(short: impl Into<String>, sentence: impl Into<String>) -> Failure {
        Failure {
            short: short.into(),
            sentence: sentence.into(),
        }
    }
}

impl Report {
    /// Judges what was found.
    pub(super) fn new(mut pairs: Vec<Pair>, fetches: Vec<Fetch>) -> Report {
        for pair in &mut pairs {
            let failed = failures(pair);
            pair.failures = failed.into_iter().map(|f| f.sentence).collect();
        }
        let of_pairs = pairs.iter().flat_map(|pair| {
            let way = way(pair.from.as_deref(), &pair.to);
            let failed = pair.failures.iter();
            failed.map(move |sentence| format!("{way}: {sentence}"))
        });
        let of_fetches = fetches.iter().filter_map(|fetch| {
            let way = way(fetch.from.as_deref(), &fetch.url);
            Some(format!("{way}: {}", unanswered(fetch)?))
        });
        let failures: Vec<String> = of_pairs.chain(of_fetches).collect();
        Report {
            schema: SCHEMA,
            good: failures.is_empty(),
            failures,
            pairs,
            fetches,
        }
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        u8::from(!self.good)
    }
}

/// From where to where, as it was asked for.
pub(super) fn way(from: Option<&str>, to: &str) -> String {
    match from {
        Some(from) => format!("{from} to {to}"),
        None => to.to_owned(),
    }
}

/// What has failed on the way to a host, the worst first.
pub(super) fn failures(pair: &Pair) -> Vec<Failure> {
    if let Some(problem) = &pair.problem {
        return vec![Failure::new(short(problem), &problem.text)];
    }
    let mut found = Vec::new();
    found.extend(pair.pings.as_ref().and_then(lost));
    found.extend(pair.path_mtu.as_ref().and_then(black_hole));
    for port in &pair.ports {
        if let Some(problem) = &port.problem {
            let name = format!("TCP port {}", port.port);
            let sentence = format!("{name}: {problem}");
            found.push(Failure::new(format!("no {name}"), sentence));
        }
    }
    found.extend(pair.throughput.as_ref().and_then(slow));
    found
}

fn short(problem: &Problem) -> &'static str {
    match problem.kind {
        ProblemKind::Unresolved => "no such name",
        ProblemKind::NoSource => "no such source",
        ProblemKind::NoRoute => "no route",
        ProblemKind::Refused => "cannot send",
    }
}

fn lost(pings: &Pings) -> Option<Failure> {
    let Pings { sent, received, .. } = *pings;
    if received == sent {
        return None;
    }
    let all = words::count(sent as usize, "ping");
    let errors = pings.errors.iter().map(|error| error.meaning.as_str());
    let reasons = errors.chain(pings.unsent.as_deref());
    let why = reasons.collect::<Vec<_>>().join("; ");
    let (short, sentence) = match (received, why.as_str()) {
        (0, "") => (
            "no reply".to_owned(),
            format!("none of {all} was answered, and no ICMP error says why"),
        ),
        (0, why) => (
            "unreachable".to_owned(),
            format!("none of {all} was answered: {why}"),
        ),
        (_, why) => {
            let number = sent - received;
            let colon = if why.is_empty() { "" } else { ": " };
            let which = numbers(&pings.lost);
            (
                format!("{number} of {sent} lost"),
                format!("{number} of {all} lost ({which}){colon}{why}"),
            )
        }
    };
    Some(Failure::new(short, sentence))
}

/// "icmp_seq 3, 4", as ping calls them.
fn numbers(lost: &[u16]) -> String {
    let told: Vec<String> = lost.iter().take(TOLD).map(u16::to_string).collect();
    let more = if lost.len() > TOLD { ", …" } else { "" };
    format!("icmp_seq {}{more}", told.join(", "))
}

fn black_hole(path: &PathMtu) -> Option<Failure> {
    let PathMtu { mtu, link_mtu, .. } = path;
    path.black_hole.then(|| {
        let sentence = format!(
            "packets of more than {mtu} bytes vanish without an ICMP error, and the interface \
             sends up to {link_mtu}"
        );
        Failure::new(format!("MTU {mtu}"), sentence)
    })
}

fn slow(throughput: &Throughput) -> Option<Failure> {
    let min = throughput.min_mbits;
    match (throughput.mbits, &throughput.problem) {
        (Some(mbits), _) if mbits < f64::from(min) => {
            let measured = format!("{mbits:.0} Mbit/s");
            let sentence = format!(
                "{measured} is less than {min} (--min-mbits; 0 where switches are virtual)"
            );
            Some(Failure::new(measured, sentence))
        }
        (None, Some(problem)) if throughput.is_required => {
            let sentence = format!("throughput was not measured: {problem}");
            Some(Failure::new("not measured", sentence))
        }
        _ => None,
    }
}

/// Why a page is none, if it is.
pub(super) fn unanswered(fetch: &Fetch) -> Option<String> {
    match (fetch.status, &fetch.problem) {
        (_, Some(problem)) => Some(problem.clone()),
        (Some(status), None) if status >= HTTP_ERROR => Some(format!("HTTP status {status}")),
        _ => None,
    }
}
