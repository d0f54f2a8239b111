// SPDX-License-Identifier: Apache-2.0
//! Links, addresses and routes, in hhnet's words over rtnetlink.
//!
//! Every verb names the `ip` command it equals. Nothing here remembers
//! anything: the kernel is asked each time.

mod address;
mod bond;
mod device;
mod events;
mod lookup;
mod message;
mod next_hop;
mod nic;
mod qdisc;
mod route;
mod sweep;
mod vlan;

use std::{fmt, io};

use futures_util::{Stream, StreamExt};
use netlink_packet_core::ErrorMessage;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{RouteNetlinkMessage, link::LinkMessage};
use rtnetlink::{Handle, LinkUnspec, sys::AsyncSocket};

pub use self::{
    address::{Address, Lifetime},
    bond::{BondOptions, members_in_order},
    device::{BondState, Device, Kind, Mac, MacText, PortState},
    events::{Event, Events},
    next_hop::{Neighbours, NextHop},
    nic::{Nic, nics},
    route::{Route, RouteTo},
    sweep::Swept,
};

use crate::fault;

/// `NLM_F_DUMP_INTR` of linux/netlink.h, of an answer: something has changed meanwhile.
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How often a dump is tried.
const DUMPS: u32 = 10;

/// What went wrong with a request to the kernel, and at which step.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}{}", Detail(.detail))]
pub struct LinkError {
    step: String,
    error: io::Error,
    /// The kernel's own explanation (extended acknowledgement), where it gave one.
    detail: Option<String>,
}

struct Detail<'a>(&'a Option<String>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .as_ref()
            .map_or(Ok(()), |detail| write!(f, ": {detail}"))
    }
}

impl LinkError {
    fn new(step: impl fmt::Display, error: io::Error) -> Self {
        LinkError {
            step: step.to_string(),
            error,
            detail: None,
        }
    }

    fn refused(step: impl fmt::Display, message: &ErrorMessage) -> Self {
        LinkError {
            step: step.to_string(),
            error: message.to_io(),
            detail: extended_ack(&message.header),
        }
    }

    /// Of adding a link of a kind that a module has: the kernel without it knows no more
    /// than that the operation is not supported.
    fn needing(self, module: &str) -> Self {
        let detail = match self.errno() {
            Some(libc::EOPNOTSUPP) => Some(format!("this kernel has no module {module}")),
            _ => self.detail,
        };
        LinkError { detail, ..self }
    }

    /// The error number, `EEXIST` and so on.
    pub fn errno(&self) -> Option<i32> {
        self.error.raw_os_error()
    }

    /// Whether the thing to be removed or changed was not there (any more).
    pub fn is_gone(&self) -> bool {
        matches!(
            self.errno(),
            Some(libc::ENODEV | libc::ENXIO | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENOENT)
        )
    }
}

/// Result of a request to the kernel.
pub type Result<T, E = LinkError> = std::result::Result<T, E>;

/// The text the kernel added to an error: `NLMSGERR_ATTR_MSG` behind the
/// header of the refused request (its body is left out, see `NETLINK_CAP_ACK`).
fn extended_ack(bytes: &[u8]) -> Option<String> {
    const NLMSG_HEADER: usize = 16;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let mut rest = bytes.get(NLMSG_HEADER..)?;
    while let [l0, l1, t0, t1, ..] = *rest {
        let (len, kind) = (u16::from_ne_bytes([l0, l1]), u16::from_ne_bytes([t0, t1]));
        let value = rest.get(4..usize::from(len))?;
        if kind == NLMSGERR_ATTR_MSG {
            let text = value.strip_suffix(b"\0").unwrap_or(value);
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        rest = rest.get(usize::from(len).next_multiple_of(4)..)?;
    }
    None
}

/// How a new object relates to one that may be there already.
#[derive(Debug, Clone, Copy)]
enum New {
    /// Must not exist: `ip … add`.
    Exclusive,
    /// Takes the place of an equal one: `ip … replace`.
    Replace,
    /// Comes after equal ones, which stay: `ip … append`.
    Append,
}

/// The kernel's links, as far as hhnet is concerned with them.
#[derive(Debug, Clone)]
pub struct Links {
    handle: Handle,
}

impl Links {
    /// Opens a netlink socket; its driver runs as a task of the current runtime.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open() -> Result<Links> {
        let at = |error| LinkError::new("opening a netlink socket", error);
        let (mut connection, handle, _) = rtnetlink::new_connection().map_err(at)?;
        let socket = connection.socket_mut().socket_mut();
        socket.set_ext_ack(true).map_err(at)?;
        socket.set_cap_ack(true).map_err(at)?;
        tokio::spawn(connection);
        Ok(Links { handle })
    }

    /// Sends a request and waits for its acknowledgement.
    async fn ask(&self, step: String, message: RouteNetlinkMessage, flags: u16) -> Result<()> {
        fault::step(&step);
        let mut answers = self.send(&step, message, NLM_F_ACK | flags)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload {
                // An error of code zero is the acknowledgement.
                return match error.code {
                    None => Ok(()),
                    Some(_) => Err(LinkError::refused(step, &error)),
                };
            }
        }
        Ok(())
    }

    /// Sends a request to remove something; no error when it is gone already.
    async fn take_away(&self, step: String, message: RouteNetlinkMessage) -> Result<()> {
        match self.ask(step, message, 0).await {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
    }

    /// Sends an add request.
    async fn add(&self, step: String, message: RouteNetlinkMessage, new: New) -> Result<()> {
        let flags = match new {
            New::Exclusive => NLM_F_EXCL,
            New::Replace => NLM_F_REPLACE,
            New::Append => NLM_F_APPEND,
        };
        self.ask(step, message, NLM_F_CREATE | flags).await
    }

    /// Collects the answers to a dump request, again where something has changed meanwhile:
    /// what the kernel was about to tell may be missing then (`nl_dump_check_consistent`).
    async fn dump(
        &self,
        step: String,
        message: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let mut tries = 0;
        loop {
            let (found, is_whole) = self.gather(&step, message.clone(), NLM_F_DUMP).await?;
            tries += 1;
            // Where something changes all the time, there is no better answer.
            if is_whole || tries == DUMPS {
                return Ok(found);
            }
        }
    }

    async fn collect(
        &self,
        step: String,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>> {
        let (found, _) = self.gather(&step, message, flags).await?;
        Ok(found)
    }

    /// The answers, and whether they are of one moment.
    async fn gather(
        &self,
        step: &str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut answers = self.send(step, message, flags)?;
        let (mut found, mut is_whole) = (Vec::new(), true);
        while let Some(answer) = answers.next().await {
            is_whole &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(LinkError::refused(step, &error));
                }
                _ => {}
            }
        }
        Ok((found, is_whole))
    }

    fn send(
        &self,
        step: &str,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + use<>> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let closed = |_| LinkError::new(step, io::ErrorKind::BrokenPipe.into());
        self.handle.clone().request(request).map_err(closed)
    }

    /// `ip link set INDEX up`
    pub async fn set_up(&self, device: &Device) -> Result<()> {
        let step = format!("setting {} up", device.name);
        self.set(step, LinkUnspec::new_with_index(device.index).up().build())
            .await
    }

    /// `ip link set INDEX down`
    pub async fn set_down(&self, device: &Device) -> Result<()> {
        let step = format!("setting {} down", device.name);
        self.set(
            step,
            LinkUnspec::new_with_index(device.index).down().build(),
        )
        .await
    }

    /// `ip link set INDEX mtu N`
    pub async fn set_mtu(&self, device: &Device, mtu: u32) -> Result<()> {
        let step = format!("setting the MTU of {} to {mtu}", device.name);
        self.set(
            step,
            LinkUnspec::new_with_index(device.index).mtu(mtu).build(),
        )
        .await
    }

    /// `ip link del INDEX`
    pub async fn remove(&self, device: &Device) -> Result<()> {
        let message = LinkUnspec::new_with_index(device.index).build();
        let step = format!("removing {}", device.name);
        self.take_away(step, RouteNetlinkMessage::DelLink(message))
            .await
    }

    async fn set(&self, step: String, message: LinkMessage) -> Result<()> {
        self.ask(step, RouteNetlinkMessage::SetLink(message), 0)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_explanation_is_found_behind_the_request_header() {
        let mut bytes = vec![0; 16];
        bytes.extend([8, 0, 2, 0, 1, 2, 3, 4]); // NLMSGERR_ATTR_OFFS
        bytes.extend([10, 0, 1, 0]);
        bytes.extend(b"nope!\0\0\0");
        assert_eq!(extended_ack(&bytes).as_deref(), Some("nope!"));
    }

    #[test]
    fn a_missing_module_is_named() {
        let refused = |number, detail: Option<&str>| LinkError {
            step: "adding vlan 5 to lo".into(),
            error: io::Error::from_raw_os_error(number),
            detail: detail.map(str::to_owned),
        };
        assert_eq!(
            refused(libc::ENODEV, None).needing("8021q").to_string(),
            "adding vlan 5 to lo: No such device (os error 19)"
        );
        let unknown = refused(libc::EOPNOTSUPP, Some("Unknown device type"));
        assert_eq!(
            unknown.needing("8021q").to_string(),
            "adding vlan 5 to lo: Operation not supported (os error 95): \
             this kernel has no module 8021q"
        );
    }

    #[test]
    fn an_error_without_explanation_has_no_detail() {
        for bytes in [&[][..], &[0; 16], &[0; 20], &[0xff; 40]] {
            assert_eq!(extended_ack(bytes), None);
        }
    }
}
