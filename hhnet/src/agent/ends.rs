// SPDX-License-Identifier: Apache-2.0
//! The signals that ask the agent to leave.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Both of them.
pub(super) struct Ends([Signal; 2]);

impl Ends {
    pub(super) fn catch() -> io::Result<Ends> {
        // SIGINT is that of a terminal, if somebody looks on.
        let both = (SignalKind::terminate(), SignalKind::interrupt());
        Ok(Ends([signal(both.0)?, signal(both.1)?]))
    }

    /// Completes when one of them has come.
    pub(super) async fn one(&mut self) {
        let [terminated, interrupted] = &mut self.0;
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    }
}
