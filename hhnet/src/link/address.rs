// SPDX-License-Identifier: Apache-2.0
//! Addresses of links.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage, AddressScope, CacheInfo},
};
use rtnetlink::AddressMessageBuilder;

use super::{Links, New, Result, device::Device};
use crate::cli::Prefix;

/// Metric of leased addresses and routes, as systemd-networkd has it: a route
/// made by hand wins against it.
pub(super) const METRIC: u32 = 1024;

/// An address found on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Index of the link that has it.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length in bits.
    pub len: u8,
    /// Scope global: meant to be seen outside this link.
    pub global: bool,
}

/// How long an address may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody removes it; also the lease time 0xffffffff (RFC 2131, section 3.3).
    Forever,
    /// As long as this, and then the kernel removes it.
    For(Duration),
}

impl Lifetime {
    /// Seconds for `IFA_CACHEINFO`, never zero: the kernel refuses that.
    fn seconds(self) -> u32 {
        match self {
            Lifetime::Forever => u32::MAX,
            // Rounded up: an address must not go a second before its lease.
            Lifetime::For(time) => {
                let seconds = time
                    .as_millis()
                    .div_ceil(1000)
                    .clamp(1, u128::from(u32::MAX - 1));
                u32::try_from(seconds).unwrap_or(u32::MAX - 1)
            }
        }
    }
}

impl Links {
    /// `ip address replace PREFIX brd + dev DEVICE metric 1024 valid_lft T preferred_lft T`
    ///
    /// Replacing an address that is there already renews its lifetime and
    /// touches nothing else. `IFA_PROTO` is not set: tools that filter by
    /// protocol 4 hide addresses of any other.
    pub async fn lease_address(
        &self,
        device: &Device,
        prefix: Prefix,
        life: Lifetime,
    ) -> Result<()> {
        let mut message = address_message(device, prefix);
        let mut cache = CacheInfo::default();
        cache.ifa_valid = life.seconds();
        cache.ifa_preferred = life.seconds();
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        message
            .attributes
            .push(AddressAttribute::RoutePriority(METRIC));
        let step = format!("leasing {prefix} on {}", device.name);
        self.add(step, RouteNetlinkMessage::NewAddress(message), New::Replace)
            .await
    }

    /// `ip address add PREFIX dev DEVICE`
    pub async fn add_address(&self, device: &Device, prefix: Prefix) -> Result<()> {
        let mut message = address_message(device, prefix);
        // `ip` sets a broadcast address only when told to (`brd +`).
        message
            .attributes
            .retain(|attribute| !matches!(attribute, AddressAttribute::Broadcast(_)));
        let step = format!("adding {prefix} to {}", device.name);
        self.add(
            step,
            RouteNetlinkMessage::NewAddress(message),
            New::Exclusive,
        )
        .await
    }

    /// `ip address del ADDRESS/LEN dev INDEX`; no error when it is gone already.
    ///
    /// Routes that name it as their source go with it.
    pub async fn remove_address(&self, address: &Address) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.index = address.index;
        message.header.prefix_len = address.len;
        message.header.family = match address.address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        message
            .attributes
            .push(AddressAttribute::Local(address.address));
        let step = format!("removing {}/{}", address.address, address.len);
        self.take_away(step, RouteNetlinkMessage::DelAddress(message))
            .await
    }

    /// All addresses, IPv4 first: `ip address show`.
    pub async fn addresses(&self) -> Result<Vec<Address>> {
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let dump = self.dump("listing addresses".into(), request).await?;
        let mut found: Vec<Address> = dump.iter().filter_map(Address::from_message).collect();
        found.sort_by_key(|address| address.address.is_ipv6());
        Ok(found)
    }
}

fn address_message(device: &Device, prefix: Prefix) -> AddressMessage {
    AddressMessageBuilder::<Ipv4Addr>::new()
        .index(device.index)
        .address(prefix.address, prefix.len)
        .build()
}

impl Address {
    fn from_message(message: &RouteNetlinkMessage) -> Option<Address> {
        match message {
            RouteNetlinkMessage::NewAddress(message) => Address::from_attributes(message),
            _ => None,
        }
    }

    /// Reads an address message; `None` for one that names no address.
    pub(super) fn from_attributes(message: &AddressMessage) -> Option<Address> {
        // On a point-to-point link IFA_ADDRESS is the peer and IFA_LOCAL ours.
        let local = message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                AddressAttribute::Local(address) => Some(*address),
                _ => None,
            });
        let any = message
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            });
        Some(Address {
            index: message.header.index,
            address: local.or(any)?,
            len: message.header.prefix_len,
            global: message.header.scope == AddressScope::Universe,
        })
    }

    /// The address of a link in its own words, for removal.
    pub fn of(device: &Device, prefix: Prefix) -> Address {
        let Prefix { address, len } = prefix;
        Address {
            index: device.index,
            address: address.into(),
            len,
            global: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_rounded_up_and_never_zero_or_infinite_by_accident() {
        for (life, seconds) in [
            (Lifetime::For(Duration::ZERO), 1),
            (Lifetime::For(Duration::from_millis(9001)), 10),
            (Lifetime::For(Duration::from_secs(86400)), 86400),
            (Lifetime::For(Duration::MAX), u32::MAX - 1),
            (Lifetime::Forever, u32::MAX),
        ] {
            assert_eq!(life.seconds(), seconds, "{life:?}");
        }
    }
}
