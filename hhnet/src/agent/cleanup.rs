// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup`: the end of everything, in order, whatever there was.

use tracing::info;

use super::{Agent, clsact, connection::Reply, steps::Steps};
use crate::{
    errand::{self, Detached, Errand},
    host::{Host, resolv_conf},
    journal::Journal,
    link::{Address, Device, LinkError, Links},
    session::{Session, record},
};

impl Agent {
    /// Ends everything and removes everything, whoever made it.
    pub(super) async fn cleanup(&mut self, reply: Reply) {
        self.generation += 1;
        self.left.clear();
        let mut steps = Steps::begin();
        let ended = std::mem::take(&mut self.sessions);
        Session::end(ended, &self.links, &self.host).await;
        steps.done("leases");
        // Top-down: the VLANs and bonds above go last, but programs sit on the
        // lowest devices only.
        self.programs.detach();
        steps.done("programs");
        let detach = async |interface, program| detach_by(&reply, interface, program).await;
        match sweep(&self.links, &self.host, &mut self.journal, detach).await {
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

/// By the command, which may open what is not its own.
async fn detach_by(command: &Reply, interface: u32, program: u32) -> Detached {
    let errand = Errand::Detach { interface, program };
    let detached = command.run(&errand).await;
    detached.unwrap_or_else(|| errand::detach(interface, program))
}

/// Removes from the machine what any agent may have left on it; programs that others
/// hold by `detach`. Goes on after every failure, and returns them as sentences.
///
/// # Errors
/// Only when the links cannot be listed.
pub async fn sweep(
    links: &Links,
    host: &Host,
    journal: &mut Journal,
    detach: impl AsyncFn(u32, u32) -> Detached,
) -> Result<Vec<String>, LinkError> {
    let mut failures = host.forget_links().await;
    // Of an agent that was killed, where there is no next one to adopt them. Before the
    // links go: timesyncd looks for what networkd knows when a link is gone, and networkd
    // may not have written that down by then.
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
    let swept = links.sweep(journal).await?;
    failures.extend(swept.failures.iter().map(ToString::to_string));
    for device in &swept.held {
        let program = device.xdp.program.unwrap_or_default();
        match detach(device.index, program).await {
            Ok(true) => {}
            Ok(false) => failures.push(format!(
                "{} keeps XDP program {program}: nobody is known to hold it",
                device.name
            )),
            Err(reason) => failures.push(reason),
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
