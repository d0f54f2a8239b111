// SPDX-License-Identifier: Apache-2.0
//! From a server's ACK to what is set on the interface and when it is renewed.

use std::{net::Ipv4Addr, time::Duration};

use dhcproto::v4::OptionCode;
use serde::Serialize;

use super::message::Reply;
use crate::{
    cli::Prefix,
    link::{Lifetime, Route, RouteTo},
};

/// A leased address and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The address and its subnet.
    pub prefix: Prefix,
    /// The server that leased it (option 54).
    pub server: Ipv4Addr,
    /// Time of the request that got it, since boot: a lease counts from there
    /// (RFC 2131, section 4.4.1).
    pub since: Duration,
    /// Lease, renewal and rebinding times.
    pub times: Times,
    /// Routes, host routes to their gateways first.
    pub routes: Vec<Route>,
    /// MTU of the link (option 26), in bytes.
    pub mtu: Option<u16>,
    /// Name servers (option 6).
    pub dns: Vec<Ipv4Addr>,
    /// Time servers (option 42).
    pub ntp: Vec<Ipv4Addr>,
}

/// How long a lease lasts, from its request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Times {
    /// All of it; `None` is for ever.
    pub lease: Option<Duration>,
    /// T1: ask the server that leased it.
    pub renew: Duration,
    /// T2: ask any server.
    pub rebind: Duration,
}

/// Why a reply is no lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoLease {
    /// No address, or one nobody can have. The fabric's server answers like
    /// this when its pool is exhausted or it does not know the subnet.
    #[error("no usable address")]
    Address,
    /// Option 54 is missing.
    #[error("no server identifier")]
    Server,
    /// Option 51 is missing or zero.
    #[error("no lease time")]
    Time,
}

impl Lease {
    /// Reads an OFFER or an ACK that answers a request made at `since`.
    ///
    /// # Errors
    /// [`NoLease`], with what is missing.
    pub fn from_reply(reply: &Reply, since: Duration) -> Result<Lease, NoLease> {
        let address = reply.yiaddr;
        if address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || address.is_loopback()
        {
            return Err(NoLease::Address);
        }
        let server = reply.server().ok_or(NoLease::Server)?;
        let time = reply
            .u32(OptionCode::AddressLeaseTime)
            .filter(|time| *time > 0);
        let prefix = Prefix {
            address,
            len: prefix_len(reply, address),
        };
        Ok(Lease {
            prefix,
            server,
            since,
            times: Times::new(
                time.ok_or(NoLease::Time)?,
                reply.u32(OptionCode::Renewal),
                reply.u32(OptionCode::Rebinding),
            ),
            routes: routes(reply, prefix),
            // Below 68 bytes IPv4 does not work (RFC 791, section 3.2).
            mtu: reply.u16(OptionCode::InterfaceMtu).filter(|mtu| *mtu >= 68),
            dns: reply.addresses(OptionCode::DomainNameServer),
            ntp: reply.addresses(OptionCode::NtpServers),
        })
    }

    /// When the lease is over, since boot.
    pub fn expiry(&self) -> Option<Duration> {
        self.times.lease.map(|lease| self.since + lease)
    }

    /// What is left of it.
    pub fn lifetime(&self, now: Duration) -> Lifetime {
        match self.expiry() {
            Some(expiry) => Lifetime::For(expiry.saturating_sub(now)),
            None => Lifetime::Forever,
        }
    }
}

impl Times {
    /// Times in seconds, as options 51, 58 and 59 give them.
    ///
    /// T1 and T2 are the server's only if T1 < T2 < lease; anything else would
    /// renew a lease that is over or never. The defaults are RFC 2131, section
    /// 4.4.5: 50 % and 87.5 %.
    pub fn new(lease: u32, renew: Option<u32>, rebind: Option<u32>) -> Times {
        let whole = Duration::from_secs(lease.into());
        let (renew, rebind) = match (renew, rebind) {
            (Some(t1), Some(t2)) if 0 < t1 && t1 < t2 && t2 < lease => (
                Duration::from_secs(t1.into()),
                Duration::from_secs(t2.into()),
            ),
            _ => (whole / 2, whole * 7 / 8),
        };
        Times {
            lease: (lease != u32::MAX).then_some(whole),
            renew,
            rebind,
        }
    }
}

/// Prefix length from option 1, else from the class of the address, as before
/// there were masks (RFC 791, section 3.2).
fn prefix_len(reply: &Reply, address: Ipv4Addr) -> u8 {
    let mask = reply.u32(OptionCode::SubnetMask);
    // A mask with holes is no mask.
    match mask.filter(|mask| mask.leading_ones() + mask.trailing_zeros() == 32 && *mask != 0) {
        Some(mask) => mask.leading_ones() as u8,
        None => match address.octets()[0] {
            0..128 => 8,
            128..192 => 16,
            _ => 24,
        },
    }
}

/// Routes of a reply. Option 121 excludes 3 and 33 (RFC 3442, section 2).
fn routes(reply: &Reply, prefix: Prefix) -> Vec<Route> {
    let classless = reply
        .option(OptionCode::ClasslessStaticRoute)
        .and_then(classless);
    let routes = classless.unwrap_or_else(|| {
        let mut routes = host_routes(&reply.addresses(OptionCode::StaticRoutingTable));
        let routers = reply.addresses(OptionCode::Router);
        // Further routers are alternatives; equal default routes would be
        // used in turns.
        routes.extend(
            routers
                .into_iter()
                .find(|router| usable(*router))
                .map(|router| Route {
                    to: Prefix {
                        address: Ipv4Addr::UNSPECIFIED,
                        len: 0,
                    },
                    via: RouteTo::Gateway(router),
                }),
        );
        routes
    });
    reachable(routes, prefix)
}

/// Option 121 (RFC 3442): prefix length, the destination's significant octets,
/// the router; `None` when a single entry is broken.
fn classless(mut bytes: &[u8]) -> Option<Vec<Route>> {
    let mut routes = Vec::new();
    while let Some((len, rest)) = bytes.split_first() {
        if *len > 32 {
            return None;
        }
        let (significant, rest) = rest.split_at_checked(usize::from(len.div_ceil(8)))?;
        let (router, rest) = rest.split_first_chunk::<4>()?;
        bytes = rest;
        let mut octets = [0; 4];
        octets[..significant.len()].copy_from_slice(significant);
        let to = masked(Prefix {
            address: octets.into(),
            len: *len,
        });
        let router = Ipv4Addr::from(*router);
        let via = if router.is_unspecified() {
            RouteTo::Link
        } else {
            RouteTo::Gateway(router)
        };
        routes.push(Route { to, via });
    }
    Some(routes)
}

/// Option 33 (RFC 2132, section 5.8): pairs of a host and its router.
fn host_routes(addresses: &[Ipv4Addr]) -> Vec<Route> {
    let (pairs, _) = addresses.as_chunks::<2>();
    pairs
        .iter()
        .filter(|[host, router]| !host.is_unspecified() && usable(*router))
        .map(|[host, router]| Route {
            to: Prefix {
                address: *host,
                len: 32,
            },
            via: RouteTo::Gateway(*router),
        })
        .collect()
}

/// Puts a route to each gateway that lies outside the subnet in front.
fn reachable(routes: Vec<Route>, prefix: Prefix) -> Vec<Route> {
    let mut all: Vec<Route> = Vec::new();
    for route in &routes {
        if let RouteTo::Gateway(gateway) = route.via
            && !contains(prefix, gateway)
        {
            let host = Route {
                to: Prefix {
                    address: gateway,
                    len: 32,
                },
                via: RouteTo::Link,
            };
            if !all.contains(&host) {
                all.push(host);
            }
        }
    }
    for route in routes {
        if !all.contains(&route) {
            all.push(route);
        }
    }
    all
}

fn usable(router: Ipv4Addr) -> bool {
    !(router.is_unspecified()
        || router.is_broadcast()
        || router.is_multicast()
        || router.is_loopback())
}

fn masked(prefix: Prefix) -> Prefix {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(prefix.len))
        .unwrap_or(0);
    Prefix {
        address: (u32::from(prefix.address) & mask).into(),
        len: prefix.len,
    }
}

/// Whether an address is on the subnet; of a /32 only the address itself is.
fn contains(prefix: Prefix, address: Ipv4Addr) -> bool {
    masked(prefix)
        == masked(Prefix {
            address,
            len: prefix.len,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::message::{
        decode,
        tests::{MAC, reply_bytes},
    };

    const SERVER: (u8, &[u8]) = (54, &[10, 0, 1, 1]);
    const HOUR: (u8, &[u8]) = (51, &[0, 0, 14, 16]);
    const MASK24: (u8, &[u8]) = (1, &[255, 255, 255, 0]);
    const MASK32: (u8, &[u8]) = (1, &[255, 255, 255, 255]);

    fn read(options: &[(u8, &[u8])]) -> Result<Lease, NoLease> {
        let bytes = reply_bytes(5, 7, Ipv4Addr::new(10, 0, 1, 10), options);
        Lease::from_reply(&decode(&bytes, MAC).unwrap(), Duration::from_secs(100))
    }

    fn route(to: &str, via: Option<[u8; 4]>) -> Route {
        let via = via.map_or(RouteTo::Link, |router| RouteTo::Gateway(router.into()));
        Route {
            to: to.parse().unwrap(),
            via,
        }
    }

    #[test]
    fn a_plain_lease() {
        let lease = read(&[SERVER, HOUR, MASK24, (3, &[10, 0, 1, 1]), (26, &[5, 120])]).unwrap();
        assert_eq!(lease.prefix.to_string(), "10.0.1.10/24");
        assert_eq!(lease.routes, [route("0.0.0.0/0", Some([10, 0, 1, 1]))]);
        assert_eq!(lease.mtu, Some(1400));
        assert_eq!(lease.times.renew, Duration::from_secs(1800));
        assert_eq!(lease.times.rebind, Duration::from_secs(3150));
        assert_eq!(lease.expiry(), Some(Duration::from_secs(3700)));
    }

    #[test]
    fn a_gateway_outside_the_subnet_gets_a_route_of_its_own_first() {
        let lease = read(&[SERVER, HOUR, MASK32, (3, &[10, 0, 1, 1])]).unwrap();
        assert_eq!(
            lease.routes,
            [
                route("10.0.1.1/32", None),
                route("0.0.0.0/0", Some([10, 0, 1, 1]))
            ]
        );
    }

    #[test]
    fn option_121_excludes_the_others() {
        let classless = [
            0, 10, 0, 1, 1, 32, 9, 9, 9, 9, 10, 0, 1, 1, 23, 10, 1, 3, 0, 0, 0, 0,
        ];
        let lease = read(&[
            SERVER,
            HOUR,
            MASK24,
            (3, &[10, 0, 1, 2]),
            (33, &[8; 8]),
            (121, &classless),
        ])
        .unwrap();
        assert_eq!(
            lease.routes,
            [
                route("0.0.0.0/0", Some([10, 0, 1, 1])),
                route("9.9.9.9/32", Some([10, 0, 1, 1])),
                route("10.1.2.0/23", None),
            ]
        );
    }

    #[test]
    fn a_broken_option_121_is_ignored_and_option_3_counts_again() {
        for broken in [
            &[33, 1, 1, 1, 1, 1, 10, 0, 1, 1][..],
            &[24, 10, 0],
            &[0, 10, 0, 1],
        ] {
            let lease = read(&[SERVER, HOUR, MASK24, (3, &[10, 0, 1, 1]), (121, broken)]).unwrap();
            assert_eq!(
                lease.routes,
                [route("0.0.0.0/0", Some([10, 0, 1, 1]))],
                "{broken:?}"
            );
        }
    }

    #[test]
    fn what_is_no_lease_is_said_with_its_reason() {
        assert_eq!(read(&[HOUR]), Err(NoLease::Server));
        assert_eq!(read(&[SERVER]), Err(NoLease::Time));
        assert_eq!(read(&[SERVER, (51, &[0; 4])]), Err(NoLease::Time));
        for address in [[0; 4], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1]] {
            let bytes = reply_bytes(5, 7, address.into(), &[SERVER, HOUR]);
            let reply = decode(&bytes, MAC).unwrap();
            assert_eq!(
                Lease::from_reply(&reply, Duration::ZERO),
                Err(NoLease::Address)
            );
        }
    }

    #[test]
    fn odd_times_fall_back_to_the_defaults() {
        let default = Times::new(60, None, None);
        assert_eq!(default.renew, Duration::from_secs(30));
        assert_eq!(default.rebind, Duration::from_millis(52_500));
        for (t1, t2) in [
            (Some(50), Some(40)),
            (Some(10), Some(60)),
            (Some(0), Some(5)),
            (Some(10), None),
        ] {
            assert_eq!(Times::new(60, t1, t2), default, "{t1:?} {t2:?}");
        }
        let own = Times::new(60, Some(20), Some(40));
        assert_eq!((own.renew.as_secs(), own.rebind.as_secs()), (20, 40));
        assert_eq!(Times::new(u32::MAX, None, None).lease, None);
    }

    #[test]
    fn a_missing_or_broken_mask_means_the_class() {
        for (mask, len) in [
            (None, 8),
            (Some([255, 0, 255, 0]), 8),
            (Some([0; 4]), 8),
            (Some([255, 255, 254, 0]), 23),
        ] {
            let mask = mask.as_ref().map(|mask| (1, &mask[..]));
            let options: Vec<_> = [SERVER, HOUR].into_iter().chain(mask).collect();
            assert_eq!(read(&options).unwrap().prefix.len, len, "{mask:?}");
        }
    }
}
