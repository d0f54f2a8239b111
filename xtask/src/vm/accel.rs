// SPDX-License-Identifier: Apache-2.0
//! KVM or TCG.

use crate::workspace::Workspace;
use anyhow::Result;

/// How QEMU runs the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accel {
    /// Emulated: slow, works everywhere.
    Tcg,
}

impl Accel {
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }
}

pub(super) fn choose(_workspace: &Workspace) -> Result<Accel> {
    Ok(Accel::Tcg)
}
