// SPDX-License-Identifier: Apache-2.0
//! What the verifier has to do: instructions it follows, and the time to load.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf,
    programs::{Program, ProgramInfo},
};
use hhnet::xdp::Programs;
use hhnet_ebpf::names;

use super::{contestant::Outsider, peers::Peers, place, table::Table, turns::median};
use crate::report::{Figure, Goal};

/// One program in one kernel.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    kernel: String,
    program: String,
    instructions: u32,
    verified: u32,
    seconds: f64,
}

/// A line in which another run, on another kernel, hands it on.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kernel,
            program,
            instructions,
            verified,
            seconds,
        } = self;
        write!(
            f,
            "loaded {kernel} {program} {instructions} {verified} {seconds:.3}"
        )
    }
}

impl FromStr for Loaded {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["loaded", kernel, program, instructions, verified, seconds] = words[..] else {
            bail!("not of a loaded program: {line}");
        };
        Ok(Self {
            kernel: kernel.to_owned(),
            program: program.to_owned(),
            instructions: instructions.parse().context("a number of instructions")?,
            verified: verified.parse().context("a number of instructions")?,
            seconds: seconds.parse().context("a number of seconds")?,
        })
    }
}

/// hhnet's own, of which each has a limit.
const OURS: [&str; 3] = [names::XDP_PROGRAM, names::TC_INGRESS, names::TC_EGRESS];

/// Loads each program of hhnet's, and its peers, into this kernel.
pub(super) fn here(peers: &Peers, outsiders: &[Outsider]) -> Result<Vec<Loaded>> {
    let mut loaded = all_of(hhnet::xdp::OBJECT)?;
    for peer in ["twin", "naive"] {
        loaded.extend(all_of(&peers.read(peer)?)?);
    }
    for outsider in outsiders {
        let theirs = all_of(&outsider.read()?)?;
        loaded.extend(theirs.into_iter().map(|loaded| Loaded {
            program: format!("{} of {}", loaded.program, outsider.stem()),
            ..loaded
        }));
    }
    loaded.sort_by_key(|loaded| {
        OURS.iter()
            .position(|name| *name == loaded.program)
            .unwrap_or(3)
    });
    Ok(loaded)
}

fn all_of(object: &[u8]) -> Result<Vec<Loaded>> {
    let kernel = place::kernel()?;
    let mut ebpf = Ebpf::load(object)?;
    let mut loaded = Vec::new();
    for (name, program) in ebpf.programs_mut() {
        let (time, info) = load(program).with_context(|| format!("loading {name}"))?;
        let verified = info.verified_instruction_count();
        loaded.push(Loaded {
            kernel: kernel.clone(),
            program: name.to_owned(),
            instructions: info.size_translated().context("no size")? / 8,
            verified: verified.context("the kernel does not tell what it verified")?,
            seconds: time.as_secs_f64(),
        });
    }
    Ok(loaded)
}

fn load(program: &mut Program) -> Result<(Duration, ProgramInfo)> {
    let begin = Instant::now();
    match program {
        Program::Xdp(program) => program.load()?,
        Program::SchedClassifier(program) => program.load()?,
        _ => bail!("neither XDP nor a classifier"),
    }
    let time = begin.elapsed();
    Ok((time, program.info()?))
}

/// Measures, and prints a table with what was found out `elsewhere`.
pub(super) fn run(
    peers: &Peers,
    rounds: usize,
    outsiders: &[Outsider],
    elsewhere: &[Loaded],
    print: &mut impl FnMut(&str),
) -> Result<Vec<Figure>> {
    let here = here(peers, outsiders)?;
    let all: Vec<&Loaded> = here.iter().chain(elsewhere).collect();
    print(&table(&all));
    let mut figures = Vec::new();
    for kernel in kernels(&all) {
        let ours = all.iter().filter(|loaded| loaded.kernel == kernel);
        let ours = ours.filter(|loaded| OURS.contains(&loaded.program.as_str()));
        let most = ours.map(|loaded| loaded.verified).max().unwrap_or_default();
        let series: Vec<&str> = kernel.split('.').take(2).collect();
        let name = format!("verified_insns_{}", series.join("."));
        figures.push(Figure::new(name, f64::from(most), Goal::AtMost(400_000.0)));
    }
    let mut seconds = Vec::new();
    for _ in 0..rounds.min(5) {
        let begin = Instant::now();
        drop(Programs::load()?);
        seconds.push(begin.elapsed().as_secs_f64());
    }
    figures.push(Figure::new(
        "load_seconds",
        median(seconds),
        Goal::AtMost(1.0),
    ));
    Ok(figures)
}

/// In the order of their first appearance.
fn kernels<'a>(all: &[&'a Loaded]) -> Vec<&'a str> {
    let mut kernels: Vec<&str> = Vec::new();
    for loaded in all {
        if !kernels.contains(&loaded.kernel.as_str()) {
            kernels.push(&loaded.kernel);
        }
    }
    kernels
}

fn table(all: &[&Loaded]) -> String {
    let kernels = kernels(all);
    let headings = ["instructions"].into_iter().chain(kernels.iter().copied());
    let mut table = Table::new("verified (load, s)", &headings.collect::<Vec<_>>());
    let first = all.iter().filter(|loaded| loaded.kernel == kernels[0]);
    for Loaded {
        program,
        instructions,
        ..
    } in first
    {
        let cell = |kernel: &&str| {
            let is_it = |loaded: &&&Loaded| loaded.kernel == **kernel && loaded.program == *program;
            all.iter().find(is_it).map_or_else(String::new, |loaded| {
                format!("{} ({:.2})", loaded.verified, loaded.seconds)
            })
        };
        let instructions = instructions.to_string();
        table.row(
            program,
            [instructions].into_iter().chain(kernels.iter().map(cell)),
        );
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_handed_on() {
        let loaded = Loaded {
            kernel: "6.1.0".to_owned(),
            program: "hhnet_ingress".to_owned(),
            instructions: 1000,
            verified: 5000,
            seconds: 0.25,
        };
        assert_eq!(loaded.to_string().parse::<Loaded>().unwrap(), loaded);
        assert!("loaded 6.1.0".parse::<Loaded>().is_err());
    }
}
