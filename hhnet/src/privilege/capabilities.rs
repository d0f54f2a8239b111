// SPDX-License-Identifier: Apache-2.0
//! The capabilities of the agent. `dist/hhnet.service` and SECURITY.md have the same
//! list, which tests compare.

use rustix::{
    io::{Errno, Result},
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    },
};

/// What the agent keeps. Root's files are its own without any of them.
///
/// - `NET_ADMIN`: links, addresses and routes, to attach programs, LACP partners.
/// - `NET_RAW`: packet sockets for DHCP and ARP, and to bind one to an interface.
/// - `NET_BIND_SERVICE`: port 68, and metrics on a port below 1024.
/// - `BPF`, `PERFMON`: to load programs, and to have the verifier let them compare
///   pointers.
///
/// `SYS_ADMIN` is not among them: hhnet needs 5.18, and has had `BPF` since 5.8. With
/// it would go what only it allows, to open BPF objects by their id.
pub const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::BPF)
    .union(CapabilitySet::PERFMON);

/// Takes the calling thread all others, out of all its sets.
pub(super) fn reduce() -> Result<()> {
    // First: it takes a capability that goes with the others.
    bound()?;
    clear_ambient_capability_set()?;
    let kept = capabilities(None)?.permitted & KEPT;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets)
}

/// What the thread, and whatever it executes, can never get again.
fn bound() -> Result<()> {
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) if !KEPT.contains(one) => match remove_capability_from_bounding_set(one) {
                // Whoever has started us without SETPCAP has set a bound himself.
                Err(Errno::PERM) => return Ok(()),
                outcome => outcome?,
            },
            Ok(_) => {}
            // The kernel has no more, also of those that we do not know yet.
            Err(Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread};

    use super::*;

    /// As capabilities(7) has them.
    fn kept() -> BTreeSet<String> {
        let names = KEPT.iter_names();
        names.map(|(name, _)| format!("CAP_{name}")).collect()
    }

    #[test]
    fn the_unit_is_bound_to_the_same() {
        let unit = include_str!("../../../dist/hhnet.service");
        let mut lines = unit.lines();
        let set = lines.find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
        let set: BTreeSet<_> = set.unwrap().split(' ').map(str::to_owned).collect();
        assert_eq!(set, kept());
    }

    /// Also as an ordinary user, who has nothing to give up.
    #[test]
    fn a_thread_keeps_no_other() {
        let reduced = thread::spawn(|| {
            let before = capabilities(None).unwrap();
            reduce().unwrap();
            (before, capabilities(None).unwrap())
        });
        let (before, after) = reduced.join().unwrap();
        let kept = before.permitted & KEPT;
        assert_eq!((after.permitted, after.effective), (kept, kept));
        assert_eq!(after.inheritable, CapabilitySet::empty());
    }
}
