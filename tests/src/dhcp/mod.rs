// SPDX-License-Identifier: Apache-2.0
//! DHCP servers: real ones, and a model of the fabric's own server that can be
//! told to misbehave.
//!
//! | module    | what it is                                                    |
//! |-----------|---------------------------------------------------------------|
//! | `kind`    | what a message is for                                         |
//! | `daemon`  | dnsmasq, ISC dhcpd, Kea or udhcpd, on any interface           |
//! | `relay`   | ISC dhcrelay                                                  |
//! | `model`   | how the fabric's server decides                               |
//! | `server`  | the model on a socket, with a rule for each message           |
//! | `udhcpc`  | busybox's client, that somebody has left running               |
//! | `forgery` | messages that no server would send                            |

mod daemon;
mod dnsmasq;
mod forgery;
mod isc;
mod kea;
mod kind;
mod model;
mod relay;
mod server;
mod socket;
mod udhcpc;
mod udhcpd;

pub(crate) use daemon::unpacked;
pub use daemon::{Daemon, Pool, Software};
pub use forgery::Forgery;
pub use kind::Kind;
pub use model::{Mac, Model, Subnet};
pub use relay::Relay;
pub use server::{Answer, FabricDhcp, Request};
pub use udhcpc::udhcpc;
