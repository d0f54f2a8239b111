// SPDX-License-Identifier: Apache-2.0
//! Bonds: 802.3ad aggregation of several links.

use std::{fs, io, path::Path};

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{BondLacpRate, BondMode, BondXmitHashPolicy},
};
use rtnetlink::{LinkBond, LinkUnspec};

use super::{Device, Links, New, Result, device::Mac};
use crate::cli::{HashPolicy, LacpRate};

/// The members of a bond in the order in which it counts them off
/// (`bond_for_each_slave`): that of enslaving, which netlink does not tell.
///
/// # Errors
/// When there is no such bond.
pub fn members_in_order(bond: &str) -> io::Result<Vec<String>> {
    let text = fs::read_to_string(Path::new("/proc/net/bonding").join(bond))?;
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("Slave Interface: "));
    Ok(names.map(str::to_owned).collect())
}

/// How often carrier is polled, in milliseconds.
const MIIMON: u32 = 100;

/// How often a member is set down again that somebody else sets up.
const RIVALRY: u32 = 10;

/// What a bond is made of; everything else is left at the kernel's default.
#[derive(Debug)]
pub struct BondOptions<'a> {
    /// Name of the bond.
    pub name: &'a str,
    /// How frames are spread over the members.
    pub policy: HashPolicy,
    /// How often the partner shall send LACPDUs.
    pub lacp_rate: LacpRate,
    /// Hardware address. Leases are keyed by it, so it must be the same at
    /// every creation, and set at creation: a bond without one gets a random
    /// address, which udev may or may not replace before the first member
    /// replaces it again.
    pub mac: Option<Mac>,
    /// MTU in bytes; members take it over when they are enslaved.
    pub mtu: Option<u32>,
}

impl Links {
    /// `ip link add NAME [address MAC] [mtu N] type bond mode 802.3ad miimon 100
    /// xmit_hash_policy POLICY`
    ///
    /// The bond is left down. Were it up before its first member comes, the
    /// kernel's aggregator selection timer (`AD_AGGREGATOR_SELECTION_TIMER`,
    /// 8 s) would hold all members back.
    pub async fn add_bond(&self, bond: &BondOptions<'_>) -> Result<()> {
        let mut builder = LinkBond::new(bond.name)
            .mode(BondMode::Ieee8023Ad)
            .miimon(MIIMON)
            .xmit_hash_policy(match bond.policy {
                HashPolicy::Layer2 => BondXmitHashPolicy::Layer2,
                HashPolicy::Layer23 => BondXmitHashPolicy::Layer23,
                HashPolicy::Layer34 => BondXmitHashPolicy::Layer34,
                HashPolicy::Encap23 => BondXmitHashPolicy::Encap23,
                HashPolicy::Encap34 => BondXmitHashPolicy::Encap34,
                HashPolicy::VlanSrcmac => BondXmitHashPolicy::VlanSrcMac,
            });
        if bond.lacp_rate == LacpRate::Fast {
            builder = builder.ad_lacp_rate(BondLacpRate::Fast);
        }
        if let Some(mac) = bond.mac {
            builder = builder.address(mac.to_vec());
        }
        if let Some(mtu) = bond.mtu {
            builder = builder.mtu(mtu);
        }
        let step = format!("adding bond {}", bond.name);
        self.add(
            step,
            RouteNetlinkMessage::NewLink(builder.build()),
            New::Exclusive,
        )
        .await
        .map_err(|error| error.needing("bonding"))
    }

    /// `ip link set MEMBER down; ip link set MEMBER master BOND`
    ///
    /// The kernel enslaves only links that are down, and sets them up itself. Who
    /// else looks after the link, as networkd does, may have set it up in between.
    pub async fn enslave(&self, member: &Device, bond: &Device) -> Result<()> {
        let message = LinkUnspec::new_with_index(member.index)
            .controller(bond.index)
            .build();
        let step = format!("adding {} to {}", member.name, bond.name);
        let mut is_up = member.up;
        for _ in 0..RIVALRY {
            if is_up {
                self.set_down(member).await?;
            }
            match self.set(step.clone(), message.clone()).await {
                Err(error) if error.errno() == Some(libc::EPERM) => is_up = true,
                other => return other,
            }
        }
        self.set(step, message).await
    }
}
