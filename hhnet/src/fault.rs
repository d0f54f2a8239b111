// SPDX-License-Identifier: Apache-2.0
//! Steps at which tests have the process die.
//!
//! Whatever changes the machine, and whatever is said to the other side, passes
//! [`step`] right before. In the program that is shipped there is nothing behind it.
//! With the feature `fault`, `HHNET_FAULT=agent:7` kills the agent (`cli:7` the command)
//! at its seventh step; all steps are listed in `/run/hhnet-steps.agent`, so that a test
//! knows how many there are.

/// The variable.
pub const VARIABLE: &str = "HHNET_FAULT";

/// A step is about to be taken.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub fn step(_name: &str) {}

#[cfg(feature = "fault")]
pub use self::enabled::{be_agent, step};

/// From here on the process is the agent.
#[cfg(not(feature = "fault"))]
#[inline(always)]
pub fn be_agent() {}

#[cfg(feature = "fault")]
mod enabled {
    use std::{
        fs::OpenOptions,
        io::Write as _,
        sync::{
            OnceLock,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
    };

    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };

    static IS_AGENT: AtomicBool = AtomicBool::new(false);
    static STEPS: AtomicUsize = AtomicUsize::new(0);

    /// From here on the process is the agent.
    pub fn be_agent() {
        IS_AGENT.store(true, Ordering::Relaxed);
    }

    /// A step is about to be taken.
    pub fn step(name: &str) {
        static WANTED: OnceLock<Option<(String, usize)>> = OnceLock::new();
        let wanted = WANTED.get_or_init(|| {
            let wanted = std::env::var(super::VARIABLE).ok()?;
            let (who, number) = wanted.split_once(':')?;
            Some((who.to_owned(), number.parse().ok()?))
        });
        let own = if IS_AGENT.load(Ordering::Relaxed) {
            "agent"
        } else {
            "cli"
        };
        let Some((who, last)) = wanted else { return };
        if who != own {
            return;
        }
        let number = STEPS.fetch_add(1, Ordering::Relaxed) + 1;
        let list = format!("/run/hhnet-steps.{own}");
        if let Ok(mut list) = OpenOptions::new().create(true).append(true).open(list) {
            let _ = writeln!(list, "{number} {name}");
        }
        if number == *last {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }
}
