// SPDX-License-Identifier: Apache-2.0
//! XDP programs on bond members and VLAN parents, and what they counted.
//!
//! [`Programs::load`] puts the embedded object into the kernel, [`Programs::attach`]
//! puts its program on a link, [`Programs::flows`] and [`Programs::members`] read
//! the maps, [`report`] makes text of that. Everything belongs to the process:
//! when it dies, by SIGKILL too, the kernel takes the programs off the links.

mod attach;
mod error;
mod links;
mod read;
pub mod report;
mod text;

use std::fmt;

use aya::{Ebpf, EbpfLoader, programs::Xdp};
use aya_log::EbpfLogger;
use hhnet_ebpf::names;
use tokio::{
    io::{Interest, unix::AsyncFd},
    task::AbortHandle,
};
use tracing::{Level, debug, enabled};
use tracing_log::LogTracer;

pub use self::{
    attach::{Attachment, Mode, Wanted},
    error::XdpError,
    links::detach_link_of,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/hhnet-ebpf"));

/// The loaded programs, their maps and where they are attached.
pub struct Programs {
    ebpf: Ebpf,
    attachments: Vec<Attachment>,
    slots: Vec<attach::Slot>,
    logs: Option<AbortHandle>,
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
        let mut ebpf = EbpfLoader::new()
            .override_global(names::LOG_LEVEL, &log_level(), false)
            .load(OBJECT)
            .map_err(|error| XdpError::new("loading the eBPF object", &error))?;
        let program = xdp_program(&mut ebpf)?;
        program.load().map_err(|error| {
            debug!("{error}");
            XdpError::new(
                format!("loading the eBPF program {}", names::XDP_PROGRAM),
                &error,
            )
        })?;
        Ok(Self {
            ebpf,
            attachments: Vec::new(),
            slots: Vec::new(),
            logs: None,
        })
    }

    /// Starts a task that passes the programs' log messages on to `tracing`,
    /// under the target `hhnet_ebpf`, until `self` is dropped. Which levels they
    /// send was decided by the subscriber at [`load`](Self::load).
    ///
    /// # Errors
    /// When called a second time, or if the kernel has no ring buffers; counting
    /// goes on without log messages.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O enabled.
    pub fn forward_logs(&mut self) -> Result<(), XdpError> {
        const STEP: &str = "reading the eBPF programs' log";
        let logger = EbpfLogger::init_with_logger(&mut self.ebpf, LogTracer::new())
            .map_err(|error| XdpError::new(STEP, &error))?;
        // SAFETY: the logger owns its map's descriptor and never replaces it.
        let logger = unsafe { AsyncFd::register_with_interest(logger, Interest::READABLE) };
        let mut logger = logger.map_err(|error| XdpError::new(STEP, &error))?;
        let task = tokio::spawn(async move {
            while let Ok(mut guard) = logger.readable_mut().await {
                guard.get_inner_mut().flush();
                guard.clear_ready();
            }
        });
        self.logs = Some(task.abort_handle());
        Ok(())
    }

    /// The XDP program itself, for test runs.
    ///
    /// # Errors
    /// If the object does not hold it.
    pub fn xdp(&mut self) -> Result<&mut Xdp, XdpError> {
        xdp_program(&mut self.ebpf)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        if let Some(task) = self.logs.take() {
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

fn xdp_program(ebpf: &mut Ebpf) -> Result<&mut Xdp, XdpError> {
    let program = ebpf.program_mut(names::XDP_PROGRAM);
    let program = program.ok_or_else(|| XdpError::missing("program", names::XDP_PROGRAM))?;
    program
        .try_into()
        .map_err(|error| XdpError::new(names::XDP_PROGRAM, &error))
}

/// aya-log's number for what the subscriber wants of the programs. A level
/// that is off costs nothing: the verifier removes its code.
fn log_level() -> u8 {
    const TARGET: &str = "hhnet_ebpf";
    let levels = [
        enabled!(target: TARGET, Level::ERROR),
        enabled!(target: TARGET, Level::WARN),
        enabled!(target: TARGET, Level::INFO),
        enabled!(target: TARGET, Level::DEBUG),
        enabled!(target: TARGET, Level::TRACE),
    ];
    levels.iter().take_while(|enabled| **enabled).count() as u8
}
