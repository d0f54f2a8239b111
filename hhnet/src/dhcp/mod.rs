// SPDX-License-Identifier: Apache-2.0
//! DHCP for IPv4, the client's side (RFC 2131, RFC 2132).
//!
//! ```text
//! packet   IPv4 and UDP around a message          bytes
//! message  options in, options out                bytes
//! lease    an ACK -> prefix, routes, timers       rules
//! client   the machine of RFC 2131, figure 5      rules
//! socket   AF_PACKET and UDP                      world
//! ```
//! Time is a [`Duration`](std::time::Duration) since boot, suspended time
//! included (`CLOCK_BOOTTIME`): a lease runs out also while the machine sleeps.

pub mod client;
pub mod lease;
pub mod message;
pub mod packet;
pub mod socket;

/// UDP port of servers and relays.
pub const SERVER_PORT: u16 = 67;
/// UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
