// SPDX-License-Identifier: Apache-2.0
//! Waiting for others, who do not tell when they are done.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks at something, as often as one may look: `while looks.again().await { … }`.
pub(super) struct Looks {
    deadline: Instant,
    is_first: bool,
}

impl Looks {
    /// One at once, and others until `patience` is at its end.
    pub(super) fn within(patience: Duration) -> Looks {
        Looks {
            deadline: Instant::now() + patience,
            is_first: true,
        }
    }

    /// Waits until it is time to look. Returns whether there is time left.
    pub(super) async fn again(&mut self) -> bool {
        if std::mem::take(&mut self.is_first) {
            return true;
        }
        if Instant::now() >= self.deadline {
            return false;
        }
        sleep(PAUSE).await;
        true
    }
}
