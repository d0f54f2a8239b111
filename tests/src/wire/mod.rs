// SPDX-License-Identifier: Apache-2.0
//! A cable that can be told to lose, repeat, delay and damage what it carries.
//!
//! Two veth pairs end in a machine without addresses, where a thread passes
//! frames from one to the other, through packet sockets. What happens to each
//! IPv4 or ARP frame is decided by a rule, whose random choices come from a seed:
//! the same frames in the same order meet the same fate. The wire keeps a record
//! of all DHCP that came to it, with what became of it.

mod chance;
mod frame;
mod passage;
mod thread;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

pub use chance::Chance;
pub use frame::{Frame, Way};
pub use passage::Passage;

use crate::dhcp::{Forgery, Kind, Mac};
use crate::namespace::Namespace;

/// The wire's own end of each veth pair: toward the server, toward the network.
const ENDS: [&str; 2] = ["server", "network"];

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Pass,
    /// It does not.
    Drop,
    /// It arrives twice.
    Twice,
    /// It arrives later; others overtake it.
    Late(Duration),
    /// It arrives with one bit changed, anywhere behind the Ethernet header.
    Flip,
}

type Rule = Box<dyn FnMut(&Frame, &mut Chance) -> Fate + Send>;

struct State {
    rule: Rule,
    chance: Chance,
    passages: Vec<Passage>,
}

/// The cable, until dropped.
pub struct Wire {
    namespace: Namespace,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Wire {
    /// Lays the cable between `port` of `router` and an interface `cable` there,
    /// which is meant to be moved to a server. It harms nothing yet.
    pub(crate) fn lay(router: &Namespace, port: &str, cable: &str, seed: u64) -> Self {
        let namespace = Namespace::new("wire");
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        let [server, network] = ENDS;
        router.ip_batch(&format!(
            "link add {cable} type veth peer name {server} netns {path}
             link add {port} type veth peer name {network} netns {path}",
            path = namespace.path()
        ));
        namespace.ip_batch(&format!("link set {server} up\nlink set {network} up"));
        // Between machines checksums are complete; between veths they may be left out.
        for end in [cable, port] {
            router.must(&format!("ethtool -K {end} tx off"));
        }
        let state = Arc::new(Mutex::new(State {
            rule: Box::new(|_, _| Fate::Pass),
            chance: Chance::new(seed),
            passages: Vec::new(),
        }));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::start(&namespace, Arc::clone(&state), Arc::clone(&stop));
        Self {
            namespace,
            state,
            stop,
            thread: Some(thread),
        }
    }

    /// From now on, lets `rule` decide what becomes of each frame.
    pub fn treat(&self, rule: impl FnMut(&Frame, &mut Chance) -> Fate + Send + 'static) {
        self.lock().rule = Box::new(rule);
    }

    /// From now on, lets everything pass.
    pub fn heal(&self) {
        self.treat(|_, _| Fate::Pass);
    }

    /// Someone who speaks to the server from within the wire, past the rule and the
    /// record: both read messages with a decoder that bad ones make panic.
    pub fn forgery(&self, from: Ipv4Addr, client: Mac) -> Forgery {
        Forgery::new(&self.namespace, ENDS[0], from, client)
    }

    /// Takes the server's carrier away.
    pub fn unplug(&self) {
        self.namespace
            .ip_batch(&format!("link set {} down", ENDS[0]));
    }

    /// Gives it back.
    pub fn plug_in(&self) {
        self.namespace.ip_batch(&format!("link set {} up", ENDS[0]));
    }

    /// All DHCP that came to the wire so far, whatever became of it.
    pub fn passages(&self) -> Vec<Passage> {
        self.lock().passages.clone()
    }

    /// The messages of one kind so far.
    pub fn seen(&self, kind: Kind) -> Vec<Passage> {
        let mut passages = self.passages();
        passages.retain(|passage| passage.kind == kind);
        passages
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("the rule of a test does not panic")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(
            std::thread::panicking() || matches!(ended, Some(Ok(()))),
            "the wire panicked"
        );
    }
}
