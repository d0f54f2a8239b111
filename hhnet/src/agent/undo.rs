// SPDX-License-Identifier: Apache-2.0
//! A verb that fails leaves the machine as it found it.

use tracing::warn;

use super::Agent;
use crate::{
    journal::Before,
    link::{Address, Device, LinkError},
};

/// What a verb has done so far, in order, to be undone in reverse.
#[derive(Debug, Default)]
pub(super) struct Undo {
    pub(super) generation: u64,
    /// Links that were made. Removed by index, which is never given twice.
    pub(super) created: Vec<Device>,
    /// Links that were changed, as they were, and whether the journal had no
    /// entry of them before.
    pub(super) touched: Vec<(Before, bool)>,
    /// An address that was added.
    pub(super) address: Option<Address>,
}

impl Agent {
    pub(super) fn undo_log(&self) -> Undo {
        Undo {
            generation: self.generation,
            ..Undo::default()
        }
    }

    /// Takes back what a failed verb has done. Errors are only logged: the
    /// caller gets the reason of the failure, not of its aftermath.
    pub(super) async fn undo(&mut self, undo: Undo) {
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
}

fn log(outcome: Result<(), LinkError>) {
    if let Err(error) = outcome {
        warn!("undoing: {error}");
    }
}
