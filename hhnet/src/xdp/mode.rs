// SPDX-License-Identifier: Apache-2.0
//! The hooks of a link, and in which order they are tried.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::report::Direction;

/// Where in the path of a frame a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// XDP in the driver, before the kernel makes an sk_buff of the frame.
    Native,
    /// On the sk_buff, as a BPF link, from Linux 6.6 on.
    Tcx,
    /// On the sk_buff, as a filter of the queueing discipline of that name.
    Clsact,
    /// XDP on the sk_buff, with any driver. Does not see a VLAN tag that the NIC
    /// has taken out of the frame.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
            Self::Generic => "generic",
        })
    }
}

/// Which modes to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Native, and a classifier where the driver refuses.
    #[default]
    Auto,
    /// Native or not at all.
    Native,
    /// A classifier: tcx, or clsact where the kernel has no tcx.
    Tc,
    /// A classifier of clsact, as on a kernel without tcx.
    Clsact,
    /// Generic.
    Generic,
}

impl Wanted {
    /// What to try, one after the other. XDP sees received frames only.
    pub(super) const fn ladder(self, direction: Direction) -> &'static [Mode] {
        match (direction, self) {
            (Direction::In, Self::Auto) => &[Mode::Native, Mode::Tcx, Mode::Clsact],
            (Direction::In, Self::Native) => &[Mode::Native],
            (Direction::In, Self::Generic) => &[Mode::Generic],
            (_, Self::Clsact) => &[Mode::Clsact],
            (Direction::In, Self::Tc) | (Direction::Out, _) => &[Mode::Tcx, Mode::Clsact],
        }
    }
}
