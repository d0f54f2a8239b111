// SPDX-License-Identifier: Apache-2.0
//! hhnet, the host networking agent for test servers.
//!
//! ```text
//! bytes   wire · icmp · dhcp::{packet, arp, request, reply} ·
//!         hhnet_ebpf                                                  pure
//! rules   cli · config · dhcp::{client, lease, routes, names} · status ·
//!         diagnose · check · metrics · progress · printable ·         pure
//!         xdp::{report, expected, xmit_hash, rates} · top::{view, draw}
//! world   main · elevate · client · watch · top · agent · session · exporter ·
//!         errand · file · privilege ·
//!         journal · link · host · dhcp::socket · diagnose::{look, ping} ·
//!         check::{run, socket} · xdp                                   thin
//! ```
//! World may name rules and bytes; rules may name bytes and the plain data of
//! the world (a `link::Device`, a `session::Report`), never what acts.

pub mod agent;
pub mod check;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod dhcp;
pub mod diagnose;
pub mod elevate;
pub mod errand;
pub mod exporter;
pub mod fault;
pub mod file;
pub mod host;
pub mod icmp;
pub mod journal;
pub mod link;
pub mod log;
pub mod metrics;
pub mod offline;
pub mod printable;
pub mod privilege;
pub mod program;
pub mod progress;
pub mod runtime;
pub mod session;
pub mod status;
pub mod top;
pub mod watch;
pub mod wire;
pub mod xdp;
