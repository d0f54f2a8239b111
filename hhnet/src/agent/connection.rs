// SPDX-License-Identifier: Apache-2.0
//! One task for each command that is connected.

use std::{convert::Infallible, fmt, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tracing::{debug, info, warn};

use super::Message;
use crate::{
    cli::{self, Refusal, Verb},
    fault,
    wire::{self, Frame},
};

/// How long a command may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(5);

/// A command, and where its reply goes.
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) reply: Reply,
}

/// The way back to a command.
pub(super) struct Reply(mpsc::UnboundedSender<Frame>);

impl Reply {
    /// A reply and what will have been said in it.
    pub(super) fn new() -> (Reply, mpsc::UnboundedReceiver<Frame>) {
        let (sender, frames) = mpsc::unbounded_channel();
        (Reply(sender), frames)
    }

    /// From here on the command must not be sent again.
    pub(super) fn accept(&self) {
        self.send(Frame::Accepted);
    }

    /// A line for stdout, or many: in pieces a frame can hold.
    pub(super) fn answer(&self, text: impl fmt::Display) {
        for piece in format!("{text}\n").into_bytes().chunks(wire::MAX) {
            self.send(Frame::Stdout(piece.to_vec()));
        }
    }

    /// A line for stderr.
    pub(super) fn complain(&self, text: impl fmt::Display) {
        self.send(Frame::Stderr(format!("{text}\n").into_bytes()));
    }

    /// How far it is, for whoever watches.
    pub(super) fn progress(&self, text: impl fmt::Display) {
        self.send(Frame::Progress(text.to_string().into_bytes()));
    }

    /// The end: the exit status.
    pub(super) fn exit(&self, status: u8) {
        self.send(Frame::Exit(status));
    }

    /// The end, with the reason for it.
    pub(super) fn fail(&self, reason: impl fmt::Display) {
        info!("refused: {reason}");
        self.complain(format_args!("Error: {reason}"));
        self.exit(1);
    }

    /// Completes when the command is no longer there: killed, or done.
    pub(super) async fn gone(&self) {
        self.0.closed().await;
    }

    /// Whether the command is no longer there.
    pub(super) fn is_gone(&self) -> bool {
        self.0.is_closed()
    }

    fn send(&self, frame: Frame) {
        fault::step(frame.name());
        // A command that has gone does not want it any more.
        let _ = self.0.send(frame);
    }
}

/// Held by every connection, and never used to send: the receiver's end tells
/// when the last one is over.
pub(super) type Guest = mpsc::Sender<Infallible>;

/// Accepts commands for as long as there is a socket.
pub(super) async fn accept(
    listener: UnixListener,
    outbox: mpsc::UnboundedSender<Message>,
    guest: Guest,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, outbox.clone(), guest.clone()));
            }
            Err(error) => {
                warn!("accepting a command: {error}");
                // Out of descriptors, perhaps: do not spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(mut stream: UnixStream, outbox: mpsc::UnboundedSender<Message>, _guest: Guest) {
    let Ok(Some(body)) = tokio::time::timeout(REQUEST, request(&mut stream)).await else {
        return debug!("a command said nothing");
    };
    let (reply, frames) = Reply::new();
    reply.send(Frame::Heard);
    let args = wire::decode_request(&body);
    debug!("command: {args:?}");
    match cli::parse(args.clone()) {
        Ok(verb) => {
            // What only looks is asked again and again, and would push
            // everything else out of the log.
            if verb.changes() {
                info!("command: {args:?}");
            }
            // The agent may be leaving; the reply then ends without a word.
            let _ = outbox.send(Message::Call(Call { verb, reply }));
        }
        Err(Refusal::Usage(text) | Refusal::Version(text)) => reply.fail(text.trim_end()),
    }
    drop(outbox);
    pass_on(stream, frames).await;
}

/// The body of a request; `None` if the peer is no command of ours.
async fn request(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()? as usize;
    if length > wire::MAX {
        return None;
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(body)
}

/// Writes the reply, and notices when the command goes away before its end:
/// then the receiver is dropped, which whoever holds the [`Reply`] can see.
async fn pass_on(mut stream: UnixStream, mut frames: mpsc::UnboundedReceiver<Frame>) {
    let (mut from, mut to) = stream.split();
    let mut nothing = [0; 1];
    loop {
        tokio::select! {
            biased;
            frame = frames.recv() => {
                let Some(frame) = frame else { return };
                if to.write_all(&frame.encode()).await.is_err() || matches!(frame, Frame::Exit(_)) {
                    return;
                }
            }
            // A command sends nothing after its request: this is its end.
            _ = from.read(&mut nothing) => return,
        }
    }
}
