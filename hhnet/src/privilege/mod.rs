// SPDX-License-Identifier: Apache-2.0
//! What the agent may do, once it has started: as little as it needs.
//!
//! ```text
//! capabilities   of what root may do                     capabilities(7)
//! system_calls   of what the kernel offers to anybody    seccomp(2)
//! ```
//! What it has given up, and needs done once in a while, its commands do:
//! [`crate::errand`].

mod capabilities;
mod system_calls;

use tracing::warn;

pub use self::capabilities::KEPT;

/// Gives up what the agent does not need, for good: for this thread and all it
/// starts, so it has to be the only one yet.
///
/// Something that cannot be given up is no reason not to start; the log says so.
pub fn reduce() {
    if let Err(error) = capabilities::reduce() {
        warn!("giving up capabilities: {error}");
    }
    // Nothing that is started gets rights by its file (no_new_privs of prctl(2)).
    if let Err(error) = rustix::thread::set_no_new_privs(true) {
        warn!("giving up new privileges: {error}");
    }
    if let Err(error) = system_calls::reduce() {
        warn!("giving up system calls: {error}");
    }
}
