// SPDX-License-Identifier: Apache-2.0
//! Metrics over HTTP: where, and since when.

use tracing::{info, warn};

use super::{Agent, Message};
use crate::{cli::Exposure, exporter::Exporter};

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

impl Exposed {
    /// Frees the port for the next agent.
    pub(super) async fn close(&mut self) {
        if let Some(exporter) = self.exporter.take() {
            exporter.close().await;
        }
    }
}
