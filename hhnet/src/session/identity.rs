// SPDX-License-Identifier: Apache-2.0
//! Who this machine is to DHCP servers.

use std::{fs, io};

use nix::unistd::gethostname;

use crate::{
    cli::ClientId,
    dhcp::{names, request::Identity},
    link::{Device, Mac},
};

/// systemd's name for the installation, 32 hexadecimal digits.
const MACHINE_ID: &str = "/etc/machine-id";

/// The identity of an interface.
///
/// # Errors
/// When the interface has no hardware address.
pub(super) fn of(device: &Device, id: ClientId) -> io::Result<Identity> {
    let no_address = || io::Error::other(format!("{} has no hardware address", device.name));
    let mac = device.mac.ok_or_else(no_address)?;
    Ok(Identity {
        mac,
        client_id: match id {
            ClientId::Mac => Some(Identity::mac_id(mac)),
            ClientId::Duid => Some(Identity::duid_id(mac, &duid(mac))),
            ClientId::None => None,
        },
        hostname: hostname(),
        max_message: device.mtu.clamp(576, 1500) as u16,
    })
}

/// Our host name, unless it is one nobody chose.
fn hostname() -> Option<String> {
    let name = gethostname().ok()?.into_string().ok()?;
    let chosen = name != "localhost" && name != "(none)";
    names::name(name.as_bytes()).filter(|_| chosen)
}

/// A DUID-UUID (RFC 6355) of the machine id; where there is none, a DUID-LL
/// (RFC 8415, section 11.4) of the interface.
fn duid(mac: Mac) -> Vec<u8> {
    let text = fs::read_to_string(MACHINE_ID).unwrap_or_default();
    match u128::from_str_radix(text.trim(), 16) {
        Ok(id) if text.trim().len() == 32 => [&[0, 4][..], &id.to_be_bytes()].concat(),
        _ => [&[0, 3, 0, 1][..], &mac].concat(),
    }
}
