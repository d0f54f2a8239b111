// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask fuzz`: the fuzz targets, built with cargo-fuzz and run for a while.
//!
//! What a run finds stays under `target/fuzz`: inputs that reach new code, from where
//! the next run goes on, and inputs that crash.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;

use crate::process;
use crate::progress::{Step, answer, note, step};
use crate::workspace::{STATIC_TARGET, Workspace};

/// An input that takes seconds is a finding, but this machine may be a slow one.
const TIMEOUT: &str = "-timeout=20";
const MEMORY: &str = "-rss_limit_mb=2048";

/// Which targets, and for how long each.
pub(crate) struct Selection {
    pub(crate) target: Option<String>,
    pub(crate) seconds: u32,
}

/// Runs the targets. Returns whether all of them went well.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<bool> {
    let known = targets(workspace)?;
    let chosen = match &selection.target {
        None => known,
        Some(name) => {
            let all = known.join(", ");
            ensure!(known.contains(name), "no target `{name}`; there are {all}");
            vec![name.clone()]
        }
    };
    build(workspace)?;
    let mut lines = Vec::new();
    let mut all_well = true;
    for target in &chosen {
        let outcome = step(&format!("fuzzing {target}"), |step| {
            play(workspace, target, selection.seconds, step)
        })?;
        all_well &= outcome.crash.is_none();
        lines.push(outcome.describe(target));
    }
    lines.iter().for_each(|line| answer(line));
    Ok(all_well)
}

/// Names of all targets, as the crate has them.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.fuzz().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("asking cargo for the fuzz targets")?;
    let all = metadata
        .packages
        .iter()
        .flat_map(|package| &package.targets);
    Ok(all
        .filter(|target| target.is_bin())
        .map(|target| target.name.clone())
        .collect())
}

/// With the compiler all the rest is built with: the flags cargo-fuzz sets are meant
/// for a nightly one, but a stable one has the sanitizer, too.
fn build(workspace: &Workspace) -> Result<()> {
    note("cargo fuzz build");
    let mut cargo = workspace.cargo();
    cargo
        .args(["fuzz", "build", "--target", STATIC_TARGET])
        .current_dir(workspace.fuzz())
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", workspace.fuzz_target());
    process::visible(&mut cargo).context("building the fuzz targets")
}

/// Runs one target, whose newest line is the step's progress.
fn play(workspace: &Workspace, target: &str, seconds: u32, step: &Step) -> Result<Outcome> {
    let directory = |kind: &str| -> Result<PathBuf> {
        let path = workspace.fuzz_target().join(kind).join(target);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(path)
    };
    let (found, crashes) = (directory("corpus")?, directory("crashes")?);
    let program = workspace.fuzz_target().join(STATIC_TARGET);
    let mut child = Command::new(program.join("release").join(target))
        .arg(&found)
        .arg(workspace.fuzz().join("seeds").join(target))
        .args([TIMEOUT, MEMORY, "-print_final_stats=1"])
        .args(options(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {target}"))?;
    let stderr = child.stderr.take().context("the child has no stderr")?;
    let mut outcome = Outcome::default();
    for line in BufReader::new(stderr).split(b'\n') {
        let line = line.context("reading what libFuzzer says")?;
        let line = String::from_utf8_lossy(&line);
        step.progress(line.trim());
        outcome.read(&line);
    }
    let status = child
        .wait()
        .with_context(|| format!("waiting for {target}"))?;
    if !status.success() && outcome.crash.is_none() {
        outcome.crash = Some(format!("{status}"));
    }
    Ok(outcome)
}

/// Stories need to be long, from the beginning.
fn options(target: &str) -> &'static [&'static str] {
    match target {
        "dhcp_client" => &["-len_control=0", "-max_len=1024"],
        _ => &[],
    }
}

/// What libFuzzer says of a run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    runs: Option<u64>,
    per_second: Option<u64>,
    coverage: Option<u64>,
    /// What went wrong first.
    reason: Option<String>,
    /// The input that does it, or how the program ended.
    crash: Option<String>,
}

impl Outcome {
    /// Reads one line: `#1024 REDUCE cov: 230 ft: 321 …`,
    /// `stat::number_of_executed_units: 1024`, `… Test unit written to PATH`.
    fn read(&mut self, line: &str) {
        if let Some((_, rest)) = line.split_once(" cov: ") {
            let number = rest.split_whitespace().next();
            self.coverage = number.and_then(|n| n.parse().ok()).or(self.coverage);
        } else if let Some((name, value)) = line
            .strip_prefix("stat::")
            .and_then(|stat| stat.split_once(':'))
        {
            let value = value.trim().parse().ok();
            match name {
                "number_of_executed_units" => self.runs = value,
                "average_exec_per_sec" => self.per_second = value,
                _ => {}
            }
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            self.crash = Some(path.trim().to_owned());
        } else if line.contains(" panicked at ") || line.contains("ERROR: ") {
            self.reason.get_or_insert_with(|| line.trim().to_owned());
        }
    }

    fn describe(&self, target: &str) -> String {
        let number = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| n.to_string());
        let figures = format!(
            "{target}: {} runs, {}/s, coverage {}",
            number(self.runs),
            number(self.per_second),
            number(self.coverage)
        );
        match &self.crash {
            None => format!("{figures}, no crash"),
            Some(crash) => {
                let reason = self.reason.as_deref().unwrap_or("no reason given");
                format!("{figures}, CRASH: {reason}\n  {crash}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(text: &str) -> Outcome {
        let mut outcome = Outcome::default();
        text.lines().for_each(|line| outcome.read(line));
        outcome
    }

    #[test]
    fn figures_of_a_run_without_a_crash() {
        let good = outcome(
            "#12\tNEW    cov: 97 ft: 105 corp: 5/118b lim: 46 exec/s: 0 rss: 38Mb\n\
             #3070571\tDONE   cov: 98 ft: 105 corp: 5/117b lim: 4096 exec/s: 341174\n\
             Done 3070571 runs in 9 second(s)\n\
             stat::number_of_executed_units: 3070571\n\
             stat::average_exec_per_sec:     341174\n\
             stat::new_units_added:          55\n",
        );
        assert_eq!(
            good.describe("dhcp_arp"),
            "dhcp_arp: 3070571 runs, 341174/s, coverage 98, no crash"
        );
    }

    #[test]
    fn a_crash_comes_with_its_reason_and_its_input() {
        let bad = outcome(
            "#12\tNEW    cov: 97 ft: 105 corp: 5/118b\n\
             thread '<unnamed>' (7) panicked at src/x.rs:1:2:\n\
             ==7== ERROR: libFuzzer: deadly signal\n\
             artifact_prefix='/x/'; Test unit written to /x/crash-77\n",
        );
        assert_eq!(bad.crash.as_deref(), Some("/x/crash-77"));
        let text = bad.describe("wire");
        assert!(text.contains("panicked at src/x.rs") && text.ends_with("\n  /x/crash-77"));
    }
}
