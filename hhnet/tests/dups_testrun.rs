// SPDX-License-Identifier: Apache-2.0
//! Duplicates, found by the real program in the real kernel.

#[path = "../../hhnet-ebpf/tests/frames/mod.rs"]
mod frames;
mod netns;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use hhnet::xdp::{Clock, Options, Programs, Situation, Wanted, dups::DupReport};
use hhnet_ebpf::{
    duplicate::{Finding, Sighting, Slot, Verdict},
    fingerprint::{Evidence, Fingerprint},
    frame::{Frame, Origin},
    packet::parse,
    veil::Numbered as _,
};
use netns::{in_netns, index, ip};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

const MEMBERS: [&str; 2] = ["enp2s1", "enp2s2"];

/// Both ends of a cable that stays down, so that nothing else is counted.
fn attached(clock: Clock) -> Programs {
    ip("link add enp2s1 type veth peer name enp2s2");
    let options = Options {
        clock,
        ..Options::default()
    };
    let mut programs = Programs::load_with(&options).expect("load");
    for member in MEMBERS {
        let attached = programs.attach(member, index(member), Wanted::Native);
        attached.expect("attach");
    }
    programs
}

/// `struct xdp_md` for a frame with so many bytes of metadata before it.
fn context(metadata: usize, frame: &[u8], member: u32) -> [u8; 24] {
    let end = metadata + frame.len();
    let words = [metadata as u32, end as u32, 0, member, 0, 0];
    let mut bytes = [0; 24];
    for (bytes, word) in bytes.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// Lets the program have a frame of a trace.
fn play(program: &Xdp, time: u64, member: u32, frame: &[u8]) -> Verdict {
    let context = context(8, frame, member);
    let input = [&time.to_ne_bytes(), frame].concat();
    let mut output = vec![0; input.len()];
    let options = TestRunOptions {
        ctx_in: Some(&context),
        data_in: Some(&input),
        data_out: Some(&mut output),
        ..TestRunOptions::default()
    };
    program.test_run(options).expect("test run");
    let (verdict, passed) = output.split_first_chunk::<8>().expect("metadata");
    assert_eq!(passed, frame, "the frame is as it was");
    Verdict::ALL[u64::from_ne_bytes(*verdict) as usize]
}

fn report(programs: &Programs) -> DupReport {
    let members = programs.members().expect("members");
    let flows = programs.flows().expect("flows");
    programs.duplicates(&members, &flows).expect("duplicates")
}

/// What the library says, with a slot for each fingerprint.
#[derive(Default)]
struct Model(HashMap<u64, Slot>);

impl Model {
    fn judge(&mut self, time: u64, member: u8, bytes: &[u8]) -> Verdict {
        let start = bytes.as_ptr().expose_provenance();
        let (end, length) = (start + bytes.len(), bytes.len() as u64);
        // SAFETY: the bounds of `bytes`.
        let frame = unsafe { Frame::new(start, end, length, None, Origin::ingress(member)) };
        let packet = parse(&frame);
        if frame.is_link_local() || packet.identity.evidence == Evidence::Nothing {
            return Verdict::Skipped;
        }
        let fingerprint = Fingerprint::new(&frame, &packet);
        let slot = self.0.entry(fingerprint.hash).or_default();
        let (Finding { verdict, .. }, next) =
            Sighting::new(&fingerprint, time, member).judge(*slot);
        *slot = next;
        verdict.value()
    }
}

#[test]
fn the_kernel_judges_as_the_library_does() {
    in_netns(|| {
        let mut programs = attached(Clock::Trace);
        let indices = MEMBERS.map(index);
        let mut model = Model::default();
        let mut random = SmallRng::seed_from_u64(7);
        let samples = frames::samples();
        let mut seen = HashMap::<&str, u32>::new();
        let mut time = 1_000_000_000;
        for number in 0..20_000 {
            // From nothing to 60 ms, and sometimes more.
            time += 1 << random.random_range(0..26);
            let (name, frame) = &samples[random.random_range(0..samples.len())];
            let member = random.random_range(0..2_usize);
            let program = programs.xdp().expect("program");
            let verdict = play(program, time, indices[member], frame);
            let expected = model.judge(time, member as u8, frame);
            assert_eq!(verdict, expected, "{name}, number {number}");
            *seen.entry(name).or_default() += u32::from(verdict != Verdict::Unique);
        }
        // All of them were copies now and then: nothing of the table is unused.
        assert!(seen.values().all(|count| *count > 0), "{seen:?}");
    });
}

#[test]
fn every_verdict_is_counted_and_explained() {
    in_netns(|| {
        let mut programs = attached(Clock::Trace);
        let [one, other] = MEMBERS.map(index);
        let udp = frames::ethernet(
            &[],
            0x0800,
            &frames::ipv4(0, frames::UDP, 0, &frames::udp(20)),
        );
        let us = Situation {
            mac: Some([2, 0, 0, 0, 0, 2]),
            is_inactive: false,
        };
        let inactive = Situation {
            mac: None,
            is_inactive: true,
        };
        let expect = |programs: &mut Programs, time: u64, member, verdict| {
            let program = programs.xdp().expect("program");
            assert_eq!(
                play(program, time * 1_000, member, &udp),
                verdict,
                "at {time} µs"
            );
        };
        expect(&mut programs, 1_000_000, one, Verdict::Unique);
        expect(&mut programs, 1_000_012, other, Verdict::StrongCross);
        expect(&mut programs, 1_000_020, one, Verdict::StrongSame);
        programs.set_situation(other, inactive).expect("situation");
        expect(&mut programs, 1_000_030, other, Verdict::Suppressed);
        expect(&mut programs, 1_000_040, one, Verdict::StrongSame);
        programs.set_situation(one, us).expect("situation");
        expect(&mut programs, 1_000_050, one, Verdict::Looped);

        let report = report(&programs);
        let total = &report.total;
        assert_eq!(
            (total.received, total.compared, total.copies()),
            (6, 5, 3),
            "{report:?}"
        );
        assert_eq!(
            (total.suppressed, total.looped, total.replicated),
            (1, 1, 1)
        );
        let on_other = &report.members[1];
        assert_eq!(on_other.originals, [("enp2s1".to_owned(), 1)]);
        assert!(on_other.is_inactive);
        assert_eq!(report.flows[0].duplicates.number(), 3);
        assert_eq!(report.examples.len(), 1 + 1, "one of each member");
        let example = report.examples.last().expect("the first");
        assert_eq!(example.verdict, "strong_other_member");
        assert_eq!(example.summary, "udp 10.0.1.10:4660 to 10.0.1.1:53");
        assert!(example.bytes.starts_with("020000000001"), "{example:?}");
    });
}

/// The frame twice at once, on two CPUs: each CPU sees either what the other has
/// put into the slot, or that somebody has. By a trace's clock, as other processes
/// may keep one of the CPUs for longer than a copy takes.
#[test]
fn copies_on_two_cpus_at_once_find_each_other() {
    const FRAMES: usize = 10_000;
    in_netns(|| {
        let mut programs = attached(Clock::Trace);
        let indices = MEMBERS.map(index);
        let program: &Xdp = programs.xdp().expect("program");
        let arrived = AtomicUsize::new(0);
        thread::scope(|scope| {
            for (cpu, member) in indices.into_iter().enumerate() {
                let arrived = &arrived;
                scope.spawn(move || {
                    pin(cpu);
                    for number in 0..FRAMES {
                        let id = number as u32;
                        let mut frame = frames::ethernet(
                            &[],
                            0x0800,
                            &frames::ipv4(0, frames::UDP, 0, &frames::udp(20)),
                        );
                        frame[18..20].copy_from_slice(&(id as u16 | 1).to_be_bytes());
                        frame[42..46].copy_from_slice(&id.to_be_bytes());
                        arrived.fetch_add(1, Ordering::AcqRel);
                        let mut turns = 0;
                        while arrived.load(Ordering::Acquire) < 2 * (number + 1) {
                            turns += 1;
                            // The other thread may be kept waiting for its CPU.
                            if turns % 1_000 == 0 {
                                thread::yield_now();
                            }
                            std::hint::spin_loop();
                        }
                        play(
                            program,
                            1_000_000_000 + number as u64 * 1_000,
                            member,
                            &frame,
                        );
                    }
                });
            }
        });
        let found = report(&programs).total;
        assert_eq!(found.strong_other_member, FRAMES as u64, "{found:?}");
        assert_eq!(found.copies(), FRAMES as u64, "{found:?}");
    });
}

fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &cpus).expect("at least two CPUs");
}
