"""More new nodes than the worker can serve: what do those lose that have a session? Before shedding sets in and after."""

import os
import pathlib
import statistics
import subprocess
import sys
import time

import pytest
from netlab import Host, wait_until
from director import reals, stable_verdicts, start, stats, user, verdicts
from pktgen_scenarios import FOREIGN_AGENT
from test_limits import metric
from test_pktgen import begin

# Known nodes and new ones differ by the UDP source port of their foreign agent.
KNOWN, NEW = 434, 4340
SECONDS = 10

# Counts frames whose UDP source port is that of the known nodes, as they come in, and prints the total for each line
# that it reads. The kernel drops the others first, so that counting costs the flood nothing.
COUNTER = f"""
import ctypes, select, socket, struct, sys
code = [(0x28, 0, 0, 12), (0x15, 0, 5, 0x800), (0x30, 0, 0, 23), (0x15, 0, 3, 17), (0x28, 0, 0, 34), (0x15, 0, 1, {KNOWN}),
        (6, 0, 0, 64), (6, 0, 0, 0)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in code))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", len(code), ctypes.addressof(program)))
wire.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
wire.bind(("eth0", 3))
total = 0
print("ready", flush=True)
while True:
    ready = select.select([wire, sys.stdin], [], [])[0]
    if wire in ready:
        wire.recv(64)
        total += 1
    elif not sys.stdin.readline():
        break
    else:
        print(total, flush=True)
"""

FLOOD = f"""
[port]
device = "net_af_packet0,iface=eth0"
hugepages = "off"
busy = true
core = 0
{FOREIGN_AGENT}[nodes]
nai = "new{{n}}@ispxyz.com"
count = 40_000_000
[request]
source_port = {NEW}
udp_checksum = false
[traffic]
rate = 0
duration = {SECONDS}
drain = 0
"""


def homes(lab):
    """A host that has the home agents' addresses and only counts."""
    host = Host(lab, "homes")
    lab.plug(host, "eth0")
    lab.address(host, "eth0", "10.1.1.51", "10.1.1.1")
    host.ip("addr add 10.1.1.52/24 dev eth0")
    lab.reals = ["10.1.1.51", "10.1.1.52"]
    process = host.spawn(sys.executable, "-c", COUNTER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lab.processes.append(process)
    assert process.stdout.readline() == "ready\n"

    def total():
        process.stdin.write("\n")
        process.stdin.flush()
        return int(process.stdout.readline())
    return total


def sample(lab, director, arrived, nodes):
    """Sends one request of each known node: (when, share of them lost, share of new sessions refused, received a second)."""
    count, before, at = arrived(), verdicts(director), time.monotonic()
    lab.pdsn.ask("register", to=lab.vip, users=nodes, gap=0.0005)
    share = metric(director, "homeward_shedding_ratio")
    now = verdicts(director)
    lost = len(nodes) - (arrived() - count)
    return at, lost / len(nodes), share, (now["received"] - before["received"]) / (time.monotonic() - at)


def waited(process):
    """Share of the time for which the busiest thread wanted its CPU and did not have it: the worker, in a flood."""
    times = [tuple(map(int, (task / "schedstat").read_text().split()[:2]))
             for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir()]
    ran, queued = max(times)
    return queued / (ran + queued)


def test_known_nodes_lose_far_less_once_new_ones_are_refused(labs):
    lab = labs(homes=0)
    arrived = homes(lab)
    director = start(lab, each=["weight 1", "no faildetect inband", "no reassign"], sessions=4_000_000, poll="always")
    nodes = [user(number) for number in range(200)]
    lab.pdsn.ask("register", to=lab.vip, users=nodes)
    wait_until(lambda: arrived() == len(nodes), 10, "a session for every known node")
    flood, samples = begin(lab, lab.hosts["pdsn"], "generate", FLOOD), []
    # Worker and generator have a CPU each, who samples takes little of theirs, and whoever else is at work on this machine
    # waits these few seconds.
    for process in (director.process, *lab.processes):
        os.setpriority(os.PRIO_PGRP, process.pid, -15 if process in (director.process, flood) else -8)
    usual = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, -8)
    try:
        while flood.poll() is None:
            samples.append(sample(lab, director, arrived, nodes))
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, usual)
    try:
        check(lab, director, arrived, nodes, samples)
    finally:
        # So many sessions are not listed one by one at the end.
        director.stop()


def check(lab, director, arrived, nodes, samples):
    """What the samples show, if the flood was one."""
    report = "\n".join(f"{at - samples[0][0]:5.1f} s: {lost:4.0%} lost, {share:4.0%} refused, {rate:7.0f}/s"
                       for at, lost, share, rate in samples)
    print(report)
    flooded = [row for row in samples if row[3] > 20_000]
    setting_in = [row for row in flooded if row[0] - flooded[0][0] <= 3]
    early = [row for row in setting_in if row[2] <= 0.6]
    late = flooded[len(setting_in):]
    missed = metric(director, "homeward_port_rx_missed_total", interface="Ethernet0")
    if missed < 10_000 or not early:
        pytest.skip(f"the generator is no faster than the worker here\n{report}")
    assert "SLB-4-OVERLOAD" in director.log() and late, report
    # Not the mean: whoever takes the worker's CPU for a while has it lose some all the same.
    before, after = (statistics.median(row[1] for row in rows) for rows in (early, late))
    print(f"known nodes lost {before:.1%} before, {after:.1%} after; {missed:.0f} frames missed in all")
    if before < 0.02:
        pytest.skip(f"known nodes lost next to nothing from the start\n{report}")
    if after >= before / 2 and waited(director.process) > 0.05:
        pytest.skip(f"the worker lost {waited(director.process):.0%} of its CPU to others\n{report}")
    assert after < before / 2, report
    totals = stable_verdicts(director)
    assert totals["received"] == totals["sum"] and totals["overload"] > 0
    wait_until(lambda: "every new session is begun" in director.show("show health"), 15, "the end of the overload")
    assert sample(lab, director, arrived, nodes)[1] == 0
    counted = stats(director)
    assert counted["Connections Created"] == sum(real["conns"] for real in reals(director).values())
