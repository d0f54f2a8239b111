// SPDX-License-Identifier: Apache-2.0
//! A server on a routed link, without VLANs and bonds: for kernels that have
//! neither.

use crate::host::Host;
use crate::namespace::Namespace;

/// A server whose `enp2s1` is cabled to a router at 10.0.1.1/31.
#[derive(Debug)]
pub struct PointToPoint {
    /// The server; dropped, and so checked, before the router goes.
    pub server: Host,
    /// The router on the other end; its port is `port`.
    pub router: Namespace,
}

impl PointToPoint {
    /// Makes both ends.
    #[expect(
        clippy::new_without_default,
        reason = "building machines is no default"
    )]
    pub fn new() -> Self {
        let server = Host::new("server-01");
        let router = Namespace::new("router");
        router.ip_batch(&format!(
            "link add port type veth peer name enp2s1 address {mac} netns {path}
             addr add 10.0.1.1/31 dev port
             link set port up",
            mac = super::leaf::mac(1, 1),
            path = server.namespace().path(),
        ));
        server.owns("enp2s1");
        server.power_up();
        Self { server, router }
    }
}
