// SPDX-License-Identifier: Apache-2.0
//! From what networkd tells of its links to what somebody has asked of it.
//!
//! `networkctl reconfigure LINK` takes a configured link back to the beginning:
//! its administrative state becomes "initialized", "configuring", and "configured"
//! again. A new link, and every link after networkd was restarted, goes that way
//! as well, but was not configured before.

use std::collections::BTreeSet;

/// Links that networkd is done with, by their index.
#[derive(Debug, Default)]
pub(super) struct Settled(BTreeSet<u32>);

impl Settled {
    /// Takes note of a link's administrative state. Returns whether the link was
    /// settled, and is now being configured anew.
    pub(super) fn note(&mut self, index: u32, state: &str) -> bool {
        match state {
            "configured" => {
                self.0.insert(index);
                false
            }
            "initialized" | "configuring" => self.0.remove(&index),
            _ => {
                self.0.remove(&index);
                false
            }
        }
    }

    /// Networkd has ended: what it does next is its own beginning.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

/// The index of a link, from the path of networkd's object: `…/link/_312` is
/// number 12, because a label of a path may not begin with a digit (`sd_bus_path_encode`).
pub(super) fn index(path: &str) -> Option<u32> {
    let label = path.strip_prefix("/org/freedesktop/network1/link/_3")?;
    label.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether each state of one link is the beginning of a reconfiguration.
    fn play(settled: &mut Settled, states: &[&str]) -> Vec<bool> {
        states.iter().map(|state| settled.note(7, state)).collect()
    }

    #[test]
    fn only_a_configured_link_is_reconfigured() {
        let mut settled = Settled::default();
        let new = ["pending", "initialized", "configuring", "configured"];
        assert_eq!(play(&mut settled, &new), [false; 4]);
        assert_eq!(play(&mut settled, &new[1..]), [true, false, false]);
        // Systemd 257 has been seen to leave "initialized" out.
        assert_eq!(play(&mut settled, &new[2..]), [true, false]);
    }

    #[test]
    fn a_link_that_is_no_longer_managed_is_not_reconfigured() {
        let mut settled = Settled::default();
        let states = [
            "configured",
            "unmanaged",
            "initialized",
            "configured",
            "failed",
        ];
        assert_eq!(play(&mut settled, &states), [false; 5]);
        assert_eq!(play(&mut settled, &["configuring"]), [false]);
    }

    #[test]
    fn a_restart_of_networkd_reconfigures_nothing() {
        let mut settled = Settled::default();
        play(&mut settled, &["configured"]);
        settled.forget();
        assert_eq!(
            play(&mut settled, &["initialized", "configuring"]),
            [false; 2]
        );
    }

    #[test]
    fn links_are_kept_apart() {
        let mut settled = Settled::default();
        settled.note(1, "configured");
        assert!(!settled.note(2, "configuring"));
        assert!(settled.note(1, "configuring"));
    }

    #[test]
    fn the_first_digit_of_an_index_is_escaped() {
        let at = |label: &str| index(&format!("/org/freedesktop/network1/link/{label}"));
        assert_eq!(at("_35"), Some(5));
        assert_eq!(at("_312"), Some(12));
        assert_eq!(at("_3"), None);
        assert_eq!(at("lo"), None);
        assert_eq!(index("/org/freedesktop/network1"), None);
    }
}
