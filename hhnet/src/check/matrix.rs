// SPDX-License-Identifier: Apache-2.0
//! Sources × hosts: a row for each source, a column for each host.

use std::net::Ipv4Addr;

use super::{Pair, verdict::failures, words};

/// What heads the sources, and the hosts beside it.
const CORNER: &str = "FROM \\ TO";

/// The table, its columns two spaces apart. Ends with a newline.
pub(super) fn matrix(pairs: &[Pair]) -> String {
    let mut hosts: Vec<&str> = Vec::new();
    let mut sources: Vec<Option<&str>> = Vec::new();
    for pair in pairs {
        if !hosts.contains(&pair.to.as_str()) {
            hosts.push(&pair.to);
        }
        if !sources.contains(&pair.from.as_deref()) {
            sources.push(pair.from.as_deref());
        }
    }
    let mut lines = vec![vec![CORNER.to_owned()]];
    lines[0].extend(hosts.iter().map(|host| (*host).to_owned()));
    for source in sources {
        let of_source = |pair: &&Pair| pair.from.as_deref() == source;
        let mut line = vec![label(source, pairs.iter().filter(of_source))];
        for host in &hosts {
            let pair = pairs.iter().filter(of_source).find(|pair| pair.to == *host);
            line.push(pair.map_or_else(String::new, cell));
        }
        lines.push(line);
    }
    align(&lines)
}

/// A source as it was asked for; else the addresses that the kernel has chosen.
fn label<'a>(source: Option<&str>, pairs: impl Iterator<Item = &'a Pair>) -> String {
    if let Some(source) = source {
        return source.to_owned();
    }
    let mut chosen: Vec<Ipv4Addr> = pairs.filter_map(|pair| pair.source).collect();
    chosen.sort();
    chosen.dedup();
    if chosen.is_empty() {
        return "this server".to_owned();
    }
    let chosen: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    chosen.join(", ")
}

/// The worst that has failed; else how good it is.
fn cell(pair: &Pair) -> String {
    if let Some(failure) = failures(pair).into_iter().next() {
        return failure.short;
    }
    let mut parts = Vec::new();
    let pings = pair.pings.as_ref();
    if let Some(rtt) = pings.and_then(|pings| pings.rtt) {
        parts.push(format!("{} ms", words::millis(rtt.avg_us)));
    }
    if let Some(mbits) = pair.throughput.as_ref().and_then(|t| t.mbits) {
        parts.push(format!("{mbits:.0} Mbit/s"));
    }
    if let Some(number) = pings.map(|pings| pings.duplicates).filter(|n| *n > 0) {
        parts.push(words::count(number as usize, "duplicate"));
    }
    match parts.is_empty() {
        true => "ok".to_owned(),
        false => format!("ok, {}", parts.join(", ")),
    }
}

fn align(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
