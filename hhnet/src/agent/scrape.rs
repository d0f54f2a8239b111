// SPDX-License-Identifier: Apache-2.0
//! Metrics over HTTP: where, and since when.

use tracing::{info, warn};

use super::{Agent, Message, connection::Reply};
use crate::{
    cli::{self, Exposure},
    clock,
    exporter::{Exporter, Format, Scrape},
    link::LinkError,
    metrics::{Facts, Process, render},
    xdp::report::{Choice, FlowReport},
};

/// Where metrics are served.
#[derive(Default)]
pub(super) struct Exposed {
    /// As the last command said that said anything; nobody has yet.
    wanted: Option<Exposure>,
    exporter: Option<Exporter>,
}

impl Agent {
    /// Serves metrics where a command wants them. One that says nothing has them where
    /// they are, or else where they usually are. Returns why they are not there.
    pub(super) async fn expose(&mut self, wanted: Option<Exposure>) -> Option<String> {
        let before = self.exposed.wanted;
        let wanted = wanted.or(before).unwrap_or(Exposure::USUAL);
        let Exposure::At(address) = wanted else {
            self.exposed.close().await;
            self.exposed.wanted = Some(wanted);
            return None;
        };
        if before == Some(wanted) && self.exposed.exporter.is_some() {
            return None;
        }
        self.exposed.close().await;
        self.exposed.wanted = Some(wanted);
        let outbox = self.outbox.clone();
        let ask = move |scrape| {
            let _ = outbox.send(Message::Scrape(scrape));
        };
        match Exporter::start(address, ask) {
            Ok(exporter) => {
                info!("metrics at http://{address}/metrics");
                self.exposed.exporter = Some(exporter);
                None
            }
            Err(error) => {
                warn!("serving metrics at {address}: {error}");
                Some(format!("warning: no metrics at {address}: {error}"))
            }
        }
    }
}

impl Agent {
    /// Answers a reader on the network.
    pub(super) async fn answer_scrape(&self, scrape: Scrape) {
        // Who asks again and again while we are at work is not answered for each time.
        if scrape.reply.is_closed() {
            return;
        }
        match self.metrics(scrape.format, None).await {
            // He may have gone.
            Ok(text) => drop(scrape.reply.send(text)),
            Err(error) => warn!("gathering metrics: {error}"),
        }
    }

    /// Answers a command.
    pub(super) async fn show_metrics(&self, flags: &cli::Metrics, reply: &Reply) {
        match self.metrics(Format::Prometheus, flags.flows).await {
            Ok(text) => {
                reply.answer(text.trim_end());
                reply.exit(0);
            }
            Err(error) => reply.fail(error),
        }
    }

    /// The tables of flows are read only if flows are wanted: there may be many.
    async fn metrics(&self, format: Format, flows: Option<usize>) -> Result<String, LinkError> {
        let began = clock::now();
        let status = self.status().await?;
        let found = match (flows, self.programs.loaded_programs()) {
            (Some(top), Some(programs)) => {
                let choice = Choice {
                    top: Some(top),
                    ..Choice::default()
                };
                let flows = programs.flows().unwrap_or_default();
                Some(FlowReport::new(Vec::new(), flows, &choice))
            }
            _ => None,
        };
        let process = Process::read();
        let facts = Facts {
            status: &status,
            flows: found.as_ref().map(|r| (r.total_flows, &r.flows[..])),
            process,
            took: clock::now().saturating_sub(began),
        };
        Ok(render(&facts, format))
    }
}

impl Exposed {
    /// Frees the port for the next agent.
    pub(super) async fn close(&mut self) {
        if let Some(exporter) = self.exporter.take() {
            exporter.close().await;
        }
    }
}
