//! What a measurement runs on, as the kernel tells.

use std::fs::read_to_string;

use crate::result::HostInfo;

/// What the kernel does not tell is left empty.
pub fn read(dpdk: String) -> HostInfo {
    let file = |path| read_to_string(path).unwrap_or_default();
    let (cpu, cpus) = processors(&file("/proc/cpuinfo"));
    HostInfo {
        host: file("/proc/sys/kernel/hostname").trim().into(),
        cpu,
        cpus,
        memory: memory(&file("/proc/meminfo")),
        kernel: file("/proc/sys/kernel/osrelease").trim().into(),
        dpdk,
        pktgen: env!("CARGO_PKG_VERSION").into(),
    }
}

/// Values of a key in lines such as `model name : Xeon`.
fn values<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.filter(move |(key, _)| key.trim() == wanted).map(|(_, value)| value.trim())
}

/// Model of the first processor, and how many there are.
fn processors(cpuinfo: &str) -> (String, u32) {
    let model = values(cpuinfo, "model name").next().unwrap_or_default();
    (model.into(), values(cpuinfo, "processor").count() as u32)
}

/// Bytes.
fn memory(meminfo: &str) -> u64 {
    let total = values(meminfo, "MemTotal").next().and_then(|value| value.strip_suffix(" kB"));
    total.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(0, |kib| kib.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_model_the_number_of_processors_and_the_memory_are_read() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Xeon: Gold\n\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(processors(cpuinfo), ("Xeon: Gold".into(), 2));
        assert_eq!(memory("MemTotal:       16384 kB\nMemFree:  1 kB\n"), 16384 * 1024);
        assert_eq!((processors("").1, memory("MemTotal: many kB")), (0, 0));
    }
}
