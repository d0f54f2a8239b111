// SPDX-License-Identifier: Apache-2.0
//! Everything that goes wrong around a server with a bond and two VLANs, one thing after
//! the other or at random, while somebody watches what must hold all the time.
//!
//! | module        | what it is                                                    |
//! |---------------|---------------------------------------------------------------|
//! | `disturbance` | what goes wrong, what it lays hands on, for how long          |
//! | `effect`      | how it is done and undone, in the fabric's own words          |
//! | `outcome`     | what hhnet is documented to make of it meanwhile              |
//! | `lab`         | the server, its fabric and its DHCP servers                   |
//! | `watch`       | what must hold all the time, and when all is well again       |
//! | `truth`       | `hhnet status --json` against `ip -json`                      |
//! | `sequence`    | random disturbances that a seed repeats                       |

mod disturbance;
mod effect;
mod lab;
mod outcome;
mod sequence;
mod truth;
mod watch;

use std::time::{Duration, Instant};

pub use disturbance::{Disturbance, Subject};
pub use lab::Lab;
pub use sequence::Sequence;
pub use watch::Watch;

/// A server that is not well again by then, after the last disturbance has ended, never
/// will be. In the worst case three lease times have passed, and DISCOVERs are eight
/// seconds apart.
pub const RECOVERY: Duration = Duration::from_secs(30);

/// Plays disturbances at the same time, and ends them after so long. Returns how long the
/// server took to be well again.
///
/// # Panics
/// When something does not hold that must.
pub fn play(watch: &Watch, disturbances: &[Disturbance], hold: Duration) -> Duration {
    let lab = watch.lab();
    for disturbance in disturbances {
        disturbance.apply(lab);
    }
    if let [alone] = disturbances {
        watch.expect_outcome(*alone);
    }
    let started = Instant::now();
    while started.elapsed() < hold {
        for disturbance in disturbances {
            disturbance.keep_on(lab, started.elapsed());
        }
        watch.look();
    }
    // Who asks for something needs the network for it.
    let mut ending = disturbances.to_vec();
    ending.sort_by_key(|disturbance| disturbance.subject());
    for disturbance in ending {
        disturbance.undo(lab);
    }
    watch.recover(RECOVERY)
}
