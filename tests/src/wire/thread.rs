// SPDX-License-Identifier: Apache-2.0
//! The thread that passes frames from one end of the wire to the other.

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{ENDS, Fate, Frame, Passage, State, Way};
use crate::namespace::Namespace;
use crate::packet::PacketSocket;

/// The longest wait: until then nobody notices that the wire shall end.
const TICK: Duration = Duration::from_millis(50);

/// The Ethernet header, in bytes: damage there would be another wire's frame.
const ETHERNET: usize = 14;

/// Frames on their way, and the sockets they come from and go to.
struct Ends {
    server: PacketSocket,
    network: PacketSocket,
    late: Vec<(Instant, Way, Vec<u8>)>,
}

pub(super) fn start(
    namespace: &Namespace,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
) -> JoinHandle<()> {
    let [server, network] = ENDS.map(|end| {
        namespace
            .enter(|| PacketSocket::open_both_ways(end))
            .unwrap_or_else(|e| panic!("the wire's end {end}: {e}"))
    });
    let mut ends = Ends {
        server,
        network,
        late: Vec::new(),
    };
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            ends.wait();
            let mut state = state.lock().expect("the rule of a test does not panic");
            ends.forward(&mut state);
            ends.catch_up();
        }
    })
}

impl Ends {
    /// Waits until a frame comes or one that is late is due.
    fn wait(&self) {
        let now = Instant::now();
        let due = self
            .late
            .iter()
            .map(|(at, ..)| at.saturating_duration_since(now));
        let wait = due.min().unwrap_or(TICK).min(TICK);
        // Rounded up: a wait of zero would not wait at all.
        let wait = PollTimeout::try_from(wait + Duration::from_millis(1)).expect("a short wait");
        let mut fds =
            [&self.server, &self.network].map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN));
        // Interrupted or not: the sockets are looked at either way.
        let _ = poll(&mut fds, wait);
    }

    fn forward(&mut self, state: &mut State) {
        for way in [Way::Out, Way::In] {
            let from = match way {
                Way::Out => &self.server,
                Way::In => &self.network,
            };
            // An end that is down has nothing to say.
            while let Ok(Some(bytes)) = from.receive() {
                let fate = state.decide(way, &bytes);
                match fate {
                    Fate::Drop => {}
                    Fate::Pass => self.send(way, &bytes),
                    Fate::Twice => (0..2).for_each(|_| self.send(way, &bytes)),
                    Fate::Late(delay) => self.late.push((Instant::now() + delay, way, bytes)),
                    Fate::Flip => self.send(way, &state.flip(bytes)),
                }
            }
        }
    }

    fn catch_up(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.late.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, way, bytes) in due {
            self.send(way, &bytes);
        }
    }

    fn send(&self, way: Way, bytes: &[u8]) {
        let to = match way {
            Way::Out => &self.network,
            Way::In => &self.server,
        };
        // A cable that is unplugged carries nothing.
        let _ = to.send(bytes);
    }
}

impl State {
    fn decide(&mut self, way: Way, bytes: &[u8]) -> Fate {
        let Some(frame) = Frame::read(way, bytes) else {
            return Fate::Pass;
        };
        let fate = (self.rule)(&frame, &mut self.chance);
        if let Some(dhcp) = frame.dhcp {
            self.passages.push(Passage {
                at: Instant::now(),
                way,
                kind: dhcp.kind,
                destination: dhcp.destination,
                message: dhcp.message,
                fate,
            });
        }
        fate
    }

    fn flip(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let at = self.chance.pick(ETHERNET..bytes.len());
        bytes[at] ^= 1 << self.chance.pick(0..8);
        bytes
    }
}
