// SPDX-License-Identifier: Apache-2.0
//! The agent as a transient service of systemd.
//!
//! In a unit of its own, else it would belong to the ssh session of whoever
//! called first, and might die with it; and systemd starts it again when it was
//! killed. What the properties mean is in systemd.service(5) and systemd.exec(5),
//! how they are named here in org.freedesktop.systemd1(5).

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use zbus::zvariant::{OwnedObjectPath, Value};

use super::{
    BOOTED,
    bus::{Bus, HostError, SYSTEMD},
    sandbox,
};
use crate::program::PASSED;

/// How long the agent may take to listen, once systemd has accepted the unit.
const LISTEN: Duration = Duration::from_secs(4);
/// Pause before looking for it again.
const RETRY: Duration = Duration::from_millis(2);
/// Every so many looks, systemd is asked whether the start has failed.
const LOOKS: u32 = 25;

/// systemd restarts a killed agent after this, so that its leases are held on.
const RESTART: Duration = Duration::from_millis(100);
/// But no more than so often in so long.
const RESTARTS: (u32, Duration) = (5, Duration::from_secs(60));
/// Rather others than the agent when memory is short: it keeps the addresses.
const OOM_SCORE: i32 = -500;

/// Whether systemd is the init.
pub fn is_possible() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Starts the agent as a unit, and returns as soon as there is one that listens.
///
/// # Errors
/// When that does not come about; then it may be started in another way.
pub fn start(program: &Path, listens: impl Fn() -> bool) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()?;
    let started = runtime.block_on(async {
        let bus = Bus::connect().await;
        let bus = bus.ok_or_else(|| io::Error::other("the system bus does not answer"))?;
        let unit = format!("hhnet-agent-{}.service", std::process::id());
        start_transient(&bus, &unit, program).await?;
        await_agent(&bus, &unit, listens).await
    });
    // Nothing of the connection is worth waiting for.
    runtime.shutdown_background();
    started
}

async fn start_transient(bus: &Bus, unit: &str, program: &Path) -> io::Result<()> {
    let program = program.to_string_lossy();
    // Of other units that may come with it: none.
    let others: [(&str, Vec<(&str, Value<'_>)>); 0] = [];
    let body = (unit, "fail", properties(&program), others.as_slice());
    let accepted = bus.call(&SYSTEMD, "StartTransientUnit", &body).await;
    accepted.map(drop).map_err(io::Error::other)
}

fn properties(program: &str) -> Vec<(&'static str, Value<'_>)> {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (restarts, period) = RESTARTS;
    let passed = |name: &&str| Some(format!("{name}={}", std::env::var(name).ok()?));
    let environment: Vec<String> = PASSED.iter().filter_map(passed).collect();
    // The file, argv, and that a failure counts as one.
    let command = (program, vec![program, "agent"], false);
    let mut properties = vec![
        ("Description", "hhnet agent".into()),
        ("Type", "notify".into()),
        ("ExecStart", vec![command].into()),
        ("Environment", environment.into()),
        // It is forgotten once it has ended, however that was.
        ("CollectMode", "inactive-or-failed".into()),
        ("Restart", "on-failure".into()),
        ("RestartUSec", microseconds(RESTART).into()),
        ("StartLimitBurst", restarts.into()),
        ("StartLimitIntervalUSec", microseconds(period).into()),
        ("OOMScoreAdjust", OOM_SCORE.into()),
        ("StandardInput", "null".into()),
        ("StandardOutput", "journal".into()),
        ("StandardError", "journal".into()),
    ];
    properties.extend(sandbox::properties());
    properties
}

/// The job is not waited for: the agent listens before systemd has noticed.
async fn await_agent(bus: &Bus, unit: &str, listens: impl Fn() -> bool) -> io::Result<()> {
    let deadline = Instant::now() + LISTEN;
    let mut looks: u32 = 0;
    while Instant::now() < deadline {
        if listens() {
            return Ok(());
        }
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            let state = state_of(bus, unit).await.map_err(io::Error::other)?;
            let begins = ["start", "running"].contains(&state.as_str());
            // It may have lost the race against another one.
            if !begins && !listens() {
                return Err(io::Error::other(format!("{unit} is {state}")));
            }
        }
        sleep(RETRY).await;
    }
    Err(io::Error::other(format!("{unit} does not listen")))
}

/// A unit as systemd lists it: name, description, load state, active state, sub
/// state, what it follows, its object, and the id, type and object of its job.
type Listed = (
    String,
    String,
    String,
    String,
    String,
    String,
    OwnedObjectPath,
    u32,
    String,
    OwnedObjectPath,
);

/// The unit's sub state; "dead" also when it is forgotten already.
async fn state_of(bus: &Bus, unit: &str) -> Result<String, HostError> {
    const METHOD: &str = "ListUnitsByNames";
    let reply = bus.call(&SYSTEMD, METHOD, &[unit].as_slice()).await?;
    let listed: Result<Vec<Listed>, _> = reply.body().deserialize();
    let listed = listed.map_err(|error| HostError::Bus(METHOD.to_owned(), error.to_string()))?;
    let first = listed.into_iter().next();
    Ok(first.map_or_else(|| "dead".to_owned(), |unit| unit.4))
}
