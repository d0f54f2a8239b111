// SPDX-License-Identifier: Apache-2.0
//! What networkd knows of a link: `networkctl status --json=short LINK`.

use serde::Deserialize;

/// As far as it concerns us.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Link {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    family: i32,
    config_source: String,
}

/// Whether an IPv4 address of the link was set by somebody else than networkd. What
/// is not understood has none.
pub(super) fn has_foreign_address(json: &str) -> bool {
    let link: Option<Link> = serde_json::from_str(json).ok();
    let foreign = |a: &Address| a.family == libc::AF_INET && a.config_source == "foreign";
    link.is_some_and(|link| link.addresses.iter().any(foreign))
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
        assert!(has_foreign_address(&link(hand)));
        assert!(has_foreign_address(&link(&format!("{lease},{hand}"))));
        for other in [lease, v6, ""] {
            assert!(!has_foreign_address(&link(other)), "{other}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_foreign() {
        for odd in [
            "",
            "{}",
            "[]",
            r#"{"Addresses":null}"#,
            r#"{"Addresses":[{}]}"#,
        ] {
            assert!(!has_foreign_address(odd), "{odd}");
        }
    }
}
