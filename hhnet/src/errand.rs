// SPDX-License-Identifier: Apache-2.0
//! What the agent asks of the command it works for, because that may do what the agent
//! may not any more: both are root, but the agent has given up most capabilities, and
//! stays for hours.
//!
//! Without a command, or where that does not answer, the agent tries itself, and says
//! what it could not do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    diagnose::{Rival, look},
    status::Status,
    xdp,
};

/// How long the agent waits for its command, which may have been stopped.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Something to be done.
#[derive(Debug, Serialize, Deserialize)]
pub enum Errand {
    /// [`detach`]: takes `CAP_SYS_ADMIN`.
    Detach {
        /// Index of the interface.
        interface: u32,
        /// Id of the program that a link holds there.
        program: u32,
    },
    /// [`look::rivals`]: takes `CAP_SYS_PTRACE`.
    Rivals(Box<Status>),
}

/// What has come of [`Errand::Detach`].
pub type Detached = Result<bool, String>;

/// Takes off a program that another process holds by a BPF link; whether there was one.
///
/// # Errors
/// As [`xdp::detach_link_of`].
pub fn detach(interface: u32, program: u32) -> Detached {
    xdp::detach_link_of(interface, program).map_err(|error| error.to_string())
}

/// Runs an errand, and returns what has come of it, both as JSON; nothing for one that is
/// not known.
pub fn run(errand: &[u8]) -> Vec<u8> {
    let outcome = match serde_json::from_slice(errand) {
        Ok(Errand::Detach { interface, program }) => {
            serde_json::to_vec(&detach(interface, program))
        }
        Ok(Errand::Rivals(status)) => serde_json::to_vec::<Vec<Rival>>(&look::rivals(&status)),
        Err(_) => return Vec::new(),
    };
    // Words and numbers: nothing in it can fail to be written.
    outcome.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_survives_the_way_and_nonsense_is_answered() {
        let errand = Errand::Rivals(Box::default());
        let outcome = run(&serde_json::to_vec(&errand).unwrap());
        assert_eq!(serde_json::from_slice::<Vec<Rival>>(&outcome).unwrap(), []);
        assert_eq!(run(b"{"), b"");
        // There is no such interface, and no program has this id.
        let errand = Errand::Detach {
            interface: 0,
            program: 0,
        };
        let outcome = run(&serde_json::to_vec(&errand).unwrap());
        let outcome: Detached = serde_json::from_slice(&outcome).unwrap();
        assert_ne!(outcome, Ok(true));
    }
}
