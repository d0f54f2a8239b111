// SPDX-License-Identifier: Apache-2.0
//! A way between two VPCs: a link between their routers, and a route to each subnet.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::links::{cable, far_end};
use super::node::Node;
use super::vpc::Vpc;

/// A peering, until dropped.
#[derive(Debug)]
pub struct Peering<'a> {
    /// Routes by it go with it.
    _link: Link<'a>,
}

impl<'a> Peering<'a> {
    pub(super) fn new(one: &'a Vpc, other: &'a Vpc, number: u8) -> Self {
        let link = Link::lay(one.node(), other.node(), number);
        let [here, there] = link.ends;
        link.route(one.node(), other.subnet, there);
        link.route(other.node(), one.subnet, here);
        Self { _link: link }
    }
}

/// A link between two routers, until dropped: routes by it go with it.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub(super) name: String,
    /// Addresses of both ends.
    pub(super) ends: [Ipv4Addr; 2],
    here: &'a Node,
}

impl<'a> Link<'a> {
    pub(super) fn lay(here: &'a Node, there: &Node, number: u8) -> Self {
        let name = format!("link{number}");
        let ends = [0, 1].map(|end| Ipv4Addr::new(169, 254, number, end));
        here.add(cable(&name, far_end(there.namespace(), &name)));
        for (router, address) in [here, there].into_iter().zip(ends) {
            router.add_address(&name, Ipv4Net::new_assert(address, 31));
            router.set_up(&name);
        }
        Self { name, ends, here }
    }

    /// Has `router` send what is for `subnet` by this link.
    pub(super) fn route(&self, router: &Node, subnet: Ipv4Net, via: Ipv4Addr) {
        router.add_route(subnet, via, &self.name);
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        // Of a router that is gone it is gone, too.
        self.here.delete(&self.name);
    }
}
