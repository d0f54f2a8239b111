// SPDX-License-Identifier: Apache-2.0
//! A leaf switch: ports toward servers, one uplink, and a bridge between them
//! that passes tagged frames as they are.

use crate::host::Host;
use crate::namespace::Namespace;

use super::gateway::Gateway;

/// Both leaves speak LACP as this system, so that a server sees one partner.
const LACP_SYSTEM: &str = "0a:0a:0a:0a:0a:0a";

/// One leaf.
#[derive(Debug)]
pub struct Leaf {
    namespace: Namespace,
}

impl Leaf {
    /// Makes leaf-`number` and connects it to the gateway.
    pub(super) fn new(number: u8, gateway: &Gateway) -> Self {
        let namespace = Namespace::new(&format!("leaf-{number}"));
        // Its own IPv6 chatter would be traffic that no test has sent.
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        let uplink = format!("leaf{number}");
        namespace.ip_batch(&format!(
            "link add br0 type bridge mcast_snooping 0
             link set br0 up
             link add uplink type veth peer name {uplink} netns {gateway}
             link set uplink master br0 up",
            gateway = gateway.namespace().path(),
        ));
        gateway.attach(&uplink);
        Self { namespace }
    }

    /// The leaf as a machine.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Lays a cable to the server's NIC `enp2s<nic>`; returns the leaf's port.
    pub(super) fn cable(&self, host: &Host, server: u8, nic: u8) -> String {
        let port = port_name(server, nic);
        let server_port = format!("enp2s{nic}");
        self.namespace.ip_batch(&format!(
            "link add {port} type veth peer name {server_port} address {mac} netns {path}",
            mac = mac(server, nic),
            path = host.namespace().path(),
        ));
        // A veth sender leaves the VLAN tag beside the packet, where XDP on the
        // other end does not see it. A NIC's wire has it in the packet.
        self.namespace
            .must(&format!("ethtool -K {port} txvlan off"));
        host.namespace()
            .ip_batch(&format!("link set {server_port} up"));
        host.owns(&server_port);
        port
    }

    /// Makes a port (or a group of ports) part of the switch.
    pub(super) fn bridge(&self, port: &str) {
        self.namespace
            .ip_batch(&format!("link set {port} master br0 up"));
    }

    /// Groups ports toward one server by LACP.
    pub(super) fn bundle(&self, server: u8, ports: &[String]) {
        let lag = lag_name(server);
        let enslave: String = ports
            .iter()
            .map(|port| format!("link set {port} master {lag}\n"))
            .collect();
        self.namespace.ip_batch(&format!(
            "link add {lag} type bond mode 802.3ad miimon 100 lacp_rate fast \
                 ad_actor_system {LACP_SYSTEM} ad_user_port_key {server}
             {enslave}"
        ));
        self.bridge(&lag);
    }

    /// Ends LACP toward server-`server`: `enp2s<nic>`'s port becomes a plain one.
    pub fn unbundle(&self, server: u8, nic: u8) {
        self.namespace
            .ip_batch(&format!("link del {}", lag_name(server)));
        self.bridge(&port_name(server, nic));
    }

    /// Takes the link toward `enp2s<nic>` of server-`server` down.
    pub fn cut(&self, server: u8, nic: u8) {
        self.namespace
            .ip_batch(&format!("link set {} down", port_name(server, nic)));
    }

    /// Undoes [`Leaf::cut`].
    pub fn mend(&self, server: u8, nic: u8) {
        self.namespace
            .ip_batch(&format!("link set {} up", port_name(server, nic)));
    }
}

fn port_name(server: u8, nic: u8) -> String {
    format!("s{server}p{nic}")
}

fn lag_name(server: u8) -> String {
    format!("s{server}lag")
}

/// The MAC of `enp2s<nic>` of server-`server`: the same in each fabric, as a
/// machine's NICs are the same after a reboot.
pub(super) fn mac(server: u8, nic: u8) -> String {
    format!("0c:20:12:fe:{server:02x}:{nic:02x}")
}
