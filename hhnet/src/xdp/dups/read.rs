// SPDX-License-Identifier: Apache-2.0
//! Copies, from the maps.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aya::{
    Ebpf,
    maps::{MapData, RingBuf},
};
use hhnet_ebpf::{
    copies::{CopyCounters, EXAMPLE_BYTES, Example as Sample},
    duplicate::Verdict,
    frame::{Frame, Origin},
    names,
    packet::{self, Content},
    veil::Numbered as _,
};

use super::{Compared, DupReport, Example, FlowDups, MemberDups};
use crate::xdp::{
    Programs, XdpError,
    report::{Direction, Flow, Member, Transport},
    text::words,
};

/// Examples kept: newer ones push out older ones.
const KEPT: usize = 32;

/// Copies as they were, the newest last.
pub(in crate::xdp) struct Examples {
    ring: RingBuf<MapData>,
    kept: VecDeque<Sample>,
}

impl Examples {
    pub(in crate::xdp) fn new(ebpf: &mut Ebpf) -> Result<Mutex<Self>, XdpError> {
        let name = names::EXAMPLES;
        let map = ebpf
            .take_map(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let ring = RingBuf::try_from(map)
            .map_err(|error| XdpError::new(format!("mapping eBPF map {name}"), &error))?;
        let kept = VecDeque::with_capacity(KEPT);
        Ok(Mutex::new(Self { ring, kept }))
    }

    /// Forgets the examples of a member slot.
    pub(in crate::xdp) fn forget(&mut self, slot: u8) {
        let _ = self.read();
        let others = |sample: &Sample| sample.member != slot && sample.original != slot;
        self.kept.retain(others);
    }

    /// Reads what is in the ring; programs put there ten a second at most.
    fn read(&mut self) -> impl Iterator<Item = &Sample> {
        while let Some(item) = self.ring.next() {
            if item.len() == size_of::<Sample>() {
                if self.kept.len() == KEPT {
                    self.kept.pop_front();
                }
                // SAFETY: as many bytes as an example has, and any bytes make one.
                let sample = unsafe { item.as_ptr().cast::<Sample>().read_unaligned() };
                self.kept.push_back(sample);
            }
        }
        self.kept.iter().rev()
    }
}

impl Programs {
    /// What was found of the frames that `members` received, and which of `flows`
    /// came twice.
    ///
    /// # Errors
    /// If the kernel refuses to read a map.
    pub fn duplicates(&self, members: &[Member], flows: &[Flow]) -> Result<DupReport, XdpError> {
        let counters = self.per_cpu::<CopyCounters>(names::COPIES)?;
        let mut report = DupReport::default();
        for (number, slot) in (0_u32..).zip(&self.slots) {
            let received = |m: &&Member| (m.ifindex, m.direction) == (slot.ifindex, Direction::In);
            let Some(member) = members.iter().find(received) else {
                continue;
            };
            let cpus = counters(number)?;
            let found = sum(cpus.iter());
            let originals = found.originals.iter().zip(slot.earlier_originals);
            let originals = originals.map(|(now, earlier)| now - earlier).enumerate();
            let named = originals
                .filter(|(_, count)| *count > 0)
                .map(|(slot, count)| (self.slot_name(slot as u8), count));
            report.members.push(MemberDups {
                member: slot.name.clone(),
                bond: member.bond.clone(),
                is_inactive: self.inactive >> number & 1 != 0,
                compared: Compared::new(member.frames(), &found),
                originals: named.collect(),
            });
        }
        report.flows = FlowDups::of(flows);
        report.examples = self.examples(crate::clock::now());
        report.finish();
        Ok(report)
    }

    fn examples(&self, now: Duration) -> Vec<Example> {
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        let samples = examples.read();
        samples.map(|sample| self.example(sample, now)).collect()
    }

    fn example(&self, sample: &Sample, now: Duration) -> Example {
        let age = now.saturating_sub(Duration::from_nanos(sample.time));
        let shown = usize::from(sample.shown).min(EXAMPLE_BYTES);
        let bytes = sample.bytes[..shown].iter();
        Example {
            age_ms: age.as_millis() as u64,
            verdict: verdict(sample.verdict).to_owned(),
            member: self.slot_name(sample.member),
            original: self.slot_name(sample.original),
            delay_us: f64::from(sample.delay) * 1.024,
            length: sample.length,
            summary: summary(sample, &sample.bytes[..shown]),
            bytes: bytes.map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    fn slot_name(&self, slot: u8) -> String {
        let slot = self.slots.get(usize::from(slot));
        slot.map_or_else(String::new, |slot| slot.name.clone())
    }
}

fn sum<'a>(cpus: impl Iterator<Item = &'a CopyCounters>) -> CopyCounters {
    cpus.fold(CopyCounters::default(), |mut sum, cpu| {
        let all = sum.verdicts.iter_mut().zip(cpu.verdicts);
        let all = all.chain(sum.originals.iter_mut().zip(cpu.originals));
        let delays = cpu.delays.into_iter().flatten();
        let all = all.chain(sum.delays.iter_mut().flatten().zip(delays));
        all.for_each(|(into, count)| *into += count);
        sum.replicated += cpu.replicated;
        sum
    })
}

/// The name of a verdict in a report.
fn verdict(number: u8) -> &'static str {
    match Verdict::ALL.get(usize::from(number)) {
        Some(Verdict::StrongSame) => "strong_same_member",
        Some(Verdict::StrongCross) => "strong_other_member",
        Some(Verdict::WeakSame) => "weak_same_member",
        Some(Verdict::WeakCross) => "weak_other_member",
        Some(Verdict::Answered) => "answered_again",
        _ => "other",
    }
}

/// What the first bytes of a frame say, by the programs' own parser.
fn summary(sample: &Sample, bytes: &[u8]) -> String {
    let start = bytes.as_ptr().expose_provenance();
    let tag = (sample.tags != 0).then_some(sample.tag);
    let length = u64::from(sample.length).max(bytes.len() as u64);
    let origin = Origin::ingress(sample.member);
    // SAFETY: the bounds of `bytes`, and no less than its length.
    let frame = unsafe { Frame::new(start, start + bytes.len(), length, tag, origin) };
    let packet = packet::parse(&frame);
    let (source, destination, attributes) = match packet.content() {
        Content::V4(key) => {
            let (source, destination) = key.addresses();
            (source.into(), destination.into(), key.attributes())
        }
        Content::V6(key) => {
            let (source, destination) = key.addresses();
            (source.into(), destination.into(), key.attributes())
        }
        Content::Other => return format!("{:?}", packet.kind).to_lowercase(),
    };
    let transport = Transport::new(attributes);
    words::summary(attributes.protocol(), source, destination, transport)
}
