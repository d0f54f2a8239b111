// SPDX-License-Identifier: Apache-2.0
//! What hhnet is documented to make of a disturbance while it lasts.

use serde_json::Value;

use super::Disturbance;
use super::effect::{MEMBER, MTU, RENAMED_MEMBER, STRANGER};
use super::lab::{LINK, Lab, QUIET_LINK};
use super::truth::{is_bound, named};

impl Disturbance {
    /// Whether a status shows it. Of those that hhnet does not notice, any does.
    pub(super) fn has_come_out(self, lab: &Lab, status: &Value) -> bool {
        let members = &named(&status["bonds"], &"bond0".into())["members"];
        let member = |name: &str| named(members, &name.into());
        let interface = |name: &str| named(&status["interfaces"], &name.into());
        let is_bound = |name: &str| is_bound(interface(name));
        match self {
            Self::Loss
            | Self::Duplication
            | Self::Reordering
            | Self::Delay
            | Self::Corruption
            | Self::VlanRemoved
            | Self::MemberFlaps => true,
            // The other leaf carries on.
            Self::LeafReboot => member("enp2s1")["carrier"] == false && is_bound(LINK),
            Self::PartnerChange => member(MEMBER)["lacp"]["partner_mac"] == STRANGER,
            Self::MemberRenamed => {
                member(RENAMED_MEMBER)["lacp"]["distributing"] == true && is_bound(LINK)
            }
            Self::MemberReplugged => member(MEMBER).is_null() && is_bound(LINK),
            Self::LeasesForgotten => is_bound(LINK) && lab.address() != lab.taken(),
            Self::ServerReplaced => {
                is_bound(LINK) && lab.address().is_some_and(|a| a.octets()[3] >= 150)
            }
            Self::AddressFlushed => is_bound(LINK),
            // It stays as somebody wants it.
            Self::MtuChanged => interface(LINK)["mtu"] == MTU && is_bound(LINK),
            // The lease goes on under the new name.
            Self::LinkRenamed => interface(LINK).is_null() && is_bound(lab.link()),
            // It is not made again, and its lease is forgotten.
            Self::LinkDeleted => interface(LINK).is_null() && is_bound(QUIET_LINK),
        }
    }
}
