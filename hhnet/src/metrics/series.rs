// SPDX-License-Identifier: Apache-2.0
//! What a series is, and the list of all.

use std::fmt;

use super::{Facts, agent, counters, leases, links};
use crate::printable;

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Only grows, until the agent or its programs are new.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Always 1: its labels are what it says.
    Info,
}

impl Kind {
    /// What names of this kind end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Counter => "counter",
            // The older format has no other word for it.
            Kind::Gauge | Kind::Info => "gauge",
        })
    }
}

/// A row of the table of all series.
#[derive(Debug)]
pub(super) struct Series {
    /// Its name, with its suffix.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Its labels, in the order in which [`Samples::add`] takes their values.
    pub(super) labels: &'static [&'static str],
    /// What it says, in one sentence.
    pub(super) help: &'static str,
    /// Reads its samples.
    pub(super) read: fn(&Facts<'_>, &mut Samples),
}

/// A value: whole numbers are written as such, however large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Whole(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Whole(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Real(value)
    }
}

/// The samples of one series: the values of its labels, and its value.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) Vec<(Vec<String>, Value)>);

impl Samples {
    pub(super) fn add<const N: usize>(&mut self, labels: [&str; N], value: impl Into<Value>) {
        // Names of links may be anything.
        let labels = labels.map(|label| printable::line(label).into_owned());
        self.0.push((labels.to_vec(), value.into()));
    }
}

impl Samples {
    /// Nothing of what is not known.
    pub(super) fn add_known<const N: usize>(
        &mut self,
        labels: [&str; N],
        value: Option<impl Into<Value>>,
    ) {
        if let Some(value) = value {
            self.add(labels, value);
        }
    }
}

impl Series {
    /// Its name without the suffix of its kind, as OpenMetrics names the family.
    pub(super) fn family(&self) -> &'static str {
        let suffix = self.kind.suffix();
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }

    pub(super) fn read(&'static self, facts: &Facts<'_>) -> (&'static Series, Samples) {
        let mut samples = Samples::default();
        (self.read)(facts, &mut samples);
        (self, samples)
    }
}

/// All there are.
pub(super) fn all() -> impl Iterator<Item = &'static Series> {
    [
        agent::SERIES,
        leases::SERIES,
        leases::COUNTERS,
        links::SERIES,
        counters::SERIES,
        counters::DUPLICATES,
        counters::FLOWS,
    ]
    .into_iter()
    .flatten()
}
