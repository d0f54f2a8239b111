// SPDX-License-Identifier: Apache-2.0
//! hhnet's XDP program in test runs.

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use hhnet::xdp::{Clock, Options, Programs, Wanted};
use hhnet_ebpf::duplicate::Verdict;
use hhnet_ebpf::veil::Numbered as _;

use crate::trace::{Frame, Trace};
use crate::xdp::place;

/// The links that stand for a bond's members.
const LINKS: [&str; 2] = ["member0", "member1"];

/// A network namespace with two links, which the thread is in that made it.
#[derive(Debug)]
pub struct Members {
    indexes: [u32; 2],
}

impl Members {
    /// Takes the calling thread into a new network namespace with a veth pair. It stays
    /// down, so that no frames but a trace's reach the program.
    ///
    /// # Errors
    /// Without `CAP_SYS_ADMIN`.
    pub fn new() -> Result<Self> {
        place::enter_namespace()?;
        let [one, other] = LINKS;
        place::ip(&format!("link add {one} type veth peer name {other}"))?;
        let indexes = [place::index(one)?, place::index(other)?];
        Ok(Self { indexes })
    }

    /// Runs the program, with empty tables, on all frames.
    ///
    /// # Errors
    /// If it cannot be loaded, or does not pass a frame.
    pub fn judge(&self, trace: &Trace) -> Result<Vec<Verdict>> {
        let options = Options {
            clock: Clock::Trace,
            ..Options::default()
        };
        let mut programs = Programs::load_with(&options)?;
        for (name, index) in LINKS.into_iter().zip(self.indexes) {
            programs.attach(name, index, Wanted::Native)?;
        }
        let program = programs.xdp()?;
        let mut player = Player::default();
        let verdicts = trace.frames.iter().map(|frame| {
            let member = self.indexes[usize::from(frame.member)];
            player.play(program, frame, member)
        });
        verdicts.collect()
    }
}

/// Whether the first of two frames was received by another member; `None` for what is
/// not counted as a copy.
pub fn cross(verdict: Verdict) -> Option<bool> {
    match verdict {
        Verdict::StrongSame | Verdict::WeakSame => Some(false),
        Verdict::StrongCross | Verdict::WeakCross => Some(true),
        _ => None,
    }
}

/// Whether a copy is one for certain.
pub fn is_strong(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::StrongSame | Verdict::StrongCross)
}

const XDP_PASS: u32 = 2;
/// The kernel's `struct xdp_md`: begin and end of the data, begin of what is before
/// them, interface, queue, interface it leaves by.
const CONTEXT_WORDS: usize = 6;
/// The time, and then the verdict.
const METADATA: usize = size_of::<u64>();

/// Lets programs that were loaded with [`Clock::Trace`] judge frames. Has what goes into
/// a test run and comes out of it.
#[derive(Debug, Default)]
pub(crate) struct Player {
    context: [u8; CONTEXT_WORDS * size_of::<u32>()],
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Player {
    /// Says what `program` says about a frame that is received by an interface.
    pub(crate) fn play(&mut self, program: &Xdp, frame: &Frame, interface: u32) -> Result<Verdict> {
        self.prepare(frame, interface);
        let result = program.test_run(TestRunOptions {
            ctx_in: Some(&self.context),
            data_in: Some(&self.input),
            data_out: Some(&mut self.output),
            ..TestRunOptions::default()
        });
        let action = result.context("playing a frame")?.return_value;
        ensure!(action == XDP_PASS, "XDP action {action}");
        self.verdict()
    }

    fn prepare(&mut self, frame: &Frame, interface: u32) {
        let end = (METADATA + frame.bytes.len()) as u32;
        let context: [u32; CONTEXT_WORDS] = [METADATA as u32, end, 0, interface, 0, 0];
        for (bytes, word) in self.context.chunks_exact_mut(4).zip(context) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        self.input.clear();
        self.input.extend(frame.time_ns.to_ne_bytes());
        self.input.extend(&frame.bytes);
        self.output.resize(self.input.len(), 0);
    }

    /// What the program left in the place of the time.
    fn verdict(&self) -> Result<Verdict> {
        let number = self.output.first_chunk().context("no metadata came back")?;
        let number = u64::from_ne_bytes(*number);
        let verdict = usize::try_from(number).ok();
        let verdict = verdict.and_then(|number| Verdict::ALL.get(number).copied());
        verdict.with_context(|| format!("there is no verdict {number}"))
    }
}
