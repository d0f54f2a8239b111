// SPDX-License-Identifier: Apache-2.0
//! A check from beginning to end: names, then pings, path MTU and ports of all pairs
//! at once, then throughput one after the other, as they would share it, then pages.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, ToSocketAddrs as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    Fetch, Pair, Problem, ProblemKind, Report, Url, connect, copies::copies, fetch, probe,
    socket::Icmp, throughput, verdict, words,
};
use crate::{
    cli::{Check, Source},
    client,
    xdp::dups::DupReport,
};

/// So many pairs, or names, at once.
const AT_ONCE: usize = 16;

/// What is told while it goes on.
type Tell<'a> = &'a (dyn Fn(&str) + Sync);

/// A pair, and by which identifier its pings are known.
#[derive(Clone, Debug)]
struct Way<'a> {
    from: Option<&'a Source>,
    id: u16,
    pair: Pair,
}

/// Checks all of it, and tells how far it is.
///
/// # Errors
/// When there can be no runtime to wait in.
pub fn run(check: &Check, tell: Tell<'_>) -> io::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut ways = ways(check);
    let all = ways.len();
    let place = |number: usize| match all {
        1 => String::new(),
        _ => format!(" ({number} of {all})"),
    };
    let done = AtomicUsize::new(0);
    ways = at_once(ways, |way| {
        let way = try_out(check, way);
        let number = done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(found) = found(&way.pair) {
            tell(&format!("{found}{}", place(number)));
        }
        way
    });
    attribute(&mut ways);
    if let Some(wanted) = throughput::wanted(check) {
        for (number, way) in (1..).zip(&mut ways) {
            let name = name(&way.pair);
            let tell = |what: &str| tell(&format!("{name}: {what}{}", place(number)));
            let measured = throughput::measure(&wanted, &way.pair, way.from, &tell);
            way.pair.throughput = runtime.block_on(measured);
        }
    }
    let fetches = runtime.block_on(pages(check, tell));
    // A resolver may take longer than anybody waits for it.
    runtime.shutdown_background();
    let pairs = ways.into_iter().map(|way| way.pair).collect();
    Ok(Report::new(pairs, fetches))
}

/// Each source with each host, whose name is looked up once.
fn ways(check: &Check) -> Vec<Way<'_>> {
    let mut hosts: Vec<&String> = Vec::new();
    for host in &check.hosts {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let hosts = at_once(hosts, |host| (host, resolve(host)));
    // Two identifiers each: for what is counted, and for everything else. By chance, as
    // process ids of two checks at the same time are neighbours.
    let first = SmallRng::from_os_rng().random::<u16>();
    let ids = (0_u32..).map(|number| first.wrapping_add(number.wrapping_mul(2) as u16));
    let pairs = sources(check).into_iter().flat_map(|from| {
        hosts.iter().map(move |(host, address)| {
            let pair = Pair {
                from: from.map(ToString::to_string),
                to: (*host).clone(),
                address: address.as_ref().ok().copied(),
                problem: address.as_ref().err().cloned(),
                ..Pair::default()
            };
            (from, pair)
        })
    });
    let ways = pairs.zip(ids);
    ways.map(|((from, pair), id)| Way { from, id, pair })
        .collect()
}

/// Those that are asked for; else the one that the kernel chooses.
fn sources(check: &Check) -> Vec<Option<&Source>> {
    let mut sources: Vec<Option<&Source>> = Vec::new();
    for source in &check.from {
        if !sources.contains(&Some(source)) {
            sources.push(Some(source));
        }
    }
    if sources.is_empty() {
        sources.push(None);
    }
    sources
}

/// The IPv4 address of a host.
pub(super) fn resolve(host: &str) -> Result<Ipv4Addr, Problem> {
    let unresolved = |reason: String| {
        let text = format!("the name {host} cannot be resolved: {reason}");
        Problem::new(ProblemKind::Unresolved, text)
    };
    let found = (host, 0).to_socket_addrs();
    let mut found = found.map_err(|error| {
        let reason = error.to_string();
        // What std says in front of the resolver's own words.
        let own = reason.strip_prefix("failed to lookup address information: ");
        unresolved(own.unwrap_or(&reason).to_owned())
    })?;
    let v4 = found.find_map(|address| match address {
        SocketAddr::V4(address) => Some(*address.ip()),
        SocketAddr::V6(_) => None,
    });
    v4.ok_or_else(|| unresolved("it has no IPv4 address".into()))
}

/// Does something with each, with a few at a time. The order stays.
fn at_once<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let number = items.len();
    let items: Vec<_> = items
        .into_iter()
        .map(|item| Mutex::new(Some(item)))
        .collect();
    let results: Vec<Mutex<Option<R>>> = (0..number).map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..number.min(AT_ONCE) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place).and_then(take) else {
                        return;
                    };
                    let result = work(item);
                    *results[place]
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(result);
                }
            });
        }
    });
    results.iter().filter_map(take).collect()
}

fn take<T>(cell: &Mutex<Option<T>>) -> Option<T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Pings, path MTU and ports of one pair.
fn try_out<'a>(check: &Check, mut way: Way<'a>) -> Way<'a> {
    if let Some(address) = way.pair.address
        && let Err(problem) = probe_all(check, &mut way, address)
    {
        way.pair.problem = Some(problem);
    }
    way
}

fn probe_all(check: &Check, way: &mut Way<'_>, to: Ipv4Addr) -> Result<(), Problem> {
    let mut counted = Icmp::open(way.from, to, way.id)?;
    way.pair.source = Some(counted.source);
    if check.pings > 0 {
        let other = || Icmp::open(way.from, to, way.id.wrapping_add(1));
        probe::warm_up(&mut other()?)?;
        let pings = probe::ping(&mut counted, check.pings)?;
        let rtt = pings.rtt;
        way.pair.pings = Some(pings);
        if let Some(rtt) = rtt {
            let longest = Duration::from_micros(rtt.max_us);
            // What the pings have said stands, whatever becomes of this.
            let search = |mut socket: Icmp| probe::path_mtu(&mut socket, longest);
            way.pair.path_mtu = other().and_then(search).ok();
        }
    }
    let ports = check.ports.iter().map(|port| SocketAddrV4::new(to, *port));
    way.pair.ports = ports.map(|to| connect::port(way.from, to)).collect();
    Ok(())
}

/// Asks a running agent by which members copies have come. Without one that is not
/// known, and no failure.
fn attribute(ways: &mut [Way<'_>]) {
    let has_copies = |way: &Way| way.pair.pings.as_ref().is_some_and(|p| p.duplicates > 0);
    if !ways.iter().any(has_copies) {
        return;
    }
    let report = client::ask::<DupReport>(&["dups".into(), "--json".into()]);
    let Ok(Some(report)) = report else {
        return;
    };
    for way in ways {
        if let (Some(pings), Some(host)) = (&mut way.pair.pings, way.pair.address) {
            pings.copies = copies(&report, host, way.id);
        }
    }
}

/// All pages, one after the other: they are few, and small.
async fn pages(check: &Check, tell: Tell<'_>) -> Vec<Fetch> {
    let mut fetches = Vec::new();
    let urls = |from| check.urls.iter().map(move |url: &Url| (from, url));
    for (from, url) in sources(check).into_iter().flat_map(urls) {
        let fetch = fetch::fetch(from, url).await;
        let result = match (fetch.status, &fetch.problem) {
            (Some(status), _) => format!("HTTP status {status}"),
            (None, problem) => problem.clone().unwrap_or_default(),
        };
        tell(&format!(
            "{}: {result}",
            verdict::way(fetch.from.as_deref(), &fetch.url)
        ));
        fetches.push(fetch);
    }
    fetches
}

fn name(pair: &Pair) -> String {
    verdict::way(pair.from.as_deref(), &pair.to)
}

/// What to tell of a pair that was tried; nothing where that is yet to come.
fn found(pair: &Pair) -> Option<String> {
    let name = name(pair);
    if let Some(problem) = &pair.problem {
        return Some(format!("{name}: {}", problem.text));
    }
    let mut parts = Vec::new();
    if let Some(pings) = &pair.pings {
        let pinged = words::count(pings.sent as usize, "ping");
        parts.push(format!("{} of {pinged} answered", pings.received));
    }
    parts.extend(
        pair.path_mtu
            .iter()
            .map(|path| format!("path MTU {}", path.mtu)),
    );
    let open = pair.ports.iter().filter(|port| port.problem.is_none());
    match (open.count(), pair.ports.len()) {
        (_, 0) => {}
        (open, all) => parts.push(format!("{open} of {} open", words::count(all, "port"))),
    }
    (!parts.is_empty()).then(|| format!("{name}: {}", parts.join(", ")))
}
