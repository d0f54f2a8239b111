// SPDX-License-Identifier: Apache-2.0
//! From a server's ACK to what is set on the interface and when it is renewed.

use std::{net::Ipv4Addr, time::Duration};

use dhcproto::v4::OptionCode;
use serde::{Deserialize, Serialize};

use super::{
    names,
    reply::Reply,
    routes::{contains, routes},
};
use crate::{
    cli::{Prefix, is_host},
    link::{Lifetime, Route},
};

/// Every host takes datagrams of that size (RFC 791, section 3.1). With less our own
/// messages would not fit, and a lease could never be renewed.
const MTU_MIN: u16 = 576;
/// More servers of a kind than anybody asks.
const SERVERS_MAX: usize = 16;

/// A leased address and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The address and its subnet.
    pub prefix: Prefix,
    /// The server that leased it (option 54).
    pub server: Ipv4Addr,
    /// The relay between it and us (`giaddr`), if it was seen.
    #[serde(default)]
    pub relay: Option<Ipv4Addr>,
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
    /// Host name the server has for us (option 12).
    pub hostname: Option<String>,
    /// Domain of the host (option 15).
    pub domain: Option<String>,
    /// Domains to search for short names (option 119).
    pub search: Vec<String>,
}

/// How long a lease lasts, from its request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
        if !is_host(address) {
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
        let text = |code| reply.option(code).and_then(names::name);
        Ok(Lease {
            prefix,
            server,
            relay: reply.relay,
            since,
            times: Times::new(
                time.ok_or(NoLease::Time)?,
                reply.u32(OptionCode::Renewal),
                reply.u32(OptionCode::Rebinding),
            ),
            routes: routes(reply, prefix),
            mtu: reply
                .u16(OptionCode::InterfaceMtu)
                .filter(|mtu| *mtu >= MTU_MIN),
            dns: servers(reply, OptionCode::DomainNameServer),
            ntp: servers(reply, OptionCode::NtpServers),
            hostname: text(OptionCode::Hostname),
            domain: text(OptionCode::DomainName),
            search: reply
                .option(OptionCode::DomainSearch)
                .map(names::search)
                .unwrap_or_default(),
        })
    }

    /// When the lease is over, since boot.
    pub fn expiry(&self) -> Option<Duration> {
        self.times.lease.map(|lease| self.since + lease)
    }

    /// Whether a server can have given it by `now`: one that comes from a file
    /// may have any times, also such that cannot be added.
    pub fn is_possible(&self, now: Duration) -> bool {
        let Times {
            lease,
            renew,
            rebind,
        } = self.times;
        let longest = Duration::from_secs(u32::MAX.into());
        let end = lease.unwrap_or(longest);
        let ordered = renew <= rebind && rebind <= end && end <= longest;
        ordered && self.since <= now && self.prefix.len <= 32
    }

    /// Whether the way to `address` is the subnet's or one of the routes'.
    pub fn reaches(&self, address: Ipv4Addr) -> bool {
        contains(self.prefix, address) || self.routes.iter().any(|r| contains(r.to, address))
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
    /// The defaults are RFC 2131, section 4.4.5: 50 % and 87.5 %. The server's
    /// own count only if 0 < T1 < T2 < lease; anything else would renew a lease
    /// that is over, or never.
    pub fn new(lease: u32, renew: Option<u32>, rebind: Option<u32>) -> Times {
        let seconds = |time: u32| Duration::from_secs(time.into());
        let whole = seconds(lease);
        let (half, most) = (whole / 2, whole * 7 / 8);
        let t1 = renew.map_or(half, seconds);
        let t2 = rebind.map_or(most, seconds);
        let sane = !t1.is_zero() && t1 < t2 && t2 < whole;
        let (renew, rebind) = if sane { (t1, t2) } else { (half, most) };
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

fn servers(reply: &Reply, code: OptionCode) -> Vec<Ipv4Addr> {
    let all = reply.addresses(code).into_iter();
    all.filter(|server| is_host(*server))
        .take(SERVERS_MAX)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        dhcp::{
            reply::{decode, tests::reply_bytes},
            request::tests::identity,
        },
        link::RouteTo,
    };

    pub(crate) const SERVER: (u8, &[u8]) = (54, &[10, 0, 1, 1]);
    pub(crate) const HOUR: (u8, &[u8]) = (51, &[0, 0, 14, 16]);
    pub(crate) const MASK24: (u8, &[u8]) = (1, &[255, 255, 255, 0]);
    pub(crate) const MASK32: (u8, &[u8]) = (1, &[255, 255, 255, 255]);

    pub(crate) fn read(options: &[(u8, &[u8])]) -> Result<Lease, NoLease> {
        let bytes = reply_bytes(5, 7, Ipv4Addr::new(10, 0, 1, 10), options);
        Lease::from_reply(
            &decode(&bytes, &identity()).unwrap(),
            Duration::from_secs(100),
        )
    }

    pub(crate) fn route(to: &str, via: Option<[u8; 4]>) -> Route {
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
    fn a_server_is_reached_by_the_subnet_or_by_a_route() {
        let (near, far) = (Ipv4Addr::new(10, 0, 1, 1), Ipv4Addr::new(172, 30, 0, 1));
        let alone = read(&[SERVER, HOUR, MASK24]).unwrap();
        assert!(alone.reaches(near) && !alone.reaches(far));
        let routed = read(&[SERVER, HOUR, MASK24, (3, &[10, 0, 1, 1])]).unwrap();
        assert!(routed.reaches(far));
    }

    #[test]
    fn names_are_taken_if_they_are_names() {
        let good = read(&[
            SERVER,
            HOUR,
            (12, b"s1"),
            (15, b"lab.net"),
            (119, b"\x03lab\0"),
        ])
        .unwrap();
        assert_eq!(good.hostname.as_deref(), Some("s1"));
        assert_eq!(good.domain.as_deref(), Some("lab.net"));
        assert_eq!(good.search, ["lab"]);
        let bad = read(&[SERVER, HOUR, (12, b"a b"), (15, b"x\nnameserver 6.6.6.6")]).unwrap();
        assert_eq!((bad.hostname, bad.domain), (None, None));
    }

    #[test]
    fn the_mtu_must_let_dhcp_through() {
        for (mtu, taken) in [
            (0u16, false),
            (68, false),
            (575, false),
            (576, true),
            (9036, true),
        ] {
            let lease = read(&[SERVER, HOUR, (26, &mtu.to_be_bytes())]).unwrap();
            assert_eq!(lease.mtu.is_some(), taken, "{mtu}");
        }
    }

    #[test]
    fn servers_nobody_can_reach_are_left_out() {
        let option = [&[0; 4][..], &[1, 1, 1, 1], &[255; 4], &[1, 0, 0, 1]].concat();
        let lease = read(&[SERVER, HOUR, (6, &option), (42, &[7; 80])]).unwrap();
        assert_eq!(
            lease.dns,
            [Ipv4Addr::from([1, 1, 1, 1]), [1, 0, 0, 1].into()]
        );
        assert_eq!(lease.ntp.len(), SERVERS_MAX);
    }

    #[test]
    fn what_is_no_lease_is_said_with_its_reason() {
        assert_eq!(read(&[HOUR]), Err(NoLease::Server));
        assert_eq!(read(&[SERVER]), Err(NoLease::Time));
        assert_eq!(read(&[SERVER, (51, &[0; 4])]), Err(NoLease::Time));
        for address in [[0; 4], [255; 4], [224, 0, 0, 1], [127, 0, 0, 1]] {
            let bytes = reply_bytes(5, 7, address.into(), &[SERVER, HOUR]);
            let reply = decode(&bytes, &identity()).unwrap();
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
            (Some(55), None),
            (None, Some(20)),
        ] {
            assert_eq!(Times::new(60, t1, t2), default, "{t1:?} {t2:?}");
        }
        let own = Times::new(60, Some(20), Some(40));
        assert_eq!((own.renew.as_secs(), own.rebind.as_secs()), (20, 40));
        let first = Times::new(60, Some(10), None);
        assert_eq!((first.renew.as_secs(), first.rebind), (10, default.rebind));
        let second = Times::new(60, None, Some(40));
        assert_eq!((second.renew, second.rebind.as_secs()), (default.renew, 40));
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
