// SPDX-License-Identifier: Apache-2.0
//! The server that has to bear it, and what is around it.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::effect::RENAMED_MEMBER;
use crate::dhcp::{Daemon, FabricDhcp, Mac, Pool, Software};
use crate::fabric::{Connection, Fabric};
use crate::host::Host;

/// The interface whose lease is disturbed.
pub(super) const LINK: &str = "bond0.1001";

/// Its name while it has another one.
pub(super) const RENAMED_LINK: &str = "tenant0";

/// The interface that only hears of it, and keeps the agent alive.
pub(super) const QUIET_LINK: &str = "bond0.1002";

/// Leases of the fabric's server: short enough to end during a disturbance.
pub(super) const LEASE: Duration = Duration::from_secs(6);

/// Those of the server in its place; dnsmasq has no shorter ones.
pub(super) const OTHER_LEASE: Duration = Duration::from_secs(120);

/// Those of the other VLAN.
pub(super) const QUIET_LEASE: Duration = Duration::from_secs(24 * 3600);

/// Somebody else on the VLAN.
const NEIGHBOUR: Mac = [2, 0, 0, 0, 0, 1];

/// A bonded server with two leases. Dropped in this order.
pub struct Lab {
    server: Host,
    dhcp: RefCell<Option<Dhcp>>,
    _quiet: Daemon,
    fabric: Fabric,
    link: Cell<&'static str>,
    taken: Cell<Option<Ipv4Addr>>,
}

/// Who serves VLAN 1001.
enum Dhcp {
    Fabric(FabricDhcp),
    Other(#[expect(dead_code, reason = "it serves until it is dropped")] Daemon),
}

impl Lab {
    /// Makes it, without any lease yet.
    #[expect(clippy::new_without_default, reason = "building a lab is no default")]
    pub fn new() -> Self {
        let fabric = Fabric::new();
        let quiet = fabric.vpc(1002).dnsmasq(&[]);
        let lab = Self {
            server: fabric.server(Connection::Eslag),
            dhcp: RefCell::default(),
            _quiet: quiet,
            fabric,
            link: Cell::new(LINK),
            taken: Cell::default(),
        };
        lab.server.owns(RENAMED_MEMBER);
        lab.serve(None);
        lab
    }

    /// The server.
    pub fn server(&self) -> &Host {
        &self.server
    }

    /// The fabric.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// Has hhnet make the bond and lease both addresses.
    ///
    /// # Panics
    /// When it does not.
    pub fn lease(&self) {
        self.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
        self.server.must("vlan 1002 bond0");
    }

    /// What the interface is called now.
    pub(super) fn link(&self) -> &'static str {
        self.link.get()
    }

    /// Gives the interface another name. Kernels before 6.2 do that to one that is down only.
    pub(super) fn rename_link(&self, name: &'static str) {
        self.rename(self.link.replace(name), name);
    }

    /// The same of any.
    pub(super) fn rename(&self, from: &str, to: &str) {
        self.server.namespace().ip_batch(&format!(
            "link set {from} down
             link set {from} name {to}
             link set {to} up"
        ));
    }

    /// The interface is gone: the next one has the name that hhnet gives it.
    pub(super) fn forget_link(&self) {
        self.link.set(LINK);
    }

    /// The one address of the interface, if it has one.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        let all = self.server.addresses(self.link());
        let (address, _) = all.first()?.split_once('/')?;
        address.parse().ok()
    }

    /// Starts the fabric's DHCP server, without any lease, but for the address that
    /// somebody else has `taken`.
    pub(super) fn serve(&self, taken: Option<Ipv4Addr>) {
        self.dhcp.take();
        self.taken.set(taken);
        let vpc = self.fabric.vpc(1001);
        let mut subnet = vpc.subnet();
        subnet.lease = LEASE;
        subnet
            .fixed
            .extend(taken.map(|address| (NEIGHBOUR, address)));
        let dhcp = Dhcp::Fabric(vpc.fabric_dhcp(subnet));
        self.dhcp.replace(Some(dhcp));
    }

    /// The address that the fabric's server has for somebody else.
    pub(super) fn taken(&self) -> Option<Ipv4Addr> {
        self.taken.get()
    }

    /// Whether a prefix (`10.0.1.10/24`) is one that the fabric's server leases.
    pub(super) fn is_of_fabric(&self, prefix: &str) -> bool {
        let address = prefix.split_once('/').and_then(|(it, _)| it.parse().ok());
        let range = self.fabric.vpc(1001).subnet().range;
        address.is_some_and(|address: Ipv4Addr| range.contains(&address))
    }

    /// Starts another server in its place, which refuses the fabric's addresses.
    pub(super) fn serve_others(&self) {
        self.dhcp.take();
        let vpc = self.fabric.vpc(1001);
        let pool = Pool::of(vpc.gateway).moved().renewed_after(2, 4);
        let daemon = Daemon::start(
            Software::Dnsmasq,
            vpc.namespace(),
            &vpc.interface(),
            &Pool {
                lease: OTHER_LEASE,
                ..pool
            },
        );
        self.dhcp.replace(Some(Dhcp::Other(daemon)));
    }

    /// Until when no lease of the fabric's server can be over that it has given so far;
    /// none if another one serves, or it has given none.
    pub(super) fn promised(&self) -> Option<Instant> {
        let Some(Dhcp::Fabric(dhcp)) = &*self.dhcp.borrow() else {
            return None;
        };
        Some(dhcp.requests().last()?.at + LEASE)
    }
}
