// SPDX-License-Identifier: Apache-2.0
//! VLAN subinterfaces.

use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::LinkVlan;

use super::{Device, Links, New, Result};
use crate::cli::{IfName, VlanId};

impl Links {
    /// `ip link add link PARENT name NAME type vlan id ID; ip link set NAME up`
    ///
    /// Created up, in one request. It takes over the MTU of its parent.
    pub async fn add_vlan(&self, parent: &Device, name: &IfName, id: VlanId) -> Result<()> {
        let message = LinkVlan::new(name.as_str(), parent.index, id.number())
            .up()
            .build();
        let step = format!("adding vlan {id} to {}", parent.name);
        self.add(step, RouteNetlinkMessage::NewLink(message), New::Exclusive)
            .await
            .map_err(|error| error.needing("8021q"))
    }
}
