// SPDX-License-Identifier: Apache-2.0
//! What the agent has the command do that it works for (see [`crate::errand`]).

use std::io;

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::debug;

use super::connection::read_body;
use crate::{
    errand::{Errand, PATIENCE},
    wire::Frame,
};

/// The way to a command, with its errands.
#[derive(Debug, Clone)]
pub(super) struct Errands(mpsc::UnboundedSender<Sent>);

/// An errand on its way, and where what comes of it is waited for.
pub(super) struct Sent {
    errand: Vec<u8>,
    outcome: oneshot::Sender<Vec<u8>>,
}

impl Errands {
    /// The way, and its other end.
    pub(super) fn new() -> (Errands, mpsc::UnboundedReceiver<Sent>) {
        let (sender, sent) = mpsc::unbounded_channel();
        (Errands(sender), sent)
    }

    /// Has the command run an errand; `None` if it has gone, does not answer in time,
    /// or not with what is asked for.
    pub(super) async fn run<R: DeserializeOwned>(&self, errand: &Errand) -> Option<R> {
        let (outcome, answer) = oneshot::channel();
        let errand = serde_json::to_vec(errand).ok()?;
        self.0.send(Sent { errand, outcome }).ok()?;
        let answer = timeout(PATIENCE, answer).await.ok()?.ok()?;
        let parsed = serde_json::from_slice(&answer);
        parsed
            .inspect_err(|error| debug!("an errand: {error}"))
            .ok()
    }
}

impl Sent {
    /// Sends the errand to the command, and what comes of it to whoever waits.
    ///
    /// # Errors
    /// When the command has gone, or says something else.
    pub(super) async fn pass_on(
        self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> io::Result<()> {
        to.write_all(&Frame::Errand(self.errand).encode()).await?;
        let answer = read_body(from).await;
        // Who has waited too long does not any more.
        let _ = self.outcome.send(answer.ok_or(io::ErrorKind::InvalidData)?);
        Ok(())
    }
}
