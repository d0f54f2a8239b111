// SPDX-License-Identifier: Apache-2.0
//! Systemd where there is no bus: it has a socket of its own, which `systemctl`
//! knows how to use.

use std::{io, path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::bus::HostError;
use crate::program;

/// Not by anybody's PATH.
const PROGRAM: &str = "/usr/bin/systemctl";
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// `systemctl VERB UNIT`
pub(super) async fn run(verb: &str, unit: &str) -> Result<(), HostError> {
    let failed = |error| HostError::File(format!("{PROGRAM} {verb} {unit}"), error);
    let mut command = Command::from(program::clean(Path::new(PROGRAM)));
    command
        .args(["--quiet", "--no-ask-password", verb, unit])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match timeout(PATIENCE, command.status()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(io::Error::other(status.to_string()))),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(io::ErrorKind::TimedOut.into())),
    }
}
