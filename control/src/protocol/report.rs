//! What subsystems report of themselves: metrics in the OpenMetrics text format, and health.

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

/// A family: help, counter or gauge, values by labels.
#[derive(Debug)]
struct Family {
    help: &'static str,
    counter: bool,
    values: Vec<(Labels, f64)>,
}

/// Names with values.
pub type Labels = Vec<(&'static str, String)>;

/// Everything that one scrape reports.
#[derive(Debug, Default)]
pub struct Report {
    families: BTreeMap<&'static str, Family>,
}

impl Report {
    /// A number that only rises.
    pub fn counter(&mut self, name: &'static str, help: &'static str, labels: Labels, value: u64) {
        self.add(name, help, true, labels, value as f64);
    }

    /// A number that rises and falls.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, labels: Labels, value: f64) {
        self.add(name, help, false, labels, value);
    }

    fn add(&mut self, name: &'static str, help: &'static str, counter: bool, labels: Labels, value: f64) {
        let family =
            self.families.entry(name).or_insert_with(|| Family { help, counter, values: Vec::new() });
        family.values.push((labels, value));
    }

    /// The OpenMetrics text.
    pub fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

impl Collector for Report {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, family) in &self.families {
            let kind = if family.counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(name, family.help, None, kind)?;
            for (labels, value) in &family.values {
                let encoder = metric.encode_family(labels)?;
                if family.counter {
                    ConstCounter::new(*value).encode(encoder)?;
                } else {
                    ConstGauge::new(*value).encode(encoder)?;
                }
            }
        }
        Ok(())
    }
}
