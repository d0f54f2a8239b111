// SPDX-License-Identifier: Apache-2.0
//! Servers in virtual time.

use super::*;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// A server with the fabric's rules: anybody gets the address there is for him,
/// whatever he asks for.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// Last octet of its own address.
    pub(super) id: u8,
    /// Last octet of the address it leases.
    pub(super) address: u8,
    /// Another address in every transaction.
    pub(super) restless: bool,
    /// Lease time in seconds.
    pub(super) lease: u32,
    /// The same for a client without an address: 10 s in L3 mode.
    pub(super) first: Option<u32>,
    pub(super) dead: bool,
    /// Messages sent to it, not to everyone, do not arrive.
    pub(super) no_unicast: bool,
    /// It offers and does not acknowledge.
    pub(super) rogue: bool,
    /// It refuses every REQUEST.
    pub(super) refuses: bool,
    /// So many replies without anything in them, as of its internal errors.
    pub(super) empty: u32,
    /// How long it thinks.
    pub(super) delay: Duration,
    /// Options it adds.
    pub(super) more: Vec<(u8, Vec<u8>)>,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            id: SERVER[3],
            address: FIRST.octets()[3],
            restless: false,
            lease: 3600,
            first: None,
            dead: false,
            no_unicast: false,
            rogue: false,
            refuses: false,
            empty: 0,
            delay: Duration::ZERO,
            more: vec![],
        }
    }
}

impl Server {
    /// The address of a transaction.
    pub(super) fn address_for(&self, xid: u32) -> Ipv4Addr {
        let octet = if self.restless {
            20 + (xid % 200) as u8
        } else {
            self.address
        };
        Ipv4Addr::new(10, 0, 1, octet)
    }

    /// What it says to a message.
    pub(super) fn answer(&mut self, transmit: &Transmit) -> Option<Vec<u8>> {
        let options = options_of(&transmit.bytes);
        let id = [10, 0, 1, self.id];
        let unicast = is_unicast(transmit);
        let for_other = options.get(&54).is_some_and(|server| server[..] != id);
        if self.dead || for_other || unicast && self.no_unicast {
            return None;
        }
        let xid = xid(transmit);
        let kind = match options[&53][..] {
            [DISCOVER] => OFFER,
            [REQUEST] if self.rogue => return None,
            [REQUEST] if self.refuses => {
                return Some(reply_bytes(NAK, xid, Ipv4Addr::UNSPECIFIED, &[(54, &id)]));
            }
            [REQUEST] => ACK,
            _ => return None,
        };
        if self.empty > 0 {
            self.empty -= 1;
            return Some(reply_bytes(kind, xid, Ipv4Addr::UNSPECIFIED, &[]));
        }
        let anew = transmit.bytes[12..16] == [0; 4];
        let time = self.first.filter(|_| anew).unwrap_or(self.lease);
        let time = time.to_be_bytes();
        let mut options = vec![(54, &id[..]), (51, &time[..]), (1, &[255, 255, 255, 0])];
        options.extend(self.more.iter().map(|(code, value)| (*code, &value[..])));
        Some(reply_bytes(kind, xid, self.address_for(xid), &options))
    }
}

/// A server whose leases last a minute.
pub(super) fn minute() -> Server {
    Server {
        lease: 60,
        ..Server::default()
    }
}

/// One whose leases last ten seconds.
pub(super) fn short() -> Server {
    Server {
        lease: 10,
        ..Server::default()
    }
}

/// One in L3 mode.
pub(super) fn l3() -> Server {
    Server {
        first: Some(10),
        lease: 1800,
        ..Server::default()
    }
}

/// The transaction of a message.
pub(super) fn xid(transmit: &Transmit) -> u32 {
    u32::from_be_bytes(transmit.bytes[4..8].try_into().unwrap())
}
