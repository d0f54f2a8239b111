// SPDX-License-Identifier: Apache-2.0
//! A check as text: details of a single host, or of what has failed of many, the
//! matrix, and the verdict last.

use std::fmt::Write as _;

use super::{
    Fetch, Pair, PathMtu, Pings, Port, Report, Rtt, Throughput, fetch, matrix, verdict, words,
};

impl Report {
    /// For a person. Ends with a newline.
    pub fn text(&self) -> String {
        let is_one = self.pairs.len() == 1;
        let told = self
            .pairs
            .iter()
            .filter(|pair| is_one || is_remarkable(pair));
        let mut text: String = told.map(details).collect();
        if !is_one && !self.pairs.is_empty() {
            text += &matrix::matrix(&self.pairs);
            text += &unmeasured(&self.pairs);
        }
        self.fetches.iter().for_each(|fetch| text += &page(fetch));
        for failure in &self.failures {
            text += &format!("{failure}.\n");
        }
        text + &self.verdict()
    }

    /// The last line: what was good, or how much was not.
    fn verdict(&self) -> String {
        let bad = self.pairs.iter().filter(|p| !p.failures.is_empty()).count();
        let bad_pages = self.fetches.iter().filter_map(verdict::unanswered).count();
        let mut parts = Vec::new();
        for (bad, all, what) in [
            (bad, self.pairs.len(), "path"),
            (bad_pages, self.fetches.len(), "page"),
        ] {
            let of = words::count(all, what);
            match (bad, all) {
                (_, 0) => {}
                (0, _) if self.good => parts.push(of),
                (bad, _) => parts.push(format!("{bad} of {of}")),
            }
        }
        let head = if self.good { "Good" } else { "Failed" };
        format!("{head}: {}.\n", parts.join(", "))
    }
}

/// Whether there is more to say of it than the matrix does.
fn is_remarkable(pair: &Pair) -> bool {
    let duplicates = pair.pings.as_ref().map_or(0, |pings| pings.duplicates);
    // Without any address there is nothing but the reason.
    pair.problem.is_none() && (duplicates > 0 || !pair.failures.is_empty())
}

/// Where throughput was not measured though nobody calls that a failure, and why not: a
/// line for each reason.
fn unmeasured(pairs: &[Pair]) -> String {
    let reason = |pair: &Pair| {
        let throughput = pair.throughput.as_ref()?;
        // What was measured before a problem counts.
        let is_missed = throughput.mbits.is_none() && !throughput.is_required;
        throughput.problem.clone().filter(|_| is_missed)
    };
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for reason in pairs.iter().filter_map(reason) {
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, number)) => *number += 1,
            None => reasons.push((reason, 1)),
        }
    }
    let all = words::count(pairs.len(), "path");
    let line = |(reason, number): (String, usize)| {
        format!("throughput was not measured on {number} of {all}: {reason}\n")
    };
    reasons.into_iter().map(line).collect()
}

fn details(pair: &Pair) -> String {
    let mut text = head(pair) + "\n";
    let mut line = |name: &str, said: String| {
        // A String takes whatever is written to it.
        let _ = writeln!(text, "  {name:<11} {said}");
    };
    if let Some(pings) = &pair.pings {
        line("ping", answered(pings));
        if pings.duplicates > 0 {
            line("duplicates", duplicates(pings));
        }
    }
    if let Some(path) = &pair.path_mtu {
        line("path MTU", path_mtu(path));
    }
    for port in &pair.ports {
        line(&format!("TCP {}", port.port), connected(port));
    }
    if let Some(throughput) = &pair.throughput {
        line("throughput", measured(throughput));
    }
    text
}

/// "server-2 (10.0.2.10) from 10.0.1.10"
fn head(pair: &Pair) -> String {
    let mut head = pair.to.clone();
    if let Some(address) = pair.address.map(|address| address.to_string())
        && address != pair.to
    {
        head += &format!(" ({address})");
    }
    let source = pair.source.map(|source| source.to_string());
    match (&pair.from, source) {
        (Some(from), Some(source)) if *from != source => head + &format!(" from {source}, {from}"),
        (_, Some(source)) => head + &format!(" from {source}"),
        (Some(from), None) => head + &format!(" from {from}"),
        (None, None) => head,
    }
}

fn answered(pings: &Pings) -> String {
    let Pings { sent, received, .. } = pings;
    let mut said = format!("{received} of {sent} answered");
    if let Some(Rtt {
        min_us,
        avg_us,
        max_us,
    }) = pings.rtt
    {
        let [min, avg, max] = [min_us, avg_us, max_us].map(words::millis);
        said += &format!(", {min}/{avg}/{max} ms");
    }
    if let Some(ttl) = pings.ttl {
        said += &format!(", TTL {ttl}");
    }
    for error in &pings.errors {
        said += &format!(", {} × {}", error.count, error.meaning);
    }
    said
}

fn duplicates(pings: &Pings) -> String {
    let number = pings.duplicates;
    match &pings.copies {
        Some(copies) => {
            let counted = copies.same_member + copies.other_member + copies.answered_again;
            let more = match u64::from(number).saturating_sub(counted) {
                0 => String::new(),
                more => format!("; by which members {more} more came is unknown"),
            };
            format!("{number}: {}{more}", copies.explanation)
        }
        None => format!("{number}, by which member is unknown: no agent has counted them"),
    }
}

fn path_mtu(path: &PathMtu) -> String {
    let PathMtu { mtu, link_mtu, .. } = path;
    match path.told_by {
        Some(router) => format!("{mtu}, says {router}; the interface sends up to {link_mtu}"),
        None if path.black_hole => format!("{mtu}; what is larger vanishes, up to {link_mtu}"),
        None => mtu.to_string(),
    }
}

fn connected(port: &Port) -> String {
    match (port.connect_us, &port.problem) {
        (Some(us), _) => format!("connected in {} ms", words::millis(us)),
        (None, problem) => problem.clone().unwrap_or_default(),
    }
}

fn measured(throughput: &Throughput) -> String {
    let Some(mbits) = throughput.mbits else {
        let problem = throughput.problem.as_deref().unwrap_or_default();
        return format!("not measured: {problem}");
    };
    let seconds = throughput.seconds;
    let again = throughput.retransmits.map_or_else(String::new, |number| {
        format!(", {} sent again", words::count(number as usize, "segment"))
    });
    let best = match throughput.attempts {
        0 | 1 => String::new(),
        attempts => format!(", the best of {attempts} attempts"),
    };
    format!("{mbits:.0} Mbit/s in {seconds} s{again}{best}")
}

fn page(fetch: &Fetch) -> String {
    let way = verdict::way(fetch.from.as_deref(), &fetch.url);
    let took = words::millis(fetch.took_us);
    match (fetch.status, &fetch.problem) {
        (Some(status), None) => {
            let bytes = fetch.bytes.unwrap_or_default();
            let more = if bytes >= fetch::ENOUGH {
                " and more"
            } else {
                ""
            };
            let bytes = words::count(bytes as usize, "byte");
            format!("{way}  {status}, {bytes}{more} in {took} ms\n")
        }
        (status, problem) => {
            let problem = problem.as_deref().unwrap_or_default();
            let but = status.map_or_else(String::new, |status| format!("{status}, but "));
            format!("{way}  {but}{problem}\n")
        }
    }
}
