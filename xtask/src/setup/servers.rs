// SPDX-License-Identifier: Apache-2.0
//! Debian's DHCP servers for the tests: unpacked, not installed, so that no daemon
//! starts on the user's machine. dnsmasq-base, which has none, is installed with the
//! other packages of the lab.

use super::debs::Debs;

/// ISC's server and relay; busybox has udhcpd. They need libc alone.
pub(crate) const SERVERS: Debs = Debs {
    name: "servers",
    packages: &["isc-dhcp-server", "isc-dhcp-relay", "busybox"],
};
