// SPDX-License-Identifier: Apache-2.0
//! A server on an untagged port of a router, for kernels without VLANs and
//! bonds: the simplest network with DHCP.
//!
//! ```text
//!   server-01 enp2s1 ──── [wire] ──── port router     10.0.1.1/24, and a DHCP server
//!                                      │
//!                                 neighbours           10.0.1.N/24, macvlans of the port
//! ```

use std::net::Ipv4Addr;

use crate::dhcp::{Daemon, FabricDhcp, Pool, Software, Subnet};
use crate::host::Host;
use crate::namespace::Namespace;
use crate::wire::Wire;

/// The router's interface on the segment.
pub const PORT: &str = "port";

/// The server's interface on the segment.
pub const NIC: &str = "enp2s1";

/// The server's end of its cable, before it is the server's.
const CABLE: &str = "cable";

/// The router and the cable to a server. DHCP servers and the server itself are
/// made from it and dropped before it, the server first.
pub struct Segment {
    router: Namespace,
    wire: Option<Wire>,
}

impl Segment {
    /// A segment with a plain cable.
    #[expect(
        clippy::new_without_default,
        reason = "building machines is no default"
    )]
    pub fn new() -> Self {
        let router = Namespace::new("router");
        router.ip_batch(&format!("link add {PORT} type veth peer name {CABLE}"));
        Self::with(router, None)
    }

    /// A segment whose cable can misbehave, by choices that come from `seed`.
    pub fn with_wire(seed: u64) -> Self {
        let router = Namespace::new("router");
        let wire = Wire::lay(&router, PORT, CABLE, seed);
        Self::with(router, Some(wire))
    }

    fn with(router: Namespace, wire: Option<Wire>) -> Self {
        router.ip_batch(&format!(
            "link set lo up
             addr add {}/24 dev {PORT}
             link set {PORT} up",
            Self::address(1)
        ));
        Self { router, wire }
    }

    /// The address `host` on the segment.
    pub fn address(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 1, host)
    }

    /// The router as a machine.
    pub fn router(&self) -> &Namespace {
        &self.router
    }

    /// The cable.
    ///
    /// # Panics
    /// When it is a plain one.
    pub fn wire(&self) -> &Wire {
        self.wire.as_ref().expect("the segment has a wire")
    }

    /// Connects the one server there is, by its `enp2s1`.
    pub fn server(&self) -> Host {
        let server = Host::new("server-01");
        self.router.ip_batch(&format!(
            "link set {CABLE} address {mac} netns {path} name {NIC}",
            mac = super::leaf::mac(1, 1),
            path = server.namespace().path(),
        ));
        server.owns(NIC);
        server.power_up();
        server
    }

    /// Another machine on the segment: its interface `port` has the address `host`.
    pub fn neighbour(&self, name: &str, host: u8) -> Namespace {
        let neighbour = Namespace::new(name);
        self.router.ip_batch(&format!(
            "link add link {PORT} name {name} netns {path} type macvlan mode bridge",
            path = neighbour.path()
        ));
        neighbour.ip_batch(&format!(
            "link set {name} name {PORT}
             addr add {}/24 dev {PORT}
             link set {PORT} up",
            Self::address(host)
        ));
        neighbour
    }

    /// A pool of the router: leases of two minutes, from .10 on.
    pub fn pool() -> Pool {
        Pool::of(Self::address(1))
    }

    /// Serves a pool on the router.
    pub fn serve(&self, software: Software, pool: &Pool) -> Daemon {
        Daemon::start(software, &self.router, PORT, pool)
    }

    /// The settings the fabric's own DHCP server would have here by default.
    pub fn subnet() -> Subnet {
        Subnet::new(Self::address(1), Self::address(10)..=Self::address(99))
    }

    /// Starts the model of the fabric's own DHCP server on the router.
    pub fn fabric_dhcp(&self, subnet: Subnet) -> FabricDhcp {
        FabricDhcp::start(&self.router, PORT, subnet)
    }
}
