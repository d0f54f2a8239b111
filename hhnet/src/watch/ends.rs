// SPDX-License-Identifier: Apache-2.0
//! How a page that is shown again and again is ended from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that end what is shown on a terminal.
pub(crate) struct Ends([Signal; 3]);

impl Ends {
    pub(crate) fn catch() -> io::Result<Ends> {
        Ok(Ends([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// Completes when one of them has come.
    pub(crate) async fn one(&mut self) {
        let [interrupted, terminated, hung_up] = &mut self.0;
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    }
}
