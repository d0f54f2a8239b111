// SPDX-License-Identifier: Apache-2.0
//! What the kernel has of eBPF, by the numbers it gives, and who has descriptors of it.

use std::collections::BTreeSet;
use std::ffi::c_long;
use std::fs;
use std::io;

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program.
    Program,
    /// A map.
    Map,
    /// A link, which holds a program where it is attached.
    Link,
}

/// An object; the kernel gives no number twice.
pub type Object = (Kind, u32);

/// The beginning of `union bpf_attr` for `BPF_*_GET_NEXT_ID`.
#[repr(C)]
#[derive(Default)]
struct NextId {
    start: u32,
    next: u32,
    flags: u32,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Program, Self::Map, Self::Link];

    /// `BPF_PROG_GET_NEXT_ID`, `BPF_MAP_GET_NEXT_ID` and `BPF_LINK_GET_NEXT_ID`.
    fn next_id(self) -> c_long {
        match self {
            Self::Program => 11,
            Self::Map => 12,
            Self::Link => 31,
        }
    }

    /// What a line of `/proc/PID/fdinfo/FD` begins with that names one.
    fn key(self) -> &'static str {
        match self {
            Self::Program => "prog_id:",
            Self::Map => "map_id:",
            Self::Link => "link_id:",
        }
    }
}

/// All objects of this kernel, whatever namespace they are used in.
///
/// # Panics
/// Without the right to look at them.
pub fn objects() -> BTreeSet<Object> {
    let of_kind = |kind: Kind| {
        let ids = std::iter::successors(next(kind, 0), move |id| next(kind, *id));
        ids.map(move |id| (kind, id))
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

/// How many of a kind there are.
pub fn count(objects: &BTreeSet<Object>, kind: Kind) -> usize {
    objects.iter().filter(|(it, _)| *it == kind).count()
}

fn next(kind: Kind, start: u32) -> Option<u32> {
    let mut attributes = NextId {
        start,
        ..NextId::default()
    };
    // SAFETY: bpf(2) reads and writes `size_of::<NextId>()` bytes of attributes, which
    // outlive the call.
    let status = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            kind.next_id(),
            &raw mut attributes,
            size_of::<NextId>(),
        )
    };
    if status == 0 {
        return Some(attributes.next);
    }
    let error = io::Error::last_os_error();
    assert_eq!(
        error.raw_os_error(),
        Some(libc::ENOENT),
        "the next {kind:?} after {start}: {error}"
    );
    None
}

/// Those of them that some process has a descriptor of.
pub fn held() -> BTreeSet<Object> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let infos = processes
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        .flat_map(|entry| {
            fs::read_dir(entry.path().join("fdinfo"))
                .into_iter()
                .flatten()
        })
        .flatten();
    // A descriptor that is closed meanwhile holds nothing.
    let texts = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    texts.flat_map(|text| read(&text)).collect()
}

/// The objects that a descriptor's description names.
fn read(text: &str) -> Vec<Object> {
    let object = |line: &str| {
        Kind::ALL.into_iter().find_map(|kind| {
            let id = line.strip_prefix(kind.key())?;
            Some((kind, id.trim().parse().ok()?))
        })
    };
    text.lines().filter_map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_names_its_objects() {
        let link = "pos:\t0\nflags:\t02000002\nlink_type:\txdp\nlink_id:\t12\nprog_id:\t34\n";
        assert_eq!(read(link), [(Kind::Link, 12), (Kind::Program, 34)]);
        assert_eq!(read("map_type:\t1\nmap_id:\t5\n"), [(Kind::Map, 5)]);
        assert_eq!(read("pos:\t0\nino:\t9\n"), []);
    }
}
