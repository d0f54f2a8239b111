// SPDX-License-Identifier: Apache-2.0
//! A leaf switch: ports toward servers, one uplink, and a bridge between them
//! that passes tagged frames as they are.

use std::sync::Mutex;
use std::thread;

use serde_json::Value;

use crate::host::Host;
use crate::namespace::Namespace;
use crate::packet::PacketSocket;
use crate::wait::{self, PATIENCE};

use super::gateway::{Gateway, VPCS};

/// Both leaves speak LACP as this system, so that a server sees one partner.
pub(crate) const LACP_SYSTEM: &str = "0a:0a:0a:0a:0a:0a";

/// A leaf that is not one of the pair speaks LACP as itself.
pub(super) const OTHER_LACP_SYSTEM: &str = "0e:0e:0e:0e:0e:0e";

/// The shortest LLDP frame: to the nearest bridge, with the four mandatory TLVs.
const LLDP: [u8; 33] = [
    0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x88,
    0xcc, // Ethernet
    0x02, 0x07, 0x04, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, // chassis: a MAC
    0x04, 0x02, 0x07, b'1', // port: a local name
    0x06, 0x02, 0x00, 0x78, // valid for 120 s
    0x00, 0x00, // end
];

/// What a leaf's ports are wired to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cables<'a> {
    /// To NICs of a host: veth pairs, which go with either end.
    Veth(&'a Host),
    /// To the machine that the test is running on, by veth pairs: `enp4s1`, `enp4s2`.
    VethHere(&'a Namespace),
    /// To the hardware of the machine that the test is running on: where `enp2s1` is the
    /// server's NIC, `enp3s1` is the other end of its cable.
    Wired,
}

/// One leaf.
#[derive(Debug)]
pub struct Leaf {
    namespace: Namespace,
    /// Its ports that are this machine's hardware, and what they are called there.
    borrowed: Mutex<Vec<(String, String)>>,
}

impl Leaf {
    /// Makes leaf-`number`, with a cable to the gateway's port [`uplink`].
    pub(super) fn new(number: u8, gateway: &Gateway) -> Self {
        let namespace = Namespace::new(&format!("leaf-{number}"));
        // Its own IPv6 chatter would be traffic that no test has sent.
        namespace.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        namespace.ip_batch(&format!(
            "link add br0 type bridge mcast_snooping 0
             link set br0 up
             link add uplink type veth peer name {port} netns {gateway}
             link set uplink master br0 up",
            port = uplink(number),
            gateway = gateway.namespace().path(),
        ));
        Self {
            namespace,
            borrowed: Mutex::default(),
        }
    }

    /// The leaf as a machine.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Lays a cable to the server's NIC `enp2s<nic>`, to a plain port.
    pub(super) fn connect(&self, cables: Cables, server: u8, nic: u8) {
        let port = port_name(server, nic);
        self.lay_cables(
            cables,
            server,
            &[nic],
            &format!("link set {port} master br0 up"),
        );
    }

    /// Lays cables to NICs of the server, and groups their ports by LACP, which the
    /// leaf speaks as `system`.
    pub(super) fn connect_bundled(&self, cables: Cables, server: u8, nics: &[u8], system: &str) {
        self.lay_cables(cables, server, nics, &bundle(server, nics, system));
    }

    fn lay_cables(&self, cables: Cables, server: u8, nics: &[u8], then: &str) {
        match cables {
            Cables::Veth(host) => {
                self.lay_veths((host.namespace(), "enp2s"), server, nics, then);
                nics.iter()
                    .for_each(|nic| host.owns(&format!("enp2s{nic}")));
            }
            Cables::VethHere(own) => self.lay_veths((own, "enp4s"), server, nics, then),
            Cables::Wired => {
                nics.iter().for_each(|nic| self.borrow(server, *nic));
                self.namespace.ip_batch(then);
            }
        }
    }

    /// Takes a NIC of this machine for a port.
    fn borrow(&self, server: u8, nic: u8) {
        let (port, hardware) = (port_name(server, nic), format!("enp3s{nic}"));
        Namespace::own().ip_batch(&format!(
            "link set {hardware} down
             link set {hardware} netns {path} name {port}",
            path = self.namespace.path()
        ));
        self.borrowed
            .lock()
            .expect("nobody panics with it")
            .push((port, hardware));
    }

    fn lay_veths(&self, to: (&Namespace, &str), server: u8, nics: &[u8], then: &str) {
        let (machine, bus) = to;
        let cable = |nic: &u8| {
            let (port, mac, path) = (port_name(server, *nic), mac(server, *nic), machine.path());
            format!("link add {port} type veth peer name {bus}{nic} address {mac} netns {path}\n")
        };
        let cables: String = nics.iter().map(cable).collect();
        self.namespace.ip_batch(&(cables + then));
        for nic in nics {
            // A veth sender leaves the VLAN tag beside the packet, where XDP on the
            // other end does not see it. A NIC's wire has it in the packet.
            self.namespace.must(&format!(
                "ethtool -K {} txvlan off",
                port_name(server, *nic)
            ));
        }
    }

    /// Ends LACP toward server-`server`: `enp2s<nic>`'s port becomes a plain one.
    pub fn unbundle(&self, server: u8, nic: u8) {
        let (lag, port) = (lag_name(server), port_name(server, nic));
        self.namespace
            .ip_batch(&format!("link del {lag}\nlink set {port} master br0 up"));
    }

    /// Lets nothing but LACP through to server-`server`, as a switch does with a
    /// port that is not aggregated yet.
    pub fn isolate(&self, server: u8) {
        let lag = lag_name(server);
        self.namespace.ip_batch(&format!("link set {lag} nomaster"));
    }

    /// Waits until LACP has aggregated the port to `enp2s<nic>` on this side, too,
    /// which may be a moment later than on the server's.
    pub fn wait_until_aggregated(&self, server: u8, nic: u8) {
        let port = port_name(server, nic);
        wait::until("the leaf's port is aggregated", PATIENCE, || {
            is_aggregated(
                &self
                    .namespace
                    .must(&format!("ip -d -json link show {port}")),
            )
        });
    }

    /// Undoes [`Leaf::isolate`].
    pub fn admit(&self, server: u8) {
        let lag = lag_name(server);
        self.namespace
            .ip_batch(&format!("link set {lag} master br0"));
    }

    /// Sends an LLDP frame toward `enp2s<nic>` of server-`server`.
    pub fn send_lldp(&self, server: u8, nic: u8) {
        let port = port_name(server, nic);
        let sent = self
            .namespace
            .enter(|| PacketSocket::open(&port)?.send(&LLDP));
        sent.unwrap_or_else(|e| panic!("sending LLDP on {port}: {e}"));
    }

    /// Takes the link toward `enp2s<nic>` of server-`server` down.
    pub fn cut(&self, server: u8, nic: u8) {
        self.namespace
            .ip_batch(&format!("link set {} down", port_name(server, nic)));
    }

    /// Puts a NIC `enp2s<nic>` into server-`server` whose port is in an LACP group here. It
    /// is a member of nothing on its own end.
    pub fn plug_in(&self, host: &Host, server: u8, nic: u8) {
        let (lag, port) = (lag_name(server), port_name(server, nic));
        let then = format!("link set {port} master {lag}");
        self.lay_cables(Cables::Veth(host), server, &[nic], &then);
    }

    /// Lets nothing through the plain port to `enp2s<nic>` of server-`server`, although its
    /// link is up.
    pub fn close(&self, server: u8, nic: u8) {
        let port = port_name(server, nic);
        self.namespace
            .ip_batch(&format!("link set {port} nomaster"));
    }

    /// Lets nothing but `vlan` through the plain port to `enp2s<nic>` of
    /// server-`server`: the one VPC it is attached to.
    pub fn attach(&self, server: u8, nic: u8, vlan: u16) {
        let port = port_name(server, nic);
        self.namespace
            .ip_batch("link set br0 type bridge vlan_filtering 1");
        let mut vlans = format!("vlan add dev {port} vid {vlan}\n");
        for (known, _) in VPCS {
            vlans += &format!("vlan add dev uplink vid {known}\n");
        }
        self.namespace.bridge_batch(&vlans);
    }

    /// Undoes [`Leaf::close`].
    pub fn open(&self, server: u8, nic: u8) {
        let port = port_name(server, nic);
        self.namespace
            .ip_batch(&format!("link set {port} master br0"));
    }

    /// Has LACP toward server-`server` speak as another system, as after a switch was
    /// replaced.
    pub fn rename(&self, server: u8, system: &str) {
        let lag = lag_name(server);
        // The kernel changes it of a bond that is down only.
        self.namespace.ip_batch(&format!(
            "link set {lag} down
             link set {lag} type bond ad_actor_system {system}
             link set {lag} up"
        ));
    }

    /// Undoes [`Leaf::cut`].
    pub fn mend(&self, server: u8, nic: u8) {
        self.namespace
            .ip_batch(&format!("link set {} up", port_name(server, nic)));
    }
}

impl Drop for Leaf {
    /// Gives the NICs back. They are kept up: what is sent to a NIC that is down would
    /// stay in its cable, for whoever brings it up.
    fn drop(&mut self) {
        let Ok(borrowed) = self.borrowed.get_mut().map(std::mem::take) else {
            return;
        };
        if borrowed.is_empty() {
            return;
        }
        let give_back: String = borrowed
            .iter()
            .map(|(port, nic)| {
                format!("link set {port} nomaster down\nlink set {port} netns 1 name {nic}\n")
            })
            .collect();
        let up: String = borrowed
            .iter()
            .map(|(_, nic)| format!("link set {nic} up\n"))
            .collect();
        let given = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.namespace.ip_batch(&give_back);
            Namespace::own().ip_batch(&up);
        }));
        // One panic at a time; the next test sees that the NIC is missing.
        assert!(given.is_ok() || thread::panicking(), "a NIC is lost");
    }
}

/// Whether both ends of a bond's port collect and distribute (bits 0x30 of their
/// LACP states), from what `ip -json` says of it.
fn is_aggregated(link: &str) -> bool {
    let link: Value = serde_json::from_str(link).expect("ip prints JSON");
    let port = &link[0]["linkinfo"]["info_slave_data"];
    let ends = ["ad_actor_oper_port_state", "ad_partner_oper_port_state"];
    ends.iter()
        .all(|end| port[end].as_u64().is_some_and(|state| state & 0x30 == 0x30))
}

/// Makes the LACP group of a server's ports, which speaks as `system`, and connects it.
pub(super) fn bundle(server: u8, nics: &[u8], system: &str) -> String {
    let lag = lag_name(server);
    let members: String = nics
        .iter()
        .map(|nic| format!("link set {} master {lag}\n", port_name(server, *nic)))
        .collect();
    format!(
        "link add {lag} type bond mode 802.3ad miimon 100 lacp_rate fast \
             ad_actor_system {system} ad_user_port_key {server}
         {members}
         link set {lag} master br0 up"
    )
}

/// The gateway's port toward leaf-`number`.
pub(super) fn uplink(number: u8) -> String {
    format!("leaf{number}")
}

pub(crate) fn port_name(server: u8, nic: u8) -> String {
    format!("s{server}p{nic}")
}

pub(crate) fn lag_name(server: u8) -> String {
    format!("s{server}lag")
}

/// The MAC of `enp2s<nic>` of server-`server`: the same in each fabric, as a
/// machine's NICs are the same after a reboot.
pub(crate) fn mac(server: u8, nic: u8) -> String {
    format!("0c:20:12:fe:{server:02x}:{nic:02x}")
}
