// SPDX-License-Identifier: Apache-2.0
//! Debian's Prometheus and promtool for the tests: unpacked, not installed, so that no
//! daemon starts on the user's machine.

use super::debs::Debs;

/// One static pair of programs; its web pages are not needed.
pub(crate) const PROMETHEUS: Debs = Debs {
    name: "prometheus",
    packages: &["prometheus"],
};
