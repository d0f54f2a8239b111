// SPDX-License-Identifier: Apache-2.0
//! The model of the fabric's DHCP server on a real socket, with a rule that
//! decides how each message is answered, and a record of what was asked.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use dhcproto::v4::{CLIENT_PORT, DhcpOption, Message, MessageType, SERVER_PORT};

use super::kind::Kind;
use super::model::{Mac, Model, Subnet, empty_reply, mac};
use super::socket::Sockets;
use crate::namespace::Namespace;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// When.
    pub at: Instant,
    /// What for.
    pub kind: Kind,
    /// The address it was sent to.
    pub destination: Ipv4Addr,
    /// All of it.
    pub message: Message,
}

/// How to answer a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As the fabric's server would.
    Normal,
    /// Not at all.
    Silence,
    /// By a refusal, as servers other than the fabric's do.
    Nak,
    /// By a reply without address and options.
    Empty,
    /// With this address, whatever was asked for.
    Give(Ipv4Addr),
    /// As normal, and the same once more.
    Twice,
    /// As normal, but only after this time; other messages overtake it.
    Late(Duration),
    /// As normal, with one bit changed on the way.
    Damaged,
    /// By so many refusals at once.
    Naks(u32),
}

/// The headers before a DHCP message, in bytes.
const ETHERNET_IP_UDP: usize = 14 + 20 + 8;

type Rule = Box<dyn FnMut(&Request) -> Answer + Send>;

struct State {
    model: Model,
    rule: Rule,
    requests: Vec<Request>,
    late: Vec<(Instant, Vec<u8>)>,
}

impl Request {
    fn new(message: Message, destination: Ipv4Addr) -> Self {
        Self {
            at: Instant::now(),
            kind: Kind::of(&message, destination),
            destination,
            message,
        }
    }
}

impl State {
    fn serve(&mut self, sockets: &Sockets, request: Request) {
        let answer = (self.rule)(&request);
        let reply = self.reply(answer, &request);
        if let Some(to) = self.routed(&request.message) {
            let is_local = matches!(
                answer,
                Answer::Twice | Answer::Late(_) | Answer::Damaged | Answer::Naks(_)
            );
            assert!(!is_local, "{answer:?} is for clients on this link alone");
            reply
                .iter()
                .for_each(|reply| sockets.send_routed(reply, to));
        } else if let Some((reply, client)) = reply.zip(mac(&request.message)) {
            let (client, to) = destination(&request.message, &reply, client);
            let frame = sockets.frame(&reply, self.model.subnet.server_id, client, to);
            self.deliver(sockets, answer, frame);
        }
        self.requests.push(request);
    }

    /// Where a reply goes that is not for this link (RFC 2131, 4.1): to the relay, or to a
    /// client elsewhere that has an address.
    fn routed(&self, request: &Message) -> Option<SocketAddrV4> {
        let (relay, client) = (request.giaddr(), request.ciaddr());
        let Subnet {
            subnet, server_id, ..
        } = &self.model.subnet;
        if !relay.is_unspecified() {
            Some(SocketAddrV4::new(relay, SERVER_PORT))
        } else if !client.is_unspecified() && !subnet.contains(server_id) {
            Some(SocketAddrV4::new(client, CLIENT_PORT))
        } else {
            None
        }
    }

    fn reply(&mut self, answer: Answer, request: &Request) -> Option<Message> {
        let message = &request.message;
        match answer {
            Answer::Silence => None,
            Answer::Normal | Answer::Twice | Answer::Late(_) | Answer::Damaged => {
                self.model.reply(message, request.at)
            }
            Answer::Give(address) => self.model.reply_with(message, address),
            Answer::Nak | Answer::Naks(_) => Some(self.refusal(message)),
            Answer::Empty if request.kind == Kind::Discover => {
                Some(empty_reply(message, MessageType::Offer))
            }
            Answer::Empty => Some(empty_reply(message, MessageType::Ack)),
        }
    }

    fn deliver(&mut self, sockets: &Sockets, answer: Answer, mut frame: Vec<u8>) {
        let times = match answer {
            Answer::Late(delay) => return self.late.push((Instant::now() + delay, frame)),
            Answer::Damaged => {
                // The last byte of yiaddr, which only the checksum protects.
                frame[ETHERNET_IP_UDP + 19] ^= 1;
                1
            }
            Answer::Twice => 2,
            Answer::Naks(times) => times,
            _ => 1,
        };
        (0..times).for_each(|_| sockets.send(&frame));
    }

    /// Sends the delayed replies whose time has come.
    fn catch_up(&mut self, sockets: &Sockets) {
        let now = Instant::now();
        let due = self.late.extract_if(.., |(at, _)| *at <= now);
        due.for_each(|(_, frame)| sockets.send(&frame));
    }

    fn refusal(&self, request: &Message) -> Message {
        let mut reply = empty_reply(request, MessageType::Nak);
        reply.set_ciaddr(Ipv4Addr::UNSPECIFIED);
        reply
            .opts_mut()
            .insert(DhcpOption::ServerIdentifier(self.model.subnet.server_id));
        reply
    }
}

/// Where a reply goes (RFC 2131, 4.1): a NAK to everybody; else to the address
/// the client has; else to the one it gets, unless it cannot take that.
fn destination(request: &Message, reply: &Message, client: Mac) -> (Mac, Ipv4Addr) {
    const EVERYBODY: (Mac, Ipv4Addr) = ([0xff; 6], Ipv4Addr::BROADCAST);
    if reply.opts().has_msg_type(MessageType::Nak) {
        return EVERYBODY;
    }
    if !request.ciaddr().is_unspecified() {
        return (client, request.ciaddr());
    }
    if request.flags().broadcast() {
        return EVERYBODY;
    }
    (client, reply.yiaddr())
}

/// The server, until dropped.
pub struct FabricDhcp {
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for FabricDhcp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FabricDhcp").finish_non_exhaustive()
    }
}

impl FabricDhcp {
    /// Serves `subnet` on `interface` of the machine.
    ///
    /// # Panics
    /// When the interface cannot be listened on.
    pub fn start(namespace: &Namespace, interface: &str, subnet: Subnet) -> Self {
        let rule: Rule = Box::new(|_| Answer::Normal);
        let model = Model::new(subnet);
        let state = Arc::new(Mutex::new(State {
            model,
            rule,
            requests: Vec::new(),
            late: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let sockets = namespace
            .enter(|| Sockets::open(interface))
            .unwrap_or_else(|e| panic!("DHCP server on {interface}: {e}"));
        let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let received = sockets.receive().expect("own socket can be read");
                let mut state = shared.lock().expect("the rule of a test does not panic");
                if let Some((message, to)) = received {
                    state.serve(&sockets, Request::new(message, to));
                }
                state.catch_up(&sockets);
            }
        });
        Self {
            state,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on, lets `rule` decide how each message is answered.
    pub fn answer(&self, rule: impl FnMut(&Request) -> Answer + Send + 'static) {
        self.lock().rule = Box::new(rule);
    }

    /// Changes the settings of the subnet.
    pub fn configure(&self, change: impl FnOnce(&mut Subnet)) {
        change(&mut self.lock().model.subnet);
    }

    /// All messages so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().requests.clone()
    }

    /// The messages of one kind so far.
    pub fn received(&self, kind: Kind) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.kind == kind);
        requests
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("the rule of a test does not panic")
    }
}

impl Drop for FabricDhcp {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(ended, Some(Ok(()))),
            "the DHCP server panicked"
        );
    }
}
