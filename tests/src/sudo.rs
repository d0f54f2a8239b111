// SPDX-License-Identifier: Apache-2.0
//! What sudo is to the users of one machine alone.

use crate::namespace::{Namespace, cover};

/// Where a distribution puts it.
const PROGRAM: &str = "/usr/bin/sudo";

/// Anybody may do anything without a password, as `core` may on a server.
pub const ALLOWED: &str = "Defaults env_reset\nALL ALL = (ALL:ALL) NOPASSWD: ALL\n";

/// As [`ALLOWED`], in a terminal of sudo's own, which is its default since 1.9.14.
pub const IN_A_TERMINAL: &str = "Defaults env_reset, use_pty\nALL ALL = (ALL:ALL) NOPASSWD: ALL\n";

/// As [`ALLOWED`], by an sudo with nothing to do afterwards: it replaces itself by
/// the command instead of waiting for it, and nobody passes signals on.
pub const REPLACED: &str = "Defaults env_reset, !use_pty, !pam_session, !pam_setcred\n\
                            ALL ALL = (ALL:ALL) NOPASSWD: ALL\n";

/// Nobody may do anything.
pub const REFUSED: &str = "Defaults env_reset\n";

/// Gives the machine rules of its own in place of /etc/sudoers.
///
/// # Panics
/// When there is no sudo to follow them.
pub fn rules(machine: &Namespace, sudoers: &str) {
    let installed = machine.enter(|| std::fs::exists(PROGRAM).is_ok_and(|there| there));
    assert!(installed, "{PROGRAM} is missing: cargo xtask setup");
    machine
        .enter(|| cover("/etc/sudoers", sudoers.as_bytes()).map_err(|e| e.to_string()))
        .unwrap_or_else(|e| panic!("/etc/sudoers: {e}"));
}

/// Takes sudo away from the machine.
pub fn remove(machine: &Namespace) {
    machine.must(&format!("mount --bind /dev/null {PROGRAM}"));
}
