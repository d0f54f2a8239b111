// SPDX-License-Identifier: Apache-2.0
//! Samples as text.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text::encode},
    metrics::MetricType,
    registry::Registry,
};

use super::series::{Kind, Samples, Series, Value};
use crate::exporter::Format;

type Families = Vec<(&'static Series, Samples)>;

/// Writes all families that have samples.
pub(super) fn write(families: Families, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All(families)));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {}
        // Writing to a string does not fail.
        Err(fmt::Error) => return String::new(),
    }
    // As both formats want it; a label's value has no line break in it.
    let text = text.replace(" inf\n", " +Inf\n");
    match format {
        Format::OpenMetrics => text,
        Format::Prometheus => classic(&text),
    }
}

#[derive(Debug)]
struct All(Families);

impl Collector for All {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (series, samples) in self.0.iter().filter(|(_, samples)| !samples.0.is_empty()) {
            let kind = match series.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Info => MetricType::Info,
            };
            let help = format!("{}.", series.help);
            let mut family = encoder.encode_descriptor(series.family(), &help, None, kind)?;
            for (values, value) in &samples.0 {
                let labels: Vec<(&str, &str)> = series
                    .labels
                    .iter()
                    .copied()
                    .zip(values.iter().map(String::as_str))
                    // An empty label is one that is not there.
                    .filter(|(_, value)| !value.is_empty())
                    .collect();
                sample(&mut family, series.kind, &labels, *value)?;
            }
        }
        Ok(())
    }
}

fn sample(
    family: &mut MetricEncoder<'_>,
    kind: Kind,
    labels: &Vec<(&str, &str)>,
    value: Value,
) -> fmt::Result {
    if kind == Kind::Info {
        return family.encode_info(labels);
    }
    let mut metric = family.encode_family(labels)?;
    match (kind, value) {
        (Kind::Counter, Value::Whole(count)) => {
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)
        }
        (Kind::Counter, Value::Real(count)) => {
            metric.encode_counter::<NoLabelSet, _, u64>(&count, None)
        }
        (_, Value::Whole(value)) => metric.encode_gauge(&value),
        (_, Value::Real(value)) => metric.encode_gauge(&value),
    }
}

/// From OpenMetrics to the older format, which every reader knows: there, the
/// name of a counter and of an info includes its suffix, and nothing marks the end.
fn classic(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut suffix = "";
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                suffix = lines.peek().map_or("", |next| suffix_of(next));
                out += &format!("# HELP {name}{suffix} {help}\n");
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let kind = if kind == "info" { "gauge" } else { kind };
                out += &format!("# TYPE {name}{suffix} {kind}\n");
            }
            (Some("#"), Some("EOF"), None, None) => {}
            _ => {
                out += line;
                out.push('\n');
            }
        }
    }
    out
}

/// What names of the kind that a `TYPE` line tells end in.
fn suffix_of(line: &str) -> &'static str {
    match line.rsplit(' ').next() {
        Some("counter") => Kind::Counter.suffix(),
        Some("info") => Kind::Info.suffix(),
        _ => "",
    }
}
