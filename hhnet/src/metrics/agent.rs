// SPDX-License-Identifier: Apache-2.0
//! The agent itself.

use super::series::{
    Kind::{Counter, Gauge, Info},
    Series,
};

pub(super) const SERIES: &[Series] = &[
    Series {
        name: "hhnet_build_info",
        kind: Info,
        labels: &["version"],
        help: "Version of hhnet, of the agent if one is running",
        read: |facts, samples| {
            let agent = facts.status.agent.as_ref();
            samples.add(
                [agent.map_or(env!("HHNET_BUILD"), |agent| &agent.build)],
                true,
            );
        },
    },
    Series {
        name: "hhnet_agent_up",
        kind: Gauge,
        labels: &[],
        help: "Whether an agent is running",
        read: |facts, samples| samples.add([], facts.status.agent.is_some()),
    },
    Series {
        name: "hhnet_agent_adopted_leases",
        kind: Gauge,
        labels: &[],
        help: "Leases of an agent that had died, which this one has gone on with, counting from zero",
        read: |facts, samples| {
            let agent = facts.status.agent.as_ref();
            samples.add_known([], agent.map(|agent| agent.adopted as u64));
        },
    },
    Series {
        name: "hhnet_scrape_duration_seconds",
        kind: Gauge,
        labels: &[],
        help: "Time it took to gather what this answer says",
        read: |facts, samples| samples.add([], facts.took.as_secs_f64()),
    },
    Series {
        name: "process_cpu_seconds_total",
        kind: Counter,
        labels: &[],
        help: "CPU time of the agent, in user space and in the kernel",
        read: |facts, samples| samples.add_known([], facts.process.map(|p| p.cpu_seconds)),
    },
    Series {
        name: "process_start_time_seconds",
        kind: Gauge,
        labels: &[],
        help: "When the agent began, since 1970",
        read: |facts, samples| samples.add_known([], facts.process.map(|p| p.start_seconds)),
    },
    Series {
        name: "process_resident_memory_bytes",
        kind: Gauge,
        labels: &[],
        help: "Memory the agent has",
        read: |facts, samples| samples.add_known([], facts.process.map(|p| p.resident_bytes)),
    },
    Series {
        name: "process_virtual_memory_bytes",
        kind: Gauge,
        labels: &[],
        help: "Memory the agent may address",
        read: |facts, samples| samples.add_known([], facts.process.map(|p| p.virtual_bytes)),
    },
    Series {
        name: "process_open_fds",
        kind: Gauge,
        labels: &[],
        help: "File descriptors the agent has open",
        read: |facts, samples| samples.add_known([], facts.process.map(|p| p.open_fds)),
    },
    Series {
        name: "process_max_fds",
        kind: Gauge,
        labels: &[],
        help: "File descriptors the agent may have open",
        read: |facts, samples| samples.add_known([], facts.process.and_then(|p| p.max_fds)),
    },
];
