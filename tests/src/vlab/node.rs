// SPDX-License-Identifier: Apache-2.0
//! A switch or a router: a machine, and the netlink socket by which its links are laid.
//!
//! Each verb is one request, or two where the kernel wants an index; a link's kind and
//! its settings come from [`links`](super::links).

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;

use futures_util::TryStreamExt;
use ipnet::Ipv4Net;
use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::{BridgeVlanInfoFlags, LinkMessage};
use netlink_packet_route::route::{RouteProtocol, RouteType};
use rtnetlink::{
    Error, Handle, LinkBridgeVlan, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder,
};
use tokio::runtime::{Builder, Runtime};

use super::links;
use crate::namespace::Namespace;

/// One machine, without links at first.
///
/// Its verbs panic when the kernel refuses, and say where and what.
#[derive(Debug)]
pub(super) struct Node {
    namespace: Namespace,
    handle: Handle,
    /// Of the socket, which stays in the namespace whichever thread uses it.
    runtime: Runtime,
}

impl Node {
    pub(super) fn new(name: &str) -> Self {
        let namespace = Namespace::new(name);
        let (runtime, handle) = namespace
            .enter(open)
            .unwrap_or_else(|e| panic!("{name}: opening a netlink socket: {e}"));
        Self {
            namespace,
            handle,
            runtime,
        }
    }

    /// The machine itself.
    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// `ip link add …`
    #[track_caller]
    pub(super) fn add<Kind>(&self, link: LinkMessageBuilder<Kind>) {
        let link = link.build();
        let step = format!("adding {}", links::called(&link));
        self.must(&step, self.handle.link().add(link).execute());
    }

    /// `ip link set …`
    #[track_caller]
    pub(super) fn set<Kind>(&self, link: LinkMessageBuilder<Kind>) {
        let link = link.build();
        self.change(&format!("setting {}", links::called(&link)), link);
    }

    /// `ip link set LINK up`
    #[track_caller]
    pub(super) fn set_up(&self, link: &str) {
        let message = LinkUnspec::new_with_name(link).up().build();
        self.change(&format!("setting {link} up"), message);
    }

    /// `ip link set PORT master BRIDGE up`
    #[track_caller]
    pub(super) fn plug(&self, port: &str, bridge: &str) {
        let message = LinkUnspec::new_with_name(port).controller(self.index(bridge));
        let step = format!("adding port {port} to {bridge}");
        self.change(&step, message.up().build());
    }

    /// `ip link set PORT master GROUP`: a group takes only what is down, and sets it up.
    #[track_caller]
    pub(super) fn enslave(&self, port: &str, group: &str) {
        let message = LinkUnspec::new_with_name(port).controller(self.index(group));
        let step = format!("adding port {port} to {group}");
        self.change(&step, message.build());
    }

    #[track_caller]
    fn change(&self, step: &str, link: LinkMessage) {
        self.must(step, self.handle.link().change(link).execute());
    }

    /// `bridge vlan add dev PORT vid VLAN`
    #[track_caller]
    pub(super) fn allow_vlan(&self, port: &str, vlan: u16) {
        self.add_vlan(port, vlan, BridgeVlanInfoFlags::empty());
    }

    /// `bridge vlan add dev PORT vid VLAN pvid untagged`
    #[track_caller]
    pub(super) fn access_vlan(&self, port: &str, vlan: u16) {
        let flags = BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged;
        self.add_vlan(port, vlan, flags);
    }

    #[track_caller]
    fn add_vlan(&self, port: &str, vlan: u16, flags: BridgeVlanInfoFlags) {
        let message = LinkBridgeVlan::new(self.index(port)).vlan(vlan, flags);
        let step = format!("adding VLAN {vlan} to {port}");
        self.must(&step, self.handle.link().set(message.build()).execute());
    }

    /// `ip address add ADDRESS/LEN dev LINK`
    #[track_caller]
    pub(super) fn add_address(&self, link: &str, address: Ipv4Net) {
        let (index, ip) = (self.index(link), address.addr().into());
        let mut request = self.handle.address().add(index, ip, address.prefix_len());
        // `ip` sets a broadcast address only when told to (`brd +`).
        let is_wanted = |a: &AddressAttribute| !matches!(a, AddressAttribute::Broadcast(_));
        request.message_mut().attributes.retain(is_wanted);
        self.must(&format!("adding {address} to {link}"), request.execute());
    }

    /// `ip route add SUBNET via VIA dev LINK`
    #[track_caller]
    pub(super) fn add_route(&self, subnet: Ipv4Net, via: Ipv4Addr, link: &str) {
        self.add_one_more_route(subnet, via, link, 0);
    }

    /// `ip route add SUBNET via VIA dev LINK metric METRIC`: beside others to the same
    /// subnet, for sockets that are bound to the link.
    #[track_caller]
    pub(super) fn add_one_more_route(
        &self,
        subnet: Ipv4Net,
        via: Ipv4Addr,
        link: &str,
        metric: u8,
    ) {
        let index = self.index(link);
        let route = route(subnet).gateway(via).output_interface(index);
        let route = route.priority(metric.into()).build();
        let step = format!("adding a route to {subnet} via {via}");
        self.must(&step, self.handle.route().add(route).execute());
    }

    /// `ip route add blackhole SUBNET`
    #[track_caller]
    pub(super) fn add_blackhole(&self, subnet: Ipv4Net) {
        let route = route(subnet).kind(RouteType::BlackHole).build();
        let step = format!("adding a blackhole for {subnet}");
        self.must(&step, self.handle.route().add(route).execute());
    }

    /// `ip link del LINK`, which may be gone already.
    pub(super) fn delete(&self, link: &str) {
        let message = LinkUnspec::new_with_name(link).build();
        let request = self.handle.link().del_with_message(message).execute();
        // Not a panic: it is called where something is dropped.
        let _ = self.runtime.block_on(request);
    }

    #[track_caller]
    fn index(&self, link: &str) -> u32 {
        let mut found = self.handle.link().get().match_name(link).execute();
        let message = self.must(&format!("looking for {link}"), found.try_next());
        message.expect("the kernel has answered").header.index
    }

    #[track_caller]
    fn must<T>(&self, step: &str, request: impl Future<Output = Result<T, Error>>) -> T {
        let name = self.namespace.name();
        match self.runtime.block_on(request) {
            Ok(answer) => answer,
            Err(Error::NetlinkError(message)) => panic!("{name}: {step}: {message}"),
            Err(error) => panic!("{name}: {step}: {error}"),
        }
    }
}

/// A socket in the network of the calling thread, and what drives it.
fn open() -> io::Result<(Runtime, Handle)> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (connection, handle, _) = {
        let _context = runtime.enter();
        rtnetlink::new_connection()?
    };
    runtime.spawn(connection);
    Ok((runtime, handle))
}

/// A route as `ip route` makes it: by hand, as far as routing daemons are concerned.
fn route(subnet: Ipv4Net) -> RouteMessageBuilder<Ipv4Addr> {
    RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(subnet.network(), subnet.prefix_len())
        .protocol(RouteProtocol::Boot)
}
