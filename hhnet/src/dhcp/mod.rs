// SPDX-License-Identifier: Apache-2.0
//! DHCP for IPv4, the client's side (RFC 2131, RFC 2132).
//!
//! ```text
//! packet   IPv4 and UDP around a message          bytes
//! arp      is the address free? it is ours        bytes
//! request  options out                            bytes
//! reply    options in                             bytes
//! names    host and domain names, checked         rules
//! routes   options 121, 249, 33, 3 -> routes      rules
//! lease    an ACK -> prefix, timers, servers      rules
//! client   the machine of RFC 2131, figure 5      rules
//! dropped  why something was not used             rules
//! socket   AF_PACKET and UDP                      world
//! ```
//! Time is a [`Duration`](std::time::Duration) since boot, suspended time
//! included (`CLOCK_BOOTTIME`): a lease runs out also while the machine sleeps.

pub mod arp;
pub mod client;
pub mod dropped;
pub mod lease;
pub mod names;
pub mod packet;
pub mod reply;
pub mod request;
mod routes;
pub mod socket;

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
