// SPDX-License-Identifier: Apache-2.0
//! The grammar of the command line, the one definition of what may be asked.
//!
//! It is parsed twice: by the command, so that a usage error never reaches the
//! agent, and by the agent, because the protocol between them is this very
//! command line. Whatever has passed is valid by its type.

use std::{ffi::OsString, fmt, net::Ipv4Addr, num::NonZeroU16, str::FromStr, time::Duration};

use clap::{Args, CommandFactory, Parser, Subcommand, error::ErrorKind};
use serde::{Deserialize, Serialize};

/// The longest interface name the kernel takes: `IFNAMSIZ - 1` bytes.
const NAME_MAX: usize = 15;

/// Name of the only bond hhnet makes; scripts and documentation rely on it.
pub const BOND: &str = "bond0";

#[derive(Debug, Parser)]
#[command(
    name = "hhnet",
    about = "Host networking for test servers: bonds, VLANs, DHCP, and what the wire really did",
    version = env!("HHNET_BUILD"),
    disable_help_subcommand = true,
    after_help = "The commands people need first:\n  \
        hhnet cleanup\n  \
        hhnet bond 1001 layer2+3 enp2s1 enp2s2\n  \
        hhnet vlan 1001 enp2s1"
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// What hhnet is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Remove every bond, VLAN, address and program; give the links back
    #[command(override_usage = "hhnet cleanup")]
    Cleanup,
    /// Bond interfaces (802.3ad), add a VLAN, wait for an address, print it
    #[command(override_usage = "hhnet bond <vlan> <policy> <iface>... [--mtu=N]")]
    Bond(Bond),
    /// Add a VLAN to an interface, wait for an address, print it
    #[command(override_usage = "hhnet vlan <vlan> <iface> [--mtu=N]")]
    Vlan(Vlan),
    /// Lease an address on an interface as it is, untagged, and print it
    #[command(override_usage = "hhnet dhcp <iface> [--mtu=N]")]
    Dhcp(Dhcp),
    /// Set a point-to-point address and the default route through its peer
    #[command(override_usage = "hhnet p2p <iface> <local/31> <remote>")]
    P2p(P2p),
    /// Print the global addresses of the loopback interface
    #[command(override_usage = "hhnet getvips")]
    Getvips,
    /// Show bonds, LACP, leases and programs on one screen
    #[command(override_usage = "hhnet status")]
    Status,
    /// Print what was counted, in the text format of Prometheus
    #[command(override_usage = "hhnet metrics")]
    Metrics,
    /// Show the flows seen on each member
    #[command(override_usage = "hhnet flows [--top=N] [--json]")]
    Flows(Flows),
    /// Hold leases and counters; started by the other commands when needed
    #[command(hide = true, override_usage = "hhnet agent")]
    Agent,
}

/// `hhnet bond <vlan> <policy> <iface>... [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Bond {
    /// VLAN id, 1 to 4094
    #[arg(value_name = "vlan")]
    pub vlan: VlanId,
    /// Transmit hash policy: layer2, layer2+3, layer3+4, encap2+3, encap3+4 or vlan+srcmac
    #[arg(value_name = "policy")]
    pub policy: HashPolicy,
    /// Interfaces to bond, in order; the first one gives the bond its MAC address
    #[arg(value_name = "iface", required = true)]
    pub members: Vec<IfName>,
    /// How often LACPDUs are asked for: slow (30 s, the kernel's default) or fast (1 s)
    #[arg(long, value_name = "RATE", value_enum, default_value_t)]
    pub lacp_rate: LacpRate,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// `hhnet vlan <vlan> <iface> [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Vlan {
    /// VLAN id, 1 to 4094
    #[arg(value_name = "vlan")]
    pub vlan: VlanId,
    /// Interface that carries the VLAN; may be a bond
    #[arg(value_name = "iface")]
    pub parent: IfName,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// `hhnet dhcp <iface> [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Dhcp {
    /// Interface that gets the address
    #[arg(value_name = "iface")]
    pub interface: IfName,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// What `bond`, `vlan` and `dhcp` have in common: the way to an address.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LeaseFlags {
    /// MTU of every device involved, in bytes
    #[arg(long, value_name = "N", value_parser = mtu)]
    pub mtu: Option<u32>,
    /// Seconds to wait for an address
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    timeout: u32,
    /// XDP programs on the interfaces: auto (native, else generic), native, generic or off
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub xdp: Xdp,
    /// What servers know us by: mac (type 1 and the hardware address), duid (RFC 4361) or none
    #[arg(long, value_name = "ID", value_enum, default_value_t)]
    pub client_id: ClientId,
    /// Ask the network whether the address is free before using it (RFC 5227); takes 4 to 7 s
    #[arg(long)]
    pub arp_probe: bool,
}

impl LeaseFlags {
    /// How long to wait for an address before the command fails.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

/// `hhnet p2p <iface> <local/31> <remote>`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct P2p {
    /// Interface that gets the address
    #[arg(value_name = "iface")]
    pub interface: IfName,
    /// Address of this end and its prefix length
    #[arg(value_name = "local/31")]
    pub local: Prefix,
    /// Address of the other end, the gateway of the default route
    #[arg(value_name = "remote")]
    pub remote: Ipv4Addr,
}

/// `hhnet flows [--top=N] [--json]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Flows {
    /// Show the N busiest flows only
    #[arg(long, value_name = "N", value_parser = top)]
    pub top: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

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

/// How XDP programs are attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Xdp {
    /// Native where the driver can, else generic.
    #[default]
    Auto,
    /// Native only.
    Native,
    /// Generic only.
    Generic,
    /// No programs.
    Off,
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
fn digits<N: FromStr>(text: &str) -> Option<N> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

/// An MTU that DHCP works with: every host takes datagrams of 576 bytes (RFC
/// 791, section 3.1), and servers count on that (RFC 2131, section 2).
fn mtu(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|mtu| (576..=65535).contains(mtu))
        .ok_or_else(|| "an MTU is a number of bytes from 576 to 65535".into())
}

fn seconds(text: &str) -> Result<u32, String> {
    digits(text)
        .filter(|seconds| (1..=86400).contains(seconds))
        .ok_or_else(|| "a timeout is a number of seconds from 1 to 86400".into())
}

fn top(text: &str) -> Result<usize, String> {
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
    const ALL: [HashPolicy; 6] = [
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

impl FromStr for HashPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(HashPolicy::name).join(", ");
                format!("a hash policy is one of {names}")
            })
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

/// A command line that asks for nothing hhnet can do; the text says so to a person.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `--version`: the answer itself, for stdout, with success.
    Version(String),
    /// Everything else: for stderr, with failure. Scripts depend on `--help`
    /// being no success, as it never was.
    Usage(String),
}

/// Parses a command line, program name excluded.
///
/// # Errors
/// A [`Refusal`] with the text to print: one line, or the whole help where
/// nothing was asked at all.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Verb, Refusal> {
    let args: Vec<OsString> = std::iter::once("hhnet".into()).chain(args).collect();
    let verb = Cli::try_parse_from(&args)
        .map_err(|error| refusal(&args, &error))?
        .verb;
    check(&verb).map_err(|reason| Refusal::Usage(format!("Error: {reason}\n")))?;
    Ok(verb)
}

/// What the grammar cannot say: rules that tie several arguments together.
fn check(verb: &Verb) -> Result<(), String> {
    match verb {
        Verb::Bond(bond) => {
            let twice =
                (1..bond.members.len()).find(|i| bond.members[..*i].contains(&bond.members[*i]));
            match twice {
                Some(i) => Err(format!("interface {} is named twice", bond.members[i])),
                None => Ok(()),
            }
        }
        Verb::Vlan(vlan) => vlan.parent.with_vlan(vlan.vlan).map(drop),
        Verb::P2p(p2p) if p2p.local.address == p2p.remote => {
            Err(format!("both ends have the address {}", p2p.remote))
        }
        Verb::P2p(p2p) => match [p2p.local.address, p2p.remote]
            .into_iter()
            .find(|address| !is_host(*address))
        {
            Some(address) => Err(format!("{address} is no address of a machine")),
            None => Ok(()),
        },
        Verb::Dhcp(_)
        | Verb::Cleanup
        | Verb::Getvips
        | Verb::Status
        | Verb::Metrics
        | Verb::Flows(_)
        | Verb::Agent => Ok(()),
    }
}

/// Whether an address can be that of one machine, seen from another.
pub fn is_host(address: Ipv4Addr) -> bool {
    !(address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_loopback())
}

/// Turns clap's several lines into the one line a tired operator reads.
fn refusal(args: &[OsString], error: &clap::Error) -> Refusal {
    let mut command = Cli::command();
    match error.kind() {
        ErrorKind::DisplayVersion => Refusal::Version(error.to_string()),
        ErrorKind::DisplayHelp => Refusal::Usage(error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingSubcommand
        | ErrorKind::InvalidSubcommand => Refusal::Usage(command.render_help().to_string()),
        ErrorKind::MissingRequiredArgument => {
            let verb = args
                .get(1)
                .and_then(|verb| verb.to_str())
                .unwrap_or_default();
            if verb == "bond" && args.len() > 4 {
                return Refusal::Usage("Error: at least one interface required for bond\n".into());
            }
            let usage = command
                .find_subcommand_mut(verb)
                .map_or_else(String::new, |verb| verb.render_usage().to_string());
            Refusal::Usage(format!("{usage}\n"))
        }
        _ => {
            let text = error.to_string();
            let mut lines = text.lines();
            let line = lines.next().unwrap_or_default();
            // Of the others, only what would have been right.
            let allowed = lines
                .map(str::trim)
                .find(|line| line.starts_with("[possible values"))
                .map_or_else(String::new, |values| format!(" {values}"));
            let line = line.trim_start_matches("error: ");
            Refusal::Usage(format!("Error: {line}{allowed}\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Verb, Refusal> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn complaint(line: &str) -> String {
        match ask(line) {
            Err(Refusal::Usage(text)) => text,
            other => panic!("{line}: expected a usage error, got {other:?}"),
        }
    }

    #[test]
    fn the_mtu_may_stand_before_or_after_the_interfaces() {
        let after = ask("bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036").unwrap();
        let before = ask("bond 1001 layer2+3 --mtu=9036 enp2s1 enp2s2").unwrap();
        assert_eq!(after, before);
        let Verb::Bond(bond) = after else {
            panic!("not a bond")
        };
        assert_eq!(bond.lease.mtu, Some(9036));
        assert_eq!(bond.members.len(), 2);
    }

    #[test]
    fn flags_of_our_own_change_no_default() {
        let Ok(Verb::Bond(bond)) = ask("bond 1001 vlan+srcmac enp2s1") else {
            panic!("refused")
        };
        assert_eq!(bond.lacp_rate, LacpRate::Slow);
        assert_eq!(bond.lease.timeout(), Duration::from_secs(300));
        assert_eq!(bond.policy, HashPolicy::VlanSrcmac);
    }

    #[test]
    fn every_policy_is_read_back_from_its_name() {
        for policy in HashPolicy::ALL {
            assert_eq!(policy.name().parse(), Ok(policy));
        }
    }

    #[test]
    fn help_and_nonsense_are_usage_errors() {
        for line in ["", "--help", "bogus", "bond --help"] {
            assert!(complaint(line).contains("Usage: hhnet"), "{line}");
        }
    }

    #[test]
    fn missing_arguments_get_the_verbs_usage() {
        for (line, usage) in [
            (
                "bond 1001 layer2+3",
                "Usage: hhnet bond <vlan> <policy> <iface>... [--mtu=N]\n",
            ),
            ("vlan 1000", "Usage: hhnet vlan <vlan> <iface> [--mtu=N]\n"),
            (
                "p2p enp2s1 10.0.1.0/31",
                "Usage: hhnet p2p <iface> <local/31> <remote>\n",
            ),
            (
                "bond 1001 layer2+3 --mtu=9036",
                "Error: at least one interface required for bond\n",
            ),
        ] {
            assert_eq!(complaint(line), usage, "{line}");
        }
    }

    #[test]
    fn a_bad_value_gets_one_line_that_names_it_and_what_is_allowed() {
        for (line, bad, allowed) in [
            (
                "bond 1001 layer7 enp2s1",
                "layer7",
                "layer2, layer2+3, layer3+4",
            ),
            ("bond 0 layer2 enp2s1", "0", "1 to 4094"),
            ("vlan 4095 enp2s1", "4095", "1 to 4094"),
            ("vlan abc enp2s1", "abc", "1 to 4094"),
            (
                "vlan 1001 averylongnicname0",
                "averylongnicname0",
                "15 characters",
            ),
            (
                "vlan 1001 enp2s1longer",
                "enp2s1longer.1001",
                "15 characters",
            ),
            ("vlan 1001 ../etc", "../etc", "not an interface name"),
            ("vlan 1001 enp2s1 --mtu=575", "575", "576 to 65535"),
            ("vlan 1001 enp2s1 --mtu=abc", "abc", "576 to 65535"),
            ("vlan 1001 enp2s1 --mtu=+1500", "+1500", "576 to 65535"),
            ("vlan 1001 enp2s1 --timeout=0", "0", "1 to 86400"),
            (
                "vlan 1001 enp2s1 --xdp=maybe",
                "maybe",
                "native, generic, off",
            ),
            ("vlan +5 enp2s1", "+5", "1 to 4094"),
            ("flows --top=0", "0", "from 1 on"),
            (
                "p2p enp2s1 10.0.1.0/31 0.0.0.0",
                "0.0.0.0",
                "no address of a machine",
            ),
            (
                "p2p enp2s1 127.0.0.2/31 10.0.0.1",
                "127.0.0.2",
                "no address of a machine",
            ),
            (
                "p2p enp2s1 10.0.1.0/+31 10.0.1.1",
                "10.0.1.0/+31",
                "a.b.c.d/n",
            ),
            ("bond 1001 layer2 enp2s1 enp2s1", "enp2s1", "twice"),
            ("p2p enp2s1 10.0.1.0 10.0.1.1", "10.0.1.0", "a.b.c.d/n"),
            (
                "p2p enp2s1 10.0.1.0/33 10.0.1.1",
                "10.0.1.0/33",
                "a.b.c.d/n",
            ),
            ("p2p enp2s1 10.0.1.1/31 10.0.1.1", "10.0.1.1", "both ends"),
            ("cleanup now", "now", "unexpected"),
        ] {
            let text = complaint(line);
            assert!(
                text.contains(bad) && text.contains(allowed),
                "{line}: {text}"
            );
            assert_eq!(text.lines().count(), 1, "{line}: {text}");
        }
    }
}
