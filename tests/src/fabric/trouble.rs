// SPDX-License-Identifier: Apache-2.0
//! What goes wrong in a fabric, and its end.

use super::leaf::{LACP_SYSTEM, Leaf, bundle, lag_name, port_name, uplink};
use super::{Fabric, VPCS};
use crate::host::Host;

impl Fabric {
    /// Has all frames between leaves and gateway suffer what `netem` says, each way:
    /// `loss 30%`. LACP, which ends at the leaves, is spared.
    ///
    /// # Panics
    /// When the kernel has no netem.
    pub fn impair(&self, netem: &str) {
        for (leaf, port) in self.leaves.iter().zip([1, 2].map(uplink)) {
            for (machine, link) in [
                (leaf.namespace(), "uplink"),
                (self.gateway.namespace(), &port),
            ] {
                machine.must(&format!("tc qdisc replace dev {link} root netem {netem}"));
            }
        }
    }

    /// Undoes [`Fabric::impair`].
    pub fn heal(&self) {
        for (leaf, port) in self.leaves.iter().zip([1, 2].map(uplink)) {
            leaf.namespace().must("tc qdisc del dev uplink root");
            let gateway = self.gateway.namespace();
            gateway.must(&format!("tc qdisc del dev {port} root"));
        }
    }
}

impl Leaf {
    /// Switches the leaf off: the port to `enp2s<nic>` of server-`server` loses its link,
    /// and whatever was configured is forgotten.
    pub fn shut_down(&self, server: u8, nic: u8) {
        let (lag, port) = (lag_name(server), port_name(server, nic));
        self.namespace().ip_batch(&format!(
            "link set {port} down
             link set uplink down
             link del {lag}
             link del br0"
        ));
    }

    /// Undoes [`Leaf::shut_down`], with that port as the one of its LACP group.
    pub fn boot(&self, server: u8, nic: u8) {
        self.namespace().ip_batch(&format!(
            "link add br0 type bridge mcast_snooping 0
             link set br0 up
             link set uplink master br0 up
             {}",
            bundle(server, &[nic], LACP_SYSTEM)
        ));
    }

    /// Has nothing of `vlan` pass to or from server-`server`, whose ports are in an LACP
    /// group, as after it was taken out of the VPC.
    pub fn withdraw(&self, server: u8, vlan: u16) {
        self.namespace()
            .ip_batch("link set br0 type bridge vlan_filtering 1");
        let others = VPCS.iter().filter(|(known, _)| *known != vlan);
        let allowed = others.map(|(known, _)| {
            let lag = lag_name(server);
            format!("vlan add dev {lag} vid {known}\nvlan add dev uplink vid {known}\n")
        });
        self.namespace().bridge_batch(&allowed.collect::<String>());
    }

    /// Undoes [`Leaf::withdraw`].
    pub fn readmit(&self) {
        self.namespace()
            .ip_batch("link set br0 type bridge vlan_filtering 0");
    }

    /// Pulls the NIC `enp2s<nic>` out of server-`server`.
    pub fn unplug(&self, server: u8, nic: u8) {
        let port = port_name(server, nic);
        self.namespace().ip_batch(&format!("link del {port}"));
    }

    /// Pulls the NIC `enp2s<nic>` out of server-`server` and puts it in again: it is
    /// another link then, and a member of nothing.
    pub fn replug(&self, host: &Host, server: u8, nic: u8) {
        self.unplug(server, nic);
        self.plug_in(host, server, nic);
    }
}
