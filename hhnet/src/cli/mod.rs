// SPDX-License-Identifier: Apache-2.0
//! The grammar of the command line, the one definition of what may be asked.
//!
//! It is parsed twice: by the command, so that a usage error never reaches the
//! agent, and by the agent, because the protocol between them is this very
//! command line. Whatever has passed is valid by its type.

mod check;
mod make;
mod parse;
mod show;
mod values;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

pub use self::{
    check::{Check, Source},
    make::{Bond, Dhcp, LeaseFlags, P2p, Vlan},
    parse::{Refusal, parse},
    show::{Diagnose, Dups, Flows, Metrics, Status, Top},
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
    /// Say whether others are reached, how fast, and if not, why
    #[command(
        override_usage = "hhnet check <host>... [--from=IP|DEV]... [--pings=5] [--port=PORT]... \
            [--seconds=10] [--min-mbits=8200] [--url=URL]... [--json]",
        after_help = "Exit status 1: something failed; duplicates alone are no failure. 2: not asked right.\n\
            Without --seconds and --min-mbits it is no failure where nothing could be measured,\n\
            as no iperf3 -s listens there, or iperf3 is not installed here."
    )]
    Check(Check),
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
            | Verb::Check(_)
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
            | Verb::Check(_)
            | Verb::Metrics(_)
            | Verb::Flows(_)
            | Verb::Dups(_)
            | Verb::Top(_)
            | Verb::Agent(_) => None,
        }
    }
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
