// SPDX-License-Identifier: Apache-2.0
//! One program on one hook of a link.

use std::io;

use aya::{
    Ebpf,
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode,
        links::FdLink,
        tc::{NlOptions, SchedClassifierLink, TcAttachOptions, TcError, qdisc_detach_program},
        xdp::XdpLink,
    },
};
use hhnet_ebpf::names;
use tracing::debug;

use super::{Mode, XdpError, report::Direction};

/// Keeps a program where it is; dropping it takes the program off.
#[derive(Debug)]
#[expect(dead_code, reason = "held, not used")]
pub(super) enum Hook {
    /// XDP. The kernel takes it off when the process dies, too.
    Xdp(FdLink),
    /// A classifier. One of clsact outlives a killed process: see
    /// [`remove_filters`].
    Classifier(SchedClassifierLink),
}

/// Puts the program of `direction` on a link.
pub(super) fn put(
    ebpf: &mut Ebpf,
    (name, ifindex): (&str, u32),
    direction: Direction,
    mode: Mode,
) -> Result<Hook, String> {
    let says = |error: &ProgramError| explain(&XdpError::new("", error), mode);
    match mode {
        Mode::Native | Mode::Generic => {
            let program = xdp(ebpf).map_err(|error| error.to_string())?;
            let link = attach_xdp(program, ifindex, mode).map_err(|error| says(&error))?;
            // Where the kernel answers EINVAL, aya attaches over netlink, which
            // would outlive this process; dropping that link takes it off again.
            link.try_into()
                .map(Hook::Xdp)
                .map_err(|_| "the kernel has no BPF links for XDP".into())
        }
        Mode::Tcx | Mode::Clsact => {
            let program = classifier(ebpf, direction).map_err(|error| error.to_string())?;
            attach_classifier(program, name, direction, mode)
                .map(Hook::Classifier)
                .map_err(|error| says(&error))
        }
    }
}

/// As `ip link set dev … xdpdrv|xdpgeneric`, but held by a file descriptor.
fn attach_xdp(program: &mut Xdp, ifindex: u32, mode: Mode) -> Result<XdpLink, ProgramError> {
    let flag = if mode == Mode::Generic {
        XdpMode::Skb
    } else {
        XdpMode::Driver
    };
    let id = program.attach_to_if_index(ifindex, flag)?;
    program.take_link(id)
}

/// Before all others, who may keep a frame to themselves. Without a priority
/// of our own the kernel gives a filter one before those that are there
/// (`tcf_auto_prio`).
fn attach_classifier(
    program: &mut SchedClassifier,
    name: &str,
    direction: Direction,
    mode: Mode,
) -> Result<SchedClassifierLink, ProgramError> {
    let options = if mode == Mode::Tcx {
        TcAttachOptions::TcxOrder(LinkOrder::first())
    } else {
        TcAttachOptions::Netlink(NlOptions::default())
    };
    let id = program.attach_with_options(name, side(direction), options)?;
    program.take_link(id)
}

const fn side(direction: Direction) -> TcAttachType {
    match direction {
        Direction::In => TcAttachType::Ingress,
        Direction::Out => TcAttachType::Egress,
    }
}

const fn classifier_name(direction: Direction) -> &'static str {
    match direction {
        Direction::In => names::TC_INGRESS,
        Direction::Out => names::TC_EGRESS,
    }
}

/// Whether the kernel has tcx: one before 6.6 does not know the question.
pub fn has_tcx() -> bool {
    SchedClassifier::query_tcx("lo", TcAttachType::Ingress).is_ok()
}

/// Removes the filters of hhnet's from a link, whichever process attached them.
///
/// # Errors
/// If the kernel refuses.
pub fn remove_filters(name: &str) -> Result<(), XdpError> {
    for direction in [Direction::In, Direction::Out] {
        match qdisc_detach_program(name, side(direction), classifier_name(direction)) {
            Err(TcError::IoError(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let step = format!("removing hhnet's filters from {name}");
                return Err(XdpError::new(step, &error));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// The XDP program.
pub(super) fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp, XdpError> {
    let program = ebpf.program_mut(names::XDP_PROGRAM);
    let program = program.ok_or_else(|| XdpError::missing("program", names::XDP_PROGRAM))?;
    program
        .try_into()
        .map_err(|error| XdpError::new(names::XDP_PROGRAM, &error))
}

/// The classifier of a direction, loaded when it is first asked for: where
/// drivers have XDP, that for received frames is not needed.
pub(super) fn classifier(
    ebpf: &mut Ebpf,
    direction: Direction,
) -> Result<&mut SchedClassifier, XdpError> {
    let name = classifier_name(direction);
    let failed = |error: &ProgramError| {
        debug!("{error}");
        XdpError::new(format!("loading the eBPF program {name}"), error)
    };
    let program = ebpf.program_mut(name);
    let program: &mut SchedClassifier = program
        .ok_or_else(|| XdpError::missing("program", name))?
        .try_into()
        .map_err(|error| XdpError::new(name, &error))?;
    if program.fd().is_err() {
        program.load().map_err(|error| failed(&error))?;
    }
    Ok(program)
}

/// The kernel answers with an errno alone: say what it means.
fn explain(error: &XdpError, mode: Mode) -> String {
    let meaning: &[_] = match mode {
        Mode::Native | Mode::Generic => &[
            (
                libc::EOPNOTSUPP,
                "the driver does not support native XDP here",
            ),
            (libc::EBUSY, "another XDP program is attached"),
            (
                libc::EEXIST,
                "another XDP program is attached, or one to its bond",
            ),
            (libc::ERANGE, "the MTU is too large"),
            (libc::ENODEV, "no such interface"),
        ],
        Mode::Tcx => &[
            (libc::EINVAL, "the kernel has no tcx"),
            (libc::ENODEV, "no such interface"),
        ],
        Mode::Clsact => &[],
    };
    let reason = error.reason();
    let known = meaning
        .iter()
        .find(|(errno, _)| reason.ends_with(&io::Error::from_raw_os_error(*errno).to_string()));
    match known {
        Some((libc::EOPNOTSUPP, _)) if mode == Mode::Generic => reason.to_owned(),
        Some((_, meaning)) => format!("{meaning} ({reason})"),
        None => reason.to_owned(),
    }
}
