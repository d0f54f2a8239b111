// SPDX-License-Identifier: Apache-2.0
//! The model of the fabric's DHCP server on a real socket, with a rule that
//! decides how each message is answered, and a record of what was asked.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use dhcproto::v4::{DhcpOption, Message, MessageType, OptionCode};

use super::model::{Mac, Model, Subnet, empty_reply, mac};
use super::wire::Wire;
use crate::namespace::Namespace;

/// What a client's message is for (RFC 2131, 4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DISCOVER.
    Discover,
    /// REQUEST of an offer: with a server identifier.
    Select,
    /// REQUEST after a reboot: with an address, without a server identifier.
    Reboot,
    /// REQUEST with ciaddr, to the server.
    Renew,
    /// REQUEST with ciaddr, to everybody.
    Rebind,
    /// RELEASE, DECLINE, INFORM and the rest.
    Other,
}

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
}

type Rule = Box<dyn FnMut(&Request) -> Answer + Send>;

struct State {
    model: Model,
    rule: Rule,
    requests: Vec<Request>,
}

impl Request {
    fn new(message: Message, destination: Ipv4Addr) -> Self {
        let options = message.opts();
        let kind = match options.msg_type() {
            Some(MessageType::Discover) => Kind::Discover,
            Some(MessageType::Request) if options.contains(OptionCode::ServerIdentifier) => {
                Kind::Select
            }
            Some(MessageType::Request) if message.ciaddr().is_unspecified() => Kind::Reboot,
            Some(MessageType::Request) if destination.is_broadcast() => Kind::Rebind,
            Some(MessageType::Request) => Kind::Renew,
            _ => Kind::Other,
        };
        Self {
            at: Instant::now(),
            kind,
            destination,
            message,
        }
    }
}

impl State {
    fn serve(&mut self, wire: &Wire, request: Request) {
        let reply = match (self.rule)(&request) {
            Answer::Silence => None,
            Answer::Normal => self.model.reply(&request.message, request.at),
            Answer::Give(address) => self.model.reply_with(&request.message, address),
            Answer::Nak => Some(self.refusal(&request.message)),
            Answer::Empty => Some(empty_reply(
                &request.message,
                match request.kind {
                    Kind::Discover => MessageType::Offer,
                    _ => MessageType::Ack,
                },
            )),
        };
        if let Some((reply, client)) = reply.zip(mac(&request.message)) {
            let (client, to) = destination(&request.message, &reply, client);
            wire.send(&reply, self.model.subnet.server_id, client, to);
        }
        self.requests.push(request);
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

impl FabricDhcp {
    /// Serves `subnet` on `interface` of the machine.
    pub(crate) fn start(namespace: &Namespace, interface: &str, subnet: Subnet) -> Self {
        let rule: Rule = Box::new(|_| Answer::Normal);
        let model = Model::new(subnet);
        let state = Arc::new(Mutex::new(State {
            model,
            rule,
            requests: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let wire = namespace
            .enter(|| Wire::open(interface))
            .unwrap_or_else(|e| panic!("DHCP server on {interface}: {e}"));
        let (shared, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some((message, to)) = wire.receive().expect("own socket can be read") {
                    let mut state = shared.lock().expect("the rule of a test does not panic");
                    state.serve(&wire, Request::new(message, to));
                }
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
