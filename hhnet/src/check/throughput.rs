// SPDX-License-Identifier: Apache-2.0
//! Throughput by iperf3, as the fabric's own test has it: four connections.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::sys::{prctl::set_pdeathsig, signal::Signal};
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{
    Pair, Throughput,
    iperf::{self, Measured, Unmeasured},
};
use crate::{
    cli::{Check, Source},
    program::clean as clean_command,
};

/// For how long, and the least that is good, unless it is said.
const SECONDS: u32 = 10;
const MIN_MBITS: u32 = 8200;
/// More than the measurement itself takes: to connect, to exchange results.
const GRACE: u32 = 25;

/// As many as the fabric's own test has: connections that a hash has put onto one and the
/// same link are on others the next time.
const ATTEMPTS: u32 = 3;
/// How long an iperf3 that is busy is asked again, in measurements of the same length, and
/// how often.
const QUEUE: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Not by PATH: the caller may be somebody who becomes root for this command alone.
const PLACES: [&str; 4] = ["/usr/local/bin", "/usr/bin", "/bin", "/opt/bin"];

/// On the servers of the fabric iperf3 is in a container of that name.
const CONTAINER: [&str; 3] = ["exec", "iperf3", "timeout"];

/// What is asked of all pairs; none if nothing is.
pub(super) fn wanted(check: &Check) -> Option<Throughput> {
    let seconds = check.seconds.unwrap_or(SECONDS);
    (seconds > 0).then(|| Throughput {
        seconds,
        min_mbits: check.min_mbits.unwrap_or(MIN_MBITS),
        is_required: check.seconds.is_some()
            || check.min_mbits.is_some()
            || !check.asks_besides_throughput(),
        ..Throughput::default()
    })
}

/// Measures it between a source and a host; none where nothing could be tried.
pub(super) async fn measure(
    wanted: &Throughput,
    pair: &Pair,
    from: Option<&Source>,
    tell: &dyn Fn(&str),
) -> Option<Throughput> {
    let to = pair.address.filter(|_| pair.problem.is_none())?;
    let mut throughput = wanted.clone();
    let is_silent = |pings: &super::Pings| pings.sent > 0 && pings.received == 0;
    if pair.pings.as_ref().is_some_and(is_silent) {
        throughput.problem = Some("no ping was answered".to_owned());
        return Some(throughput);
    }
    let mut flags = vec!["-c".to_owned(), to.to_string()];
    if let Some(source) = pair.source {
        flags.extend(["-B".to_owned(), source.to_string()]);
    }
    if let Some(Source::Device(name)) = from {
        flags.extend(["--bind-dev".to_owned(), name.to_string()]);
    }
    attempt(&flags, &mut throughput, tell).await;
    Some(throughput)
}

/// Measures until it is fast enough, a few times at most; the best counts.
async fn attempt(flags: &[String], throughput: &mut Throughput, tell: &dyn Fn(&str)) {
    loop {
        let now = match in_turn(flags, throughput.seconds, tell).await {
            Ok(now) => now,
            Err(problem) => {
                tell(&problem);
                // What was measured before counts all the same.
                return throughput.problem = Some(problem);
            }
        };
        tell(&format!("{:.0} Mbit/s", now.mbits));
        throughput.attempts += 1;
        if throughput.mbits.is_none_or(|best| best < now.mbits) {
            throughput.mbits = Some(now.mbits);
            throughput.retransmits = now.retransmits;
        }
        let enough = f64::from(throughput.min_mbits);
        let is_enough = throughput.mbits.is_some_and(|mbits| mbits >= enough);
        if is_enough || throughput.attempts == ATTEMPTS {
            return;
        }
    }
}

/// Waits while the other end measures for somebody else.
async fn in_turn(flags: &[String], seconds: u32, tell: &dyn Fn(&str)) -> Result<Measured, String> {
    let until = Instant::now() + QUEUE * (Duration::from_secs(seconds.into()) + PAUSE);
    loop {
        match client(flags, seconds).await {
            Err(Unmeasured::Busy) if Instant::now() < until => {
                tell("waiting for an iperf3 that is busy with somebody else");
                sleep(PAUSE).await;
            }
            Err(Unmeasured::Busy) => {
                return Err("the iperf3 there is busy with somebody else".into());
            }
            Err(Unmeasured::Failed(reason)) => return Err(reason),
            Ok(measured) => return Ok(measured),
        }
    }
}

/// Runs a client with these flags.
async fn client(flags: &[String], seconds: u32) -> Result<Measured, Unmeasured> {
    let patience = seconds + GRACE;
    let (mut command, absence) = program(patience).map_err(Unmeasured::Failed)?;
    command
        .args(["-J", "-P", "4", "--connect-timeout", "3000", "-t"])
        .arg(seconds.to_string())
        .args(flags)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let patience = Duration::from_secs(patience.into());
    let failed = Unmeasured::Failed;
    let ended = timeout(patience, command.output()).await;
    let ended = ended.map_err(|_| failed("iperf3 does not end".to_owned()))?;
    let output = ended.map_err(|error| failed(format!("starting iperf3: {error}")))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    match (stdout.trim(), said.lines().next()) {
        // Whoever was started was not iperf3, or one that does not know a flag.
        ("", Some(line)) => Err(failed(format!("{absence}: {line}"))),
        (json, _) => iperf::read(json),
    }
}

/// What iperf3 is started by, and what to say if that is in vain.
fn program(patience: u32) -> Result<(Command, String), String> {
    const ABSENT: &str = "iperf3 is not installed on this server";
    if let Some(iperf3) = find("iperf3") {
        return Ok((clean(&iperf3), "iperf3".to_owned()));
    }
    let docker = find("docker").ok_or(ABSENT)?;
    let mut command = clean(&docker);
    // What ends docker's client does not end what it has started.
    let end = patience.to_string();
    command.args(CONTAINER).args([&end, "iperf3"]);
    Ok((command, format!("{ABSENT}, nor in a container")))
}

/// A program without anything of the caller's, which does not outlive this one.
fn clean(path: &Path) -> Command {
    let mut command = clean_command(path);
    let die_together = || Ok(set_pdeathsig(Signal::SIGKILL)?);
    // SAFETY: the closure makes one system call, allowed between fork and exec.
    unsafe { std::os::unix::process::CommandExt::pre_exec(&mut command, die_together) };
    command.into()
}

fn find(name: &str) -> Option<PathBuf> {
    let places = PLACES.iter().map(Path::new);
    let mut candidates = places.map(|place| place.join(name));
    candidates.find(|path| {
        let about = path.metadata();
        about.is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    })
}
