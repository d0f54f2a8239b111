// SPDX-License-Identifier: Apache-2.0
//! Steps at which tests have the process die.
//!
//! Whatever changes the machine, and whatever is said to the other side, passes
//! [`step`] right before. In the program that is shipped there is nothing behind it.
//! With the feature `fault`, `HHNET_FAULT=agent:7` kills the agent (`cli:7` the command)
//! at its seventh step: all steps are listed in `/run/hhnet-steps.agent`, by which a test
//! knows how many there are, and the next agent that one has died there already.

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
        fs::{self, OpenOptions},
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

    /// What the variable says of this process.
    struct Order {
        list: String,
        /// Steps that others have taken before us.
        before: usize,
        /// Where to die; 0 for nowhere.
        last: usize,
    }

    /// From here on the process is the agent.
    pub fn be_agent() {
        IS_AGENT.store(true, Ordering::Relaxed);
    }

    /// A step is about to be taken.
    pub fn step(name: &str) {
        static ORDER: OnceLock<Option<Order>> = OnceLock::new();
        let Some(order) = ORDER.get_or_init(order) else {
            return;
        };
        let number = order.before + STEPS.fetch_add(1, Ordering::Relaxed) + 1;
        if let Ok(mut list) = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&order.list)
        {
            let _ = writeln!(list, "{number} {name}");
        }
        if number == order.last {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }

    fn order() -> Option<Order> {
        let wanted = std::env::var(super::VARIABLE).ok()?;
        let (who, last) = wanted.split_once(':')?;
        let last = last.parse().ok()?;
        let is_meant = (who == "agent") == IS_AGENT.load(Ordering::Relaxed);
        let list = format!("/run/hhnet-steps.{who}");
        let before = fs::read_to_string(&list).map_or(0, |list| list.lines().count());
        let has_died = last > 0 && before >= last;
        (is_meant && !has_died).then_some(Order { list, before, last })
    }
}
