// SPDX-License-Identifier: Apache-2.0
//! The agent as a transient service of systemd, started over D-Bus.
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

use tokio::time::{sleep, timeout};
use zbus::{
    Connection, connection,
    zvariant::{OwnedObjectPath, OwnedValue, Value},
};

use crate::program::LOG_FILTER;

/// There when systemd is what has booted the machine (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";
/// The system bus; not by `DBUS_SYSTEM_BUS_ADDRESS`, which is the caller's.
const BUS: &str = "unix:path=/run/dbus/system_bus_socket";

/// How long the bus may take to let us in.
const CONNECT: Duration = Duration::from_secs(1);
/// How long systemd may take to accept the unit: it may be reloading.
const ACCEPT: Duration = Duration::from_secs(2);
/// How long the agent may take to listen then.
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

/// Why the agent is not a unit.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// No runtime for the connection.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bus or systemd refuses.
    #[error(transparent)]
    Bus(#[from] zbus::Error),
    /// The bus, systemd or the agent takes too long.
    #[error("{0} has not answered in time")]
    Late(&'static str),
    /// systemd has started it, and it has ended.
    #[error("{0}")]
    Ended(String),
}

/// Whether there is a systemd to ask.
pub fn is_possible() -> bool {
    Path::new(BOOTED).is_dir()
}

/// Starts the agent as a unit, and returns as soon as there is one that listens.
///
/// # Errors
/// When that does not come about; then it may be started in another way.
pub fn start(program: &Path, listens: impl Fn() -> bool) -> Result<(), UnitError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()?;
    let started = runtime.block_on(async {
        let connecting = connection::Builder::address(BUS)?.build();
        let bus = within(CONNECT, "the system bus", connecting).await?;
        let unit = format!("hhnet-agent-{}.service", std::process::id());
        within(ACCEPT, "systemd", start_transient(&bus, &unit, program)).await?;
        await_agent(&bus, &unit, listens).await
    });
    // Nothing of the connection is worth waiting for.
    runtime.shutdown_background();
    started
}

async fn within<T>(
    limit: Duration,
    whom: &'static str,
    asked: impl Future<Output = zbus::Result<T>>,
) -> Result<T, UnitError> {
    match timeout(limit, asked).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(UnitError::Late(whom)),
    }
}

async fn start_transient(bus: &Connection, unit: &str, program: &Path) -> zbus::Result<()> {
    let program = program.to_string_lossy();
    // Of the other units that may come with it: none.
    let others: [(&str, Vec<(&str, Value<'_>)>); 0] = [];
    let body = (unit, "fail", properties(&program), others.as_slice());
    ask(bus, MANAGER_PATH, MANAGER, "StartTransientUnit", &body)
        .await
        .map(drop)
}

fn properties(program: &str) -> Vec<(&'static str, Value<'_>)> {
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (restarts, period) = RESTARTS;
    let filter = std::env::var(LOG_FILTER).ok();
    let environment: Vec<String> = filter
        .map(|filter| format!("{LOG_FILTER}={filter}"))
        .into_iter()
        .collect();
    // The file, argv, and that a failure counts as one.
    let command = (program, vec![program, "agent"], false);
    vec![
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
    ]
}

/// The job is not waited for: the agent listens before systemd has noticed.
async fn await_agent(
    bus: &Connection,
    unit: &str,
    listens: impl Fn() -> bool,
) -> Result<(), UnitError> {
    let deadline = Instant::now() + LISTEN;
    let mut looks: u32 = 0;
    while Instant::now() < deadline {
        if listens() {
            return Ok(());
        }
        looks += 1;
        if looks.is_multiple_of(LOOKS) {
            let end = within(ACCEPT, "systemd", end_of(bus, unit)).await?;
            // It may have lost the race against another one.
            match end {
                Some(_) if listens() => return Ok(()),
                Some(end) => return Err(UnitError::Ended(end)),
                None => {}
            }
        }
        sleep(RETRY).await;
    }
    Err(UnitError::Late("the agent"))
}

const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";

/// How the unit has ended, if it has.
async fn end_of(bus: &Connection, unit: &str) -> zbus::Result<Option<String>> {
    let path = match ask(bus, MANAGER_PATH, MANAGER, "GetUnit", &(unit,)).await {
        Ok(reply) => reply.body().deserialize::<OwnedObjectPath>()?,
        // Forgotten already.
        Err(zbus::Error::MethodError(..)) => return Ok(Some(format!("{unit} has ended"))),
        Err(error) => return Err(error),
    };
    let state = property(bus, &path, "Unit", "SubState").await?;
    if ["start", "start-pre", "running"].contains(&state.as_str()) {
        return Ok(None);
    }
    let result = property(bus, &path, "Service", "Result").await?;
    Ok(Some(format!("{unit} is {state}: {result}")))
}

async fn property(
    bus: &Connection,
    path: &OwnedObjectPath,
    interface: &str,
    name: &str,
) -> zbus::Result<String> {
    let interface = format!("org.freedesktop.systemd1.{interface}");
    let body = (interface.as_str(), name);
    let reply = ask(bus, path, "org.freedesktop.DBus.Properties", "Get", &body).await?;
    let value: OwnedValue = reply.body().deserialize()?;
    Ok(String::try_from(value)?)
}

async fn ask<B>(
    bus: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    body: &B,
) -> zbus::Result<zbus::Message>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    let systemd = Some("org.freedesktop.systemd1");
    bus.call_method(systemd, path, Some(interface), method, body)
        .await
}
