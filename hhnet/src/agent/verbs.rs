// SPDX-License-Identifier: Apache-2.0
//! What each verb does, and how it is undone when it fails halfway.

use std::{fmt, io};

use tracing::{info, warn};

use super::{
    Agent, Message,
    connection::{Call, Reply},
    wait::{End, Outcome, Wait},
};
use crate::{
    cli::{BOND, Bond, Flows, IfName, LeaseFlags, P2p, Verb, Vlan, VlanId},
    journal::{self, Before},
    link::{Address, BondOptions, Device, LinkError, Links},
    session::Session,
    status::Status,
    xdp::{detach_link_of, report::FlowReport},
};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
enum VerbError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    #[error("{0}")]
    Refused(String),
}

impl VerbError {
    fn refused(reason: impl fmt::Display) -> Self {
        VerbError::Refused(reason.to_string())
    }
}

/// What a verb has done so far, in order, to be undone in reverse.
#[derive(Debug, Default)]
pub(super) struct Undo {
    generation: u64,
    /// Links that were made. Removed by index, which is never given twice.
    created: Vec<Device>,
    /// Links that were changed, as they were, and whether the journal had no
    /// entry of them before.
    touched: Vec<(Before, bool)>,
    /// An address that was added.
    address: Option<Address>,
}

/// The interface a verb has made for leasing.
struct Leasable {
    device: Device,
    /// Where programs go: the members of the bond, or the parent.
    lowest: Vec<Device>,
    bonded: bool,
}

impl Agent {
    /// Does what a command asks.
    pub(super) async fn obey(&mut self, call: Call) {
        let Call { verb, reply } = call;
        reply.accept();
        match verb {
            Verb::Cleanup => self.cleanup(reply).await,
            Verb::Bond(bond) => {
                let mut undo = self.undo_log();
                let made = self.make_bond(&bond, &mut undo).await;
                self.lease(made, &bond.lease, undo, reply).await;
            }
            Verb::Vlan(vlan) => {
                let mut undo = self.undo_log();
                let made = self.make_vlan(&vlan, &mut undo).await;
                self.lease(made, &vlan.lease, undo, reply).await;
            }
            Verb::P2p(p2p) => {
                let mut undo = self.undo_log();
                match self.make_p2p(&p2p, &mut undo).await {
                    Ok(()) => {
                        reply.answer(p2p.local);
                        reply.exit(0);
                    }
                    Err(error) => {
                        self.undo(undo).await;
                        reply.fail(error);
                    }
                }
            }
            Verb::Status => self.show_status(&reply).await,
            Verb::Flows(flows) => self.show_flows(&flows, &reply),
            // Done by the command itself.
            Verb::Getvips | Verb::Agent => reply.fail("not a question for the agent"),
        }
    }

    fn undo_log(&self) -> Undo {
        Undo {
            generation: self.generation,
            ..Undo::default()
        }
    }

    async fn make_bond(&mut self, bond: &Bond, undo: &mut Undo) -> Result<Leasable, VerbError> {
        let name: IfName = BOND.parse().map_err(VerbError::Refused)?;
        let members = self.free_members(&bond.members).await?;
        for member in &members {
            self.note(member, undo)?;
        }
        let options = BondOptions {
            name: BOND,
            policy: bond.policy,
            lacp_rate: bond.lacp_rate,
            mac: members
                .first()
                .and_then(|first| first.permanent_mac.or(first.mac)),
            mtu: bond.lease.mtu,
        };
        add_bond(&self.links, &options).await?;
        let upper = self.links.existing(BOND).await?;
        undo.created.push(upper.clone());
        for member in &members {
            self.links.enslave(member, &upper).await?;
        }
        self.links.set_up(&upper).await?;
        let device = self.add_vlan(&upper, &name, bond.vlan, undo).await?;
        Ok(Leasable {
            device,
            lowest: members,
            bonded: true,
        })
    }

    /// The members, checked before anything is changed.
    async fn free_members(&self, names: &[IfName]) -> Result<Vec<Device>, VerbError> {
        let mut members = Vec::new();
        for name in names {
            let member = self.links.existing(name.as_str()).await?;
            if member.master.is_some() {
                return Err(VerbError::refused(format_args!(
                    "adding {name} to {BOND}: it is a member of another device"
                )));
            }
            members.push(member);
        }
        Ok(members)
    }

    async fn make_vlan(&mut self, vlan: &Vlan, undo: &mut Undo) -> Result<Leasable, VerbError> {
        let parent = self.links.existing(vlan.parent.as_str()).await?;
        self.note(&parent, undo)?;
        if let Some(mtu) = vlan.lease.mtu {
            self.links.set_mtu(&parent, mtu).await?;
        }
        if !parent.up {
            self.links.set_up(&parent).await?;
        }
        let device = self
            .add_vlan(&parent, &vlan.parent, vlan.vlan, undo)
            .await?;
        let bonded = parent.is_bond();
        // A program on a bond would exclude programs on its members, which
        // `bond` has put there.
        let lowest = if bonded { Vec::new() } else { vec![parent] };
        Ok(Leasable {
            device,
            lowest,
            bonded,
        })
    }

    async fn add_vlan(
        &self,
        parent: &Device,
        parent_name: &IfName,
        id: VlanId,
        undo: &mut Undo,
    ) -> Result<Device, VerbError> {
        let name = parent_name.with_vlan(id).map_err(VerbError::Refused)?;
        self.links.add_vlan(parent, &name, id).await?;
        let device = self.links.existing(name.as_str()).await?;
        undo.created.push(device.clone());
        Ok(device)
    }

    async fn make_p2p(&mut self, p2p: &P2p, undo: &mut Undo) -> Result<(), VerbError> {
        let device = self.links.existing(p2p.interface.as_str()).await?;
        self.note(&device, undo)?;
        self.links.set_up(&device).await?;
        self.links.add_address(&device, p2p.local).await?;
        undo.address = Some(Address::of(&device, p2p.local));
        self.links.add_default_route(&device, p2p.remote).await?;
        let entry = journal::P2p {
            interface: device.name.clone(),
            local: p2p.local,
            gateway: p2p.remote,
        };
        self.journal
            .note_p2p(entry)
            .map_err(|error| VerbError::Io("writing the journal", error))
    }

    /// Writes down what a link is like before it is changed.
    fn note(&mut self, device: &Device, undo: &mut Undo) -> Result<(), VerbError> {
        let new = self.journal.before(&device.name).is_none();
        self.journal
            .note(device)
            .map_err(|error| VerbError::Io("writing the journal", error))?;
        let before = Before {
            name: device.name.clone(),
            up: device.up,
            mtu: device.mtu,
        };
        undo.touched.push((before, new));
        Ok(())
    }

    /// Starts leasing, and lets the command wait for it beside the loop.
    async fn lease(
        &mut self,
        made: Result<Leasable, VerbError>,
        flags: &LeaseFlags,
        undo: Undo,
        reply: Reply,
    ) {
        let started = made.and_then(|made| {
            let session = Session::start(self.links.clone(), made.device.clone())
                .map_err(|error| VerbError::Io("starting the DHCP client", error))?;
            Ok((made, session))
        });
        let (made, session) = match started {
            Ok(started) => started,
            Err(error) => {
                self.undo(undo).await;
                return reply.fail(error);
            }
        };
        self.programs.want(&made.lowest, flags.xdp, &self.outbox);
        let wait = Wait {
            report: session.report.clone(),
            aggregated: made.bonded.then(|| self.aggregated.subscribe()),
            programs: self.programs.settled(),
            limit: flags.timeout(),
        };
        self.sessions.push(session);
        self.waiting += 1;
        let (outbox, interface) = (self.outbox.clone(), made.device.name);
        tokio::spawn(async move {
            let end = wait.until_usable(&reply).await;
            let _ = outbox.send(Message::Settled(Outcome {
                end,
                interface,
                undo,
                reply,
            }));
        });
    }

    /// Finishes a command that has waited.
    pub(super) async fn settle(&mut self, outcome: Outcome) {
        let Outcome {
            end,
            interface,
            undo,
            reply,
        } = outcome;
        self.waiting -= 1;
        match end {
            // It went away in the very moment of success.
            End::Leased(_) if reply.is_gone() => self.give_up(&interface, undo).await,
            End::Leased(prefix) => {
                for (link, _) in &undo.touched {
                    if let Some(reason) = self.programs.complaint(&link.name) {
                        reply.complain(format_args!("warning: {}: {reason}", link.name));
                    }
                }
                reply.answer(prefix);
                reply.exit(0);
            }
            End::TimedOut(report) => {
                self.give_up(&interface, undo).await;
                let (sent, got) = (report.counters.discovers, report.counters.offers);
                let empty = report.counters.empty;
                reply.complain(format_args!(
                    "Failed to get IP address for {interface}: {sent} DISCOVERs sent, \
                     {got} OFFERs and {empty} empty replies received"
                ));
                reply.exit(1);
            }
            End::Abandoned => {
                info!("{interface}: whoever asked for it has gone");
                self.give_up(&interface, undo).await;
            }
            End::Ended => {
                self.give_up(&interface, undo).await;
                reply.fail(format_args!(
                    "{interface} was removed before it had an address"
                ));
            }
        }
    }

    async fn give_up(&mut self, interface: &str, undo: Undo) {
        if undo.generation == self.generation {
            self.sessions
                .retain(|session| session.device.name != interface);
            self.undo(undo).await;
        }
    }

    /// Takes back what a failed verb has done. Errors are only logged: the
    /// caller gets the reason of the failure, not of its aftermath.
    async fn undo(&mut self, undo: Undo) {
        if let Some(address) = &undo.address {
            log(self.links.remove_address(address).await);
        }
        for device in undo.created.iter().rev() {
            log(self.links.remove(device).await);
        }
        for (before, new) in undo.touched.iter().rev() {
            match self.links.device(&before.name).await {
                Ok(Some(device)) => {
                    self.programs.forget(&device);
                    log(self.links.restore(&device, before).await);
                }
                Ok(None) => {}
                Err(error) => warn!("{error}"),
            }
            if *new {
                self.journal.forget(&before.name);
            }
        }
    }

    /// Ends everything and removes everything, whoever made it.
    async fn cleanup(&mut self, reply: Reply) {
        self.generation += 1;
        self.sessions.clear();
        // Top-down: the VLANs and bonds above go last, but programs sit on the
        // lowest devices only.
        self.programs.detach();
        let swept = match self.links.sweep(&self.journal).await {
            Ok(swept) => swept,
            Err(error) => return reply.fail(error),
        };
        for error in &swept.failures {
            reply.complain(format_args!("warning: {error}"));
        }
        for device in &swept.held {
            let program = device.xdp.program.unwrap_or_default();
            match detach_link_of(device.index, program) {
                Ok(true) => {}
                Ok(false) => reply.complain(format_args!(
                    "warning: {} keeps XDP program {program}: nobody is known to hold it",
                    device.name
                )),
                Err(error) => reply.complain(format_args!("warning: {error}")),
            }
        }
        self.journal.clear();
        // Answered last of all: when the command returns, the next one finds
        // neither links nor agent.
        self.farewell.push(reply);
    }

    async fn show_status(&self, reply: &Reply) {
        match self.links.devices().await {
            Ok(devices) => {
                let status = Status {
                    devices: &devices,
                    leases: self
                        .sessions
                        .iter()
                        .map(|session| {
                            (
                                session.device.name.as_str(),
                                session.report.borrow().clone(),
                            )
                        })
                        .collect(),
                    attachments: self
                        .programs
                        .loaded_programs()
                        .map_or_else(Vec::new, |programs| programs.attachments().collect()),
                    agent: Some((std::process::id(), self.born)),
                    now: crate::clock::now(),
                };
                reply.answer(status.to_string().trim_end());
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }

    fn show_flows(&self, flows: &Flows, reply: &Reply) {
        let Some(programs) = self.programs.loaded_programs() else {
            return reply.fail("no XDP programs are loaded: nothing is counted");
        };
        let read = || -> Result<String, Box<dyn std::error::Error>> {
            let report = FlowReport::new(programs.members()?, programs.flows()?, flows.top);
            Ok(if flows.json {
                serde_json::to_string_pretty(&report)?
            } else {
                report.text()
            })
        };
        match read() {
            Ok(text) => {
                reply.answer(text.trim_end());
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }
}

/// Adds the bond. A kernel that loads the bonding module for this very request
/// makes a `bond0` of its own first (`max_bonds=1`, unless a modprobe option
/// says otherwise): that one, empty and down, is in the way and is replaced.
async fn add_bond(links: &Links, options: &BondOptions<'_>) -> Result<(), VerbError> {
    let known = links.device(options.name).await?.is_some();
    match links.add_bond(options).await {
        Err(error) if error.errno() == Some(libc::EEXIST) && !known => {
            let theirs = links.existing(options.name).await?;
            links.remove(&theirs).await?;
            Ok(links.add_bond(options).await?)
        }
        other => Ok(other?),
    }
}

fn log(outcome: Result<(), LinkError>) {
    if let Err(error) = outcome {
        warn!("undoing: {error}");
    }
}
