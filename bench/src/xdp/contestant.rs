// SPDX-License-Identifier: Apache-2.0
//! The programs that take turns.

use std::{fs, path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result};
use aya::{Ebpf, EbpfLoader, programs::ProgramFd};
use hhnet::xdp::{Clock, Programs, Wanted};
use hhnet_ebpf::names;

use super::{
    kernel_maps,
    peers::{self, Driver, Peers},
    place,
};

/// Somebody else's XDP program: `FILE` or `FILE:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outsider {
    file: PathBuf,
    program: Option<String>,
}

impl FromStr for Outsider {
    type Err = std::convert::Infallible;

    fn from_str(argument: &str) -> Result<Self, Self::Err> {
        let (file, program) = match argument.rsplit_once(':') {
            Some((file, program)) => (file, Some(program.to_owned())),
            None => (argument, None),
        };
        let file = file.into();
        Ok(Self { file, program })
    }
}

/// A program with its maps.
pub(super) struct Contestant {
    pub(super) name: String,
    way: Way,
}

/// How it is run.
enum Way {
    /// One of the driver's own programs, without the driver before it.
    Alone(&'static str),
    /// After the driver: one of the driver's own programs,
    Driven(&'static str),
    /// one of an object,
    Peer(Ebpf, Option<String>),
    /// or hhnet's.
    Hhnet(Box<Programs>),
}

/// The first contestants, whose places the figures rely on.
pub(super) const PASS: usize = 0;
pub(super) const DRIVEN_PASS: usize = 1;
pub(super) const KTIME: usize = 2;
pub(super) const NAIVE: usize = 3;
pub(super) const HHNET: usize = 4;
pub(super) const TWIN: usize = 5;

/// All programs, newly loaded, so that their tables are empty; outsiders last.
pub(super) fn all(peers: &Peers, outsiders: &[Outsider]) -> Result<Vec<Contestant>> {
    let mut hhnet = hhnet()?;
    let geometry = Geometry::of(&mut hhnet)?;
    let twin = twin(peers, &geometry)?;
    let naive = naive(peers)?;
    let named = |name: &str, way| Contestant {
        name: name.to_owned(),
        way,
    };
    let mut all = vec![
        named("XDP_PASS", Way::Alone("pass_frags")),
        named("driver", Way::Driven("pass_frags")),
        named("ktime_get_ns", Way::Driven("ktime")),
        named("naive", Way::Peer(naive, None)),
        named("hhnet", Way::Hhnet(Box::new(hhnet))),
        named("C twin", Way::Peer(twin, None)),
    ];
    for outsider in outsiders {
        all.push(outsider.load(&geometry)?);
    }
    Ok(all)
}

impl Outsider {
    /// The object.
    pub(super) fn read(&self) -> Result<Vec<u8>> {
        let file = &self.file;
        fs::read(file).with_context(|| format!("reading {}", file.display()))
    }

    /// The file's name.
    pub(super) fn stem(&self) -> String {
        let stem = self.file.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// Another build of hhnet's gets tables of the same size, and counts as hhnet.
    fn load(&self, geometry: &Geometry) -> Result<Contestant> {
        let file = self.file.display();
        let mut loader = EbpfLoader::new();
        let loader = geometry.apply(&mut loader);
        let mut ebpf = loader
            .load(&self.read()?)
            .with_context(|| file.to_string())?;
        peers::xdp(&mut ebpf, self.program.as_deref()).with_context(|| file.to_string())?;
        if ebpf.map(names::INTERFACES).is_some() {
            peers::count_interface(&mut ebpf, place::index("lo")?, peers::FIRST)?;
        }
        Ok(Contestant {
            name: self.stem(),
            way: Way::Peer(ebpf, self.program.clone()),
        })
    }
}

/// hhnet's programs, counting what comes in by the loopback interface.
pub(super) fn hhnet() -> Result<Programs> {
    let mut programs = Programs::load()?;
    programs.attach("lo", place::index("lo")?, Wanted::Generic)?;
    Ok(programs)
}

/// The same program in C, with maps of the same size.
pub(super) fn twin(peers: &Peers, geometry: &Geometry) -> Result<Ebpf> {
    let mut ebpf = load_twin(peers, geometry, Clock::Kernel)?;
    peers::count_interface(&mut ebpf, place::index("lo")?, peers::FIRST)?;
    Ok(ebpf)
}

/// The same, as yet counting nothing.
pub(super) fn load_twin(peers: &Peers, geometry: &Geometry, clock: Clock) -> Result<Ebpf> {
    let is_trace = u32::from(clock == Clock::Trace);
    let mut loader = EbpfLoader::new();
    loader.override_global(names::TRACE, &is_trace, true);
    let loader = geometry.apply(&mut loader);
    let mut ebpf = loader
        .load(&peers.read("twin")?)
        .context("loading twin.o")?;
    peers::xdp(&mut ebpf, None)?;
    Ok(ebpf)
}

/// The sizes of hhnet's tables.
pub(super) struct Geometry {
    entries: [u32; 2],
    buckets: [u32; 2],
    seen: u32,
}

impl Geometry {
    /// As hhnet has chosen them for this machine.
    pub(super) fn of(hhnet: &mut Programs) -> Result<Self> {
        let info = hhnet.xdp()?.info()?;
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)? as u32;
        let entries = |map| Ok::<_, anyhow::Error>(kernel_maps::named(&info, map)?.max_entries());
        let seen = entries(names::SEEN)?;
        let entries = [entries(names::FLOWS_V4)?, entries(names::FLOWS_V6)?];
        Ok(Self {
            seen,
            entries,
            buckets: entries.map(|entries| entries / cpus),
        })
    }

    /// The same for an object with tables of those names.
    pub(super) fn apply<'a, 'b>(
        &'a self,
        loader: &'b mut EbpfLoader<'a>,
    ) -> &'b mut EbpfLoader<'a> {
        loader
            .override_global(names::BUCKETS_V4, &self.buckets[0], false)
            .override_global(names::BUCKETS_V6, &self.buckets[1], false)
            .override_global(names::SEEN_SLOTS, &self.seen, false)
            .map_max_entries(names::SEEN, self.seen)
            .map_max_entries(names::FLOWS_V4, self.entries[0])
            .map_max_entries(names::FLOWS_V6, self.entries[1])
    }
}

/// What one writes at first: flows and fingerprints in the kernel's LRU hashes.
pub(super) fn naive(peers: &Peers) -> Result<Ebpf> {
    let mut ebpf = Ebpf::load(&peers.read("naive")?).context("loading naive.o")?;
    peers::xdp(&mut ebpf, None)?;
    peers::count_interface(&mut ebpf, place::index("lo")?, peers::FIRST)?;
    Ok(ebpf)
}

impl Contestant {
    /// A program of `parts.c`, with tables of hhnet's size.
    pub(super) fn part(peers: &Peers, geometry: &Geometry, program: &str) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        let loader = geometry.apply(&mut loader);
        let mut ebpf = loader
            .load(&peers.read("parts")?)
            .context("loading parts.o")?;
        peers::xdp(&mut ebpf, Some(program))?;
        peers::count_interface(&mut ebpf, place::index("lo")?, peers::FIRST)?;
        Ok(Self {
            name: program.to_owned(),
            way: Way::Peer(ebpf, Some(program.to_owned())),
        })
    }

    /// Runs it so often on the driver's frames. Returns nanoseconds per frame.
    pub(super) fn run(&mut self, driver: &mut Driver, repeat: u32) -> Result<f64> {
        let program = match &mut self.way {
            Way::Alone(name) => return driver.run(name, repeat),
            Way::Driven(name) => driver.own(name)?,
            Way::Peer(ebpf, name) => clone_fd(peers::xdp(ebpf, name.as_deref())?)?,
            Way::Hhnet(programs) => clone_fd(programs.xdp()?)?,
        };
        let run = driver.drive(&program, repeat);
        run.with_context(|| format!("running {}", self.name))
    }
}

fn clone_fd(program: &aya::programs::Xdp) -> Result<ProgramFd> {
    Ok(program.fd()?.try_clone()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outsiders() {
        let parse = |argument: &str| argument.parse::<Outsider>().unwrap();
        let (file, program) = ("a/b.o".into(), None);
        assert_eq!(parse("a/b.o"), Outsider { file, program });
        let (file, program) = ("a/b.o".into(), Some("main".to_owned()));
        assert_eq!(parse("a/b.o:main"), Outsider { file, program });
    }
}
