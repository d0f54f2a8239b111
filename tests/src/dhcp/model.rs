// SPDX-License-Identifier: Apache-2.0
//! How the fabric's own DHCP server decides: a message in, a message out.
//!
//! It is no textbook server: it never refuses (no NAK), may give another address
//! than the one asked for, answers its own errors with an empty reply, ignores
//! releases, and in L3 mode gives everybody who has no address yet 10 seconds.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode, OptionCode};
use ipnet::Ipv4Net;

/// A hardware address.
pub type Mac = [u8; 6];

/// The lease of a client that has no address yet, in L3 mode: it makes the
/// client renew, by which the leaf learns where it is.
const L3_FIRST_LEASE: Duration = Duration::from_secs(10);

/// How long an offered address is kept for the client.
const OFFER: Duration = Duration::from_secs(60);

/// The settings of one subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Server identifier (option 54).
    pub server_id: Ipv4Addr,
    /// Default gateway (option 3); it need not be within the subnet.
    pub gateway: Ipv4Addr,
    /// The subnet, whose mask is option 1 (but a /32 in L3 mode).
    pub subnet: Ipv4Net,
    /// What may be leased.
    pub range: RangeInclusive<Ipv4Addr>,
    /// Lease time (option 51), in whole seconds.
    pub lease: Duration,
    /// L3 mode: /32 addresses, and a first lease of 10 s.
    pub l3: bool,
    /// Whether clients get a default route.
    pub default_route: bool,
    /// Destinations advertised by option 121, all via the gateway.
    pub routes: Vec<Ipv4Net>,
    /// Resolvers (option 6).
    pub dns: Vec<Ipv4Addr>,
    /// Time servers (option 42).
    pub ntp: Vec<Ipv4Addr>,
    /// MTU (option 26), always sent.
    pub mtu: u16,
    /// Addresses that belong to one client.
    pub fixed: HashMap<Mac, Ipv4Addr>,
    /// Options that replace or complete the others, as they are.
    pub options: Vec<DhcpOption>,
}

impl Subnet {
    /// The defaults: leases of an hour, a default route, MTU 1500, nothing more.
    pub fn new(gateway: Ipv4Addr, range: RangeInclusive<Ipv4Addr>) -> Self {
        Self {
            server_id: gateway,
            gateway,
            subnet: Ipv4Net::new_assert(gateway, 24).trunc(),
            range,
            lease: Duration::from_secs(3600),
            l3: false,
            default_route: true,
            routes: Vec::new(),
            dns: Vec::new(),
            ntp: Vec::new(),
            mtu: 1500,
            fixed: HashMap::new(),
            options: Vec::new(),
        }
    }

    /// Option 121: the routes, and what option 3 would have said, because a
    /// client that takes 121 ignores 3 (RFC 3442).
    fn classless_routes(&self) -> Vec<(Ipv4Net, Ipv4Addr)> {
        let first = match (self.default_route, self.l3) {
            (true, _) => Some(Ipv4Net::default()),
            (false, true) => Some(self.subnet),
            (false, false) => None,
        };
        first
            .into_iter()
            .chain(self.routes.iter().copied())
            .map(|to| (to, self.gateway))
            .collect()
    }
}

/// The server's memory.
#[derive(Debug)]
pub struct Model {
    /// The settings, which may be changed at any time.
    pub subnet: Subnet,
    leases: HashMap<Mac, Lease>,
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    address: Ipv4Addr,
    until: Instant,
}

impl Model {
    /// A server without leases.
    pub fn new(subnet: Subnet) -> Self {
        Self {
            subnet,
            leases: HashMap::new(),
        }
    }

    /// The reply to a message; `None` for kinds the server does not answer
    /// (RELEASE, DECLINE, INFORM).
    pub fn reply(&mut self, request: &Message, now: Instant) -> Option<Message> {
        let (kind, keep) = match request.opts().msg_type()? {
            MessageType::Discover => (MessageType::Offer, OFFER),
            MessageType::Request => (MessageType::Ack, self.subnet.lease),
            _ => return None,
        };
        let mut reply = empty_reply(request, kind);
        if let Some(address) = self.allocate(request, now) {
            self.leases.insert(
                mac(request)?,
                Lease {
                    address,
                    until: now + keep,
                },
            );
            self.fill(&mut reply, request, address);
        }
        Some(reply)
    }

    /// The same, but for an address that a test chose.
    pub fn reply_with(&mut self, request: &Message, address: Ipv4Addr) -> Option<Message> {
        let kind = match request.opts().msg_type()? {
            MessageType::Discover => MessageType::Offer,
            _ => MessageType::Ack,
        };
        let mut reply = empty_reply(request, kind);
        self.fill(&mut reply, request, address);
        Some(reply)
    }

    /// A fixed address, else the one asked for, else the one the client has,
    /// else the lowest free one; none when the range is exhausted.
    fn allocate(&mut self, request: &Message, now: Instant) -> Option<Ipv4Addr> {
        let client = mac(request)?;
        self.leases.retain(|_, lease| lease.until > now);
        let free = |address: &Ipv4Addr| {
            !self
                .leases
                .iter()
                .any(|(mac, lease)| *mac != client && lease.address == *address)
        };
        let reserved = |address: &Ipv4Addr| {
            self.subnet
                .fixed
                .iter()
                .any(|(mac, fixed)| *mac != client && fixed == address)
        };
        let leasable = |address: &Ipv4Addr| {
            self.subnet.range.contains(address) && free(address) && !reserved(address)
        };
        let fixed = self.subnet.fixed.get(&client).copied().filter(free);
        let asked = match request.opts().get(OptionCode::RequestedIpAddress) {
            Some(DhcpOption::RequestedIpAddress(address)) => Some(*address),
            _ => None,
        };
        let held = self.leases.get(&client).map(|lease| lease.address);
        let range = u32::from(*self.subnet.range.start())..=u32::from(*self.subnet.range.end());
        fixed
            .or(asked.filter(leasable))
            .or(held.filter(leasable))
            .or_else(|| range.map(Ipv4Addr::from).find(leasable))
    }

    fn fill(&self, reply: &mut Message, request: &Message, address: Ipv4Addr) {
        let subnet = &self.subnet;
        let lease = match subnet.l3 && request.ciaddr().is_unspecified() {
            true => L3_FIRST_LEASE,
            false => subnet.lease,
        };
        let mask = if subnet.l3 {
            Ipv4Addr::BROADCAST
        } else {
            subnet.subnet.netmask()
        };
        let routes = subnet.classless_routes();
        let advertises = !subnet.routes.is_empty();
        let send_routes = wants(request, OptionCode::ClasslessStaticRoute)
            && (advertises || (subnet.l3 && !subnet.default_route));
        reply.set_yiaddr(address);
        let options = reply.opts_mut();
        options.insert(DhcpOption::ServerIdentifier(subnet.server_id));
        options.insert(DhcpOption::AddressLeaseTime(lease.as_secs() as u32));
        options.insert(DhcpOption::SubnetMask(mask));
        options.insert(DhcpOption::InterfaceMtu(subnet.mtu));
        if send_routes {
            options.insert(DhcpOption::ClasslessStaticRoute(routes));
        }
        if subnet.default_route && !(send_routes && advertises) {
            options.insert(DhcpOption::Router(vec![subnet.gateway]));
        }
        if !subnet.dns.is_empty() {
            options.insert(DhcpOption::DomainNameServer(subnet.dns.clone()));
        }
        if !subnet.ntp.is_empty() {
            options.insert(DhcpOption::NtpServers(subnet.ntp.clone()));
        }
        for option in &subnet.options {
            options.insert(option.clone());
        }
    }
}

/// A reply that carries nothing: what the server's internal errors look like.
pub(super) fn empty_reply(request: &Message, kind: MessageType) -> Message {
    let mut reply = Message::default();
    reply
        .set_opcode(Opcode::BootReply)
        .set_xid(request.xid())
        .set_flags(request.flags())
        .set_ciaddr(request.ciaddr())
        .set_giaddr(request.giaddr())
        .set_chaddr(request.chaddr());
    let options = reply.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    // RFC 6842 and RFC 3046: what identifies the client is echoed.
    for code in [
        OptionCode::ClientIdentifier,
        OptionCode::RelayAgentInformation,
    ] {
        if let Some(id) = request.opts().get(code) {
            options.insert(id.clone());
        }
    }
    reply
}

/// A client that lists nothing is taken to want everything.
fn wants(request: &Message, code: OptionCode) -> bool {
    match request.opts().get(OptionCode::ParameterRequestList) {
        Some(DhcpOption::ParameterRequestList(list)) => list.contains(&code),
        _ => true,
    }
}

/// The client's hardware address, if it is an Ethernet one.
pub(super) fn mac(request: &Message) -> Option<Mac> {
    (request.hlen() == 6)
        .then(|| request.chaddr().try_into().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    fn address(host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 1, host)
    }

    fn server() -> Model {
        Model::new(Subnet::new(GATEWAY, address(10)..=address(11)))
    }

    fn message(client: u8, kind: MessageType, options: &[DhcpOption]) -> Message {
        let mut message = Message::default();
        message.set_chaddr(&[2, 0, 0, 0, 0, client]);
        message.opts_mut().insert(DhcpOption::MessageType(kind));
        for option in options {
            message.opts_mut().insert(option.clone());
        }
        message
    }

    fn discover(client: u8) -> Message {
        message(client, MessageType::Discover, &[])
    }

    fn asking_for(client: u8, host: u8) -> Message {
        let option = DhcpOption::RequestedIpAddress(address(host));
        message(client, MessageType::Request, &[option])
    }

    fn lease_time(reply: &Message) -> Option<u32> {
        match reply.opts().get(OptionCode::AddressLeaseTime)? {
            DhcpOption::AddressLeaseTime(seconds) => Some(*seconds),
            _ => None,
        }
    }

    #[test]
    fn the_lowest_free_address_is_offered() {
        let (mut server, now) = (server(), Instant::now());
        for (client, host) in [(1, 10), (2, 11), (1, 10)] {
            let offer = server.reply(&discover(client), now).expect("an offer");
            assert_eq!(offer.yiaddr(), address(host));
            assert!(offer.opts().has_msg_type(MessageType::Offer));
        }
    }

    #[test]
    fn an_exhausted_range_is_answered_by_an_empty_reply() {
        let (mut server, now) = (server(), Instant::now());
        let replies = [1, 2, 3].map(|client| server.reply(&discover(client), now));
        let last = replies[2].as_ref().expect("a reply");
        assert!(last.yiaddr().is_unspecified());
        assert_eq!(lease_time(last), None);
        let later = server.reply(&discover(3), now + OFFER).expect("a reply");
        assert_eq!(later.yiaddr(), address(10), "offers expire");
    }

    #[test]
    fn the_address_asked_for_is_given_if_it_is_free() {
        let (mut server, now) = (server(), Instant::now());
        let first = server.reply(&asking_for(1, 11), now).expect("a reply");
        assert_eq!(first.yiaddr(), address(11));
        let second = server.reply(&asking_for(2, 11), now).expect("a reply");
        assert_eq!(second.yiaddr(), address(10), "another one, and no refusal");
        assert!(second.opts().has_msg_type(MessageType::Ack));
    }

    #[test]
    fn a_fixed_address_beats_the_one_asked_for() {
        let (mut server, now) = (server(), Instant::now());
        server.subnet.fixed.insert([2, 0, 0, 0, 0, 1], address(200));
        let reply = server.reply(&asking_for(1, 10), now).expect("a reply");
        assert_eq!(reply.yiaddr(), address(200));
    }

    #[test]
    fn releases_are_not_answered() {
        let release = message(1, MessageType::Release, &[]);
        assert!(server().reply(&release, Instant::now()).is_none());
    }

    #[test]
    fn in_l3_mode_only_a_client_with_an_address_gets_the_full_lease() {
        let (mut server, now) = (server(), Instant::now());
        server.subnet.l3 = true;
        let mut request = asking_for(1, 10);
        let first = server.reply(&request, now).expect("a reply");
        assert_eq!(lease_time(&first), Some(10));
        request.set_ciaddr(address(10));
        let renewed = server.reply(&request, now).expect("a reply");
        assert_eq!(lease_time(&renewed), Some(3600));
        let mask = renewed.opts().get(OptionCode::SubnetMask);
        assert_eq!(mask, Some(&DhcpOption::SubnetMask(Ipv4Addr::BROADCAST)));
    }

    #[test]
    fn the_router_option_gives_way_to_classless_routes() {
        let (mut server, now) = (server(), Instant::now());
        let plain = server.reply(&discover(1), now).expect("an offer");
        assert!(plain.opts().contains(OptionCode::Router));
        assert!(!plain.opts().contains(OptionCode::ClasslessStaticRoute));
        server
            .subnet
            .routes
            .push("9.9.9.9/32".parse().expect("a route"));
        let routed = server.reply(&discover(1), now).expect("an offer");
        assert!(!routed.opts().contains(OptionCode::Router));
        assert!(routed.opts().contains(OptionCode::ClasslessStaticRoute));
    }
}
