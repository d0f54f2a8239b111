// SPDX-License-Identifier: Apache-2.0
//! What the kernel reports while no command is at work.

use std::collections::BTreeMap;

use tracing::{info, warn};

use super::{Agent, expect::role, wait::Aggregation};
use crate::{
    clock, host,
    link::{self, Device, Event, PortState},
    session::{self, Order, Session},
};

impl Agent {
    /// Passes an event on to whom it concerns.
    pub(super) async fn witness(&mut self, event: Event) {
        match event {
            Event::Link(device) => {
                let is_member = device.port.is_some() || self.ports.contains_key(&device.index);
                self.link_changed(&device);
                self.count_newcomers().await;
                if is_member {
                    self.tell_news().await;
                }
            }
            Event::LinkGone { index } => {
                let was_member = self.ports.contains_key(&index);
                self.link_gone(index);
                if was_member {
                    self.tell_news().await;
                }
            }
            Event::AddressGone { index, address } => {
                self.order(index, Order::AddressGone(address));
            }
            Event::RouteGone { index, to } => self.order(index, Order::RouteGone(to)),
            Event::Missed => {
                warn!("link events were lost");
                self.look_around().await;
                // Each session looks for itself whether that is so.
                for session in &self.sessions {
                    let lease = session.report.borrow().lease.clone();
                    if let Some(lease) = lease {
                        session.order(Order::AddressGone(lease.prefix.address));
                        let routes = lease.routes.iter();
                        routes.for_each(|route| session.order(Order::RouteGone(route.to)));
                    }
                }
            }
        }
    }

    /// Does what others on this machine ask for, who do not know us.
    pub(super) fn heed(&self, event: host::Event) {
        match event {
            host::Event::Reconfigured { index } => self.order(index, Order::StartAnew),
            host::Event::ServiceCame => {
                for session in &self.sessions {
                    session.order(Order::TellServers);
                }
            }
        }
    }

    fn order(&self, index: u32, order: Order) {
        for session in self.sessions.iter().filter(|s| s.device.index == index) {
            session.order(order.clone());
        }
    }

    /// Looks at all links: at the start, when events were lost, and where the kernel
    /// reports nothing.
    pub(super) async fn look_around(&mut self) {
        match self.links.devices().await {
            Ok(devices) => {
                self.see(&devices);
                self.tell(&devices);
                self.count_newcomers().await;
            }
            Err(error) => warn!("{error}"),
        }
    }

    /// Has the log say what has become of members, by what they are now: the event that
    /// they have changed may be older than what was told last.
    async fn tell_news(&mut self) {
        match self.links.devices().await {
            Ok(devices) => self.tell(&devices),
            Err(error) => warn!("{error}"),
        }
    }

    fn tell(&mut self, devices: &[Device]) {
        let lines = self.news.since(devices, &link::nics(devices));
        lines.iter().for_each(|line| info!("{line}"));
    }

    /// Takes note of how all links are now.
    pub(super) fn see(&mut self, devices: &[Device]) {
        let indices = self.sessions.iter().map(|s| s.device.index);
        let gone = |index: &u32| !devices.iter().any(|device| device.index == *index);
        for index in indices.filter(gone).collect::<Vec<_>>() {
            self.link_gone(index);
        }
        for device in devices {
            self.link_changed(device);
        }
    }

    fn link_changed(&mut self, device: &Device) {
        self.programs.situate(device);
        for session in self
            .sessions
            .iter_mut()
            .filter(|s| s.device.index == device.index)
        {
            if session.device.name != device.name {
                session.rename(&device.name);
            }
            session.order(Order::Link {
                up: device.up && device.carrier,
            });
        }
        let old = self.ports.remove(&device.index);
        if device.port.is_some() && old.as_ref().is_none_or(|(bond, _)| *bond != device.master) {
            self.newcomers.push(device.clone());
        }
        self.compare_roles(old.as_ref(), device);
        let Some(port) = device.port.clone() else {
            return self.count_ports();
        };
        let path =
            |(_, port): &(Option<u32>, PortState)| port.distributing().then_some(port.aggregator);
        let new = (device.master, port);
        let (was, is) = (old.as_ref().and_then(path), path(&new));
        // A path that has closed is no news for who waits for an answer.
        if was != is && is.is_some() {
            self.path_changed(device.master);
        }
        self.ports.insert(device.index, new);
        self.count_ports();
    }

    /// Remembers when the ports change that a bond sends by.
    fn compare_roles(&mut self, old: Option<&(Option<u32>, PortState)>, device: &Device) {
        let was = old.map(|(bond, port)| (*bond, role(port)));
        let is = device.port.as_ref();
        let is = is.map(|port| (device.master, role(port)));
        if was != is {
            for (bond, _) in [was, is].into_iter().flatten() {
                self.changed.extend(bond.map(|bond| (bond, clock::now())));
            }
        }
    }

    /// Tells the sessions above a bond that its aggregate has changed.
    fn path_changed(&self, bond: Option<u32>) {
        let above = |device: &Device| Some(device.index) == bond || device.lower == bond;
        for session in self
            .sessions
            .iter()
            .filter(|s| bond.is_some() && above(&s.device))
        {
            session.order(Order::PathChanged);
        }
    }

    /// Looks how far the members of the bonds we lease on have come.
    pub(super) fn count_ports(&self) {
        self.publish_ports();
        let working = || self.our_ports().filter(|port| port.mii_up);
        let aggregation = if !working().any(PortState::distributing) {
            Aggregation::None
        } else if working().all(PortState::distributing) {
            Aggregation::All
        } else {
            Aggregation::Some
        };
        self.aggregation
            .send_if_modified(|old| std::mem::replace(old, aggregation) != aggregation);
    }

    /// Shows the ports to commands that tell how far they are.
    fn publish_ports(&self) {
        if self.port_states.receiver_count() == 0 {
            return;
        }
        let ports = self.ports.iter();
        let ports = ports.map(|(index, (_, port))| (*index, port.clone()));
        let ports: BTreeMap<_, _> = ports.collect();
        self.port_states.send_if_modified(|old| {
            let changed = *old != ports;
            *old = ports;
            changed
        });
    }

    /// Members of the bonds that sessions are on.
    fn our_ports(&self) -> impl Iterator<Item = &PortState> {
        let ours = |(bond, _): &&(Option<u32>, PortState)| self.is_leased_on(*bond);
        let ports = self.ports.values().filter(ours);
        ports.map(|(_, port)| port)
    }

    /// Whether there is a session on a bond.
    pub(super) fn is_leased_on(&self, bond: Option<u32>) -> bool {
        let on = |s: &Session| s.device.lower == bond || Some(s.device.index) == bond;
        bond.is_some() && self.sessions.iter().any(on)
    }

    /// Whether a command may be waiting for members to join.
    pub(super) fn is_converging(&self) -> bool {
        let all = *self.aggregation.borrow() == Aggregation::All;
        !self.waiting.is_empty() && self.our_ports().next().is_some() && !all
    }

    fn link_gone(&mut self, index: u32) {
        if let Some((Some(bond), _)) = self.ports.remove(&index) {
            self.changed.insert(bond, clock::now());
        }
        self.changed.remove(&index);
        self.counted.remove(&index);
        self.count_ports();
        self.programs.forget_link(index);
        self.forget_left(index);
        self.sessions.retain(|session| {
            let stays = session.device.index != index;
            if !stays {
                warn!("{}: somebody removed the interface", session.device.name);
                let (host, device) = (self.host.clone(), session.device.clone());
                // Nobody waits for it, and the interface has taken most of it along.
                tokio::spawn(async move {
                    session::forget(&host, &device.name, device.index).await;
                });
            }
            stays
        });
    }
}
