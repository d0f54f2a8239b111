// SPDX-License-Identifier: Apache-2.0
//! The lines of the declarative file. Each is asked as a command would be, and
//! again until it has succeeded; `hhnet cleanup` is their end.

use std::{fmt, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender},
    time::sleep,
};
use tracing::{info, warn};

use super::{
    Agent, Message,
    connection::{Call, Reply},
    undo::log,
};
use crate::{
    cli::{BOND, P2p, Verb},
    config::Line,
    journal,
    link::Kind,
    wire::Frame,
};

/// A line that has failed is asked again after this,
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// and after twice as long each time, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Agent {
    /// Asks for all lines, in their order. Those that wait for an address do so
    /// beside each other.
    pub(super) async fn declare(&self, lines: Vec<Line>) {
        for line in lines {
            info!("{line}");
            self.clear_way(&line.verb).await;
            let reply = ask(&self.outbox, &line.verb);
            tokio::spawn(pursue(line, reply, self.outbox.clone()));
        }
    }

    /// Removes links that an agent was making for this very line when it was
    /// killed, so that there is no lease on them. Else the line would fail over
    /// them for ever.
    async fn clear_way(&self, verb: &Verb) {
        let (lowest, below) = match verb {
            Verb::Bond(bond) => (bond.members.first(), Some(BOND)),
            Verb::Vlan(vlan) => (Some(&vlan.parent), None),
            _ => return,
        };
        // What is not in the journal was not made by us.
        if lowest.is_none_or(|lowest| self.journal.before(lowest.as_str()).is_none()) {
            return;
        }
        let interface = verb.interface();
        for name in interface.as_deref().into_iter().chain(below) {
            match self.links.device(name).await {
                Ok(Some(left)) if left.kind != Kind::Other && !self.is_used(&left) => {
                    info!("{name} is left from an agent that was killed: removed");
                    log(self.links.remove(&left).await);
                }
                Ok(_) => {}
                Err(error) => warn!("{error}"),
            }
        }
    }

    /// Does what a line asks, unless that is done, by an earlier agent or on
    /// command. After a cleanup nothing is wanted any more.
    pub(super) async fn obey_line(&mut self, call: Call) {
        if self.leaving || self.generation > 0 {
            return;
        }
        if self.is_in_force(&call.verb).await {
            call.reply.answer("in force already");
            return call.reply.exit(0);
        }
        self.obey(call).await;
    }

    async fn is_in_force(&self, verb: &Verb) -> bool {
        let Some(interface) = verb.interface() else {
            return false;
        };
        match verb {
            Verb::P2p(p2p) => self.is_linked(p2p).await,
            _ => {
                let leased = |name: &String| *name == interface;
                self.sessions.iter().any(|s| leased(&s.device.name))
                    && !self.waiting.iter().any(leased)
            }
        }
    }

    /// Whether a point-to-point link is in the journal, and still there.
    async fn is_linked(&self, p2p: &P2p) -> bool {
        let noted = |entry: &journal::P2p| {
            entry.interface == p2p.interface.as_str()
                && (entry.local, entry.gateway) == (p2p.local, p2p.remote)
        };
        if !self.journal.p2p.iter().any(noted) {
            return false;
        }
        let device = self.links.existing(p2p.interface.as_str()).await;
        let addresses = self.links.addresses().await;
        let (Ok(device), Ok(addresses)) = (device, addresses) else {
            return false;
        };
        addresses
            .iter()
            .any(|a| a.index == device.index && a.address == p2p.local.address)
    }
}

/// Puts what a line asks into the inbox.
fn ask(outbox: &UnboundedSender<Message>, verb: &Verb) -> UnboundedReceiver<Frame> {
    let (reply, frames) = Reply::new();
    let verb = verb.clone();
    // The agent may be leaving; then nothing is said.
    let _ = outbox.send(Message::Line(Call { verb, reply }));
    frames
}

/// Sees to it that a line comes into force.
async fn pursue(
    line: Line,
    mut frames: UnboundedReceiver<Frame>,
    outbox: UnboundedSender<Message>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        match outcome(&line, &mut frames).await {
            Some(0) => return,
            Some(_) => warn!("line {}: again in {} s", line.number, pause.as_secs()),
            None => return info!("line {}: not wanted any more", line.number),
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
        frames = ask(&outbox, &line.verb);
    }
}

/// Logs what is said of a line; its exit status, if it has come to one.
async fn outcome(line: &Line, frames: &mut UnboundedReceiver<Frame>) -> Option<u8> {
    while let Some(frame) = frames.recv().await {
        match frame {
            Frame::Stdout(text) => each(&text, |said| info!("line {}: {said}", line.number)),
            Frame::Stderr(text) => each(&text, |said| warn!("line {}: {said}", line.number)),
            Frame::Exit(status) => return Some(status),
            Frame::Heard | Frame::Accepted | Frame::Progress(_) => {}
        }
    }
    None
}

fn each(text: &[u8], log: impl Fn(fmt::Arguments<'_>)) {
    let text = String::from_utf8_lossy(text);
    text.lines().for_each(|line| log(format_args!("{line}")));
}
