//! Machines made of files.

use std::{fs, path::Path};

use super::*;

const MEMINFO: &str = "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  750 kB\n";

/// A machine of two CPUs, of which the process may use the second, with files of its own.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let standard = [
        ("proc/self/status", "Name:\tx\nCpus_allowed_list:\t1\n"),
        ("proc/meminfo", MEMINFO),
        ("proc/stat", "cpu  0 0 0 0\ncpu0 900 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n"),
    ];
    standard.iter().chain(files).for_each(|(path, text)| put(root.path(), path, text));
    root
}

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// HostLoad one second after a first sample.
fn second_sample(root: &Path, between: &[(&str, &str)]) -> HostLoad {
    let mut sampler = Sampler::at(root);
    assert_eq!(sampler.sample(Nanos(0)).unwrap(), None, "there is no CPU time yet");
    for (path, text) in between {
        put(root, path, text);
    }
    sampler.sample(Nanos(1_000_000_000)).unwrap().expect("figures")
}

#[test]
fn the_host_counts_the_allowed_cpus_only() {
    let root = machine(&[]);
    let busy = "cpu0 1900 0 0 0 0 0 0 0 0 0\ncpu1 30 20 10 20 5 5 5 5 30 0\n";
    let figures = second_sample(root.path(), &[("proc/stat", busy)]);
    assert_eq!((figures.cpu.0, figures.memory.0), (250, 750));
    assert_eq!((figures.cpu.score(), figures.memory.score()), (4, 13));
}

#[test]
fn counters_of_any_size_are_added() {
    let root = machine(&[]);
    let most = u64::MAX;
    let huge = format!("cpu1 {most} {most} 0 {most} {most} 0 0 0 0 0\ncpu1 1 1 1 1 1\n");
    let figures = second_sample(root.path(), &[("proc/stat", &huge)]);
    assert_eq!(figures.cpu, PerMille::ALL);
}

const CGROUP2: &[(&str, &str)] = &[
    ("proc/self/cgroup", "0::/system.slice/agent.service\n"),
    ("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
    ("sys/fs/cgroup/system.slice/agent.service/cpu.max", "max 100000\n"),
    ("sys/fs/cgroup/system.slice/agent.service/cpu.stat", "usage_usec 0\n"),
    ("sys/fs/cgroup/system.slice/agent.service/memory.max", "max\n"),
    ("sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n"),
    ("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 1000\nuser_usec 5\n"),
    ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
    ("sys/fs/cgroup/system.slice/memory.current", "900000\n"),
    ("sys/fs/cgroup/system.slice/memory.stat", "file 400000\ninactive_file 100000\n"),
];

#[test]
fn a_limit_of_a_group_above_counts_in_version_2() {
    let root = machine(CGROUP2);
    // Half a CPU is allowed; 400 of 500 ms were used. The host itself is idle.
    let between = [
        ("proc/stat", "cpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\n"),
        ("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 401000\n"),
    ];
    let figures = second_sample(root.path(), &between);
    assert_eq!((figures.cpu.0, figures.memory.0), (200, 200));
}

#[test]
fn more_than_allowed_leaves_nothing() {
    let root = machine(CGROUP2);
    let between = [
        ("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 9000000\n"),
        ("sys/fs/cgroup/system.slice/memory.current", "1300000\n"),
    ];
    let figures = second_sample(root.path(), &between);
    assert_eq!((figures.cpu, figures.memory), (PerMille::NONE, PerMille::NONE));
}

#[test]
fn version_1_has_a_hierarchy_for_each_controller() {
    let root = machine(&[
        ("proc/self/cgroup", "4:memory:/box/a\n3:cpu,cpuacct:/box/a\n0::/\n"),
        (
            "proc/self/mountinfo",
            "30 24 0:26 /box /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             31 24 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
        ),
        ("sys/fs/cgroup/cpu/box/a/cpu.cfs_quota_us", "200000\n"),
        ("sys/fs/cgroup/cpu/box/a/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpu/box/a/cpuacct.usage", "5\n"),
        ("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/a/memory.usage_in_bytes", "4096\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1000\n"),
    ]);
    let between = [
        ("proc/stat", "cpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 100 0 0 0 0 0 0\n"),
        ("sys/fs/cgroup/cpu/box/a/cpuacct.usage", "1500000005\n"),
    ];
    let figures = second_sample(root.path(), &between);
    assert_eq!((figures.cpu.0, figures.memory.0), (250, 500));
}

#[test]
fn a_group_outside_what_is_mounted_is_the_mount() {
    for group in ["0::/../../other\n", "0::/elsewhere\n"] {
        let root = machine(&[
            ("proc/self/cgroup", group),
            ("proc/self/mountinfo", "30 24 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("sys/fs/cgroup/memory.max", "100\n"),
            ("sys/fs/cgroup/memory.current", "90\n"),
        ]);
        assert_eq!(second_sample(root.path(), &[]).memory.0, 100);
    }
}

#[test]
fn broken_files_are_errors_and_never_panics() {
    let root = machine(&[("proc/meminfo", "MemTotal: many kB\n")]);
    assert!(Sampler::at(root.path()).sample(Nanos(0)).is_err());
    let root = machine(&[("proc/stat", "cpu 1 2 3\nintr 5\n")]);
    assert!(Sampler::at(root.path()).sample(Nanos(0)).is_err());
    let root = machine(&[
        ("proc/self/cgroup", "0::\n:::\nx"),
        ("proc/self/mountinfo", " - cgroup2\n1 2 3 - cgroup\n30 24 0:26 / - cgroup2 x\n"),
        ("proc/self/status", "Cpus_allowed_list:\t5-1,,x-,4294967295-4294967295\n"),
        ("proc/stat", "cpu1 18446744073709551616 x\n"),
    ]);
    assert!(Sampler::at(root.path()).sample(Nanos(0)).is_ok());
}

#[test]
fn this_machine_has_figures() {
    let mut sampler = Sampler::default();
    assert_eq!(sampler.sample(Nanos(0)).unwrap(), None);
    assert!(sampler.sample(Nanos(1)).unwrap().expect("figures").memory > PerMille::NONE);
}

/// Two readings of a home agent's `/proc/stat` ten seconds apart, nothing to do but its daemons.
const QUIET: [&str; 2] = [
    "cpu  318411 1203 98420 91533220 10402 0 5120 811 0 0\n\
     cpu0 160311 611 49311 45765610 5102 0 3920 401 0 0\ncpu1 158100 592 49109 45767610 5300 0 1200 410 0 0\n",
    "cpu  318420 1203 98427 91535202 10403 0 5121 811 0 0\n\
     cpu0 160316 611 49315 45766600 5102 0 3921 401 0 0\ncpu1 158104 592 49112 45768602 5301 0 1200 410 0 0\n",
];

/// A small machine on which nothing but its system runs: a tenth of the memory is in use.
const SMALL: &str = "MemTotal:        2014412 kB\nMemFree:          201120 kB\nMemAvailable:    1812968 kB\n\
                     Buffers:           90120 kB\nCached:          1530112 kB\n";

#[test]
fn an_idle_machine_has_full_scores_though_its_system_runs() {
    let all = [("proc/self/status", "Name:\tx\nCpus_allowed_list:\t0-1\n"), ("proc/meminfo", SMALL)];
    let root = machine(&[("proc/stat", QUIET[0]), all[0], all[1]]);
    let figures = second_sample(root.path(), &[("proc/stat", QUIET[1])]);
    assert_eq!((figures.cpu.0, figures.memory.0), (991, 899));
    assert_eq!((figures.cpu.score(), figures.memory.score()), (16, 16));
}

#[test]
fn scores_fall_from_an_eighth_in_use_to_nothing_left() {
    let scores: Vec<_> = [1000, 999, 875, 874, 820, 500, 438, 437, 55, 54, 0]
        .map(|left| PerMille::of(left, 1000).score())
        .into();
    assert_eq!(scores, [16, 16, 16, 15, 14, 9, 8, 7, 1, 0, 0]);
    let falling =
        (0..1000u64).all(|left| PerMille::of(left, 1000).score() <= PerMille::of(left + 1, 1000).score());
    assert!(falling);
}
