// SPDX-License-Identifier: Apache-2.0
//! What hhnet does on a kernel without bonds and VLANs. Needs root.

mod agent;
mod bad_input;
mod check;
mod cleanup;
mod dhcp;
mod diagnose;
mod elevate;
mod files;
mod foreground;
mod getvips;
mod hostile;
mod metrics;
mod point_to_point;
mod privileges;
mod progress;
mod status;
mod top;
mod unit;
mod usage;
mod watch;

use hhnet_tests::dhcp::{Daemon, Software};
use hhnet_tests::fabric::Segment;
use hhnet_tests::host::Host;

/// A server and somebody who leases it an address. Dropped in this order.
struct Lab {
    server: Host,
    _dhcp: Daemon,
    segment: Segment,
}

impl Lab {
    fn new() -> Self {
        let segment = Segment::new();
        Self {
            _dhcp: segment.serve(Software::Dnsmasq, &Segment::pool()),
            server: segment.server(),
            segment,
        }
    }
}
