// SPDX-License-Identifier: Apache-2.0
//! Verbs that change nothing.

use super::{Agent, connection::Reply};
use crate::{
    cli::Flows,
    clock,
    link::LinkError,
    metrics,
    session::Report,
    status::Status,
    xdp::report::{Choice, FlowReport},
};

impl Agent {
    pub(super) async fn show_status(&self, reply: &Reply) {
        match self.status().await {
            Ok(text) => {
                reply.answer(text.trim_end());
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }

    pub(super) async fn status(&self) -> Result<String, LinkError> {
        let devices = self.links.devices().await?;
        let status = Status {
            devices: &devices,
            leases: self.reports(),
            attachments: self
                .programs
                .loaded_programs()
                .map_or_else(Vec::new, |programs| programs.attachments().collect()),
            agent: Some((std::process::id(), self.born)),
            now: clock::now(),
        };
        Ok(status.to_string())
    }

    fn reports(&self) -> Vec<(&str, Report)> {
        let all = self.sessions.iter();
        all.map(|s| (s.device.name.as_str(), s.report.borrow().clone()))
            .collect()
    }

    pub(super) fn show_metrics(&self, reply: &Reply) {
        let age = clock::now().saturating_sub(self.born);
        reply.answer(metrics::render(Some(age), &self.reports(), clock::now()).trim_end());
        reply.exit(0);
    }

    pub(super) fn show_flows(&self, flows: &Flows, reply: &Reply) {
        let Some(programs) = self.programs.loaded_programs() else {
            reply.complain("no XDP programs are loaded: nothing is counted");
            if flows.json {
                reply.answer(json(&FlowReport::default()));
            }
            return reply.exit(0);
        };
        let read = || -> Result<String, Box<dyn std::error::Error>> {
            let members = programs.members()?;
            if let Some(name) = &flows.member
                && !members.iter().any(|member| member.name == name.as_str())
            {
                return Err(format!("nothing is counted on {name}").into());
            }
            let report = FlowReport::new(members, programs.flows()?, &choice(flows));
            Ok(if flows.json {
                json(&report)
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

fn choice(flows: &Flows) -> Choice {
    Choice {
        top: flows.top,
        by: flows.by,
        member: flows.member.as_ref().map(ToString::to_string),
    }
}

fn json(report: &FlowReport) -> String {
    // Maps with text keys and numbers: nothing in it can fail to be written.
    serde_json::to_string_pretty(report).unwrap_or_default()
}
