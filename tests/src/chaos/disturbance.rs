// SPDX-License-Identifier: Apache-2.0
//! What goes wrong.

use std::time::Duration;

/// Something that goes wrong for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nearly a third of all frames between leaves and gateway are lost, each way.
    Loss,
    /// Every second one comes twice.
    Duplication,
    /// A quarter of them overtakes the others.
    Reordering,
    /// All of them take half a second longer, each way.
    Delay,
    /// A bit of every fifth one is wrong.
    Corruption,
    /// leaf-1 starts anew.
    LeafReboot,
    /// Both leaves forget VLAN 1001.
    VlanRemoved,
    /// The link to leaf-2 goes and comes every second.
    MemberFlaps,
    /// leaf-2 speaks LACP as another system.
    PartnerChange,
    /// The second member gets another name.
    MemberRenamed,
    /// The second member is pulled out, and put in again as a member of nothing.
    MemberReplugged,
    /// The DHCP server starts without its leases, and somebody else has our address.
    LeasesForgotten,
    /// Another server takes its place, which has other addresses and refuses ours.
    ServerReplaced,
    /// Somebody flushes the addresses of the VLAN.
    AddressFlushed,
    /// Somebody changes its MTU.
    MtuChanged,
    /// Somebody gives it another name.
    LinkRenamed,
    /// Somebody deletes it.
    LinkDeleted,
}

/// What a disturbance lays hands on: two at once are of different ones. They are undone in
/// this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The cables between leaves and gateway.
    Path,
    /// What the leaves' bridges and leaf-1 are configured to.
    Leaves,
    /// What is between leaf-2 and the server.
    SecondMember,
    /// The DHCP server.
    Server,
    /// The leased interface.
    Link,
}

impl Disturbance {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Loss,
        Self::Duplication,
        Self::Reordering,
        Self::Delay,
        Self::Corruption,
        Self::LeafReboot,
        Self::VlanRemoved,
        Self::MemberFlaps,
        Self::PartnerChange,
        Self::MemberRenamed,
        Self::MemberReplugged,
        Self::LeasesForgotten,
        Self::ServerReplaced,
        Self::AddressFlushed,
        Self::MtuChanged,
        Self::LinkRenamed,
        Self::LinkDeleted,
    ];

    /// What it lays hands on.
    pub fn subject(self) -> Subject {
        match self {
            Self::Loss | Self::Duplication | Self::Reordering | Self::Delay | Self::Corruption => {
                Subject::Path
            }
            Self::LeafReboot | Self::VlanRemoved => Subject::Leaves,
            Self::MemberFlaps
            | Self::PartnerChange
            | Self::MemberRenamed
            | Self::MemberReplugged => Subject::SecondMember,
            Self::LeasesForgotten | Self::ServerReplaced => Subject::Server,
            Self::AddressFlushed | Self::MtuChanged | Self::LinkRenamed | Self::LinkDeleted => {
                Subject::Link
            }
        }
    }

    /// What it is for netem, if it is something for netem.
    pub(super) fn netem(self) -> Option<&'static str> {
        match self {
            Self::Loss => Some("loss 30%"),
            Self::Duplication => Some("duplicate 50%"),
            Self::Reordering => Some("delay 100ms reorder 25%"),
            Self::Delay => Some("delay 500ms"),
            Self::Corruption => Some("corrupt 20%"),
            _ => None,
        }
    }

    /// How long it lasts when it is played alone, in a run that is to be short: those of
    /// the path need a renewal to matter.
    pub fn shortest_hold(self) -> Duration {
        let seconds = match self.subject() {
            Subject::Path => 3,
            _ if self == Self::MemberFlaps => 10,
            _ if self == Self::VlanRemoved => 4,
            _ => 1,
        };
        Duration::from_secs(seconds)
    }
}
