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
    cli::{BOND, Bond, IfName, P2p, Verb, Vlan},
    config::Line,
    journal,
    link::{Address, Device, Kind, LinkError},
    session::Session,
    wire::Frame,
};

/// A line that has failed is asked again after this,
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// and after twice as long each time, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl Agent {
    /// Asks for all lines, in their order. Those that wait for an address do so
    /// beside each other.
    pub(super) fn declare(&self, lines: Vec<Line>) {
        for line in lines {
            info!("{line}");
            let reply = ask(&self.outbox, &line.verb);
            tokio::spawn(pursue(line, reply, self.outbox.clone()));
        }
    }

    /// Removes links that were made for this very line, so that there is no lease on them:
    /// by an agent that was killed meanwhile, or with a bond that another line needed then.
    /// Else the line would fail over them for ever.
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
                    info!("{name} is left of an attempt before: removed");
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
        self.clear_way(&call.verb).await;
        let verb = self.lacking(call.verb).await;
        let reply = call.reply;
        self.obey(Call { verb, reply }).await;
    }

    /// What there is still to do for a line. Its bond may stand, because another line's
    /// lease is on it, while its VLAN was given up.
    async fn lacking(&self, verb: Verb) -> Verb {
        let Verb::Bond(bond) = &verb else { return verb };
        let Ok(parent) = BOND.parse() else {
            return verb;
        };
        let vlan = Vlan {
            vlan: bond.vlan,
            parent,
            lease: bond.lease.clone(),
        };
        match self.stands(bond).await {
            Ok(true) => Verb::Vlan(vlan),
            Ok(false) => verb,
            Err(error) => {
                warn!("{error}");
                verb
            }
        }
    }

    /// Whether there is a bond of these members, below a lease of ours.
    async fn stands(&self, bond: &Bond) -> Result<bool, LinkError> {
        let all = self.links.devices().await?;
        let is_it = |d: &&Device| d.name == BOND && d.is_bond() && self.is_used(d);
        let Some(upper) = all.iter().find(is_it) else {
            return Ok(false);
        };
        let is_in = |name: &IfName| {
            let mut members = all.iter().filter(|d| d.master == Some(upper.index));
            members.any(|member| member.name == name.as_str())
        };
        Ok(bond.members.iter().all(is_in))
    }

    async fn is_in_force(&self, verb: &Verb) -> bool {
        let Some(interface) = verb.interface() else {
            return false;
        };
        match verb {
            Verb::P2p(p2p) => self.is_linked(p2p).await,
            _ => {
                let is_it = |s: &&Session| s.device.name == interface;
                let session = self.sessions.iter().find(is_it);
                session.is_some_and(|s| !self.waiting.contains(&s.device.index))
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
        let is_ours = |a: &Address| a.index == device.index && a.address == p2p.local.address;
        let routed = self.links.has_default_route(&device, p2p.remote).await;
        addresses.iter().any(is_ours) && routed.unwrap_or(false)
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
            Frame::Heard | Frame::Accepted | Frame::Progress(_) | Frame::Errand(_) => {}
        }
    }
    None
}

fn each(text: &[u8], log: impl Fn(fmt::Arguments<'_>)) {
    let text = String::from_utf8_lossy(text);
    text.lines().for_each(|line| log(format_args!("{line}")));
}
