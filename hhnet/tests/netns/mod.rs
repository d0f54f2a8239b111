// SPDX-License-Identifier: Apache-2.0
//! A network namespace for a test, and links in it.

use std::{process::Command, thread};

use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
};

/// Runs `test` in a thread of its own, hence in a network namespace of its own
/// that goes with the thread.
pub(crate) fn in_netns<T: Send>(test: impl FnOnce() -> T + Send) -> T {
    let body = || {
        unshare(CloneFlags::CLONE_NEWNET).expect("new network namespace");
        test()
    };
    thread::scope(|scope| scope.spawn(body).join().expect("test thread"))
}

pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("ip(8)");
    assert!(status.success(), "ip {arguments}");
}

pub(crate) fn index(name: &str) -> u32 {
    if_nametoindex(name).expect("interface")
}
