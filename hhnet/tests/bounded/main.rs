// SPDX-License-Identifier: Apache-2.0
//! Memory stays bounded wherever somebody else can make it grow: a million distinct
//! inputs for each of them, and no more in use afterwards than before. Where one input
//! costs much it is ten thousand: samples of metrics, and HTTP requests unless the run is
//! thorough.
//!
//! | input | bound | test |
//! |---|---|---|
//! | DHCP messages | one exchange, 4 spare offers, 8 servers told apart | [`dhcp`] |
//! | options, routes, names of a message | 128 routes, 16 servers, 16 domains | [`dhcp`] |
//! | ARP packets | nothing is kept of them | [`dhcp`] |
//! | what the log and a terminal are told of DHCP | a few lines a second | [`dhcp`] |
//! | reasons for drops | 14 counters | [`dhcp`] |
//! | HTTP connections and requests | 16 connections of 8 KiB | [`http`] |
//! | requests and frames of the control socket | 1 MiB each, no more | [`wire`], `netns` |
//! | log lines | two files of 480 KiB | `hhnet::log` |
//! | labels of metrics | one sample an interface | `hhnet::metrics` |
//! | flows | the tables, a ring, 65,536 listed | `datapath_testrun` |
//! | ICMP errors while `check` pings | 16 kinds of them | `hhnet::check` |
//! | examples of duplicates | 32, by [`hhnet::xdp`] | `dups_testrun`, of two |
//!
//! What is in use is measured for each thread, so that tests may run side by side.

mod dhcp;
mod http;
mod meter;
mod wire;

/// How many distinct inputs a test feeds: a million, unless they are costly.
const MANY: u32 = 1_000_000;
