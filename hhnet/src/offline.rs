// SPDX-License-Identifier: Apache-2.0
//! What a command can tell by itself, from the kernel, without an agent.

use std::{
    fs::File,
    io, thread,
    time::{Duration, Instant},
};

use nix::fcntl::Flock;

use crate::{
    agent::{self, StartError, cleanup},
    clock, errand,
    host::Host,
    journal::Journal,
    link::{self, LinkError, Links},
    runtime,
    status::{Facts, Status},
};

/// How long an agent that was killed may keep its lock: it loses its socket before.
const DYING: Duration = Duration::from_secs(1);
/// Pause before trying again.
const RETRY: Duration = Duration::from_millis(5);

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

/// What `cleanup` does where no agent can be had: everything but ending one.
///
/// Returns what could not be done, as sentences.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn sweep() -> io::Result<Vec<String>> {
    // Held meanwhile: none may start.
    let lock = lock_of_the_dead();
    let swept = ask(async |links| {
        let mut journal = Journal::of_runtime();
        let host = Host::find().await;
        let mut failures =
            cleanup::sweep(&links, &host, &mut journal, async |interface, program| {
                errand::detach(interface, program)
            })
            .await?;
        failures.extend(cleanup::give_back(&links, &host).await);
        Ok(failures)
    });
    if let Some(lock) = lock {
        agent::leave(lock);
    }
    swept
}

/// The lock of an agent that has died, and left its socket; none where another one is
/// alive.
fn lock_of_the_dead() -> Option<Flock<File>> {
    let patience = Instant::now() + DYING;
    loop {
        match agent::take_lock() {
            Ok(lock) => return Some(lock),
            Err(StartError::Another) if Instant::now() < patience => thread::sleep(RETRY),
            Err(_) => return lock_of_nobody(),
        }
    }
}

/// The lock in the place of something that is no file of ours, as it was put there while
/// the directory was open to others.
fn lock_of_nobody() -> Option<Flock<File>> {
    runtime::check().ok()?;
    runtime::remove(runtime::LOCK).ok()?;
    agent::take_lock().ok()
}

/// The status of a machine without an agent.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn status() -> io::Result<Status> {
    ask(async |links| {
        let devices = links.devices().await?;
        let addresses = links.addresses().await?;
        let facts = Facts {
            devices: &devices,
            addresses: &addresses,
            nics: link::nics(&devices),
            journal: Some(&Journal::of_runtime()),
            now: clock::now(),
            ..Facts::default()
        };
        Ok(facts.status())
    })
}
