// SPDX-License-Identifier: Apache-2.0
//! The `hhnet` command: becomes root, is the client or the agent, and is the
//! only place that prints.
#![expect(clippy::print_stdout, reason = "this is where the answer goes")]

use std::{
    ffi::OsString,
    fs,
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use hhnet::{
    agent::{self, StartError},
    check,
    cli::{self, Dups, Flows, Refusal, Verb},
    client::{self, Unanswered},
    clock,
    config::{self, Line},
    diagnose::{Diagnosis, Facts, look},
    elevate, exporter, fault, log, metrics, offline, printable, privilege, program, progress,
    status::Paint,
    top, watch,
    wire::Frame,
    xdp::{dups::DupReport, report::FlowReport},
};
use nix::unistd;

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().skip(1).collect();
    if !elevate::take_marker(&mut args) {
        return ExitCode::from(status_of(run(args)));
    }
    let outcome = elevate::hold_lifeline().and_then(|()| run(args));
    ExitCode::from(elevate::reported(status_of(outcome)))
}

fn status_of(outcome: io::Result<u8>) -> u8 {
    outcome.unwrap_or_else(|error| {
        complain(&format!("Error: {error}\n"));
        1
    })
}

fn run(args: Vec<OsString>) -> io::Result<u8> {
    let verb = match cli::parse(args.clone()) {
        Ok(verb) => verb,
        Err(Refusal::Version(text)) => return answer(&text),
        Err(Refusal::Usage(text)) => {
            complain(&text);
            return Ok(usage_status(&args));
        }
    };
    let is_root = unistd::geteuid().is_root();
    if is_root && !matches!(verb, Verb::Agent(_)) {
        log::to_stderr();
    }
    match verb {
        Verb::Agent(flags) => run_agent(&flags),
        Verb::Getvips => offline::vips().and_then(|vips| answer(&vips)),
        // Its terminal is the user's; what needs root, it starts itself.
        Verb::Top(flags) if !flags.feed => top::run(paint()),
        _ if !is_root => elevate::call(&args),
        Verb::Top(_) => top::feed(),
        Verb::Status(flags) if flags.watch => watch::status::run(&args, flags.json, paint()),
        Verb::Status(flags) => show_status(flags),
        Verb::Diagnose(flags) => diagnose(flags),
        Verb::Check(flags) => check(&flags),
        Verb::Metrics(_) => show_metrics(&args),
        Verb::Flows(flows) if flows.watch => watch::flows::run(&args, &flows),
        Verb::Flows(flows) => show_flows(&args, &flows),
        Verb::Dups(dups) if dups.watch => watch::dups::run(&args, &dups),
        Verb::Dups(dups) => show_dups(&args, &dups),
        Verb::Cleanup => clean_up(&args),
        Verb::Bond(_) | Verb::Vlan(_) | Verb::Dhcp(_) | Verb::P2p(_) => make(&args),
    }
}

/// Has the agent make a network. Who sits in front of a terminal is told how
/// far it is; a script hears what has gone wrong, and nothing else.
fn make(args: &[OsString]) -> io::Result<u8> {
    let (begun, watched) = (Instant::now(), io::stderr().is_terminal());
    client::call(args, Unanswered::Fail, |frame| match frame {
        Frame::Progress(text) if watched => {
            complain(&progress::line(begun.elapsed(), &text));
            Ok(())
        }
        frame => show(frame),
    })
}

/// The one command that works whatever is in the way: an agent that does not
/// answer is ended, and where there can be none it is done here.
fn clean_up(args: &[OsString]) -> io::Result<u8> {
    client::call(args, Unanswered::Kill, show).or_else(|error| {
        complain(&format!("warning: {error}; cleaning up without an agent\n"));
        for failure in offline::sweep()? {
            complain(&format!("warning: {failure}\n"));
        }
        Ok(0)
    })
}

fn show_status(flags: cli::Status) -> io::Result<u8> {
    let status = match client::ask(&["status".into(), "--json".into()])? {
        Some(status) => status,
        None => offline::status()?,
    };
    if flags.json {
        return answer(&(serde_json::to_string_pretty(&status)? + "\n"));
    }
    answer(&status.text(paint()))
}

/// The agent tells what it knows; who else is at work on this machine is looked
/// up here, as the agent may have been left less rights.
fn diagnose(flags: cli::Diagnose) -> io::Result<u8> {
    let mut facts = match client::ask(&["diagnose".into()])? {
        Some(facts) => facts,
        None => Facts {
            status: offline::status()?,
            ..Facts::default()
        },
    };
    look::around(&mut facts);
    let diagnosis = Diagnosis::of(facts);
    if flags.json {
        answer(&(serde_json::to_string_pretty(&diagnosis)? + "\n"))?;
    } else {
        answer(&diagnosis.text())?;
    }
    Ok(diagnosis.status())
}

/// How others are reached from here. Who sits in front of a terminal is told how far
/// it is.
fn check(flags: &cli::Check) -> io::Result<u8> {
    let (begun, watched) = (Instant::now(), io::stderr().is_terminal());
    let report = check::run(flags, &|text| {
        if watched {
            complain(&progress::line(begun.elapsed(), text.as_bytes()));
        }
    })?;
    if flags.json {
        answer(&(serde_json::to_string_pretty(&report)? + "\n"))?;
    } else {
        answer(&report.text())?;
    }
    Ok(report.status())
}

/// Exit status for a command line that asks for nothing hhnet can do: failure, as it
/// always was; of `check`, whose failures are the network's, one of its own.
fn usage_status(args: &[OsString]) -> u8 {
    let is_check = args.first().is_some_and(|verb| verb == "check");
    if is_check { 2 } else { 1 }
}

/// Colours are for terminals, and for who wants them.
fn paint() -> Paint {
    if io::stdout().is_terminal() && !program::wants_no_color() {
        Paint::Coloured
    } else {
        Paint::Plain
    }
}

fn show_metrics(args: &[OsString]) -> io::Result<u8> {
    match client::call_running(args, show)? {
        Some(status) => Ok(status),
        None => {
            let began = clock::now();
            let facts = metrics::Facts {
                status: &offline::status()?,
                flows: None,
                process: None,
                took: clock::now().saturating_sub(began),
            };
            answer(&metrics::render(&facts, exporter::Format::Prometheus))
        }
    }
}

fn show_dups(args: &[OsString], dups: &Dups) -> io::Result<u8> {
    if let Some(status) = client::call_running(args, show)? {
        return Ok(status);
    }
    complain("no agent is running: nothing is compared\n");
    if dups.json {
        let empty = serde_json::to_string_pretty(&DupReport::default())?;
        return answer(&format!("{empty}\n"));
    }
    Ok(0)
}

fn show_flows(args: &[OsString], flows: &Flows) -> io::Result<u8> {
    if let Some(status) = client::call_running(args, show)? {
        return Ok(status);
    }
    complain("no agent is running: nothing is counted\n");
    if flows.json {
        let empty = serde_json::to_string_pretty(&FlowReport::default())?;
        return answer(&format!("{empty}\n"));
    }
    Ok(0)
}

/// For stderr; if that is closed, the exit status has to say it.
fn complain(text: &str) {
    let _ = io::stderr().write_all(printable::page(text).as_bytes());
}

/// Prints an answer made here.
fn answer(text: &str) -> io::Result<u8> {
    let text = printable::coloured(text).into_owned();
    show(Frame::Stdout(text.into())).map(|()| 0)
}

/// Passes on a piece of a reply. A reader that has gone (`hhnet flows | head`) is
/// no error of ours; an answer that cannot be written is, because the exit
/// status says that it is there.
fn show(frame: Frame) -> io::Result<()> {
    match frame {
        Frame::Stdout(text) => {
            let mut stdout = io::stdout();
            match stdout.write_all(&text).and_then(|()| stdout.flush()) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(io::Error::new(
                    error.kind(),
                    format!("writing the answer: {error}"),
                )),
                _ => Ok(()),
            }
        }
        Frame::Stderr(text) => {
            let _ = io::stderr().write_all(&text);
            Ok(())
        }
        Frame::Heard | Frame::Accepted | Frame::Progress(_) | Frame::Errand(_) | Frame::Exit(_) => {
            Ok(())
        }
    }
}

/// Exit status for a file that cannot be applied (`EX_CONFIG` of sysexits.h):
/// to start again would not help, and systemd is told so.
const BAD_CONFIG: u8 = 78;

fn run_agent(flags: &cli::Agent) -> io::Result<u8> {
    fault::be_agent();
    let declared = if flags.foreground {
        match read_config(flags.config.as_deref()) {
            Ok(lines) => Some(lines),
            Err(faults) => {
                complain(&faults);
                return Ok(BAD_CONFIG);
            }
        }
    } else {
        agent::detach();
        None
    };
    agent::prepare();
    log::to_file(flags.foreground);
    privilege::reduce();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // For loading programs, and closing sockets.
        .max_blocking_threads(4)
        .build()?;
    match runtime.block_on(agent::run(declared)) {
        Ok(()) => Ok(0),
        // As good as this one, for whoever wants nothing but an agent.
        Err(StartError::Another) if !flags.foreground => Ok(0),
        Err(error) if flags.foreground => {
            Err(io::Error::other(format!("starting the agent: {error}")))
        }
        Err(error) => {
            // Whoever started us reads this from the pipe it waits on.
            println!("starting the agent: {error}");
            Ok(1)
        }
    }
}

/// The lines of the declarative file; else what is wrong with it, for a person.
fn read_config(file: Option<&Path>) -> Result<Vec<Line>, String> {
    let name = file.unwrap_or(Path::new(config::FILE)).display();
    let text = match fs::read_to_string(file.unwrap_or(Path::new(config::FILE))) {
        // Nothing is declared.
        Err(error) if file.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(|error| format!("Error: {name}: {error}\n"))?,
    };
    config::parse(&text).map_err(|faults| {
        let lines = faults.iter();
        lines
            .map(|fault| format!("{name}:{}: {}\n", fault.number, fault.reason))
            .collect()
    })
}
