// SPDX-License-Identifier: Apache-2.0
//! The record of DHCP on the wire.

use std::net::Ipv4Addr;
use std::time::Instant;

use dhcproto::v4::{DhcpOption, Message, OptionCode};

use super::{Fate, Way};
use crate::dhcp::Kind;

/// A DHCP message that came to the wire.
#[derive(Clone, Debug)]
pub struct Passage {
    /// When.
    pub at: Instant,
    /// Where it was going.
    pub way: Way,
    /// What for.
    pub kind: Kind,
    /// The address it was sent to.
    pub destination: Ipv4Addr,
    /// All of it.
    pub message: Message,
    /// What became of it.
    pub fate: Fate,
}

impl Passage {
    /// One of its options.
    pub fn option(&self, code: OptionCode) -> Option<&DhcpOption> {
        self.message.opts().get(code)
    }

    /// Whether it has an option.
    pub fn has(&self, code: OptionCode) -> bool {
        self.message.opts().contains(code)
    }
}
