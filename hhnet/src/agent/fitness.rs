// SPDX-License-Identifier: Apache-2.0
//! Whether names are free and links fit for what a verb is to make of them: found out
//! before anything is changed.

use super::{Agent, make::VerbError};
use crate::{
    cli::{BOND, IfName},
    journal,
    link::{Address, Device},
    session::Session,
};

impl Agent {
    /// Refuses a name that is taken.
    pub(super) async fn must_be_free(&self, name: &str) -> Result<(), VerbError> {
        let Err(error) = self.links.must_be_free(name).await else {
            return Ok(());
        };
        match self.links.device(name).await? {
            Some(device) if device.is_bond() || device.is_vlan() => Err(VerbError::refused(
                format_args!("{error}; hhnet cleanup removes it"),
            )),
            _ => Err(error.into()),
        }
    }

    /// The members, checked before anything is changed.
    pub(super) async fn free_members(&self, names: &[IfName]) -> Result<Vec<Device>, VerbError> {
        let mut members = Vec::new();
        for name in names {
            let member = self.links.existing(name.as_str()).await?;
            if let Some(reason) = unfit(&member, &members) {
                return Err(VerbError::refused(format_args!(
                    "adding {name} to {BOND}: it is {reason}"
                )));
            }
            if let Some(purpose) = self.use_of(&member).await? {
                return Err(VerbError::refused(format_args!(
                    "adding {name} to {BOND}: it is in use for {purpose}; hhnet cleanup ends that"
                )));
            }
            members.push(member);
        }
        Ok(members)
    }

    /// What we do with a link already. As a member of a bond it would not get the frames
    /// for that any more, or the bond not those of the same VLAN: `vlan_do_receive` comes
    /// before the bond in `__netif_receive_skb_core`.
    async fn use_of(&self, link: &Device) -> Result<Option<String>, VerbError> {
        let leased = |session: &Session| {
            let device = &session.device;
            if device.index == link.index {
                Some("its lease".to_owned())
            } else {
                let vlan = || format!("the VLAN {}", device.name);
                (device.lower == Some(link.index)).then(vlan)
            }
        };
        if let Some(lease) = self.sessions.iter().find_map(leased) {
            return Ok(Some(lease));
        }
        let ours = |p2p: &&journal::P2p| p2p.interface == link.name;
        let Some(p2p) = self.journal.p2p.iter().find(ours) else {
            return Ok(None);
        };
        // Somebody may have taken it away.
        let all = self.links.addresses().await?;
        let has =
            |address: &Address| address.index == link.index && address.address == p2p.local.address;
        let has = all.iter().any(has);
        Ok(has.then(|| format!("the address {}", p2p.local)))
    }

    /// Refuses a member of a bond: the frames that it gets are the bond's.
    pub(super) async fn must_be_no_member(
        &self,
        link: &Device,
        step: &str,
    ) -> Result<(), VerbError> {
        let all = match link.master {
            Some(_) => self.links.devices().await?,
            None => return Ok(()),
        };
        let is_upper = |device: &&Device| Some(device.index) == link.master && device.is_bond();
        all.iter().find(is_upper).map_or(Ok(()), |bond| {
            Err(VerbError::refused(format_args!(
                "{step} {}: it is a member of {}",
                link.name, bond.name
            )))
        })
    }
}

/// Why a link cannot become a member of the bond. The kernel would find out
/// only after the link was set down for it, which costs it its IPv6 addresses.
fn unfit(member: &Device, others: &[Device]) -> Option<&'static str> {
    if member.master.is_some() {
        Some("a member of another device")
    } else if !member.ethernet {
        Some("no Ethernet device")
    } else if member.is_bond() {
        Some("a bond itself")
    } else if others.iter().any(|other| other.index == member.index) {
        Some("named twice")
    } else {
        None
    }
}
