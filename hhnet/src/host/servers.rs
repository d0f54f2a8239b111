// SPDX-License-Identifier: Apache-2.0
//! The servers that a lease names, in the words of those who are told.

use std::net::Ipv4Addr;

use crate::dhcp::lease::Lease;

/// `AF_INET`, as D-Bus methods take it.
const IPV4: i32 = libc::AF_INET;

/// Name and time servers of a lease.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers {
    /// Name servers.
    pub(super) dns: Vec<Ipv4Addr>,
    /// Domains to search for short names.
    pub(super) search: Vec<String>,
    /// Time servers.
    pub(super) ntp: Vec<Ipv4Addr>,
}

impl Servers {
    /// What a lease names. Its own domain is searched unless it names others.
    pub fn of(lease: &Lease) -> Servers {
        let search = match (lease.search.as_slice(), &lease.domain) {
            ([], Some(domain)) => std::slice::from_ref(domain),
            (search, _) => search,
        };
        Servers {
            dns: lease.dns.clone(),
            search: search.to_vec(),
            ntp: lease.ntp.clone(),
        }
    }

    /// Whether nothing is named.
    pub fn is_empty(&self) -> bool {
        *self == Servers::default()
    }

    /// `a(iay)`
    pub(super) fn dns_on_bus(&self) -> Vec<(i32, Vec<u8>)> {
        let servers = self.dns.iter();
        servers.map(|dns| (IPV4, dns.octets().to_vec())).collect()
    }

    /// `a(sb)`: none of them is for routing alone.
    pub(super) fn domains_on_bus(&self) -> Vec<(&str, bool)> {
        self.search
            .iter()
            .map(|name| (name.as_str(), false))
            .collect()
    }

    /// `as`
    pub(super) fn ntp_on_bus(&self) -> Vec<String> {
        self.ntp.iter().map(Ipv4Addr::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::tests::{HOUR, SERVER, read};

    fn servers(options: &[(u8, &[u8])]) -> Servers {
        Servers::of(&read(&[&[SERVER, HOUR], options].concat()).unwrap())
    }

    #[test]
    fn search_domains_beat_the_domain() {
        assert_eq!(
            servers(&[(15, b"one"), (119, b"\x03two\0")]).search,
            ["two"]
        );
        assert_eq!(servers(&[(15, b"one")]).search, ["one"]);
    }

    #[test]
    fn a_lease_may_name_nothing() {
        assert!(servers(&[]).is_empty());
        assert!(!servers(&[(42, &[1, 1, 1, 1])]).is_empty());
    }

    #[test]
    fn addresses_go_as_bytes_and_as_text() {
        let servers = servers(&[(6, &[1, 0, 0, 1]), (42, &[1, 1, 1, 1])]);
        assert_eq!(servers.dns_on_bus(), [(2, vec![1, 0, 0, 1])]);
        assert_eq!(servers.ntp_on_bus(), ["1.1.1.1"]);
    }
}
