// SPDX-License-Identifier: Apache-2.0
//! Replies that came more often than they were asked for: the two leaves of a fabric
//! both relay a broadcast, and its server answers both.

use std::net::Ipv4Addr;

use super::{Reply, Request, reply::Kind};

/// Servers that are told apart in one exchange.
const SERVERS_MAX: usize = 8;

/// How often was asked, and answered, in the newest exchange.
#[derive(Debug, Default)]
pub(super) struct Copies {
    xid: u32,
    discovers: u32,
    requests: u32,
    answers: Vec<(Kind, Option<Ipv4Addr>, u32)>,
}

impl Copies {
    /// A message leaves.
    pub(super) fn asked(&mut self, request: Request, xid: u32) {
        if self.xid != xid {
            *self = Copies {
                xid,
                ..Copies::default()
            };
        }
        match request {
            Request::Discover => self.discovers += 1,
            Request::Select { .. } | Request::Reboot { .. } | Request::Extend { .. } => {
                self.requests += 1;
            }
            Request::Release { .. } | Request::Decline { .. } => {}
        }
    }

    /// Whether a reply is one more than its server was asked for. What is sent again may
    /// be answered again.
    pub(super) fn is_copy(&mut self, reply: &Reply) -> bool {
        if reply.xid != self.xid {
            return false;
        }
        let asked = match reply.kind {
            Kind::Offer => self.discovers,
            Kind::Ack | Kind::Nak => self.requests,
        };
        let server = reply.server();
        let same = |(kind, from, _): &&mut (Kind, Option<Ipv4Addr>, u32)| {
            (*kind, *from) == (reply.kind, server)
        };
        match self.answers.iter_mut().find(same) {
            Some((_, _, count)) => {
                *count = count.saturating_add(1);
                *count > asked
            }
            None => {
                if self.answers.len() < SERVERS_MAX {
                    self.answers.push((reply.kind, server, 1));
                }
                false
            }
        }
    }
}
