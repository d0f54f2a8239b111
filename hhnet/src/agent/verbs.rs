// SPDX-License-Identifier: Apache-2.0
//! What each verb does: make the links, lease an address, wait, answer.

use tracing::info;

use super::{
    Agent, Message,
    connection::{Call, Reply},
    make::{Leasable, VerbError},
    narrate::Story,
    undo::Undo,
    wait::{End, Outcome, Wait},
};
use crate::{
    cli::{LeaseFlags, Verb},
    diagnose::{self, Rival},
    errand::Errand,
    session::{Report, Session, Settings},
    status::{Paint, Status},
};

/// Lines about the links, when there is no address.
const FACTS: usize = 14;

impl Agent {
    /// Does what a command asks.
    pub(super) async fn obey(&mut self, call: Call) {
        let Call { verb, reply } = call;
        reply.accept();
        match verb {
            Verb::Cleanup => self.cleanup(reply).await,
            Verb::Bond(bond) => {
                self.prepare_programs(&bond.lease, &reply);
                let mut undo = self.undo_log();
                let made = self.make_bond(&bond, &mut undo).await;
                self.lease(made, &bond.lease, undo, reply).await;
            }
            Verb::Vlan(vlan) => {
                self.prepare_programs(&vlan.lease, &reply);
                let mut undo = self.undo_log();
                let made = self.make_vlan(&vlan, &mut undo).await;
                self.lease(made, &vlan.lease, undo, reply).await;
            }
            Verb::Dhcp(dhcp) => {
                self.prepare_programs(&dhcp.lease, &reply);
                let mut undo = self.undo_log();
                let made = self.make_dhcp(&dhcp, &mut undo).await;
                self.lease(made, &dhcp.lease, undo, reply).await;
            }
            Verb::P2p(p2p) => {
                let mut undo = self.undo_log();
                match self.make_p2p(&p2p, &mut undo).await {
                    Ok(()) => {
                        // Else the agent is about to leave.
                        if !self.may_leave(true)
                            && let Some(warning) = self.expose(p2p.metrics).await
                        {
                            reply.complain(warning);
                        }
                        undo.handover
                            .remarks
                            .iter()
                            .for_each(|remark| reply.complain(remark));
                        reply.answer(p2p.local);
                        reply.exit(0);
                    }
                    Err(error) => {
                        self.undo(undo, &reply).await;
                        reply.fail(error);
                    }
                }
            }
            Verb::Status(status) => self.show_status(status, &reply).await,
            Verb::Diagnose(_) => self.show_facts(&reply).await,
            Verb::Metrics(flags) => self.show_metrics(&flags, &reply).await,
            Verb::Flows(flows) => self.show_flows(flows, reply).await,
            Verb::Dups(dups) => self.show_dups(&dups, &reply).await,
            // Done by the command itself.
            Verb::Getvips | Verb::Check(_) | Verb::Top(_) | Verb::Agent(_) => {
                reply.fail("not a question for the agent")
            }
        }
    }

    /// Has programs loaded beside everything else: they take as long as all of it.
    fn prepare_programs(&mut self, flags: &LeaseFlags, reply: &Reply) {
        if let Some(refusal) = flags.flows.and_then(|flows| self.programs.size(flows)) {
            reply.complain(refusal);
        }
        self.programs.prepare(flags.xdp, &self.outbox);
    }

    /// Starts leasing, and lets the command wait for it beside the loop.
    async fn lease(
        &mut self,
        made: Result<Leasable, VerbError>,
        flags: &LeaseFlags,
        mut undo: Undo,
        reply: Reply,
    ) {
        let started = made.and_then(|made| {
            let settings = Settings::from(flags);
            let (links, host) = (self.links.clone(), self.host.clone());
            let session = Session::start(links, host, made.device.clone(), settings, None)
                .map_err(|error| VerbError::Io("starting the DHCP client", error))?;
            Ok((made, session))
        });
        let (made, session) = match started {
            Ok(started) => started,
            Err(error) => {
                self.undo(undo, &reply).await;
                return reply.fail(error);
            }
        };
        if let Some(warning) = self.expose(flags.metrics).await {
            reply.complain(warning);
        }
        self.count_on(&made.lowest, flags.xdp).await;
        if made.bonded && !made.lowest.is_empty() {
            self.count_members_of(made.device.lower, flags.xdp);
        }
        undo.steps.done("links");
        let story = Story::new(&made, &session, self.port_states.subscribe());
        let wait = Wait {
            report: session.report.clone(),
            aggregation: made.bonded.then(|| self.aggregation.subscribe()),
            programs: self.programs.settled(),
            limit: flags.timeout(),
        };
        self.sessions.push(session);
        // The watch may still show how far an earlier bond had come.
        self.count_ports();
        let (index, interface) = (made.device.index, made.device.name);
        self.waiting.push(index);
        let outbox = self.outbox.clone();
        tokio::spawn(async move {
            let end = wait.until_usable(story, &reply, &mut undo.steps).await;
            let _ = outbox.send(Message::Settled(Box::new(Outcome {
                end,
                interface,
                index,
                undo,
                reply,
            })));
        });
    }

    /// Finishes a command that has waited.
    pub(super) async fn settle(&mut self, outcome: Outcome) {
        let Outcome {
            end,
            interface,
            index,
            undo,
            reply,
        } = outcome;
        if let Some(place) = self.waiting.iter().position(|waiting| *waiting == index) {
            self.waiting.swap_remove(place);
        }
        match end {
            // It went away in the very moment of success.
            End::Leased(_) if reply.is_gone() => self.give_up(index, undo, &reply).await,
            End::Leased(prefix) => {
                info!("{interface}: {prefix}: {}", undo.steps);
                for (link, _) in &undo.touched {
                    if let Some(reason) = self.programs.complaint(&link.name) {
                        reply.complain(format_args!("warning: {}: {reason}", link.name));
                    }
                }
                undo.handover
                    .remarks
                    .iter()
                    .for_each(|remark| reply.complain(remark));
                self.remarks_on(index)
                    .iter()
                    .for_each(|remark| reply.complain(remark));
                reply.answer(prefix);
                reply.exit(0);
            }
            End::TimedOut(report) => {
                let place = (index, interface.as_str());
                self.time_out(place, &report, undo, &reply).await;
            }
            End::Abandoned => {
                info!("{interface}: whoever asked for it has gone");
                self.give_up(index, undo, &reply).await;
            }
            End::Ended => {
                self.give_up(index, undo, &reply).await;
                let by = if self.leaving {
                    "the agent was terminated"
                } else {
                    "it was removed"
                };
                reply.fail(format_args!("{interface}: {by} before it was usable"));
            }
        }
    }

    /// What of a lease is not in force.
    fn remarks_on(&self, index: u32) -> Vec<String> {
        let session = self.sessions.iter().find(|s| s.device.index == index);
        session.map_or_else(Vec::new, |session| session.report.borrow().remarks.clone())
    }

    async fn time_out(
        &mut self,
        (index, interface): (u32, &str),
        report: &Report,
        undo: Undo,
        reply: &Reply,
    ) {
        // Before it is taken away: this is what there is to look at.
        let (found, status) = match self.facts().await {
            Ok(mut facts) => {
                // No pings: they are for interfaces with a lease.
                facts.rivals = rivals(reply, facts.status.clone()).await;
                let found = diagnose::findings_about(&facts, interface);
                (found, facts.status.text(Paint::Plain))
            }
            Err(error) => (Vec::new(), error.to_string()),
        };
        self.give_up(index, undo, reply).await;
        for line in diagnose::failure(interface, &report.to_string(), &found) {
            info!("{}", line.trim_start());
            reply.complain(line);
        }
        for line in status.lines().take(FACTS) {
            reply.complain(format_args!("  {line}"));
        }
        reply.exit(1);
    }

    async fn give_up(&mut self, index: u32, undo: Undo, reply: &Reply) {
        if undo.generation == self.generation {
            let given_up = |session: &mut Session| session.device.index == index;
            let ended = self.sessions.extract_if(.., given_up).collect();
            Session::end(ended, &self.links, &self.host).await;
            self.undo(undo, reply).await;
        }
    }
}

/// Other DHCP clients: by the command, which may look into them, else as far as they
/// can be seen from here. There may be many processes to look at.
async fn rivals(command: &Reply, status: Status) -> Vec<Rival> {
    let errand = Errand::Rivals(Box::new(status.clone()));
    if let Some(found) = command.run(&errand).await {
        return found;
    }
    let look = tokio::task::spawn_blocking(move || diagnose::look::rivals(&status));
    look.await.unwrap_or_default()
}
