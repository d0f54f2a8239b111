// SPDX-License-Identifier: Apache-2.0
//! How disturbances are done and undone.

use std::time::Duration;

use super::lab::{LINK, Lab, RENAMED_LINK};
use super::{Disturbance, Subject};

/// The member that is disturbed, as the server calls it.
pub(super) const MEMBER: &str = "enp2s2";

/// Its name while it has another one.
pub(super) const RENAMED_MEMBER: &str = "port2";

/// Who leaf-2 says it is, once it is not of the pair any more.
pub(super) const STRANGER: &str = "0e:0e:0e:0e:0e:0e";

/// Who both leaves say they are.
const PAIR: &str = "0a:0a:0a:0a:0a:0a";

/// An MTU that is not the lease's, and large enough for IPv6.
pub(super) const MTU: u64 = 1400;

/// The server and the VLAN that are disturbed, as the fabric numbers them.
const SERVER: u8 = 1;
const VLAN: u16 = 1001;

impl Disturbance {
    /// Makes it happen.
    pub fn apply(self, lab: &Lab) {
        let [first, second] = &lab.fabric().leaves;
        let link = lab.link();
        match self {
            Self::Loss | Self::Duplication | Self::Reordering | Self::Delay | Self::Corruption => {
                lab.fabric().impair(self.netem().unwrap_or_default())
            }
            Self::LeafReboot => first.shut_down(SERVER, 1),
            Self::VlanRemoved => [first, second]
                .iter()
                .for_each(|leaf| leaf.withdraw(SERVER, VLAN)),
            Self::MemberFlaps => second.cut(SERVER, 2),
            Self::PartnerChange => second.rename(SERVER, STRANGER),
            Self::MemberRenamed => lab.rename(MEMBER, RENAMED_MEMBER),
            Self::MemberReplugged => second.unplug(SERVER, 2),
            Self::LeasesForgotten => lab.serve(lab.address()),
            Self::ServerReplaced => lab.serve_others(),
            Self::AddressFlushed => drop(lab.server().ip(&format!("addr flush dev {link}"))),
            Self::MtuChanged => drop(lab.server().ip(&format!("link set {link} mtu {MTU}"))),
            Self::LinkRenamed => lab.rename_link(RENAMED_LINK),
            Self::LinkDeleted => drop(lab.server().ip(&format!("link del {link}"))),
        }
    }

    /// Goes on with what is more than a state, `elapsed` after it has begun.
    pub fn keep_on(self, lab: &Lab, elapsed: Duration) {
        let second = &lab.fabric().leaves[1];
        match self {
            Self::MemberFlaps if elapsed.as_secs().is_multiple_of(2) => second.cut(SERVER, 2),
            Self::MemberFlaps => second.mend(SERVER, 2),
            _ => {}
        }
    }

    /// Ends it after `hhnet cleanup`, with which what was wrong with hhnet's links has gone.
    pub fn undo_cleaned(self, lab: &Lab) {
        match self {
            Self::MemberReplugged => lab.fabric().leaves[1].plug_in(lab.server(), SERVER, 2),
            _ if self.subject() == Subject::Link => lab.forget_link(),
            _ => self.undo(lab),
        }
    }

    /// Ends it.
    pub fn undo(self, lab: &Lab) {
        let [first, second] = &lab.fabric().leaves;
        let server = lab.server();
        match self {
            Self::Loss | Self::Duplication | Self::Reordering | Self::Delay | Self::Corruption => {
                lab.fabric().heal()
            }
            Self::LeafReboot => first.boot(SERVER, 1),
            Self::VlanRemoved => [first, second].iter().for_each(|leaf| leaf.readmit()),
            Self::MemberFlaps => second.mend(SERVER, 2),
            Self::PartnerChange => second.rename(SERVER, PAIR),
            Self::MemberRenamed => lab.rename(RENAMED_MEMBER, MEMBER),
            Self::MemberReplugged => {
                second.plug_in(server, SERVER, 2);
                server.namespace().ip_batch(&format!(
                    "link set {MEMBER} master bond0
                     link set {MEMBER} up"
                ));
            }
            // What it has done is for hhnet to mend.
            Self::LeasesForgotten | Self::AddressFlushed => {}
            Self::ServerReplaced => lab.serve(None),
            Self::MtuChanged => drop(server.ip(&format!("link set {LINK} mtu 1500"))),
            Self::LinkRenamed => lab.rename_link(LINK),
            Self::LinkDeleted => drop(server.must(&format!("vlan {VLAN} bond0"))),
        }
    }
}
