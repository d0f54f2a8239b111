// SPDX-License-Identifier: Apache-2.0
//! What hhnet does on a kernel without bonds and VLANs. Needs root.

mod agent;
mod bad_input;
mod cleanup;
mod dhcp;
mod diagnose;
mod elevate;
mod foreground;
mod getvips;
mod metrics;
mod point_to_point;
mod progress;
mod status;
mod top;
mod unit;
mod usage;
mod watch;
