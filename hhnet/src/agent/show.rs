// SPDX-License-Identifier: Apache-2.0
//! Verbs that change nothing.

use super::{Agent, connection::Reply};
use crate::{cli::Flows, metrics, status::Status, xdp::report::FlowReport};

impl Agent {
    pub(super) async fn show_status(&self, reply: &Reply) {
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

    pub(super) fn show_metrics(&self, reply: &Reply) {
        let reports: Vec<_> = self
            .sessions
            .iter()
            .map(|session| {
                (
                    session.device.name.as_str(),
                    session.report.borrow().clone(),
                )
            })
            .collect();
        let age = crate::clock::now().saturating_sub(self.born);
        reply.answer(metrics::render(Some(age), &reports, crate::clock::now()).trim_end());
        reply.exit(0);
    }

    pub(super) fn show_flows(&self, flows: &Flows, reply: &Reply) {
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
