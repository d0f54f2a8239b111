// SPDX-License-Identifier: Apache-2.0
//! A machine behind a router, where networks have the DHCP server that relays ask.

use std::net::Ipv4Addr;

use crate::namespace::Namespace;

/// The office, at 10.0.9.2, two hops from the clients of a /24.
#[derive(Debug)]
pub struct Office {
    namespace: Namespace,
}

impl Office {
    /// Its address.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 2);

    /// The /24 that it is in.
    pub const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 0, 9, 0);

    /// Its interface.
    pub const PORT: &str = "port";

    /// The router's interface toward it.
    pub const UPLINK: &str = "office";

    /// Makes it behind the router, which has `clients` on another interface.
    pub fn behind(router: &Namespace, clients: &str) -> Self {
        let namespace = Namespace::new("office");
        router.sysctl("net/ipv4/ip_forward", "1");
        router.ip_batch(&format!(
            "link add {uplink} type veth peer name {port} netns {path}
             addr add 10.0.9.1/24 dev {uplink}
             link set {uplink} up",
            uplink = Self::UPLINK,
            port = Self::PORT,
            path = namespace.path()
        ));
        namespace.ip_batch(&format!(
            "addr add {}/24 dev {port}
             link set {port} up
             route add {clients} via 10.0.9.1",
            Self::ADDRESS,
            port = Self::PORT
        ));
        Self { namespace }
    }

    /// The office as a machine.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}
