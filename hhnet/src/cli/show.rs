// SPDX-License-Identifier: Apache-2.0
//! Arguments of the verbs that show something.

use clap::Args;

use super::values::{self, By, IfName};

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
