// SPDX-License-Identifier: Apache-2.0
//! A machine that has never been leased anything, run by run: everything a client
//! remembers leases in is empty and the machine's own.

use std::fs::{self, File};
use std::io;
use std::process::{Child, Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::client::Client;
use crate::namespace::Namespace;

/// The user that networkd becomes.
pub(super) const NETWORKD_USER: u32 = 192;

/// What clients write to.
const MEMORIES: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// What a client says goes there: a pipe would want a reader, who takes CPU time.
const WORDS: &str = "/run/client.log";

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                      systemd-network:x:192:192::/:/usr/sbin/nologin\n\
                      dhcpcd:x:193:193::/var/lib/dhcpcd:/usr/sbin/nologin\n\
                      nobody:x:65534:65534::/:/usr/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nsystemd-network:x:192:\ndhcpcd:x:193:\nnogroup:x:65534:\n";

/// Gives a machine an /etc of its own and a /sys that cannot be written to, which tells
/// networkd that there is no udev to be waited for.
///
/// # Panics
/// When that cannot be mounted.
pub(super) fn furnish(machine: &Namespace) {
    let furnish = || -> io::Result<()> {
        // Saves looking for libraries, for every client alike.
        let cache = fs::read("/etc/ld.so.cache").unwrap_or_default();
        mount_tmpfs("/etc")?;
        for (name, text) in [
            ("passwd", PASSWD),
            ("group", GROUP),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nhosts: files\n",
            ),
            ("hosts", "127.0.0.1 localhost\n"),
            ("resolv.conf", ""),
            // dhclient's script looks into it.
            ("fstab", ""),
        ] {
            fs::write(format!("/etc/{name}"), text)?;
        }
        if !cache.is_empty() {
            fs::write("/etc/ld.so.cache", cache)?;
        }
        let none = None::<&str>;
        let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        Ok(mount(none, "/sys", none, read_only, none)?)
    };
    machine
        .enter(furnish)
        .unwrap_or_else(|e| panic!("furnishing {}: {e}", machine.name()));
}

/// Makes a machine forget all leases, and who it is, and prepares it for `client`.
///
/// # Panics
/// When that cannot be done.
pub(super) fn renew(machine: &Namespace, number: usize, client: Client, interface: &str) {
    let renew = || -> io::Result<()> {
        for dir in MEMORIES {
            // Fails if it is none of ours, the first time.
            let _ = umount2(dir, MntFlags::MNT_DETACH);
            mount_tmpfs(dir)?;
        }
        // All zeros would be none.
        fs::write("/etc/machine-id", format!("be{number:030x}\n"))?;
        client.configure(interface)
    };
    machine
        .enter(renew)
        .unwrap_or_else(|e| panic!("preparing {}: {e}", machine.name()));
}

/// Starts a command of [`Client::command`].
///
/// # Panics
/// When it does not start.
pub(super) fn start(machine: &Namespace, command: &mut Command) -> Child {
    let words = machine.enter(|| File::create(WORDS));
    let words = words.unwrap_or_else(|e| panic!("{WORDS}: {e}"));
    let copy = words.try_clone().expect("a descriptor can be duplicated");
    command.stdin(Stdio::null()).stdout(words).stderr(copy);
    command
        .spawn()
        .unwrap_or_else(|e| panic!("starting {command:?}: {e}"))
}

/// What the last client said.
pub(super) fn words(machine: &Namespace) -> String {
    machine.read(WORDS).unwrap_or_default()
}

fn mount_tmpfs(dir: &str) -> io::Result<()> {
    let (kind, options) = (Some("tmpfs"), Some("mode=0755"));
    Ok(mount(kind, dir, kind, MsFlags::empty(), options)?)
}
