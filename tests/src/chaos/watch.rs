// SPDX-License-Identifier: Apache-2.0
//! What must hold all the time, whatever goes wrong.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Disturbance;
use super::effect::MEMBER;
use super::lab::{LEASE, Lab, OTHER_LEASE, QUIET_LEASE, QUIET_LINK};
use super::truth::{View, is_bound, lies, named};
use crate::footprint::Footprint;
use crate::monitor::{Event, Monitor};
use crate::wait::{self, PATIENCE};

/// What the agent may grow by: a log line more, a longer history of members.
const GROWTH: u64 = 4 << 20;

/// The longest lease of a /24, in seconds, by its third byte.
const LONGEST: [(u8, u64); 2] = [(1, OTHER_LEASE.as_secs()), (2, QUIET_LEASE.as_secs())];

/// Somebody who watches a server that has its leases.
pub struct Watch<'a> {
    lab: &'a Lab,
    monitor: Monitor,
    /// Events that were looked at.
    seen: Cell<usize>,
    /// The addresses of each /24, as the events have them.
    addresses: RefCell<BTreeMap<u8, BTreeSet<Ipv4Addr>>>,
    agent: i32,
    at_first: Footprint,
    /// Statuses that could be compared, because nothing changed meanwhile.
    compared: Cell<u32>,
}

impl<'a> Watch<'a> {
    /// Watches from now on.
    ///
    /// # Panics
    /// When the server is not well.
    pub fn start(lab: &'a Lab) -> Self {
        let monitor = Monitor::of(lab.server().namespace());
        let agents = lab.server().hhnet_processes();
        let [agent] = &agents[..] else {
            panic!("one agent was expected: {agents:?}");
        };
        let watch = Self {
            lab,
            monitor,
            seen: Cell::default(),
            addresses: RefCell::default(),
            agent: agent.pid,
            at_first: Footprint::of(agent.pid),
            compared: Cell::default(),
        };
        let present = [lab.link(), QUIET_LINK].map(|link| lab.server().addresses(link));
        for address in present.iter().flatten() {
            let (address, _) = address.split_once('/').expect("a prefix");
            watch.note(&Event::AddressSet(address.parse().expect("an address"), 0));
        }
        watch.recover(PATIENCE);
        // What it takes to answer for the first time is no growth.
        Self {
            at_first: Footprint::of(agent.pid),
            ..watch
        }
    }

    /// Whom it watches.
    pub fn lab(&self) -> &'a Lab {
        self.lab
    }

    /// How many statuses were compared with what `ip` says.
    pub fn compared(&self) -> u32 {
        self.compared.get()
    }

    /// What the agent was at first, and is now.
    pub fn footprints(&self) -> [Footprint; 2] {
        [self.at_first, Footprint::of(self.agent)]
    }

    /// Looks once. Returns the status that was seen.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn look(&self) -> Value {
        let (at, before) = (Instant::now(), View::of(self.lab));
        self.expect_kept_promise(at, &before);
        let text = self.lab.server().must("status --json");
        let after = View::of(self.lab);
        let status: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("hhnet status: {e}\n{text}"));
        assert_eq!(status["agent"]["pid"], self.agent, "another agent: {text}");
        let events = self.monitor.events();
        let events = &events[self.seen.replace(events.len())..];
        // An address may be gone, and the same one be back, between two looks.
        let has_gone = |event: &Event| matches!(event, Event::AddressGone(_));
        if before.is_same(&after) && !events.iter().any(has_gone) {
            let lies = lies(&status, &before, &after);
            assert!(lies.is_empty(), "{}\n{text}", lies.join("\n"));
            self.compared.set(self.compared.get() + 1);
        }
        for event in events {
            self.note(event);
        }
        let now = Footprint::of(self.agent);
        let allowed = self.at_first.resident + GROWTH;
        assert!(now.resident < allowed, "{:?} became {now:?}", self.at_first);
        status
    }

    /// No address is there for longer than the server knows of.
    fn expect_kept_promise(&self, at: Instant, view: &View) {
        let Some((address, left)) = view.lease() else {
            return;
        };
        let is_fabrics = self.lab.is_of_fabric(&address);
        let Some(until) = self.lab.promised().filter(|_| is_fabrics) else {
            return;
        };
        // The other server's leases are longer than what is to be compared.
        let end = at + Duration::from_secs_f64(left.min(LEASE.as_secs_f64() * 2.0));
        // hhnet rounds up what it tells the kernel, which counts whole seconds that are over.
        let slack = Duration::from_secs(2);
        assert!(
            end <= until + slack,
            "{address} is valid {:?} longer than it is leased",
            end - until
        );
    }

    /// A session has one address at most, and none for longer than any server leases it.
    fn note(&self, event: &Event) {
        let mut all = self.addresses.borrow_mut();
        match event {
            Event::AddressSet(address, valid) => {
                let subnet = address.octets()[2];
                let longest = LONGEST.iter().find(|(known, _)| *known == subnet);
                let (_, longest) = longest.unwrap_or_else(|| panic!("a stray {address}"));
                assert!(u64::from(*valid) <= *longest, "{address}: {valid} s");
                let held = all.entry(subnet).or_default();
                held.insert(*address);
                assert!(held.len() < 2, "two addresses at once: {held:?}");
            }
            Event::AddressGone(address) => {
                all.entry(address.octets()[2]).or_default().remove(address);
            }
            Event::RouteSet(_) | Event::RouteGone(_) => {}
        }
    }

    /// Waits for what hhnet is documented to make of a disturbance.
    ///
    /// # Panics
    /// When it does not.
    pub fn expect_outcome(&self, of: Disturbance) {
        wait::until(&format!("what comes of {of:?}"), PATIENCE, || {
            of.has_come_out(self.lab, &self.look())
        });
    }

    /// Waits until all is well, and returns how long that took.
    ///
    /// # Panics
    /// When it does not come.
    pub fn recover(&self, deadline: Duration) -> Duration {
        let started = Instant::now();
        let mut lacking = Vec::new();
        let well = wait::poll(deadline, || {
            lacking = self.lacking(&self.look());
            lacking.is_empty().then(|| started.elapsed())
        });
        well.unwrap_or_else(|| panic!("not well after {deadline:?}: {}", lacking.join(", ")))
    }

    /// Waits until the agent has no more descriptors than at first.
    ///
    /// # Panics
    /// When it keeps some.
    pub fn expect_no_descriptor_more(&self) {
        let mut now = self.at_first;
        let same = wait::poll(PATIENCE, || {
            now = Footprint::of(self.agent);
            (now.descriptors <= self.at_first.descriptors).then_some(())
        });
        assert!(same.is_some(), "{:?} became {now:?}", self.at_first);
    }

    /// What the server lacks to be well.
    fn lacking(&self, status: &Value) -> Vec<String> {
        let mut lacking = Vec::new();
        let mut expect = |is_so: bool, what: &str| {
            if !is_so {
                lacking.push(what.to_owned());
            }
        };
        let bond = named(&status["bonds"], &"bond0".into());
        for port in ["enp2s1", MEMBER] {
            let member = named(&bond["members"], &port.into());
            let is_good = |fact: &str| member.pointer(fact) == Some(&true.into());
            expect(
                is_good("/carrier") && is_good("/lacp/distributing"),
                &format!("{port} does not distribute"),
            );
        }
        for link in [self.lab.link(), QUIET_LINK] {
            let interface = named(&status["interfaces"], &link.into());
            let state = &interface["dhcp"]["state"];
            expect(
                is_bound(interface),
                &format!("{link} is {state} with {}", interface["addresses"]),
            );
            expect(interface["mtu"] == 1500, &format!("{link} has another MTU"));
        }
        for gateway in ["10.0.1.1", "10.0.2.1"] {
            // Last of all, as it takes a second where it fails.
            if lacking.is_empty() {
                let ping = format!("ping -c 1 -W 1 {gateway}");
                let is_there = self.lab.server().run(&ping).ok();
                lacking.extend((!is_there).then(|| format!("{gateway} is silent")));
            }
        }
        lacking
    }
}
