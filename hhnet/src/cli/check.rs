// SPDX-License-Identifier: Apache-2.0
//! The command line of `hhnet check`.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use clap::Args;

use super::values::{IfName, digits};
use crate::check::Url;

/// `hhnet check <host>... [--from=IP|DEV]... [--pings=5] …`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Check {
    /// Names or IPv4 addresses of others; none are needed with --url
    #[arg(value_name = "host", required_unless_present = "urls", value_parser = host)]
    pub hosts: Vec<String>,
    /// Send from this address or interface, not from what the kernel chooses; may be
    /// given several times
    #[arg(long, value_name = "IP|DEV")]
    pub from: Vec<Source>,
    /// Pings to each, half a second apart; 0 for none, and no search for the path MTU
    #[arg(long, value_name = "N", default_value = "5", value_parser = pings)]
    pub pings: u16,
    /// Connect to this TCP port of each; may be given several times
    #[arg(long = "port", value_name = "PORT", value_parser = port)]
    pub ports: Vec<u16>,
    /// Measure throughput to an iperf3 -s on each for so long; 0 for not at all
    /// [default: 10]
    #[arg(long, value_name = "N", value_parser = measured)]
    pub seconds: Option<u32>,
    /// The least throughput that is good, in Mbit/s; 0 for any, as where switches are
    /// virtual [default: 8200]
    #[arg(long, value_name = "N", value_parser = megabits)]
    pub min_mbits: Option<u32>,
    /// Ask for this page (http alone, hhnet has no TLS); may be given several times
    #[arg(long = "url", value_name = "URL")]
    pub urls: Vec<Url>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Check {
    /// Whether more is asked of hosts than throughput.
    pub fn asks_besides_throughput(&self) -> bool {
        self.pings > 0 || !self.ports.is_empty()
    }

    /// Whether there is anything to do for those that are named.
    pub(super) fn asks_something(&self) -> bool {
        self.hosts.is_empty() || self.asks_besides_throughput() || self.seconds != Some(0)
    }
}

/// Where something is sent from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An address of this server.
    Address(Ipv4Addr),
    /// An interface.
    Device(IfName),
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(address) => Ok(Source::Address(address)),
            Err(_) => text.parse().map(Source::Device),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Address(address) => address.fmt(f),
            Source::Device(name) => name.fmt(f),
        }
    }
}

/// A host to reach: a name, or an IPv4 address.
fn host(text: &str) -> Result<String, String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err("only IPv4 is checked".into());
    }
    let plain = |c: char| c.is_alphanumeric() || ['.', '-', '_'].contains(&c);
    // RFC 1035, section 2.3.4.
    if text.is_empty() || text.len() > 253 || !text.chars().all(plain) {
        return Err("a host is a name or an IPv4 address".into());
    }
    Ok(text.to_owned())
}

fn pings(text: &str) -> Result<u16, String> {
    digits(text)
        .filter(|count| *count <= 1000)
        .ok_or_else(|| "how many pings to send is a number from 0 to 1000".into())
}

fn port(text: &str) -> Result<u16, String> {
    digits(text)
        .filter(|port| *port > 0)
        .ok_or_else(|| "a port is a number from 1 to 65535".into())
}

fn measured(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|seconds| *seconds <= 3600)
        .ok_or_else(|| "how long to measure is a number of seconds from 0 to 3600".into())
}

fn megabits(text: &str) -> Result<u32, String> {
    digits(text).ok_or_else(|| "a throughput is a number of megabits a second".into())
}
