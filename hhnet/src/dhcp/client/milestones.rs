// SPDX-License-Identifier: Apache-2.0
//! How long each step on the way to a lease took.

use std::time::Duration;

/// When each step on the way to the newest lease was reached, since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Milestones {
    /// A lease was wanted, and there was none.
    pub began: Option<Duration>,
    /// The link worked.
    pub link: Option<Duration>,
    /// A member of the bond below began to distribute, if not before the link worked nor
    /// after the offer had come.
    pub path: Option<Duration>,
    /// The offer came that was taken; the REQUEST for it left at once.
    pub offer: Option<Duration>,
    /// The ACK came.
    pub ack: Option<Duration>,
    /// Address, routes and MTU were set.
    pub in_force: Option<Duration>,
}

impl Milestones {
    /// The names of all steps.
    pub const STEPS: [&str; 5] = ["link", "lacp", "offer", "ack", "apply"];

    /// A way that begins at `now`.
    pub(super) fn begin(now: Duration, link_up: bool) -> Milestones {
        Milestones {
            began: Some(now),
            link: link_up.then_some(now),
            ..Milestones::default()
        }
    }

    /// Whether a lease is being looked for.
    pub(super) fn is_open(&self) -> bool {
        self.began.is_some() && self.in_force.is_none()
    }

    /// The link has come or gone while there is no lease.
    pub(super) fn link(&mut self, up: bool, now: Duration) {
        if !self.is_open() {
            *self = Milestones::begin(now, false);
        }
        // Whatever there was of an exchange is over.
        *self = Milestones {
            began: self.began,
            link: up.then_some(now),
            ..Milestones::default()
        };
    }

    /// A member of the bond below has joined the aggregate.
    pub(super) fn path(&mut self, now: Duration) {
        if self.is_open() && self.offer.is_none() {
            self.path.get_or_insert(now);
        }
    }

    /// An offer is taken, perhaps in place of one that led to nothing.
    pub(super) fn offer(&mut self, now: Duration) {
        if self.is_open() {
            self.offer = Some(now);
            self.ack = None;
        }
    }

    pub(super) fn ack(&mut self, now: Duration) {
        if self.is_open() {
            self.ack = Some(now);
        }
    }

    pub(super) fn in_force(&mut self, now: Duration) {
        if self.is_open() && self.ack.is_some() {
            self.in_force = Some(now);
        }
    }

    /// The steps that were taken, in their order, each from the end of the one before:
    /// `link` until the link works, `lacp` until a member distributes, `offer` and `ack`
    /// until a server has answered so, `apply` until the address can be used.
    pub fn steps(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let ends = [self.link, self.path, self.offer, self.ack, self.in_force];
        let mut last = self.began;
        Self::STEPS
            .into_iter()
            .zip(ends)
            .filter_map(move |(step, end)| {
                let took = end?.saturating_sub(last?);
                last = end;
                Some((step, took))
            })
    }

    /// All of them together, once the lease is in force.
    pub fn total(&self) -> Option<Duration> {
        Some(self.in_force?.saturating_sub(self.began?))
    }
}
