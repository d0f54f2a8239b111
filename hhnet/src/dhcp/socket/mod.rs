// SPDX-License-Identifier: Apache-2.0
//! Sockets of the client: raw ones before there is an address, UDP after.

mod port;
mod raw;

pub use self::{
    port::PortSocket,
    raw::{BROADCAST, RawSocket, Received},
};
