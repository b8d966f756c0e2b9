"""`pktgen measure` with both ends of a path: the frames, the questions, the answers."""

import json
import subprocess

from netlab import LabError, locate, wait_until
from cpu_watch import GENERATOR_CPU, raise_priority

VIP, OUTSIDE, INSIDE = "10.1.1.10", "15.1.1.1", "10.1.1.1"
AGENTS = {f"15.1.1.{host}": f"02:00:0f:01:01:{host:02x}" for host in range(51, 59)}
HOMES = {"10.1.1.51": "02:00:0a:01:01:33", "10.1.1.52": "02:00:0a:01:01:34"}
NODES, FRAME = 10_000, 118
# Enough for every node to have its session.
WARM_SECONDS, WARM_RATE = 2, 5000


def scenario(device, sink, *, rate, mode, huge, target_mac=None, descriptors=1024, name="path"):
    """One foreign agent a flow, ten thousand nodes at random, requests of 118 bytes without a UDP checksum."""
    agents = "".join(f'[[agent]]\naddress = "{address}"\nmac = "{mac}"\n' for address, mac in AGENTS.items())
    homes = "".join(f'[[home_agent]]\nname = "{address}"\naddress = "{address}"\nmac = "{mac}"\n'
                    for address, mac in HOMES.items())
    mac = f'mac = "{target_mac}"' if target_mac else ""
    return f"""
name = "{name}"
[port]
device = "{device}"
hugepages = "{'required' if huge else 'off'}"
core = {GENERATOR_CPU}
busy = true
descriptors = {descriptors}
[sink]
device = "{sink}"
wait = 0
{agents}{homes}
[target]
address = "{VIP}"
gateway = "{OUTSIDE}"
{mac}
[nodes]
nai = "node{{n:08}}@ispxyz.com"
count = {NODES}
choice = "uniform"
[request]
frame_size = {FRAME}
udp_checksum = false
[traffic]
rate = {rate}
resolve = 30
{mode}
"""


def search(trial, resolution, loss):
    """The highest rate with this loss."""
    return f"""[mode.throughput]
trial = {trial}
settle = 2
warmup = {WARM_SECONDS}
warmup_rate = {WARM_RATE}
loss = {loss}
resolution = {resolution}
"""


def single(seconds, loss):
    """One trial at the rate of the traffic."""
    return search(seconds, 1, loss)


def latency(loads, trial):
    """Percentiles at loads."""
    return f"[mode.latency]\nloads = {loads}\ntrial = {trial}\nsettle = 2\nwarmup = {WARM_SECONDS}\n"


class Generator:
    """A run of `pktgen measure` in a host."""

    def __init__(self, lab, host, text, log):
        path = lab.folder / "measure.toml"
        path.write_text(text)
        self.log = log
        self.output = lab.folder / "measure.json"
        with open(log, "ab") as said:
            self.process = host.spawn(str(locate("PKTGEN", "pktgen")), "measure", str(path), "--json", str(self.output),
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        lab.processes.append(self.process)
        raise_priority(self.process.pid)

    def sockets(self, *paths):
        """Waits until it listens there."""
        wait_until(lambda: all(path.exists() for path in paths) or self.process.poll() is not None, 30, "pktgen's sockets")
        if self.process.poll() is not None:
            raise LabError(f"pktgen ended:\n{self.log.read_text()[-2000:]}")

    def result(self, seconds):
        """The report; a rate that was not found is an answer as well."""
        self.process.wait(seconds)
        if self.process.returncode not in (0, 2):
            raise AssertionError(f"pktgen ended with {self.process.returncode}:\n{self.log.read_text()[-2000:]}")
        return json.loads(self.output.read_text())
