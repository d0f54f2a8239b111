// SPDX-License-Identifier: Apache-2.0
//! The time to read 65,536 flows: in memory that is shared with the kernel, and by
//! system calls for each of them.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, Pod,
    maps::{Array, PerCpuHashMap},
    programs::ProgramFd,
};
use hhnet::xdp::Programs;
use hhnet_ebpf::names;

use super::{
    contestant::{self, Geometry},
    peers::{self, Driver, Peers},
    place,
    table::Table,
    traffic::Traffic,
    turns::Rounds,
};
use crate::report::{Figure, Goal};

const FLOWS: u32 = 65_536;

/// A table with flows in it.
enum Reader {
    /// hhnet's, as it reads it itself.
    Mapped(Box<Programs>),
    /// The same table by aya's iterator, a system call for each bucket.
    Buckets(Ebpf),
    /// A per-CPU LRU hash by aya's iterator, two system calls for each flow.
    PerCpuHash(Ebpf),
}

impl Reader {
    fn name(&self) -> &'static str {
        match self {
            Self::Mapped(_) => "hhnet's tables, mapped",
            Self::Buckets(_) => "the same, by aya's iterator",
            Self::PerCpuHash(_) => "LRU_PERCPU_HASH, by aya's iterator",
        }
    }

    fn program(&mut self) -> Result<ProgramFd> {
        let program = match self {
            Self::Mapped(programs) => programs.xdp()?,
            Self::Buckets(ebpf) | Self::PerCpuHash(ebpf) => peers::xdp(ebpf, None)?,
        };
        Ok(program.fd()?.try_clone()?)
    }

    /// Reads every flow. Returns their number.
    fn read(&self) -> Result<usize> {
        match self {
            Self::Mapped(programs) => {
                let packets = programs.records()?.map(|(_, counts)| counts.count.packets);
                Ok(packets.filter(|packets| *packets != 0).count())
            }
            Self::Buckets(ebpf) => {
                // Four entries of one cache line, or of two; packets follow the key.
                let v4 = buckets::<32>(ebpf, names::FLOWS_V4, 2)?;
                Ok(v4 + buckets::<64>(ebpf, names::FLOWS_V6, 5)?)
            }
            Self::PerCpuHash(ebpf) => {
                let map = ebpf.map("NAIVE_V4").context("no map NAIVE_V4")?;
                let map = PerCpuHashMap::<_, [u64; 2], Counts>::try_from(map)?;
                let mut flows = 0;
                for flow in map.iter() {
                    let (_, cpus) = flow.context("reading NAIVE_V4")?;
                    flows += usize::from(cpus.iter().any(|counts| counts.0[0] != 0));
                }
                Ok(flows)
            }
        }
    }
}

/// Packets, bytes and two times, in `naive.c`.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Counts([u64; 4]);

// SAFETY: numbers alone.
unsafe impl Pod for Counts {}

/// Flows in an array of buckets, with packets at that word of each of four entries.
fn buckets<const WORDS: usize>(ebpf: &Ebpf, name: &str, packets: usize) -> Result<usize> {
    let map = ebpf.map(name).with_context(|| format!("no map {name}"))?;
    let mut flows = 0;
    for bucket in Array::<_, [u64; WORDS]>::try_from(map)?.iter() {
        let bucket = bucket.with_context(|| format!("reading {name}"))?;
        let entries = bucket.chunks(WORDS / 4);
        flows += entries.filter(|entry| entry[packets] != 0).count();
    }
    Ok(flows)
}

/// Measures, and prints a table.
pub(super) fn run(
    peers: &Peers,
    rounds: usize,
    print: &mut impl FnMut(&str),
) -> Result<Vec<Figure>> {
    let mut hhnet = contestant::hhnet()?;
    let geometry = Geometry::of(&mut hhnet)?;
    let mut readers = [
        Reader::Mapped(Box::new(hhnet)),
        Reader::Buckets(contestant::twin(peers, &geometry)?),
        Reader::PerCpuHash(contestant::naive(peers)?),
    ];
    readers
        .iter_mut()
        .try_for_each(|reader| fill(peers, reader))?;
    let rounds = Rounds::run(rounds, &mut readers, |reader: &mut Reader| {
        let (time, flows) = place::timed(|| reader.read())?;
        // Of a few the bucket was full.
        ensure!(
            flows >= FLOWS as usize * 9 / 10,
            "{flows} flows in the table"
        );
        Ok(time.as_nanos() as f64 / flows as f64)
    })?;
    let mut table = Table::new("reading 65,536 flows", &["ns per flow", "× hhnet"]);
    for (of, reader) in readers.iter().enumerate() {
        let ratio = rounds.median(|round| round[of] / round[0]);
        let time = rounds.median(|round| round[of]);
        table.row(reader.name(), [format!("{time:.1}"), format!("{ratio:.0}")]);
    }
    print(&table.to_string());
    let speedup = rounds.median(|round| round[2] / round[0]);
    Ok(vec![Figure::new(
        "mmap_read/aya_iterator",
        speedup,
        Goal::AtLeast(50.0),
    )])
}

/// Flows of half the number on each of two CPUs, where there are two: so many at
/// once would not all find room in the part of one.
fn fill(peers: &Peers, reader: &mut Reader) -> Result<()> {
    let traffic = Traffic::udp("", FLOWS);
    let mut driver = Driver::load(peers, &traffic, 0)?;
    let cpus = aya::util::online_cpus().map_err(|(_, error)| error)?;
    let cpus = &cpus[..cpus.len().min(2)];
    for cpu in cpus {
        place::pin(*cpu as usize)?;
        driver.drive(&reader.program()?, FLOWS / cpus.len() as u32)?;
    }
    place::pin(0)
}
