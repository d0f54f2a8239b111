// SPDX-License-Identifier: Apache-2.0
//! What only netlink tells, because the `ip` at hand may be older than it.

use futures_util::TryStreamExt;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};

use crate::namespace::Namespace;

/// All IPv4 addresses of a machine, as the kernel describes them.
///
/// # Panics
/// When the kernel does not answer.
pub fn ipv4_addresses(namespace: &Namespace) -> Vec<AddressMessage> {
    let dump = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            handle
                .address()
                .get()
                .execute()
                .try_collect()
                .await
                .map_err(std::io::Error::other)
        })
    };
    let all: std::io::Result<Vec<AddressMessage>> = namespace.enter(dump);
    let mut addresses = all.unwrap_or_else(|e| panic!("dumping addresses: {e}"));
    addresses.retain(|message| u8::from(message.header.family) == libc::AF_INET as u8);
    addresses
}

/// Whether an address says who set it (IFA_PROTO). `ip addr show proto 4` hides
/// those that do and say something else than 4.
pub fn has_protocol(address: &AddressMessage) -> bool {
    address
        .attributes
        .iter()
        .any(|a| matches!(a, AddressAttribute::Protocol(_)))
}

/// Whether the address is that of the link called `name`.
pub fn has_label(address: &AddressMessage, name: &str) -> bool {
    address
        .attributes
        .iter()
        .any(|a| matches!(a, AddressAttribute::Label(label) if label == name))
}
