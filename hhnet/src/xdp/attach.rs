// SPDX-License-Identifier: Apache-2.0
//! Programs on links.

use std::{fmt, io};

use aya::{
    maps::Array,
    programs::{Xdp, XdpMode, links::FdLink, xdp::XdpLink},
};
use hhnet_ebpf::{
    member::{MAX_INTERFACES, MAX_MEMBERS},
    names,
};
use serde::Serialize;
use tracing::info;

use super::{Programs, XdpError};

/// Where in the receive path a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the driver, before the kernel makes an sk_buff of the frame.
    Native,
    /// On the sk_buff, with any driver.
    Generic,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Native => "native",
            Self::Generic => "generic",
        })
    }
}

/// Which mode to attach in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Native, and generic where the driver refuses.
    #[default]
    Auto,
    /// Native or not at all.
    Native,
    /// Generic.
    Generic,
}

/// A program on a link; dropping it takes the program off.
#[derive(Debug)]
pub struct Attachment {
    /// The interface.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// The mode that worked.
    pub mode: Mode,
    /// Why it is generic although native was tried.
    pub fallback_reason: Option<String>,
    link: FdLink,
}

/// The interface a member slot stands for. Slots are never given to another
/// interface, so that flows keep the name they were counted under.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) ifindex: u32,
}

impl Programs {
    /// Starts counting what `name`, interface number `ifindex`, receives. Does
    /// nothing if that is done already.
    ///
    /// # Errors
    /// If the driver (or a program of somebody else's) does not let us attach in
    /// the wanted mode, or after [`MAX_MEMBERS`] different interfaces.
    pub fn attach(&mut self, name: &str, ifindex: u32, wanted: Wanted) -> Result<Mode, XdpError> {
        if let Some(attachment) = self.attachments.iter().find(|a| a.ifindex == ifindex) {
            return Ok(attachment.mode);
        }
        let step = format!("attaching the XDP program to {name}");
        let slot = self
            .slot_of(name, ifindex)
            .map_err(|reason| XdpError::because(&step, reason))?;
        self.set_slot(ifindex, slot + 1)?;
        match self.attach_in(ifindex, wanted) {
            Ok((mode, link, fallback_reason)) => {
                let reason = fallback_reason.as_deref();
                info!(interface = name, %mode, reason, "XDP program attached");
                let name = name.to_owned();
                self.attachments.push(Attachment {
                    name,
                    ifindex,
                    mode,
                    fallback_reason,
                    link,
                });
                Ok(mode)
            }
            Err(reason) => {
                self.set_slot(ifindex, 0)?;
                Err(XdpError::because(step, reason))
            }
        }
    }

    /// Takes the program off the interface. What it counted stays readable.
    ///
    /// # Errors
    /// If no program of ours is on it, or the kernel refuses.
    pub fn detach(&mut self, ifindex: u32) -> Result<(), XdpError> {
        let position = self.attachments.iter().position(|a| a.ifindex == ifindex);
        let Some(position) = position else {
            let step = format!("detaching the XDP program from interface {ifindex}");
            return Err(XdpError::because(step, "none attached by this process"));
        };
        let Attachment {
            name,
            ifindex,
            link,
            ..
        } = self.attachments.swap_remove(position);
        drop(link);
        info!(interface = name, "XDP program detached");
        self.set_slot(ifindex, 0)
    }

    /// Takes all programs off, last attached first, going on after errors.
    pub fn detach_all(&mut self) -> Vec<XdpError> {
        let interfaces: Vec<u32> = self.attachments.iter().rev().map(|a| a.ifindex).collect();
        interfaces
            .into_iter()
            .filter_map(|ifindex| self.detach(ifindex).err())
            .collect()
    }

    /// Where programs are attached, in the order of attaching.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter()
    }

    fn slot_of(&mut self, name: &str, ifindex: u32) -> Result<u32, String> {
        if ifindex >= MAX_INTERFACES {
            return Err(format!(
                "interface index {ifindex} is not below {MAX_INTERFACES}"
            ));
        }
        let slot = Slot {
            name: name.to_owned(),
            ifindex,
        };
        if let Some(position) = self.slots.iter().position(|s| *s == slot) {
            return Ok(position as u32);
        }
        if self.slots.len() >= MAX_MEMBERS as usize {
            return Err(format!("{MAX_MEMBERS} interfaces were counted already"));
        }
        self.slots.push(slot);
        Ok(self.slots.len() as u32 - 1)
    }

    fn set_slot(&mut self, ifindex: u32, value: u32) -> Result<(), XdpError> {
        let name = names::SLOT_OF_INTERFACE;
        let map = self
            .ebpf
            .map_mut(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        Array::<_, u32>::try_from(map)
            .and_then(|mut slots| slots.set(ifindex, value, 0))
            .map_err(|error| XdpError::new(format!("writing eBPF map {name}"), &error))
    }

    fn attach_in(
        &mut self,
        ifindex: u32,
        wanted: Wanted,
    ) -> Result<(Mode, FdLink, Option<String>), String> {
        let program = self.xdp().map_err(|error| error.to_string())?;
        let refused = match wanted {
            Wanted::Generic => None,
            Wanted::Auto | Wanted::Native => match attach_link(program, ifindex, Mode::Native) {
                Ok(link) => return Ok((Mode::Native, link, None)),
                Err(reason) if wanted == Wanted::Native => return Err(reason),
                Err(reason) => Some(reason),
            },
        };
        match attach_link(program, ifindex, Mode::Generic) {
            Ok(link) => Ok((Mode::Generic, link, refused)),
            Err(reason) => Err(match refused {
                Some(native) if native != reason => format!("{native}; generic: {reason}"),
                _ => reason,
            }),
        }
    }
}

/// As `ip link set dev … xdpdrv|xdpgeneric`, but held by a file descriptor.
fn attach_link(program: &mut Xdp, ifindex: u32, mode: Mode) -> Result<FdLink, String> {
    let flag = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let link: XdpLink = program
        .attach_to_if_index(ifindex, flag)
        .and_then(|id| program.take_link(id))
        .map_err(|error| explain(&XdpError::new("", &error), mode))?;
    // Where the kernel answers EINVAL, aya attaches over netlink, which would
    // outlive this process; dropping that link takes it off again.
    link.try_into()
        .map_err(|_| "the kernel has no BPF links for XDP".into())
}

/// `bpf_link_create` drops the driver's message: say what the errno means.
fn explain(error: &XdpError, mode: Mode) -> String {
    let meaning = [
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
    ];
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
