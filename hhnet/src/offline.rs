// SPDX-License-Identifier: Apache-2.0
//! What a command can tell by itself, from the kernel, without an agent.

use std::io;

use crate::{
    clock,
    link::{LinkError, Links},
    status::Status,
};

fn ask<T>(question: impl AsyncFnOnce(Links) -> Result<T, LinkError>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime
        .block_on(async { question(Links::open()?).await })
        .map_err(io::Error::other)
}

/// `ip -o address show dev lo scope global | awk '{print $4}'`
///
/// # Errors
/// When the kernel cannot be asked.
pub fn vips() -> io::Result<String> {
    ask(async |links| {
        let lo = links.existing("lo").await?;
        let addresses = links.addresses().await?;
        let global = addresses.iter().filter(|a| a.index == lo.index && a.global);
        Ok(global
            .map(|a| format!("{}/{}\n", a.address, a.len))
            .collect())
    })
}

/// The status of a machine without an agent.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn status() -> io::Result<String> {
    ask(async |links| {
        let devices = links.devices().await?;
        let status = Status {
            devices: &devices,
            leases: Vec::new(),
            attachments: Vec::new(),
            agent: None,
            now: clock::now(),
        };
        Ok(status.to_string())
    })
}
