// SPDX-License-Identifier: Apache-2.0
//! Programs on bond members and VLAN parents, and what they counted.
//!
//! [`Programs::load`] puts the embedded object into the kernel, [`Programs::attach`]
//! puts one on a link for what it receives, [`Programs::attach_egress`] another
//! for what it sends, [`Programs::flows`] and [`Programs::members`] read the maps,
//! [`report`] makes text of that. Everything belongs to the process: when it
//! dies, by SIGKILL too, the kernel takes the programs off the links. Only
//! filters stay, on kernels without tcx: [`remove_filters`] finds them.

mod attach;
pub mod dups;
mod error;
mod evicted;
pub mod expected;
mod hook;
mod links;
mod mode;
pub mod rates;
mod read;
pub mod report;
mod slots;
mod spread;
mod table;
pub(crate) mod text;
pub mod xmit_hash;

use std::{
    fmt,
    os::fd::AsFd as _,
    sync::{Arc, Mutex},
};

use aya::{
    Ebpf, EbpfLoader,
    programs::{SchedClassifier, Xdp},
};
use hhnet_ebpf::{
    flow::{KeyV4, KeyV6},
    names,
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::AbortHandle,
};
use tracing::debug;

pub(crate) use self::text::words::protocol as protocol_name;
pub use self::{
    attach::{Attachment, Situation},
    error::XdpError,
    hook::{has_tcx, remove_filters},
    links::detach_link_of,
    mode::{Mode, Wanted},
};
use self::{
    dups::Examples,
    evicted::Evicted,
    report::Direction,
    slots::Slot,
    table::{Geometry, Table},
};

/// The eBPF object, for those who load it in a way of their own, as benchmarks do.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hhnet-ebpf"));

/// How the programs are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Room for about so many IPv4 flows, and a quarter as many IPv6 flows, on each
    /// CPU; others make room for new ones. Unless given, 65,536, and less on a machine
    /// with more than four CPUs.
    pub flows: Option<u32>,
    /// So many frames are remembered to find copies of them, rounded down to a
    /// power of two; 8 bytes each.
    pub fingerprints: u32,
    /// Where the XDP program has the time from.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flows: None,
            fingerprints: 1 << 16,
            clock: Clock::Kernel,
        }
    }
}

/// What a program takes for the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// `CLOCK_MONOTONIC`.
    Kernel,
    /// What the eight bytes of metadata before a frame say, in nanoseconds. The XDP
    /// program leaves a [`Verdict`](hhnet_ebpf::duplicate::Verdict) there.
    Trace,
}

/// The loaded programs, their maps and where they are attached.
pub struct Programs {
    ebpf: Ebpf,
    attachments: Vec<Attachment>,
    slots: Vec<Slot>,
    flows_v4: Table<KeyV4>,
    flows_v6: Table<KeyV6>,
    /// A bit for each slot whose interface bonding does not use.
    inactive: u32,
    evicted: evicted::Shared,
    examples: Mutex<Examples>,
    tasks: Vec<AbortHandle>,
}

impl Programs {
    /// Loads maps and programs into the kernel. Takes a few tens of
    /// milliseconds, in an emulated machine seconds: not for the thread that
    /// answers requests.
    ///
    /// # Errors
    /// Without `CAP_BPF` and `CAP_NET_ADMIN`, on a kernel before 5.18 or without
    /// eBPF, or out of memory: hhnet then works without counters.
    pub fn load() -> Result<Self, XdpError> {
        Self::load_with(&Options::default())
    }

    /// As [`load`](Self::load), but not as usual.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_with(options: &Options) -> Result<Self, XdpError> {
        const STEP: &str = "loading the XDP program";
        let cpus = aya::util::nr_cpus();
        let cpus =
            cpus.map_err(|(path, error)| XdpError::new(format!("reading {path}"), &error))?;
        let geometry = Geometry::new(cpus as u32, options.flows);
        let [v4, v6] = [geometry.v4, geometry.v6].map(|buckets| geometry.entries(buckets));
        let fingerprints = options.fingerprints.clamp(1, 1 << 24);
        let fingerprints = 1_u32 << fingerprints.ilog2();
        let is_trace = u32::from(options.clock == Clock::Trace);
        let mut ebpf = EbpfLoader::new()
            .override_global(names::BUCKETS_V4, &geometry.v4, true)
            .override_global(names::BUCKETS_V6, &geometry.v6, true)
            .override_global(names::SEEN_SLOTS, &fingerprints, true)
            .override_global(names::TRACE, &is_trace, true)
            .map_max_entries(names::FLOWS_V4, v4)
            .map_max_entries(names::FLOWS_V6, v6)
            .map_max_entries(names::SEEN, fingerprints)
            .load(OBJECT)
            .map_err(|error| XdpError::new(STEP, &error))?;
        hook::xdp(&mut ebpf)?.load().map_err(|error| {
            debug!("{error}");
            XdpError::new(
                format!("loading the eBPF program {}", names::XDP_PROGRAM),
                &error,
            )
        })?;
        // Here rather than when it is first attached, because it takes as long.
        // Why it cannot be loaded is told then.
        let _ = hook::classifier(&mut ebpf, Direction::Out);
        Ok(Self {
            flows_v4: Table::new(names::FLOWS_V4, v4),
            flows_v6: Table::new(names::FLOWS_V6, v6),
            evicted: Evicted::new(&mut ebpf)?,
            examples: Examples::new(&mut ebpf)?,
            inactive: 0,
            attachments: Vec::new(),
            slots: Vec::new(),
            tasks: Vec::new(),
            ebpf,
        })
    }

    /// Starts a task that takes over flows that had to make room in the tables,
    /// until `self` is dropped. Without it that is done only when flows are asked
    /// for, and what does not fit into the ring buffer meanwhile is counted as
    /// [`Member::lost`](report::Member::lost).
    ///
    /// # Errors
    /// If the ring buffer cannot be waited for.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn collect_evicted(&mut self) -> Result<(), XdpError> {
        const STEP: &str = "waiting for evicted flows";
        let evicted = Arc::clone(&self.evicted);
        let ring = evicted::lock(&evicted).ring.as_fd().try_clone_to_owned();
        let ring = ring.map_err(|error| XdpError::new(STEP, &error))?;
        // SAFETY: an owned descriptor that nothing replaces.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
        let ring = ring.map_err(|error| XdpError::new(STEP, &error))?;
        let task = tokio::spawn(async move {
            while let Ok(mut guard) = ring.readable().await {
                drop(evicted::lock(&evicted));
                guard.clear_ready();
                tokio::task::yield_now().await;
            }
        });
        self.tasks.push(task.abort_handle());
        Ok(())
    }

    /// Loads what a link without XDP needs before it is asked for: for a thread
    /// that may wait.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn prepare_classifier(&mut self) -> Result<(), XdpError> {
        hook::classifier(&mut self.ebpf, Direction::In).map(drop)
    }

    /// The classifier of received or sent frames, for test runs.
    ///
    /// # Errors
    /// If the kernel does not load it.
    pub fn classifier(&mut self, direction: Direction) -> Result<&mut SchedClassifier, XdpError> {
        hook::classifier(&mut self.ebpf, direction)
    }

    /// The XDP program itself, for test runs.
    ///
    /// # Errors
    /// If the object does not hold it.
    pub fn xdp(&mut self) -> Result<&mut Xdp, XdpError> {
        hook::xdp(&mut self.ebpf)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs")
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}
