// SPDX-License-Identifier: Apache-2.0
//! The `hhnet` command: becomes root, is the client or the agent, and is the
//! only place that prints.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is where the answer goes"
)]

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use hhnet::{
    agent::{self, StartError},
    cli::{self, Flows, Refusal, Verb},
    client, log, offline,
    wire::Frame,
    xdp::report::FlowReport,
};
use nix::unistd;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let verb = match cli::parse(args.clone()) {
        Ok(verb) => verb,
        Err(Refusal::Version(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Usage(text)) => {
            eprint!("{text}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = match verb {
        Verb::Agent => run_agent(),
        Verb::Getvips => offline::vips().map(|vips| {
            print!("{vips}");
            0
        }),
        Verb::Status => become_root(&args).and_then(|()| show_status(&args)),
        Verb::Flows(flows) => become_root(&args).and_then(|()| show_flows(&args, &flows)),
        Verb::Cleanup | Verb::Bond(_) | Verb::Vlan(_) | Verb::Dhcp(_) | Verb::P2p(_) => {
            become_root(&args).and_then(|()| change(&args))
        }
    };
    outcome.map_or_else(
        |error| {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

/// Commands run as an ordinary user who may use sudo without a password. The
/// process is replaced, so that signals and exit status pass unchanged.
fn become_root(args: &[OsString]) -> io::Result<()> {
    if unistd::geteuid().is_root() {
        log::to_stderr();
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let error = Command::new("sudo")
        .arg("-n")
        .arg("--")
        .arg(program)
        .args(args)
        .exec();
    Err(io::Error::new(
        error.kind(),
        format!("becoming root: sudo: {error}"),
    ))
}

fn change(args: &[OsString]) -> io::Result<u8> {
    let at = |error: io::Error| io::Error::other(format!("asking the agent: {error}"));
    client::call(args, show).map_err(at)
}

fn show_status(args: &[OsString]) -> io::Result<u8> {
    match client::call_running(args, show)? {
        Some(status) => Ok(status),
        None => {
            print!("{}", offline::status()?);
            Ok(0)
        }
    }
}

fn show_flows(args: &[OsString], flows: &Flows) -> io::Result<u8> {
    if let Some(status) = client::call_running(args, show)? {
        return Ok(status);
    }
    eprintln!("no agent is running: nothing is counted");
    if flows.json {
        println!("{}", serde_json::to_string_pretty(&FlowReport::default())?);
    }
    Ok(0)
}

/// A reader that has gone (`hhnet flows | head`) is no error of ours.
fn show(frame: Frame) {
    let _ = match frame {
        Frame::Stdout(text) => io::stdout().write_all(&text),
        Frame::Stderr(text) => io::stderr().write_all(&text),
        Frame::Accepted | Frame::Exit(_) => Ok(()),
    };
}

fn run_agent() -> io::Result<u8> {
    agent::detach();
    log::to_file();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match runtime.block_on(agent::run()) {
        Ok(()) => Ok(0),
        Err(StartError::Another) => Ok(0),
        Err(error) => {
            // Whoever started us reads this from the pipe it waits on.
            println!("starting the agent: {error}");
            Ok(1)
        }
    }
}
