// SPDX-License-Identifier: Apache-2.0
//! The grammar of the command line, the one definition of what may be asked.
//!
//! It is parsed twice: by the command, so that a usage error never reaches the
//! agent, and by the agent, because the protocol between them is this very
//! command line. Whatever has passed is valid by its type.

mod parse;
mod values;

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use self::{
    parse::{Refusal, parse},
    values::{By, ClientId, Exposure, HashPolicy, IfName, LacpRate, Prefix, VlanId, Xdp, is_host},
};

/// Name of the only bond hhnet makes; scripts and documentation rely on it.
pub const BOND: &str = "bond0";

/// The help as a whole: one screen of 24 lines, with what people need first.
const HELP: &str = "\
{about}

People need these first:
  hhnet bond 1001 layer2+3 enp2s1 enp2s2   bond, VLAN, address
  hhnet status                             what is there now
  hhnet cleanup                            take all of it back

{usage-heading} {usage}

{subcommands}

hhnet COMMAND --help says more of one, hhnet --version what this is.
";

#[derive(Debug, Parser)]
#[command(
    name = "hhnet",
    about = "Network of a test server: bonds, VLANs, DHCP, and what the wire really did",
    version = env!("HHNET_BUILD"),
    disable_help_subcommand = true,
    help_template = HELP,
    // Also where there is no terminal to ask.
    term_width = 80
)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

/// The grammar itself, for whoever describes it: manual pages, completions.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What hhnet is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Remove every bond, VLAN, address and program; give the links back
    #[command(override_usage = "hhnet cleanup")]
    Cleanup,
    /// Bond interfaces (802.3ad), add a VLAN, wait for an address, print it
    #[command(
        override_usage = "hhnet bond <vlan> <policy> <iface>... [--mtu=N]",
        after_help = "Prints the address, 10.0.1.10/24, once it can be used, and undoes everything if\n\
            there is none within the timeout."
    )]
    Bond(Bond),
    /// Add a VLAN to an interface, wait for an address, print it
    #[command(
        override_usage = "hhnet vlan <vlan> <iface> [--mtu=N]",
        after_help = "Example, a second VLAN on the bond: hhnet vlan 1002 bond0"
    )]
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
    #[command(override_usage = "hhnet status [--watch] [--json]")]
    Status(Status),
    /// Say what is wrong, and what to do about it
    #[command(override_usage = "hhnet diagnose [--json]")]
    Diagnose(Diagnose),
    /// Print what was counted, in the text format of Prometheus
    #[command(override_usage = "hhnet metrics [--flows=N]")]
    Metrics(Metrics),
    /// Show the flows seen on each member
    #[command(
        override_usage = "hhnet flows [--top=N] [--by=bytes|packets|dups] [--member=NAME]... [--watch] [--json]"
    )]
    Flows(Flows),
    /// Say which frames came twice, and why
    #[command(override_usage = "hhnet dups [--json] [--watch]")]
    Dups(Dups),
    /// Show members, flows and duplicates live, a page that keys change
    #[command(override_usage = "hhnet top")]
    Top(Top),
    /// Hold leases and counters; started by the other commands when needed
    #[command(
        hide = true,
        override_usage = "hhnet agent [--foreground [--config=FILE]]"
    )]
    Agent(Agent),
}

impl Verb {
    /// Whether it changes anything on the machine.
    pub fn changes(&self) -> bool {
        match self {
            Verb::Cleanup | Verb::Bond(_) | Verb::Vlan(_) | Verb::Dhcp(_) | Verb::P2p(_) => true,
            Verb::Getvips
            | Verb::Status(_)
            | Verb::Diagnose(_)
            | Verb::Metrics(_)
            | Verb::Flows(_)
            | Verb::Dups(_)
            | Verb::Top(_)
            | Verb::Agent(_) => false,
        }
    }

    /// The interface that gets an address, of verbs that give one.
    pub fn interface(&self) -> Option<String> {
        match self {
            Verb::Bond(bond) => Some(format!("{BOND}.{}", bond.vlan)),
            Verb::Vlan(vlan) => Some(format!("{}.{}", vlan.parent, vlan.vlan)),
            Verb::Dhcp(dhcp) => Some(dhcp.interface.to_string()),
            Verb::P2p(p2p) => Some(p2p.interface.to_string()),
            Verb::Cleanup
            | Verb::Getvips
            | Verb::Status(_)
            | Verb::Diagnose(_)
            | Verb::Metrics(_)
            | Verb::Flows(_)
            | Verb::Dups(_)
            | Verb::Top(_)
            | Verb::Agent(_) => None,
        }
    }
}

/// `hhnet bond <vlan> <policy> <iface>... [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Bond {
    /// VLAN id, 1 to 4094
    #[arg(value_name = "vlan")]
    pub vlan: VlanId,
    /// Transmit hash policy: layer2, layer2+3, layer3+4, encap2+3, encap3+4 or vlan+srcmac
    #[arg(value_name = "policy", hide_possible_values = true)]
    pub policy: HashPolicy,
    /// Interfaces to bond, in order; the first one gives the bond its MAC address
    #[arg(value_name = "iface", required = true)]
    pub members: Vec<IfName>,
    /// How often LACPDUs are asked for: slow (30 s, the kernel's default) or fast (1 s)
    #[arg(
        long,
        value_name = "RATE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
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
    #[arg(long, value_name = "N", value_parser = values::mtu)]
    pub mtu: Option<u32>,
    /// Seconds to wait for an address
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = values::seconds)]
    timeout: u32,
    /// Programs on the interfaces: auto (native XDP, else tc), native, tc, generic (XDP) or off
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub xdp: Xdp,
    /// Room for N IPv4 flows and a quarter as many of IPv6 on each CPU; decided when an
    /// agent first counts [default: 65536]
    #[arg(long, value_name = "N", value_parser = values::flows)]
    pub flows: Option<u32>,
    /// What servers know us by: mac (type 1 and the hardware address), duid (RFC 4361) or none
    #[arg(
        long,
        value_name = "ID",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub client_id: ClientId,
    /// Ask the network whether the address is free before using it (RFC 5227); takes 4 to 7 s
    #[arg(long)]
    pub arp_probe: bool,
    /// Where the agent serves metrics by HTTP: 127.0.0.1:19478 at first, or off
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<Exposure>,
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
    /// Where the agent serves metrics by HTTP: 127.0.0.1:19478 at first, or off
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<Exposure>,
}

/// `hhnet metrics [--flows=N]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Metrics {
    /// Print also what the N busiest flows have: many more series than without
    #[arg(long, value_name = "N", value_parser = values::few)]
    pub flows: Option<usize>,
}

/// `hhnet flows [--top=N] [--by=bytes|packets|dups] [--member=NAME]... [--watch] [--json]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Flows {
    /// Show the N busiest flows only
    #[arg(long, value_name = "N", value_parser = values::top)]
    pub top: Option<usize>,
    /// What they are ordered by: bytes, packets (shares are of either) or dups
    #[arg(
        long,
        value_name = "UNIT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub by: By,
    /// Show what this member received and sent only; may be given several times
    #[arg(long = "member", value_name = "NAME")]
    pub members: Vec<IfName>,
    /// Show them anew each second, with packets and bits per second since the last time
    #[arg(long)]
    pub watch: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `hhnet dups [--json] [--watch]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Dups {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show them again each second, until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// `hhnet diagnose [--json]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Diagnose {
    /// Print JSON, with all facts that it is known from
    #[arg(long)]
    pub json: bool,
}

/// `hhnet status [--watch] [--json]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Status {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Show it anew each second, until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// `hhnet top`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Top {
    /// Write the facts to stdout instead, for the process that shows them
    #[arg(long, hide = true)]
    pub feed: bool,
}

/// `hhnet agent [--foreground [--config=FILE]]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Agent {
    /// Stay with whoever has started it, and apply a file of commands
    #[arg(long)]
    pub foreground: bool,
    /// That file [default: /etc/hhnet.conf, which may be missing]
    #[arg(long, value_name = "FILE", requires = "foreground")]
    pub config: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
