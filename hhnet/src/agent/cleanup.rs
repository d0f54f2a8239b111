// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup`: the end of everything, in order, whatever there was.

use tracing::info;

use super::{Agent, clsact, connection::Reply, steps::Steps};
use crate::{
    host::{Host, resolv_conf},
    journal::Journal,
    link::{Address, Device, LinkError, Links},
    session::{Session, record},
    xdp::detach_link_of,
};

impl Agent {
    /// Ends everything and removes everything, whoever made it.
    pub(super) async fn cleanup(&mut self, reply: Reply) {
        self.generation += 1;
        let mut steps = Steps::begin();
        Session::end(std::mem::take(&mut self.sessions)).await;
        steps.done("leases");
        // Top-down: the VLANs and bonds above go last, but programs sit on the
        // lowest devices only.
        self.programs.detach();
        steps.done("programs");
        match sweep(&self.links, &self.host, &mut self.journal).await {
            Ok(failures) => {
                steps.done("links");
                let failures = [failures, give_back(&self.links, &self.host).await].concat();
                steps.done("networkd");
                info!("cleaned up: {steps}");
                for failure in failures {
                    reply.complain(format_args!("warning: {failure}"));
                }
                // Answered last of all: when the command returns, the next one
                // finds neither links nor agent.
                self.farewell.push(reply);
            }
            Err(error) => reply.fail(error),
        }
    }
}

/// Removes from the machine what any agent may have left on it. Goes on after
/// every failure, and returns them as sentences.
///
/// # Errors
/// Only when the links cannot be listed.
pub async fn sweep(
    links: &Links,
    host: &Host,
    journal: &mut Journal,
) -> Result<Vec<String>, LinkError> {
    let mut failures = host.forget_links().await;
    let swept = links.sweep(journal).await?;
    failures.extend(swept.failures.iter().map(ToString::to_string));
    for device in &swept.held {
        let program = device.xdp.program.unwrap_or_default();
        match detach_link_of(device.index, program) {
            Ok(true) => {}
            Ok(false) => failures.push(format!(
                "{} keeps XDP program {program}: nobody is known to hold it",
                device.name
            )),
            Err(error) => failures.push(error.to_string()),
        }
    }
    // Of an agent that was killed, where there is no next one to adopt them.
    for record in record::load() {
        if let Ok(Some(device)) = links.device(&record.interface).await
            && device.index == record.index
        {
            let address = Address::of(&device, record.lease.prefix);
            let removed = links.remove_address(&address).await;
            failures.extend(removed.err().map(|error| error.to_string()));
            failures.extend(host.revert_servers(&device.name, device.index).await);
        }
    }
    failures.extend(clsact::sweep(links, journal).await);
    record::clear();
    if let Err(error) = resolv_conf::clear() {
        failures.push(format!("name servers: {error}"));
    }
    journal.clear();
    Ok(failures)
}

/// Gives the ports back to whoever looks after them. Returns failures as sentences.
pub async fn give_back(links: &Links, host: &Host) -> Vec<String> {
    let mut ports = links.devices().await.unwrap_or_default();
    ports.retain(Device::is_hardware);
    host.hand_back(&ports).await
}
