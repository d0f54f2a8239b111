// SPDX-License-Identifier: Apache-2.0
//! What classifiers hang on where the kernel has no tcx (before 6.6), and what
//! of it outlives an agent that was killed: clsact and the filters in it.

use super::Agent;
use crate::{
    cli,
    journal::Journal,
    link::{Device, Links},
    xdp,
};

impl Agent {
    /// Puts programs on each of the links as soon as possible, and makes sure
    /// beforehand of what they need.
    pub(super) async fn count_on(&mut self, devices: &[Device], mode: cli::Xdp) {
        if mode != cli::Xdp::Off && !xdp::has_tcx() {
            for device in devices {
                if !self.programs.are_on(device)
                    && let Err(reason) = make(&self.links, &mut self.journal, device).await
                {
                    // Attaching will fail, and say so to whoever asked.
                    tracing::warn!("{reason}");
                }
            }
        }
        self.programs.want(devices, mode, &self.outbox);
    }

    /// Has programs put on whatever becomes a member of the bond from now on.
    pub(super) fn count_members_of(&mut self, bond: Option<u32>, mode: cli::Xdp) {
        // One command's wish is enough, as it is for those that are members now.
        if mode != cli::Xdp::Off {
            self.counted.extend(bond.map(|bond| (bond, mode)));
        }
    }

    /// Puts programs on members that have come to such a bond: replugged, or added
    /// by somebody else.
    pub(super) async fn count_newcomers(&mut self) {
        for device in std::mem::take(&mut self.newcomers) {
            let mode = device.master.and_then(|bond| self.counted.get(&bond));
            if let Some(mode) = mode.copied()
                && self.is_leased_on(device.master)
                && !self.programs.are_wanted_on(&device)
            {
                tracing::info!("{}: a new member, to be counted", device.name);
                self.count_on(&[device], mode).await;
            }
        }
    }

    /// Takes programs off a link that is no longer ours, and what they needed.
    pub(super) async fn stop_counting_on(&mut self, device: &Device) {
        self.programs.forget(device);
        if self.journal.forget_clsact(&device.name)
            && let Err(error) = self.links.remove_clsact(device).await
        {
            tracing::warn!("{error}");
        }
    }
}

/// Gives a link a clsact, unless it has one, whoever made that.
async fn make(links: &Links, journal: &mut Journal, device: &Device) -> Result<(), String> {
    let text = |error: &dyn std::error::Error| error.to_string();
    let there = links.classified().await.map_err(|error| text(&error))?;
    if there.contains(&device.index) {
        // A killed agent's filters, which would count for nobody.
        return xdp::remove_filters(&device.name).map_err(|error| text(&error));
    }
    let noted = journal.note_clsact(&device.name);
    noted.map_err(|error| format!("writing the journal: {error}"))?;
    links.add_clsact(device).await.map_err(|error| {
        journal.forget_clsact(&device.name);
        text(&error)
    })
}

/// Removes filters of hhnet's from all links, and every clsact that it made.
/// Returns what could not be done, as sentences.
pub(super) async fn sweep(links: &Links, journal: &Journal) -> Vec<String> {
    let (there, devices) = match (links.classified().await, links.devices().await) {
        (Ok(there), Ok(devices)) => (there, devices),
        (Err(error), _) | (_, Err(error)) => return vec![error.to_string()],
    };
    let mut failures = Vec::new();
    for device in devices.iter().filter(|d| there.contains(&d.index)) {
        if journal.clsact.contains(&device.name) {
            let removed = links.remove_clsact(device).await;
            failures.extend(removed.err().map(|error| error.to_string()));
        } else if let Err(error) = xdp::remove_filters(&device.name) {
            failures.push(error.to_string());
        }
    }
    failures
}
