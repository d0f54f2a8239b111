// SPDX-License-Identifier: Apache-2.0
//! Verbs that change nothing.

use super::{Agent, connection::Reply, expect::expect};
use crate::{
    cli::{self, Dups, Flows, IfName},
    clock, diagnose,
    link::{self, Device, LinkError},
    status::{Facts, Paint, Status},
    xdp::{
        Programs,
        dups::DupReport,
        expected::{Bond, verdicts},
        report::{Choice, Flow, FlowReport, Member},
    },
};

impl Agent {
    pub(super) async fn show_status(&self, flags: cli::Status, reply: &Reply) {
        match self.status().await {
            Ok(status) => {
                let text = if flags.json || flags.watch {
                    json(&status)
                } else {
                    status.text(Paint::Plain)
                };
                reply.answer(text.trim_end());
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }

    /// What the agent knows for a diagnosis: the command looks around by itself.
    pub(super) async fn show_facts(&self, reply: &Reply) {
        match self.facts().await {
            Ok(facts) => {
                reply.answer(json(&facts));
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }

    pub(super) async fn facts(&self) -> Result<diagnose::Facts, LinkError> {
        let flows = self.programs.loaded_programs().map(Programs::flows);
        // Without counters there is still the rest to tell.
        let flows = flows.and_then(Result::ok).unwrap_or_default();
        Ok(diagnose::Facts {
            status: self.status().await?,
            heard: diagnose::look::heard(&flows),
            ..diagnose::Facts::default()
        })
    }

    /// Everything known, read anew. Flows are left out: there may be many.
    pub(super) async fn status(&self) -> Result<Status, LinkError> {
        let devices = self.links.devices().await?;
        let addresses = self.links.addresses().await?;
        let sessions = self.sessions.iter();
        let mut facts = Facts {
            devices: &devices,
            addresses: &addresses,
            nics: link::nics(&devices),
            journal: Some(&self.journal),
            sessions: sessions
                .map(|s| (s.device.name.as_str(), s.began, s.report.borrow().clone()))
                .collect(),
            complaints: self.programs.complaints(),
            agent: Some((std::process::id(), self.born)),
            adopted: self.adopted,
            now: clock::now(),
            ..Facts::default()
        };
        if let Some(programs) = self.programs.loaded_programs() {
            facts.attachments = programs.attachments().collect();
            // Without counters there is still the rest to tell.
            facts.members = members(programs, &devices).unwrap_or_default();
            facts.duplicates = programs.duplicates(&facts.members, &[]).ok();
        }
        Ok(facts.status())
    }

    /// Reads what was counted, and lets another task, which may take its time to
    /// ask the kernel, make a report of it.
    pub(super) async fn show_flows(&mut self, flows: Flows, reply: Reply) {
        let devices = match self.links.devices().await {
            Ok(devices) => devices,
            Err(error) => return reply.fail(error),
        };
        self.see(&devices);
        self.count_newcomers().await;
        // Who watches is not told what takes a while.
        let bonds = if flows.watch {
            Vec::new()
        } else {
            self.hashing_bonds(&devices)
        };
        let Some(programs) = self.programs.loaded_programs() else {
            reply.complain("no XDP programs are loaded: nothing is counted");
            if flows.json || flows.watch {
                reply.answer(json(&FlowReport::default()));
            }
            return reply.exit(0);
        };
        let wanted: &[_] = if flows.watch { &[] } else { &flows.members };
        let counted = read(programs, wanted, &devices);
        let links = self.links.clone();
        tokio::spawn(async move {
            match counted {
                Ok((members, mut counted)) => {
                    expect(&links, &devices, &bonds, &mut counted).await;
                    let report = report(members, counted, &bonds, &flows);
                    let text = if flows.json || flows.watch {
                        json(&report)
                    } else {
                        report.text()
                    };
                    reply.answer(text.trim_end());
                    reply.exit(0);
                }
                Err(reason) => reply.fail(reason),
            }
        });
    }
}

impl Agent {
    /// What came twice, and why.
    pub(super) async fn show_dups(&self, dups: &Dups, reply: &Reply) {
        let Some(programs) = self.programs.loaded_programs() else {
            reply.complain("no XDP programs are loaded: nothing is compared");
            if dups.json || dups.watch {
                reply.answer(json(&DupReport::default()));
            }
            return reply.exit(0);
        };
        let devices = self.links.devices().await;
        let report = devices
            .map_err(|error| error.to_string())
            .and_then(|devices| {
                let (members, flows) = read(programs, &[], &devices)?;
                let report = programs.duplicates(&members, &flows);
                report.map_err(|error| error.to_string())
            });
        match report {
            Ok(report) => {
                let text = if dups.json || dups.watch {
                    json(&report)
                } else {
                    report.text()
                };
                reply.answer(text.trim_end());
                reply.exit(0);
            }
            Err(reason) => reply.fail(reason),
        }
    }
}

/// Members, each with its bond, and all flows.
fn read(
    programs: &Programs,
    wanted: &[IfName],
    devices: &[Device],
) -> Result<(Vec<Member>, Vec<Flow>), String> {
    let members = members(programs, devices)?;
    for name in wanted {
        if !members.iter().any(|member| member.name == name.as_str()) {
            return Err(format!("nothing is counted on {name}"));
        }
    }
    let flows = programs.flows().map_err(|error| error.to_string())?;
    Ok((members, flows))
}

/// Members, each with its bond.
fn members(programs: &Programs, devices: &[Device]) -> Result<Vec<Member>, String> {
    let mut members = programs.members().map_err(|error| error.to_string())?;
    let at = |index| devices.iter().find(|device| device.index == index);
    for member in &mut members {
        let master = at(member.ifindex).and_then(|device| at(device.master?));
        let bond = master.filter(|master| master.is_bond());
        member.bond = bond.map(|bond| bond.name.clone());
    }
    Ok(members)
}

fn report(members: Vec<Member>, flows: Vec<Flow>, bonds: &[Bond], wanted: &Flows) -> FlowReport {
    let choice = Choice {
        // The busiest of a second need not be those of all time.
        top: wanted.top.filter(|_| !wanted.watch),
        by: wanted.by,
        members: wanted.members.iter().map(ToString::to_string).collect(),
    };
    let policies = verdicts(&flows, bonds, &choice);
    FlowReport {
        at_ms: clock::now().as_millis() as u64,
        policies,
        ..FlowReport::new(members, flows, &choice)
    }
}

fn json(report: &impl serde::Serialize) -> String {
    // Maps with text keys and numbers: nothing in it can fail to be written.
    serde_json::to_string_pretty(report).unwrap_or_default()
}
