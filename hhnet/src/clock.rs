// SPDX-License-Identifier: Apache-2.0
//! Time since boot, suspended time included: a lease runs out also while the
//! machine sleeps, and no change of the wall clock touches it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    time::Duration,
};

use nix::{
    sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    time::{ClockId as Clock, clock_gettime},
};
use tokio::io::{Interest, unix::AsyncFd};

/// Now, since boot.
pub fn now() -> Duration {
    // The kernel has this clock since 2.6.39; it cannot fail.
    clock_gettime(Clock::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default()
}

/// A timer on [`now`]'s clock; tokio's own stand still during suspend.
pub struct BootTimer(AsyncFd<Descriptor>);

/// What `AsyncFd` asks of a descriptor's owner.
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl BootTimer {
    /// A timer that is not set.
    ///
    /// # Errors
    /// When no file descriptor is to be had.
    pub fn new() -> io::Result<BootTimer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        let timer = Descriptor(timer);
        // SAFETY: TimerFd owns its descriptor and keeps it open, unchanged,
        // until it is dropped together with the AsyncFd.
        Ok(BootTimer(unsafe {
            AsyncFd::register_with_interest(timer, Interest::READABLE)
        }?))
    }

    /// Completes once `deadline` has come, never for `None`.
    ///
    /// # Errors
    /// When the kernel refuses the timer, which it has no reason to.
    pub async fn until(&self, deadline: Option<Duration>) -> io::Result<()> {
        let Some(deadline) = deadline else {
            return std::future::pending().await;
        };
        if deadline <= now() {
            // Whoever is late again and again must not keep others waiting.
            tokio::task::yield_now().await;
            return Ok(());
        }
        let at = Expiration::OneShot(deadline.into());
        self.0
            .get_ref()
            .0
            .set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        // Setting the timer has cleared an earlier expiration, so that
        // readability means this deadline.
        while deadline > now() {
            self.0.readable().await?.clear_ready();
        }
        Ok(())
    }
}
