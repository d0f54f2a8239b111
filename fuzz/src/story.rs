// SPDX-License-Identifier: Apache-2.0
//! A client's life: what happens to it, one thing after the other.

use std::{net::Ipv4Addr, time::Duration};

use arbitrary::Arbitrary;
use hhnet::dhcp::{arp::Arp, client::Client, lease::Lease, reply};

use crate::{
    lease::SINCE,
    messages::{self, ACK, MESSAGE_TYPE, NAK, OFFER},
    rules::Watcher,
};

/// Longer stories tell nothing new.
const STEPS_MAX: usize = 150;
/// Timeouts in one story: a lease of one second asks twice a second.
const TIMEOUTS_MAX: u32 = 3000;
/// Within this time after the link has come and a good server with it, there
/// is a lease: the longest pause is 64 s, and after a NAK 60 s.
const RECOVERY: Duration = Duration::from_secs(300);

/// All of a story.
#[derive(Debug, Arbitrary)]
pub struct Story {
    seed: u64,
    probes: bool,
    /// A lease from an earlier life: how long it was and how old it is, in seconds.
    resumed: Option<(u16, u16)>,
    steps: Vec<Step>,
}

/// One thing that happens.
#[derive(Debug, Arbitrary)]
enum Step {
    /// Tenths of a second pass, timeouts are in time.
    Wait(u16),
    /// Milliseconds pass at once, as in suspend.
    Jump(u32),
    Link(bool),
    Path,
    Arp {
        sender: u8,
        sender_ip: u8,
        target_ip: u8,
    },
    /// A message, with one byte changed.
    Say(Message, Option<(u16, u8)>),
    /// Bytes behind a header.
    Babble(Xid, Vec<u8>),
    /// What the last question deserves.
    Serve {
        lease: u16,
    },
    Release,
}

#[derive(Debug, Arbitrary)]
enum Xid {
    Last,
    /// Of so many messages ago.
    Earlier(u8),
    Other(u32),
}

#[derive(Debug, Arbitrary)]
struct Message {
    kind: u8,
    xid: Xid,
    /// Last octet; 0 for no address at all.
    yiaddr: u8,
    /// Last octet; `None` for no option 54.
    server: Option<u8>,
    lease: Option<u32>,
    t1: Option<u16>,
    t2: Option<u16>,
    rapid: bool,
    more: Vec<(u8, Vec<u8>)>,
}

/// An address of the one subnet there is.
fn host(octet: u8) -> Ipv4Addr {
    match octet {
        0 => Ipv4Addr::UNSPECIFIED,
        octet => Ipv4Addr::new(10, 0, 1, octet),
    }
}

impl Message {
    fn bytes(&self, xid: u32) -> Vec<u8> {
        let mut bytes = messages::header(xid, host(self.yiaddr));
        let kind = [OFFER, ACK, NAK, self.kind][usize::from(self.kind % 4)];
        let mut push = |code, value: &[u8]| messages::push_option(&mut bytes, code, value);
        push(MESSAGE_TYPE, &[kind]);
        if let Some(server) = self.server {
            push(54, &host(server).octets());
        }
        let long = |time: u16| u32::from(time).to_be_bytes();
        for (code, time) in [
            (51, self.lease.map(u32::to_be_bytes)),
            (58, self.t1.map(long)),
            (59, self.t2.map(long)),
        ] {
            if let Some(time) = time {
                push(code, &time);
            }
        }
        if self.rapid {
            push(80, &[]);
        }
        for (code, value) in &self.more {
            push(*code, value);
        }
        bytes
    }
}

/// A client and its clock.
struct Play {
    client: Client,
    now: Duration,
    timeouts: u32,
    watcher: Watcher,
}

/// Plays a story to its end, and then lets everything be well.
pub fn play(story: &Story) {
    let age = story.resumed.map_or(0, |(_, age)| age);
    let now = SINCE + Duration::from_secs(age.into());
    let mut client = Client::new(messages::identity(), story.seed);
    if story.probes {
        client = client.with_probes();
    }
    if let Some((seconds, _)) = story.resumed {
        client = client.resume(earlier(seconds), now);
        // T1 may have been in between.
        client.handle_timeout(now);
    }
    let mut play = Play {
        client,
        now,
        timeouts: 0,
        watcher: Watcher::new(),
    };
    play.check();
    for step in story.steps.iter().take(STEPS_MAX) {
        play.step(step);
        play.check();
    }
    play.recover();
}

/// A lease of 10.0.1.10, obtained at [`SINCE`].
fn earlier(seconds: u16) -> Lease {
    let message = Message {
        kind: 1,
        xid: Xid::Last,
        yiaddr: 10,
        server: Some(1),
        lease: Some(u32::from(seconds).max(1)),
        t1: None,
        t2: None,
        rapid: false,
        more: vec![],
    };
    let bytes = message.bytes(0);
    let reply = reply::decode(&bytes, &messages::identity()).expect("a good reply");
    Lease::from_reply(&reply, SINCE).expect("a good lease")
}

impl Play {
    fn check(&mut self) {
        self.watcher.check(&mut self.client, self.now);
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait(tenths) => {
                self.run_until(self.now + Duration::from_millis(100) * u32::from(*tenths))
            }
            Step::Jump(ms) => {
                self.now += Duration::from_millis((*ms).into());
                self.client.handle_timeout(self.now);
            }
            Step::Link(up) => {
                self.watcher.link_up = *up;
                self.client.handle_link(*up, self.now);
            }
            Step::Path => self.client.handle_path_change(self.now),
            Step::Arp {
                sender,
                sender_ip,
                target_ip,
            } => {
                let arp = Arp {
                    sender: [2, 0, 0, 0, 0, *sender],
                    sender_ip: host(*sender_ip),
                    target_ip: host(*target_ip),
                };
                self.client.handle_arp(&arp, self.now);
            }
            Step::Say(message, damage) => self.say(message, *damage),
            Step::Babble(xid, tail) => {
                let mut bytes = messages::header(self.xid(xid), host(10));
                bytes.extend(tail);
                self.hear(&bytes);
            }
            Step::Serve { lease } => self.serve(u32::from(*lease).max(1)),
            // The driver ends with it, but nothing may depend on that.
            Step::Release => self.client.release(self.now),
        }
    }

    fn say(&mut self, message: &Message, damage: Option<(u16, u8)>) {
        let mut bytes = message.bytes(self.xid(&message.xid));
        if let Some((at, value)) = damage {
            let at = usize::from(at) % bytes.len();
            bytes[at] ^= value;
        }
        self.hear(&bytes);
    }

    fn xid(&self, xid: &Xid) -> u32 {
        match xid {
            Xid::Last => self.watcher.xid(0),
            Xid::Earlier(ago) => self.watcher.xid((*ago).into()),
            Xid::Other(xid) => *xid,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        match reply::decode(bytes, self.client.identity()) {
            Ok(reply) => self.client.handle_reply(&reply, self.now),
            Err(reason) => self.client.note_drop(reason.into()),
        }
    }

    fn run_until(&mut self, end: Duration) {
        while let Some(next) = self.client.poll_timeout().filter(|next| *next <= end) {
            if self.timeouts == TIMEOUTS_MAX {
                return;
            }
            self.timeouts += 1;
            self.now = next;
            self.client.handle_timeout(next);
            self.check();
        }
        self.now = end;
    }

    /// Answers the last message as a good server does.
    fn serve(&mut self, lease: u32) {
        let Some(question) = self.watcher.question.take() else {
            return;
        };
        let kind = match messages::option(&question, MESSAGE_TYPE) {
            Some([1]) => 0,
            Some([3]) => 1,
            _ => return,
        };
        let message = Message {
            kind,
            xid: Xid::Last,
            yiaddr: 20,
            server: Some(1),
            lease: Some(lease),
            t1: None,
            t2: None,
            rapid: false,
            more: vec![],
        };
        self.hear(&message.bytes(self.watcher.xid(0)));
    }

    /// There is a way out of every state: with a link and a server that
    /// answers, there is a lease soon.
    fn recover(&mut self) {
        self.timeouts = 0;
        self.step(&Step::Link(true));
        self.check();
        let end = self.now + RECOVERY;
        while self.client.state() != "BOUND" {
            self.serve(3600);
            self.check();
            let Some(next) = self.client.poll_timeout().filter(|next| *next <= end) else {
                break;
            };
            self.run_until(next);
        }
        // Half of a long lease may pass before it is asked for again.
        let held = self
            .client
            .lease()
            .is_some_and(|lease| lease.expiry() > Some(end));
        assert!(held || self.client.state() == "BOUND", "{:?}", self.client);
    }
}
