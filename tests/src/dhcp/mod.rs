// SPDX-License-Identifier: Apache-2.0
//! DHCP servers: the real dnsmasq, and a model of the fabric's own server that
//! can be told to misbehave.

mod dnsmasq;
mod model;
mod server;
mod wire;

pub use dnsmasq::Dnsmasq;
pub use model::{Mac, Model, Subnet};
pub use server::{Answer, FabricDhcp, Kind, Request};
