//! What is configured: plain data in the order in which it was made, its checks and its text.

use std::{
    fmt::{self, Write as _},
    net::Ipv4Addr,
    time::Duration,
};

use control::{
    command::{ConfigError, ConfigWriter, Secret, rank},
    protocol::{Checked, Claims},
};

/// The part of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CountersConfig {
    pub counters: Vec<CounterConfig>,
}

/// `counter NAME`
#[derive(Clone, Debug, PartialEq)]
pub struct CounterConfig {
    pub name: String,
    pub key: Option<Secret>,
    pub interval: Option<Duration>,
    pub limit: u64,
    pub address: Option<Ipv4Addr>,
}

impl CounterConfig {
    pub const DEFAULT_LIMIT: u64 = 1_000_000;

    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), key: None, interval: None, limit: Self::DEFAULT_LIMIT, address: None }
    }
}

impl CountersConfig {
    pub fn counter(&self, name: &str) -> Option<&CounterConfig> {
        self.counters.iter().find(|counter| counter.name == name)
    }

    pub fn counter_mut(&mut self, name: &str) -> Option<&mut CounterConfig> {
        self.counters.iter_mut().find(|counter| counter.name == name)
    }

    pub fn addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.counters.iter().filter_map(|counter| counter.address)
    }

    /// What no single line can see: an address that an interface has.
    pub fn check(&self, claims: &Claims) -> Checked {
        let taken = self.addresses().filter(|address| claims.is_interface_address(*address));
        let refused = |address| ConfigError::new(format!("Counter: {address} is an interface address"));
        let errors: Vec<_> = taken.map(refused).collect();
        if errors.is_empty() { Ok(Vec::new()) } else { Err(errors) }
    }

    /// Writes what differs from the defaults.
    pub fn print(&self, out: &mut ConfigWriter) {
        // Writing to a string cannot fail.
        let _ = self.counters.iter().try_for_each(|counter| counter.write(out));
    }
}

impl CounterConfig {
    fn write(&self, out: &mut ConfigWriter) -> fmt::Result {
        out.block(rank::FEEDBACK);
        writeln!(out, "counter {}", self.name)?;
        if let Some(key) = &self.key {
            out.write_str(" key ")?;
            out.secret(key)?;
            out.write_char('\n')?;
        }
        if let Some(interval) = self.interval {
            writeln!(out, " interval {}", interval.as_millis())?;
        }
        if self.limit != Self::DEFAULT_LIMIT {
            writeln!(out, " limit {}", self.limit)?;
        }
        if let Some(address) = self.address {
            writeln!(out, " address {address}")?;
        }
        Ok(())
    }
}
