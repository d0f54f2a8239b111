// SPDX-License-Identifier: Apache-2.0
//! What systemd-networkd is told about our links (systemd.network(5)).
//!
//! The links stay managed, so that `networkctl` shows them as configured, and
//! that `networkctl reconfigure` has an effect that can be noticed; of an
//! unmanaged link networkd does not tell anything. But it is to leave them as
//! they are, whatever happens to it:
//!
//! - `DHCP=no`: there is one DHCP client on a link.
//! - `KeepConfiguration=yes`: else it removes addresses that it has not set when
//!   it is restarted and when the link is reconfigured, `ManageForeignRoutes=no`
//!   or not.
//! - `KeepMaster=yes`: else it takes members out of the bond, when it is restarted.

/// What a link is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A port that is a member of the bond.
    Member,
    /// A link without an address: the bond below a VLAN.
    Lower,
    /// A link that hhnet sets an address on.
    Addressed,
}

/// The file for a link, to be read before those of others: the first one that
/// matches counts, and files are taken in the order of their names.
pub(super) fn name(link: &str) -> String {
    format!("{PREFIX}{link}.network")
}

/// Begins the names of all our files.
pub(super) const PREFIX: &str = "05-hhnet-";

/// Whether a link's name means itself in `Name=`, which takes shell patterns and
/// lists, and in a file's name.
pub(in crate::host) fn is_plain(link: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:@+-".contains(c);
    link.chars().all(plain)
}

/// The text of the file.
pub(super) fn text(link: &str, role: Role) -> String {
    // LLDP is what a fabric knows its ports by; on other links networkd ignores it.
    let rest = match role {
        Role::Member => {
            "[Network]\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nKeepMaster=yes\n\
             LLDP=yes\nEmitLLDP=yes\n"
        }
        Role::Lower => {
            "[Link]\nRequiredForOnline=no\n\n\
             [Network]\nDHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n\
             KeepConfiguration=yes\nConfigureWithoutCarrier=yes\n"
        }
        Role::Addressed => {
            "[Link]\nRequiredForOnline=no\n\n\
             [Network]\nDHCP=no\nLinkLocalAddressing=ipv6\nIPv6AcceptRA=no\n\
             KeepConfiguration=yes\nConfigureWithoutCarrier=yes\nLLDP=yes\nEmitLLDP=yes\n"
        }
    };
    format!("# Written by hhnet, removed by hhnet cleanup.\n[Match]\nName={link}\n\n{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_matches_its_link_and_is_read_before_those_of_others() {
        let file = name("bond0.1001");
        assert_eq!(file, "05-hhnet-bond0.1001.network");
        assert!(file.as_str() < "99-lldp.network" && file.as_str() < "zz-default.network");
        assert!(text("bond0.1001", Role::Addressed).contains("[Match]\nName=bond0.1001\n"));
    }

    #[test]
    fn no_role_leaves_the_address_or_the_master_to_networkd() {
        for role in [Role::Member, Role::Lower, Role::Addressed] {
            let text = text("x", role);
            assert!(text.contains("\nDHCP=no\n"), "{text}");
            let kept = match role {
                Role::Member => "\nKeepMaster=yes\n",
                Role::Lower | Role::Addressed => "\nKeepConfiguration=yes\n",
            };
            assert!(text.contains(kept), "{text}");
            assert!(!text.contains("Unmanaged"), "{text}");
        }
    }

    #[test]
    fn patterns_and_paths_are_no_plain_names() {
        assert!(is_plain("enp2s1.1001") && is_plain("wan-0_x"));
        for odd in [
            "enp2s*", "a b", "[x]", "!eth0", "a/b", "ä", "e?", "a\"b", "a\\b",
        ] {
            assert!(!is_plain(odd), "{odd}");
        }
    }
}
