// SPDX-License-Identifier: Apache-2.0
//! `hhnet status --watch`.

use std::{ffi::OsString, io};

use super::{Between, watch};
use crate::{client::ask, offline, status::Paint};

/// Shows the status each second. Returns the exit status.
///
/// # Errors
/// When the agent refuses, the kernel cannot be asked, or the answer cannot be
/// written.
pub fn run(args: &[OsString], is_json: bool, paint: Paint) -> io::Result<u8> {
    let between = if is_json {
        Between::Nothing
    } else {
        Between::Blank
    };
    let args = args.to_vec();
    watch(between, move |_| {
        let status = match ask(&args)? {
            Some(status) => status,
            None => offline::status()?,
        };
        Ok(if is_json {
            serde_json::to_string(&status)? + "\n"
        } else {
            status.text(paint)
        })
    })
}
