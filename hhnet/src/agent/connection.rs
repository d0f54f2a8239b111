// SPDX-License-Identifier: Apache-2.0
//! One task for each command that is connected.

use std::{collections::VecDeque, convert::Infallible, fmt, time::Duration};

use nix::unistd::geteuid;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::mpsc,
    task::AbortHandle,
};
use tracing::{debug, info, warn};

use super::{
    Message,
    errands::{Errands, Sent},
};
use crate::{
    cli::{self, Refusal, Verb},
    errand::Errand,
    fault, printable,
    wire::{self, Frame},
};

/// How long a command may take to say what it wants.
const REQUEST: Duration = Duration::from_secs(5);
/// How many may be about to say it. One more takes the place of the one that has said
/// nothing for the longest time: whoever means it has written his request at once, and
/// one that was too slow asks again.
const SPEAKING: usize = 64;

/// A command, and where its reply goes.
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) reply: Reply,
}

/// The way back to a command.
pub(super) struct Reply {
    frames: mpsc::UnboundedSender<Frame>,
    /// None where no command has asked.
    errands: Option<Errands>,
}

impl Reply {
    /// A reply to nobody's command, and what will have been said in it.
    pub(super) fn new() -> (Reply, mpsc::UnboundedReceiver<Frame>) {
        let (frames, said) = mpsc::unbounded_channel();
        let errands = None;
        (Reply { frames, errands }, said)
    }

    /// A reply to a command, which runs errands.
    fn with(errands: Errands) -> (Reply, mpsc::UnboundedReceiver<Frame>) {
        let (mut reply, said) = Reply::new();
        reply.errands = Some(errands);
        (reply, said)
    }

    /// Has the command do something that it may and we may not, and waits for what comes
    /// of it; `None` if nothing does.
    pub(super) async fn run<R: DeserializeOwned>(&self, errand: &Errand) -> Option<R> {
        self.errands.as_ref()?.run(errand).await
    }

    /// From here on the command must not be sent again.
    pub(super) fn accept(&self) {
        self.send(Frame::Accepted);
    }

    /// A line for stdout, or many: in pieces a frame can hold.
    pub(super) fn answer(&self, text: impl fmt::Display) {
        let text = format!("{text}\n");
        for piece in printable::page(&text).as_bytes().chunks(wire::MAX) {
            self.send(Frame::Stdout(piece.to_vec()));
        }
    }

    /// A line for stderr.
    pub(super) fn complain(&self, text: impl fmt::Display) {
        let text = format!("{text}\n");
        self.send(Frame::Stderr(printable::page(&text).as_bytes().to_vec()));
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
        self.frames.closed().await;
    }

    /// Whether the command is no longer there.
    pub(super) fn is_gone(&self) -> bool {
        self.frames.is_closed()
    }

    fn send(&self, frame: Frame) {
        fault::step(frame.name());
        // A command that has gone does not want it any more.
        let _ = self.frames.send(frame);
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
    let mut speaking: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                speaking.retain(|task| !task.is_finished());
                if speaking.len() >= SPEAKING
                    && let Some(silent) = speaking.pop_front()
                {
                    silent.abort();
                }
                let task = tokio::spawn(listen(stream, outbox.clone(), guest.clone()));
                speaking.push_back(task.abort_handle());
            }
            Err(error) => {
                warn!("accepting a command: {error}");
                // Out of descriptors, perhaps: do not spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// The user at the other end, if that is not who we are. The socket's mode keeps others
/// out already; whatever has become of that, root's agent is root's alone.
fn stranger(stream: &UnixStream) -> Option<u32> {
    let uid = stream.peer_cred().map_or(u32::MAX, |peer| peer.uid());
    (uid != geteuid().as_raw()).then_some(uid)
}

async fn refuse(mut stream: UnixStream, uid: u32) {
    warn!("user {uid} may not ask the agent");
    let reason = format!("Error: only root may ask the agent, and this is user {uid}\n");
    for frame in [Frame::Stderr(reason.into_bytes()), Frame::Exit(1)] {
        // He may have gone.
        let _ = stream.write_all(&frame.encode()).await;
    }
}

/// Hears what a command wants; what becomes of it is another task, which nobody aborts.
async fn listen(mut stream: UnixStream, outbox: mpsc::UnboundedSender<Message>, guest: Guest) {
    if let Some(uid) = stranger(&stream) {
        return refuse(stream, uid).await;
    }
    let Ok(Some(body)) = tokio::time::timeout(REQUEST, read_body(&mut stream)).await else {
        return debug!("a command said nothing");
    };
    tokio::spawn(serve(stream, body, outbox, guest));
}

async fn serve(
    stream: UnixStream,
    body: Vec<u8>,
    outbox: mpsc::UnboundedSender<Message>,
    _guest: Guest,
) {
    let (errands, sent) = Errands::new();
    let (reply, frames) = Reply::with(errands);
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
    pass_on(stream, frames, sent).await;
}

/// Bytes behind their length; `None` if the peer is no command of ours.
pub(super) async fn read_body(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let length = stream.read_u32().await.ok()? as usize;
    if length > wire::MAX {
        return None;
    }
    // As much memory as has come: a length alone gets none.
    let mut body = Vec::new();
    stream
        .take(length as u64)
        .read_to_end(&mut body)
        .await
        .ok()?;
    (body.len() == length).then_some(body)
}

/// Writes the reply, and notices when the command goes away before its end:
/// then the receiver is dropped, which whoever holds the [`Reply`] can see.
async fn pass_on(
    mut stream: UnixStream,
    mut frames: mpsc::UnboundedReceiver<Frame>,
    mut errands: mpsc::UnboundedReceiver<Sent>,
) {
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
            Some(errand) = errands.recv() => {
                if errand.pass_on(&mut from, &mut to).await.is_err() {
                    return;
                }
            }
            // A command sends nothing else after its request: this is its end.
            _ = from.read(&mut nothing) => return,
        }
    }
}
