// SPDX-License-Identifier: Apache-2.0
//! Whether the C twin does the same: both programs play the same trace, and must say
//! the same about each frame and count the same.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, Pod,
    maps::{Array, Map, MapData, PerCpuArray},
    programs::ProgramInfo,
};
use hhnet::xdp::{Clock, Options, Programs, Situation, Wanted};
use hhnet_ebpf::{
    copies::CopyCounters,
    duplicate::Verdict,
    member::{Interface, MemberCounters},
    names,
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    contestant::{self, Geometry},
    kernel_maps,
    peers::{self, Peers},
    place,
};
use crate::{
    detector::program::Player,
    trace::{Class, Frame, Mix, Plan},
};

/// Frames of the trace.
const FRAMES: usize = 10_000;
/// One in so many is damaged, so that headers contradict themselves, and one in so
/// many is cut.
const DAMAGED: u32 = 4;
/// Damage is done in the first bytes, where headers are.
const HEADERS: usize = 80;

/// One in so many comes from the server itself.
const LOOPED: u32 = 50;
/// From this frame on bonding does not use the second member.
const INACTIVE: usize = FRAMES * 3 / 4;

/// Where echoes, which are in a VLAN, have their identification.
const IDENTIFICATION: usize = 14 + 4 + 5;

/// The interfaces of both members, and the address of the server.
const MEMBERS: [&str; 2] = ["same0", "same1"];
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];

/// Plays the trace, and says that both agree.
///
/// # Errors
/// If they do not.
pub(super) fn run(peers: &Peers, print: &mut impl FnMut(&str)) -> Result<()> {
    place::ip(&format!(
        "link add {} type veth peer {}",
        MEMBERS[0], MEMBERS[1]
    ))?;
    let interfaces = [place::index(MEMBERS[0])?, place::index(MEMBERS[1])?];
    let mut hhnet = hhnet(&interfaces)?;
    let mut twin = twin(peers, &mut hhnet, &interfaces)?;
    let mut verdicts = [0_u32; Verdict::COUNT];
    let mut player = Player::default();
    for (number, frame) in frames().iter().enumerate() {
        if number == INACTIVE {
            retire_second(&mut hhnet, &mut twin, interfaces[1])?;
        }
        let interface = interfaces[usize::from(frame.member)];
        let ours = player.play(hhnet.xdp()?, frame, interface)?;
        let theirs = player.play(peers::xdp(&mut twin, None)?, frame, interface)?;
        let bytes = &frame.bytes;
        ensure!(
            ours == theirs,
            "frame {number}: {ours:?} and {theirs:?}: {bytes:x?}"
        );
        verdicts[ours as usize] += 1;
    }
    compare(&hhnet.xdp()?.info()?, &peers::xdp(&mut twin, None)?.info()?)?;
    print(&format!(
        "hhnet and its twin in C agree about {FRAMES} frames; by verdict: {verdicts:?}\n"
    ));
    place::ip(&format!("link del {}", MEMBERS[0]))
}

fn hhnet(interfaces: &[u32; 2]) -> Result<Programs> {
    let mut programs = Programs::load_with(&Options {
        clock: Clock::Trace,
        ..Options::default()
    })?;
    for (name, interface) in MEMBERS.iter().zip(interfaces) {
        programs.attach(name, *interface, Wanted::Generic)?;
        programs.set_situation(*interface, situation(false))?;
    }
    Ok(programs)
}

fn situation(is_inactive: bool) -> Situation {
    Situation {
        mac: Some(MAC),
        is_inactive,
    }
}

fn twin(peers: &Peers, hhnet: &mut Programs, interfaces: &[u32; 2]) -> Result<Ebpf> {
    let geometry = Geometry::of(hhnet)?;
    let mut twin = contestant::load_twin(peers, &geometry, Clock::Trace)?;
    for (slot, interface) in interfaces.iter().enumerate() {
        let known = Interface::new(slot as u8, Some(MAC));
        peers::count_interface(&mut twin, *interface, known)?;
    }
    Ok(twin)
}

fn retire_second(hhnet: &mut Programs, twin: &mut Ebpf, interface: u32) -> Result<()> {
    hhnet.set_situation(interface, situation(true))?;
    let map = twin.map_mut(names::INACTIVE).context("no map INACTIVE")?;
    let mut inactive = Array::<_, u32>::try_from(map)?;
    Ok(inactive.set(0, 1 << 1, 0)?)
}

/// What a bonded server receives, some of it damaged.
fn frames() -> Vec<Frame> {
    let plan = Plan {
        frames: FRAMES,
        rate: 20_000.0,
        copies: 0.1,
        mix: Mix::Hostile,
        seed: 1,
    };
    let mut random = SmallRng::seed_from_u64(2);
    let mut frames = plan.generate().frames;
    for frame in &mut frames {
        if matches!(frame.class, Class::Echo(_)) && random.random() {
            // Another identification: the same request answered again.
            frame.bytes[IDENTIFICATION] ^= 1;
        }
        if random.random_ratio(1, LOOPED) {
            frame.bytes[6..12].copy_from_slice(&MAC);
        }
        if random.random_ratio(1, DAMAGED) {
            let at = random.random_range(12..frame.bytes.len().min(HEADERS));
            frame.bytes[at] = random.random();
        }
        if random.random_ratio(1, DAMAGED) {
            // The kernel runs no program on less than an Ethernet header.
            let length = random.random_range(14..frame.bytes.len());
            frame.bytes.truncate(length);
        }
    }
    frames
}

/// All that both have counted.
fn compare(ours: &ProgramInfo, theirs: &ProgramInfo) -> Result<()> {
    same::<[u64; 32]>(ours, theirs, names::FLOWS_V4)?;
    same::<[u64; 64]>(ours, theirs, names::FLOWS_V6)?;
    same::<u64>(ours, theirs, names::SEEN)?;
    same_per_cpu::<MemberCounters>(ours, theirs, names::MEMBERS)?;
    same_per_cpu::<CopyCounters>(ours, theirs, names::COPIES)
}

fn same<V: Pod + PartialEq + std::fmt::Debug>(
    ours: &ProgramInfo,
    theirs: &ProgramInfo,
    name: &str,
) -> Result<()> {
    let ours = Array::<_, V>::try_from(open(ours, name)?)?;
    let theirs = Array::<_, V>::try_from(open(theirs, name)?)?;
    ensure!(ours.len() == theirs.len(), "{name} differs in size");
    for (index, (ours, theirs)) in ours.iter().zip(theirs.iter()).enumerate() {
        let (ours, theirs) = (ours?, theirs?);
        ensure!(
            ours == theirs,
            "{name}, {index}: {ours:x?}, not {theirs:x?}"
        );
    }
    Ok(())
}

fn same_per_cpu<V: Pod + PartialEq + std::fmt::Debug>(
    ours: &ProgramInfo,
    theirs: &ProgramInfo,
    name: &str,
) -> Result<()> {
    let ours = PerCpuArray::<_, V>::try_from(open(ours, name)?)?;
    let theirs = PerCpuArray::<_, V>::try_from(open(theirs, name)?)?;
    for (ours, theirs) in ours.iter().zip(theirs.iter()) {
        let (ours, theirs) = (ours?, theirs?);
        for (ours, theirs) in ours.iter().zip(theirs.iter()) {
            ensure!(ours == theirs, "{name}: {ours:?}, not {theirs:?}");
        }
    }
    Ok(())
}

fn open(program: &ProgramInfo, name: &str) -> Result<Map> {
    let info = kernel_maps::named(program, name)?;
    Ok(Map::from_map_data(MapData::from_id(info.id())?)?)
}
