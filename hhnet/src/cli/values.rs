// SPDX-License-Identifier: Apache-2.0
//! The words of the command line, as types: what has one of them is valid.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// The longest interface name the kernel takes: `IFNAMSIZ - 1` bytes.
const NAME_MAX: usize = 15;

/// How often LACPDUs are asked for (`lacp_rate` of the bonding driver).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LacpRate {
    /// Every 30 s, the kernel's default.
    #[default]
    Slow,
    /// Every second.
    Fast,
}

/// What a DHCP client calls itself (option 61).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientId {
    /// Type 1 and the hardware address, as servers assume by themselves.
    #[default]
    Mac,
    /// A DUID and an interface number (RFC 4361): survives new hardware.
    Duid,
    /// Nothing.
    None,
}

/// How frames are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// XDP where the driver can, else a classifier.
    #[default]
    Auto,
    /// XDP in the driver only.
    Native,
    /// A classifier only.
    Tc,
    /// Generic XDP only.
    Generic,
    /// No programs.
    Off,
}

/// Where Prometheus finds the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// Nowhere: by `hhnet metrics` alone.
    Off,
    /// By HTTP, at this address and port.
    At(SocketAddr),
}

impl Exposure {
    /// On the loopback interface: readable by everybody on this machine and by nobody
    /// else. The port is beyond the range that Prometheus' list of exporters has given
    /// away completely (9100 to 9999).
    pub const USUAL: Exposure = Exposure::At(SocketAddr::new(
        std::net::IpAddr::V4(Ipv4Addr::LOCALHOST),
        19478,
    ));
}

impl FromStr for Exposure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Exposure::Off);
        }
        let address: Option<SocketAddr> = text.parse().ok();
        address
            .filter(|address| address.port() != 0)
            .map(Exposure::At)
            .ok_or_else(|| "metrics are off, or at an address and port, 127.0.0.1:19478".into())
    }
}

/// What makes one flow busier than another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The bytes of its frames.
    #[default]
    Bytes,
    /// Their number.
    Packets,
    /// How many of them came twice.
    Dups,
}

/// A VLAN id that may be used: IEEE 802.1Q reserves 0 and 4095.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanId(NonZeroU16);

impl VlanId {
    /// The id as the kernel takes it, 1 to 4094.
    pub fn number(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for VlanId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        digits(text)
            .filter(|id| *id < 4095)
            .and_then(NonZeroU16::new)
            .map(VlanId)
            .ok_or_else(|| "a VLAN id is a number from 1 to 4094".into())
    }
}

/// A plain number: Rust's own parser takes a sign as well.
pub(super) fn digits<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// An MTU that DHCP works with: every host takes datagrams of 576 bytes (RFC
/// 791, section 3.1), and servers count on that (RFC 2131, section 2).
pub(super) fn mtu(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|mtu| (576..=65535).contains(mtu))
        .ok_or_else(|| "an MTU is a number of bytes from 576 to 65535".into())
}

pub(super) fn seconds(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|seconds| (1..=86400).contains(seconds))
        .ok_or_else(|| "a timeout is a number of seconds from 1 to 86400".into())
}

/// Flows there is room for: a table of one bucket at least, and of 100 MiB at most.
pub(super) fn flows(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|flows| (16..=1 << 20).contains(flows))
        .ok_or_else(|| "room is for a number of flows from 16 to 1048576".into())
}

/// Series are what Prometheus has to keep: a few, not thousands.
pub(super) fn few(text: &str) -> Result<usize, String> {
    digits(text)
        .filter(|count| (1..=1000).contains(count))
        .ok_or_else(|| "how many flows to export is a number from 1 to 1000".into())
}

pub(super) fn top(text: &str) -> Result<usize, String> {
    digits(text)
        .filter(|count| *count > 0)
        .ok_or_else(|| "how many flows to show is a number from 1 on".into())
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The bonding driver's transmit hash policies, by the names `ip` has for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashPolicy {
    /// Hardware addresses and packet type: `layer2`.
    Layer2,
    /// And IP addresses: `layer2+3`.
    Layer23,
    /// IP addresses and ports: `layer3+4`.
    Layer34,
    /// As layer2+3, of the packet inside a tunnel: `encap2+3`.
    Encap23,
    /// As layer3+4, of the packet inside a tunnel: `encap3+4`.
    Encap34,
    /// VLAN id and source hardware address: `vlan+srcmac`.
    VlanSrcmac,
}

impl HashPolicy {
    /// All of them, in the order of the kernel.
    pub const ALL: [HashPolicy; 6] = [
        HashPolicy::Layer2,
        HashPolicy::Layer23,
        HashPolicy::Layer34,
        HashPolicy::Encap23,
        HashPolicy::Encap34,
        HashPolicy::VlanSrcmac,
    ];

    /// The name, as in `/sys/class/net/bond0/bonding/xmit_hash_policy`.
    pub fn name(self) -> &'static str {
        match self {
            HashPolicy::Layer2 => "layer2",
            HashPolicy::Layer23 => "layer2+3",
            HashPolicy::Layer34 => "layer3+4",
            HashPolicy::Encap23 => "encap2+3",
            HashPolicy::Encap34 => "encap3+4",
            HashPolicy::VlanSrcmac => "vlan+srcmac",
        }
    }
}

impl clap::ValueEnum for HashPolicy {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(self.name().into())
    }
}

impl FromStr for HashPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as clap::ValueEnum>::from_str(text, false)
    }
}

impl fmt::Display for HashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An interface name the kernel would accept (`dev_valid_name` in net/core/dev.c).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IfName(String);

impl IfName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a VLAN on this interface, `enp2s1.1001`.
    ///
    /// # Errors
    /// When the result is longer than the kernel allows.
    pub fn with_vlan(&self, vlan: VlanId) -> Result<IfName, String> {
        format!("{self}.{vlan}").parse()
    }
}

impl FromStr for IfName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > NAME_MAX {
            return Err(format!(
                "interface name {text} is longer than {NAME_MAX} characters"
            ));
        }
        let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if text.is_empty() || text == "." || text == ".." || text.contains(odd) {
            return Err("not an interface name".into());
        }
        Ok(IfName(text.into()))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An IPv4 address with its prefix length, `10.0.1.10/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    /// The address, host bits included.
    pub address: Ipv4Addr,
    /// Prefix length in bits, 0 to 32.
    pub len: u8,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (address, len) = text.split_once('/')?;
            let prefix = Prefix {
                address: address.parse().ok()?,
                len: digits(len)?,
            };
            (prefix.len <= 32).then_some(prefix)
        };
        parse().ok_or_else(|| "not an IPv4 address with its prefix length, a.b.c.d/n".into())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// Whether an address can be that of one machine, seen from another.
pub fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}
