// SPDX-License-Identifier: Apache-2.0
//! Frames per second that a veth receives with a program on it.
//!
//! A generator, itself a test run with live frames, redirects into one end; the
//! other end's program runs in the driver, as on a NIC. Generator, driver and program
//! share one thread, and its CPU time is what the frames took.
//!
//! The measured programs pass every frame, and what the stack does with a passed one
//! takes several times longer than they do. To compare them with `XDP_DROP` they are
//! loaded with that as their answer ([`answer`]), and are the same to the last
//! instruction otherwise.

use std::{fs, thread, time::Duration};

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    programs::{XdpMode, xdp::XdpLinkId},
};
use hhnet_ebpf::names;

use super::{
    answer,
    contestant::{self, Geometry},
    peers::{self, Driver, Peers},
    place,
    table::Table,
    traffic::Traffic,
    turns::Rounds,
};
use crate::report::{Figure, Goal};

/// Frames that are sent at one go, and how often in one turn.
const PORTION: u32 = 65_536;
const PORTIONS: u32 = 6;
/// What NAPI takes at one go, and less than what veth's ring holds.
const BATCH: u32 = 64;

/// Where the generator sends, and where the programs are.
const OUTPUT: &str = "enp2s1";
const INPUT: &str = "leaf1";

/// A program for the receiving end.
struct Receiver {
    name: &'static str,
    ebpf: Ebpf,
    program: &'static str,
}

const DROP: usize = 0;
const NAIVE: usize = 1;
const HHNET: usize = 2;

/// Measures, and prints a table.
pub(super) fn run(
    peers: &Peers,
    rounds: usize,
    print: &mut impl FnMut(&str),
) -> Result<Vec<Figure>> {
    lay_cable()?;
    let mut generator = Driver::load(peers, &Traffic::thousand(), place::index(OUTPUT)?)?;
    let mut receivers = receivers(peers)?;
    let rounds = Rounds::run(rounds, &mut receivers, |receiver: &mut Receiver| {
        let link = receiver.attach()?;
        let mpps = receive(&mut generator).with_context(|| format!("with {}", receiver.name))?;
        receiver.detach(link)?;
        Ok(mpps)
    })?;
    let ratio = |of: usize, to: usize| rounds.median(|round| round[of] / round[to]);
    let mut table = Table::new("live frames", &["Mpps", "÷ XDP_DROP"]);
    for (of, receiver) in receivers.iter().enumerate() {
        let mpps = rounds.median(|round| round[of]);
        let cells = [mpps, ratio(of, DROP)].map(|cell| format!("{cell:.2}"));
        table.row(receiver.name, cells);
    }
    print(&table.to_string());
    Ok(vec![
        Figure::new(
            "live_frames/xdp_drop",
            ratio(HHNET, DROP),
            Goal::AtLeast(0.6),
        ),
        Figure::new("live_frames/naive", ratio(HHNET, NAIVE), Goal::AtLeast(2.5)),
    ])
}

/// One queue, as all comes from one CPU.
fn lay_cable() -> Result<()> {
    let queues = "numtxqueues 1 numrxqueues 1";
    place::ip(&format!(
        "link add {OUTPUT} {queues} type veth peer {INPUT} {queues}"
    ))?;
    place::ip(&format!("link set {OUTPUT} up"))?;
    place::ip(&format!("link set {INPUT} up"))
}

fn receivers(peers: &Peers) -> Result<[Receiver; 4]> {
    let geometry = Geometry::of(&mut contestant::hhnet()?)?;
    let [naive, twin] = ["naive", "twin"].map(|object| peers.read(object));
    let counting = |object: &[u8], name, program| {
        let mut loader = EbpfLoader::new();
        let loader = geometry.apply(&mut loader);
        let mut ebpf = loader.load(&answer::dropping(object)?)?;
        peers::count_interface(&mut ebpf, place::index(INPUT)?, peers::FIRST)?;
        Ok::<_, anyhow::Error>(Receiver {
            name,
            ebpf,
            program,
        })
    };
    Ok([
        Receiver {
            name: "XDP_DROP",
            ebpf: Ebpf::load(&peers.read("driver")?)?,
            program: "drop",
        },
        counting(&naive?, "naive", "naive")?,
        counting(hhnet::xdp::OBJECT, "hhnet", names::XDP_PROGRAM)?,
        counting(&twin?, "C twin", "twin")?,
    ])
}

impl Receiver {
    fn attach(&mut self) -> Result<XdpLinkId> {
        let program = peers::xdp(&mut self.ebpf, Some(self.program))?;
        let attached = program.attach(INPUT, XdpMode::Driver);
        attached.with_context(|| format!("attaching {} to {INPUT}", self.name))
    }

    fn detach(&mut self, link: XdpLinkId) -> Result<()> {
        let program = peers::xdp(&mut self.ebpf, Some(self.program))?;
        Ok(program.detach(link)?)
    }
}

/// Sends; returns millions of received frames per second of CPU time.
///
/// Now and then the kernel leaves frames to a thread of its own (`ksoftirqd`). Then
/// they have not all been received when the sender returns, and such a portion says
/// nothing. What the generator takes to start, as much as a thousand frames do, is
/// measured by a short portion and taken off.
fn receive(generator: &mut Driver) -> Result<f64> {
    let (mut portions, mut seconds) = (0, 0.0);
    for _ in 0..PORTIONS {
        let short = send(generator, BATCH)?;
        let long = send(generator, BATCH + PORTION)?;
        if let (Some(short), Some(long)) = (short, long) {
            portions += 1;
            seconds += long.as_secs_f64() - short.as_secs_f64();
        }
    }
    ensure!(
        portions > 0,
        "the kernel never received what was sent at once"
    );
    Ok(f64::from(portions * PORTION) / seconds / 1e6)
}

/// Sends so many frames. Returns the CPU time, unless some are not received yet.
fn send(generator: &mut Driver, frames: u32) -> Result<Option<Duration>> {
    let before = received()?;
    let (time, ()) = place::timed(|| generator.send(frames, BATCH))?;
    let are_all_received = received()? - before == u64::from(frames);
    if !are_all_received {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(are_all_received.then_some(time))
}

/// Frames that the receiving end has got so far.
fn received() -> Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/dev").context("reading net/dev")?;
    let is_input = |line: &&str| line.trim_start().starts_with(INPUT);
    let line = table.lines().find(is_input);
    let packets = line.and_then(|line| line.split_whitespace().nth(2));
    let packets = packets.context("no counters of the receiving end")?;
    packets.parse().context("a number of frames")
}
