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

/// Kea, with the libraries that a Debian without it may lack. Apart from the others: it is
/// not taken into the VM.
pub(crate) const KEA: Debs = Debs {
    name: "kea",
    packages: &[
        "kea-dhcp4-server",
        "kea-common",
        "liblog4cplus-2.0.5",
        "libpq5",
        "libmariadb3",
        "libldap-2.5-0",
        "libsasl2-2",
        "libssl3",
        "libgssapi-krb5-2",
        "libkrb5-3",
        "libk5crypto3",
        "libkrb5support0",
        "libkeyutils1",
        "libcom-err2",
    ],
};
