// SPDX-License-Identifier: Apache-2.0
//! An XDP program that is not hhnet's, and classifiers whosever they are.

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use netlink_packet_route::link::{LinkAttribute, LinkXdp};
use rtnetlink::LinkUnspec;

use crate::namespace::Namespace;

/// What programs return to have a frame go on.
const XDP_PASS: u64 = 2;
const TC_ACT_OK: u64 = 0;

const BPF_PROG_LOAD: c_long = 5;
const BPF_PROG_QUERY: c_long = 16;
const BPF_LINK_CREATE: c_long = 28;
/// `BPF_XDP` of `enum bpf_attach_type`.
const BPF_XDP: u32 = 37;
/// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS`.
const TCX: [u32; 2] = [46, 47];
const BPF_PROG_TYPE_SCHED_CLS: u32 = 3;
const BPF_PROG_TYPE_XDP: u32 = 6;
const LICENSE: &CStr = c"Apache-2.0";

/// `XDP_FLAGS_SKB_MODE`: in the stack, not in the driver.
const GENERIC: u32 = 1 << 1;

/// The beginning of `union bpf_attr` for `BPF_PROG_LOAD`; the kernel takes the
/// rest to be zero.
#[repr(C)]
struct ProgLoad {
    kind: u32,
    instructions: u32,
    code: u64,
    license: u64,
}

/// Attaches a program that passes everything to a link, as
/// `ip link set LINK xdpgeneric` would.
///
/// # Panics
/// When the kernel does not take it.
pub fn attach_foreign_program(namespace: &Namespace, link: &str) {
    let attach = || -> io::Result<()> {
        let program = load(BPF_PROG_TYPE_XDP, XDP_PASS)?;
        let index = nix::net::if_::if_nametoindex(link)?;
        let xdp = vec![LinkXdp::Fd(program.as_raw_fd()), LinkXdp::Flags(GENERIC)];
        let message = LinkUnspec::new_with_index(index)
            .append_extra_attribute(LinkAttribute::Xdp(xdp))
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            handle
                .link()
                .set(message)
                .execute()
                .await
                .map_err(io::Error::other)
        })
    };
    let attached = namespace.enter(attach);
    attached.unwrap_or_else(|e| panic!("attaching an XDP program to {link}: {e}"));
}

/// The beginning of `union bpf_attr` for `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    program: i32,
    interface: u32,
    hook: u32,
    flags: u32,
}

/// The same, held by a BPF link: netlink cannot take it off, and it goes with what is
/// returned.
///
/// # Panics
/// When the kernel does not take it.
pub fn hold_foreign_program(namespace: &Namespace, link: &str) -> OwnedFd {
    let attach = || create_link(&load(BPF_PROG_TYPE_XDP, XDP_PASS)?, link, BPF_XDP, GENERIC);
    let held = namespace.enter(attach);
    held.unwrap_or_else(|e| panic!("attaching an XDP program to {link} by a link: {e}"))
}

/// Classifiers of both directions that pass everything, held by BPF links.
///
/// # Errors
/// On a kernel before 6.6, which has no tcx.
pub fn hold_foreign_classifiers(namespace: &Namespace, link: &str) -> io::Result<[OwnedFd; 2]> {
    let [ingress, egress] = TCX;
    namespace.enter(|| {
        let program = load(BPF_PROG_TYPE_SCHED_CLS, TC_ACT_OK)?;
        let attach = |hook| create_link(&program, link, hook, 0);
        Ok([attach(ingress)?, attach(egress)?])
    })
}

fn create_link(program: &OwnedFd, link: &str, hook: u32, flags: u32) -> io::Result<OwnedFd> {
    let attributes = LinkCreate {
        program: program.as_raw_fd(),
        interface: nix::net::if_::if_nametoindex(link)?,
        hook,
        flags,
    };
    // SAFETY: bpf(2) reads `size_of::<LinkCreate>()` bytes of attributes.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_CREATE,
            &raw const attributes,
            size_of::<LinkCreate>(),
        )
    };
    descriptor(fd)
}

/// What bpf(2) has returned.
fn descriptor(fd: c_long) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Loads `r0 = VERDICT; exit`.
fn load(kind: u32, verdict: u64) -> io::Result<OwnedFd> {
    let code = [verdict << 32 | 0xb7, 0x95];
    let attributes = ProgLoad {
        kind,
        instructions: code.len() as u32,
        code: code.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
    };
    // SAFETY: bpf(2) reads `size_of::<ProgLoad>()` bytes of attributes, and from there code and
    // licence, all of which outlive the call.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const attributes,
            size_of::<ProgLoad>(),
        )
    };
    descriptor(fd)
}

/// The beginning of `union bpf_attr` for `BPF_PROG_QUERY`.
#[repr(C)]
#[derive(Default)]
struct ProgQuery {
    interface: u32,
    hook: u32,
    query_flags: u32,
    attach_flags: u32,
    programs: u64,
    count: u32,
    padding: u32,
}

/// What classifies a link's frames: programs of tcx by their number (none on a
/// kernel before 6.6), and queueing disciplines and filters as `tc` shows them.
///
/// # Panics
/// Without such a link.
pub fn classifiers(namespace: &Namespace, link: &str) -> Vec<String> {
    let all = all_classifiers(namespace, &[link]);
    all.into_iter().map(|(_, classifier)| classifier).collect()
}

/// The same of several links, each with its link; one run of `tc` tells which
/// of them have filters at all.
///
/// # Panics
/// Without such links.
pub fn all_classifiers<'a>(namespace: &Namespace, links: &[&'a str]) -> Vec<(&'a str, String)> {
    let qdiscs = namespace.must("tc qdisc show");
    let qdiscs: Vec<_> = qdiscs.lines().filter_map(classifying).collect();
    let mut found = Vec::new();
    for link in links {
        let count = || -> io::Result<u32> {
            let index = nix::net::if_::if_nametoindex(*link)?;
            Ok(TCX.iter().map(|hook| tcx_programs(index, *hook)).sum())
        };
        let programs = namespace.enter(count);
        let programs = programs.unwrap_or_else(|e| panic!("programs of {link}: {e}"));
        if programs > 0 {
            found.push((*link, format!("{programs} of tcx")));
        }
        let here = qdiscs.iter().filter(|(device, _)| device == link);
        let here: Vec<_> = here
            .map(|(_, qdisc)| (*link, (*qdisc).to_owned()))
            .collect();
        if !here.is_empty() {
            found.extend(here);
            found.extend(filters(namespace, link).map(|filter| (*link, filter)));
        }
    }
    found
}

/// The link of a queueing discipline that has classifiers, and the line of `tc`.
fn classifying(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let kind = line.strip_prefix("qdisc ")?.split(' ').next()?;
    let (_, device) = line.split_once(" dev ")?;
    ["clsact", "ingress"]
        .contains(&kind)
        .then(|| (device.split(' ').next().unwrap_or(device), line))
}

fn filters(namespace: &Namespace, link: &str) -> impl Iterator<Item = String> {
    ["ingress", "egress"].into_iter().flat_map(move |side| {
        let shown = namespace.must(&format!("tc filter show dev {link} {side}"));
        // The line with a filter's name and not that with its priority.
        let lines = shown.lines().map(str::trim);
        let named = lines.filter(|line| line.contains("handle"));
        named.map(str::to_owned).collect::<Vec<_>>()
    })
}

fn tcx_programs(interface: u32, hook: u32) -> u32 {
    let mut query = ProgQuery {
        interface,
        hook,
        ..ProgQuery::default()
    };
    // SAFETY: bpf(2) reads and writes `size_of::<ProgQuery>()` bytes.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_QUERY,
            &raw mut query,
            size_of::<ProgQuery>(),
        )
    };
    if result == 0 { query.count } else { 0 }
}
