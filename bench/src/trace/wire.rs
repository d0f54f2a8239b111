// SPDX-License-Identifier: Apache-2.0
//! Where sources put their frames, and the chance they all share.

use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};

use super::Class;

/// What a source sends and what it draws from: one generator for all of them,
/// so that a seed says everything.
#[derive(Debug)]
pub(super) struct Wire {
    /// For what the other functions do not offer.
    pub(super) rng: SmallRng,
    /// What was sent, in the order of sending, which is nearly that of arrival.
    pub(super) sent: Vec<Sent>,
}

/// A frame that is no copy.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) time_ns: u64,
    pub(super) member: u8,
    pub(super) class: Class,
    pub(super) bytes: Vec<u8>,
}

/// Sends frames, now and then.
pub(super) trait Source {
    /// Sends what is due `now`, perhaps a few microseconds into the future, and
    /// returns when it is to be called next.
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64;
}

impl Wire {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            sent: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, time_ns: u64, member: u8, class: Class, bytes: Vec<u8>) {
        self.sent.push(Sent {
            time_ns,
            member,
            class,
            bytes,
        });
    }

    /// True in `share` of all calls.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    /// Nanoseconds, exponentially distributed.
    pub(super) fn exponential(&mut self, mean_ns: f64) -> u64 {
        let uniform: f64 = self.rng.random_range(f64::EPSILON..1.0);
        (-uniform.ln() * mean_ns) as u64
    }

    /// Nanoseconds between `least` and `most`, each order of magnitude as likely.
    pub(super) fn log_uniform(&mut self, least: f64, most: f64) -> u64 {
        self.rng.random_range(least.ln()..most.ln()).exp() as u64
    }

    /// Random bytes, between `least` and `most` of them, small ones as likely as large.
    pub(super) fn payload(&mut self, least: usize, most: usize) -> Vec<u8> {
        let length = self.rng.random_range(least..=most);
        let mut payload = vec![0; length];
        self.rng.fill_bytes(&mut payload);
        payload
    }
}
