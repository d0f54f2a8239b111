// SPDX-License-Identifier: Apache-2.0
//! Routes that come with a lease: options 121, 249, 33 and 3.

use std::net::Ipv4Addr;

use dhcproto::v4::OptionCode;

use super::reply::Reply;
use crate::{
    cli::{Prefix, is_host},
    link::{Route, RouteTo},
};

/// Option 121 under the number Microsoft gave it.
const CLASSLESS_MS: OptionCode = OptionCode::Unknown(249);
/// More routes than any network needs are an attack on the routing table.
const MAX: usize = 128;

/// Routes of a reply, those to gateways outside the subnet `prefix` first.
///
/// Option 121 excludes 3 and 33 (RFC 3442, section 2); so does 249, which counts
/// where there is no 121.
pub(super) fn routes(reply: &Reply, prefix: Prefix) -> Vec<Route> {
    let classless = [OptionCode::ClasslessStaticRoute, CLASSLESS_MS]
        .into_iter()
        .find_map(|code| reply.option(code).and_then(classless));
    let mut routes = classless.unwrap_or_else(|| {
        let mut routes = host_routes(&reply.addresses(OptionCode::StaticRoutingTable));
        let routers = reply.addresses(OptionCode::Router);
        // Further routers are alternatives; equal default routes would be
        // used in turns.
        routes.extend(
            routers
                .into_iter()
                .find(|router| is_host(*router))
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
    routes.truncate(MAX);
    reachable(routes, prefix)
}

/// Option 121 (RFC 3442): prefix length, the destination's significant octets,
/// the router; `None` when it is empty or a single entry is broken.
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
        if router.is_unspecified() || is_host(router) {
            routes.push(Route { to, via });
        }
    }
    (!routes.is_empty()).then_some(routes)
}

/// Option 33 (RFC 2132, section 5.8): pairs of a host and its router.
fn host_routes(addresses: &[Ipv4Addr]) -> Vec<Route> {
    let (pairs, _) = addresses.as_chunks::<2>();
    pairs
        .iter()
        .filter(|[host, router]| !host.is_unspecified() && is_host(*router))
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
pub(super) fn contains(prefix: Prefix, address: Ipv4Addr) -> bool {
    masked(prefix)
        == masked(Prefix {
            address,
            len: prefix.len,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::tests::{HOUR, MASK24, MASK32, SERVER, read, route};

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
    fn option_249_counts_where_there_is_no_121() {
        let (first, second) = ([0, 10, 0, 1, 1], [0, 10, 0, 1, 2]);
        let microsoft = read(&[SERVER, HOUR, MASK24, (3, &[10, 0, 1, 3]), (249, &second)]).unwrap();
        assert_eq!(microsoft.routes, [route("0.0.0.0/0", Some([10, 0, 1, 2]))]);
        let both = read(&[SERVER, HOUR, MASK24, (249, &second), (121, &first)]).unwrap();
        assert_eq!(both.routes, [route("0.0.0.0/0", Some([10, 0, 1, 1]))]);
    }

    #[test]
    fn sixty_routes_are_all_taken_and_thousands_are_not() {
        for (count, taken) in [(60u16, 60), (2000, MAX)] {
            let option: Vec<u8> = (0..count)
                .flat_map(|n| [&[24, 20][..], &n.to_be_bytes(), &[10, 0, 1, 1]].concat())
                .collect();
            let parts: Vec<(u8, &[u8])> = option.chunks(240).map(|part| (121, part)).collect();
            let options = [&[SERVER, HOUR, MASK24][..], &parts].concat();
            assert_eq!(read(&options).unwrap().routes.len(), taken);
        }
    }

    #[test]
    fn host_routes_need_a_router_each() {
        let pairs = [9, 9, 9, 9, 10, 0, 1, 1, 8, 8, 8, 8];
        let lease = read(&[SERVER, HOUR, MASK24, (33, &pairs)]).unwrap();
        assert_eq!(lease.routes, [route("9.9.9.9/32", Some([10, 0, 1, 1]))]);
    }
}
