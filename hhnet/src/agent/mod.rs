// SPDX-License-Identifier: Apache-2.0
//! The agent: one process that owns every lease, program and counter.
//!
//! It starts when the first command needs it and leaves when it owns nothing
//! any more. A lock decides who is the agent, not a file that says so. The
//! kernel is the truth: what an agent that was killed has left behind is found
//! there by the next one.
//!
//! ```text
//! command ─▶ connection ─▶ inbox ─▶ verbs ─▶ link, session, xdp
//!                            ▲        │
//!                 wait ──────┘        └─▶ wait (for lease, LACP, programs) ─▶ reply
//! ```
//! One task handles one message of the inbox after the other, so that two
//! commands never change links at the same time; only waiting is done beside it.

mod adopt;
pub mod cleanup;
mod clsact;
mod connection;
mod declared;
mod ends;
mod errands;
mod expect;
mod fitness;
mod life;
mod make;
mod narrate;
mod news;
mod programs;
mod scrape;
mod show;
mod steps;
mod undo;
mod verbs;
mod wait;
mod watchdog;

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};
use tracing::{info, warn};

pub use self::life::{StartError, detach, holder, leave, prepare, say_ready, take_lock};
use self::{
    connection::{Call, Reply},
    ends::Ends,
    life::listen,
    news::News,
    programs::Programs,
    scrape::Exposed,
    undo::Undo,
    wait::{Aggregation, Outcome},
};
use crate::{
    cli,
    config::Line,
    exporter,
    host::{self, Host},
    journal::Journal,
    link::{Device, Events, Links, PortState},
    runtime,
    session::Session,
};

/// How long an agent nobody has asked anything waits for its first call.
const FIRST_CALL: Duration = Duration::from_secs(2);

/// How long a leaving agent waits for its replies to be read.
const FAREWELL: Duration = Duration::from_secs(1);

/// How often members are looked at while a command waits for LACP: the kernel
/// reports that a member becomes active, but not always that an active one
/// starts distributing.
const POLL: Duration = Duration::from_millis(50);

/// How often members are looked at otherwise: the kernel reports neither a new partner
/// nor that a member churns.
const GLANCE: Duration = Duration::from_secs(5);

/// Something for the agent to do.
enum Message {
    /// A command has come in.
    Call(Call),
    /// A line of the declarative file is to be applied.
    Line(Call),
    /// A command has waited long enough, one way or the other.
    Settled(Box<Outcome>),
    /// The programs are loaded, or cannot be.
    Loaded(Result<Box<crate::xdp::Programs>, crate::xdp::XdpError>),
    /// Somebody else on this machine has done something.
    Host(host::Event),
    /// Somebody reads the metrics.
    Scrape(exporter::Scrape),
}

/// A running agent.
struct Agent {
    links: Links,
    host: Host,
    journal: Journal,
    sessions: Vec<Session>,
    programs: Programs,
    exposed: Exposed,
    /// Members of bonds, by index, with the bond and what LACP made of them.
    ports: BTreeMap<u32, (Option<u32>, PortState)>,
    /// What the log has said of them.
    news: News,
    /// When the ports that a bond sends by have last changed, by its index.
    changed: BTreeMap<u32, Duration>,
    /// Bonds whose members have programs, by their index, and which sort.
    counted: BTreeMap<u32, cli::Xdp>,
    /// Members that have just come to a bond.
    newcomers: Vec<Device>,
    /// How far LACP has come.
    aggregation: watch::Sender<Aggregation>,
    /// The ports as they are, for commands that tell how far they are.
    port_states: watch::Sender<BTreeMap<u32, PortState>>,
    outbox: mpsc::UnboundedSender<Message>,
    /// Interfaces of the commands that wait beside the loop, by their indices: somebody may
    /// give them other names.
    waiting: Vec<u32>,
    /// Started by somebody who wants it to stay: it leaves after a cleanup only.
    in_foreground: bool,
    /// Asked to terminate: only what has begun is brought to an end.
    leaving: bool,
    /// Counts cleanups: a command from before the last one has nothing to undo.
    generation: u64,
    /// What failed verbs have left for the sake of others.
    left: Vec<Undo>,
    /// Replies to be sent after everything is given up.
    farewell: Vec<Reply>,
    born: Duration,
    /// Leases of an agent that had died.
    adopted: usize,
}

/// Runs the agent until it owns nothing any more; with lines of the declarative
/// file, if only none, until it was cleaned up.
///
/// # Errors
/// [`StartError`] when it cannot begin. It never ends with an error.
pub async fn run(declared: Option<Vec<Line>>) -> Result<(), StartError> {
    runtime::create().map_err(|error| StartError::Runtime(runtime::DIRECTORY, error))?;
    let lock = take_lock()?;
    let links = Links::open()?;
    let events = Events::subscribe()?;
    let listener = listen().map_err(|error| StartError::Runtime(runtime::SOCKET, error))?;
    let (outbox, inbox) = mpsc::unbounded_channel();
    let mut agent = Agent {
        links,
        host: Host::find().await,
        journal: Journal::of_runtime(),
        sessions: Vec::new(),
        programs: Programs::default(),
        exposed: Exposed::default(),
        ports: BTreeMap::new(),
        news: News::default(),
        changed: BTreeMap::new(),
        counted: BTreeMap::new(),
        newcomers: Vec::new(),
        aggregation: watch::Sender::default(),
        port_states: watch::Sender::default(),
        outbox: outbox.clone(),
        waiting: Vec::new(),
        in_foreground: declared.is_some(),
        leaving: false,
        generation: 0,
        left: Vec::new(),
        farewell: Vec::new(),
        born: crate::clock::now(),
        adopted: 0,
    };
    agent.look_around().await;
    agent.adopt().await;
    agent.listen_to_host().await;
    info!(
        "agent {} ready, pid {}",
        env!("HHNET_BUILD"),
        std::process::id()
    );
    agent.declare(declared.unwrap_or_default());
    let (guest, mut guests) = mpsc::channel(1);
    let doorman = tokio::spawn(connection::accept(listener, outbox, guest));
    let farewell = agent.serve(inbox, events).await;
    doorman.abort();
    leave(lock);
    for reply in farewell {
        reply.exit(0);
    }
    // Until every reply is written; a peer that says nothing is not waited for.
    let _ = tokio::time::timeout(FAREWELL, guests.recv()).await;
    Ok(())
}

impl Agent {
    /// Handles one message after the other until there is nothing left to own.
    async fn serve(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Message>,
        mut events: Events,
    ) -> Vec<Reply> {
        let mut ends = match Ends::catch() {
            Ok(ends) => ends,
            Err(error) => {
                warn!("signals cannot be caught: {error}");
                return self.farewell;
            }
        };
        say_ready();
        let mut asked = false;
        let patience = tokio::time::sleep(FIRST_CALL);
        tokio::pin!(patience);
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut glance = tokio::time::interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbox.recv() => {
                    let Some(message) = message else { break };
                    asked |= !matches!(message, Message::Host(_) | Message::Scrape(_));
                    self.handle(message).await;
                }
                event = events.next() => match event {
                    Some(event) => self.witness(event).await,
                    None => { warn!("no more link events"); break }
                },
                _ = poll.tick(), if self.is_converging() => self.look_around().await,
                _ = glance.tick(), if !self.ports.is_empty() => self.look_around().await,
                () = ends.one() => self.terminate().await,
                () = &mut patience, if !asked && self.may_leave(true) => break,
            }
            let idle = self.waiting.is_empty() && inbox.is_empty();
            if idle && (self.leaving || self.may_leave(asked)) {
                break;
            }
            if !self.sessions.is_empty() {
                // A command that came right after cleanup has work for us: we
                // stay, and nobody is kept waiting for our leaving.
                self.farewell.drain(..).for_each(|reply| reply.exit(0));
            }
        }
        self.exposed.close().await;
        self.programs.detach();
        self.farewell
    }

    /// Whether there is nothing to stay for: nothing is owned, and `alone` or,
    /// where somebody wants the agent to stay, it was cleaned up.
    fn may_leave(&self, alone: bool) -> bool {
        let unwanted = if self.in_foreground {
            self.generation > 0
        } else {
            alone
        };
        unwanted && self.sessions.is_empty()
    }

    /// Commands that wait are undone and told so; leases in force stay as they
    /// are, for the next agent.
    async fn terminate(&mut self) {
        info!("asked to terminate");
        self.leaving = true;
        let waiting = |session: &mut Session| self.waiting.contains(&session.device.index);
        let ended = self.sessions.extract_if(.., waiting).collect();
        Session::end(ended, &self.links, &self.host).await;
    }

    async fn handle(&mut self, message: Message) {
        match message {
            // Without a word, so that the next agent is asked.
            Message::Call(_) if self.leaving => {}
            Message::Call(call) => self.obey(call).await,
            Message::Line(call) => self.obey_line(call).await,
            Message::Settled(outcome) => self.settle(*outcome).await,
            Message::Loaded(outcome) => {
                self.programs.loaded(outcome);
                // What has become of links meanwhile.
                self.look_around().await;
            }
            Message::Host(event) => self.heed(event),
            Message::Scrape(scrape) => self.answer_scrape(scrape).await,
        }
    }

    /// Leases that are adopted were settled long ago.
    async fn listen_to_host(&self) {
        let settled: Vec<u32> = self.sessions.iter().map(|s| s.device.index).collect();
        let outbox = self.outbox.clone();
        let tell = move |event| {
            let _ = outbox.send(Message::Host(event));
        };
        self.host.follow(&settled, tell).await;
    }
}
