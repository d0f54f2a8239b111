// SPDX-License-Identifier: Apache-2.0
//! What networkd knows of a link: `networkctl status --json=short LINK`.

use serde::Deserialize;

use super::files;

/// As far as it concerns us.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Link {
    network_file: Option<String>,
    administrative_state: String,
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    family: i32,
    config_source: String,
}

impl Link {
    /// What is not understood says nothing.
    pub(super) fn parse(json: &str) -> Link {
        serde_json::from_str(json).unwrap_or_default()
    }

    /// Whether an IPv4 address of the link was set by somebody else than networkd.
    pub(super) fn has_foreign_address(&self) -> bool {
        let foreign = |a: &Address| a.family == libc::AF_INET && a.config_source == "foreign";
        self.addresses.iter().any(foreign)
    }

    /// Whether networkd still has to notice that our file for the link is gone. Up to
    /// systemd 255 it does so after it has said that it has read its files again.
    pub(super) fn is_ours(&self) -> bool {
        let file = self.network_file.as_deref().unwrap_or_default();
        let name = file.rsplit('/').next().unwrap_or_default();
        name.starts_with(files::PREFIX) || self.administrative_state == "initialized"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(addresses: &str) -> String {
        format!(r#"{{"Index":7,"Name":"enp2s1","Addresses":[{addresses}]}}"#)
    }

    #[test]
    fn an_address_by_hand_is_foreign_and_a_lease_is_not() {
        let hand =
            r#"{"Family":2,"Address":[10,0,1,5],"PrefixLength":24,"ConfigSource":"foreign"}"#;
        let lease = r#"{"Family":2,"Address":[172,31,1,15],"ConfigSource":"DHCPv4"}"#;
        let v6 = r#"{"Family":10,"Address":[254,128],"ConfigSource":"foreign"}"#;
        let foreign = |addresses: &str| Link::parse(&link(addresses)).has_foreign_address();
        assert!(foreign(hand));
        assert!(foreign(&format!("{lease},{hand}")));
        for other in [lease, v6, ""] {
            assert!(!foreign(other), "{other}");
        }
    }

    #[test]
    fn a_link_is_ours_until_another_file_is_in_force() {
        let with = |file: &str, state: &str| {
            let json = format!(r#"{{"NetworkFile":"{file}","AdministrativeState":"{state}"}}"#);
            Link::parse(&json).is_ours()
        };
        let (ours, theirs) = (
            "/run/systemd/network/05-hhnet-enp2s1.network",
            "/etc/systemd/network/99-lldp.network",
        );
        assert!(with(ours, "configured"));
        assert!(with(theirs, "initialized"));
        assert!(!with(theirs, "configuring"));
        assert!(!Link::parse("{}").is_ours(), "unmanaged");
    }

    #[test]
    fn what_is_not_understood_says_nothing() {
        for odd in [
            "",
            "{}",
            "[]",
            r#"{"Addresses":null}"#,
            r#"{"Addresses":[{}]}"#,
        ] {
            let link = Link::parse(odd);
            assert!(!link.has_foreign_address() && !link.is_ours(), "{odd}");
        }
    }
}
