"""Throughput, loss and latency of Homeward between two ends of pktgen, beside dpdk-testpmd and the kernel on the same paths.

  python3 benches/paths [--only virtio|veth] [--quick] [--output DIRECTORY]

The generator has CPU 0, the forwarder CPU 1. virtio: `net_vhost` ends, `net_virtio_user` ports, huge pages; the highest
rate, 90 % of it for a minute with every lost frame by counter, latency at three loads. veth: Homeward on
`net_af_packet` and on `net_af_xdp`, testpmd likewise, the kernel with nftables, and the bare wire. Writes paths.json
and paths.md; the exit status is 1 if more than one frame in a million was lost at 90 % or a loss has no name.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "tools")]

from netlab import LabError, ROOT, raise_on_sigterm, sweep  # noqa: E402
from generator import latency, search, single  # noqa: E402
from lab import Path, measure  # noqa: E402
from machine import Pages, quiet  # noqa: E402
from report import markdown, rate  # noqa: E402

# A frame in a million may be lost.
BOUND = 1e-6
PAGES = 1024
LOADS = [10, 50, 90]


class Run:
    """Times, and what was found so far."""

    def __init__(self, arguments):
        quick = arguments.quick
        self.output = arguments.output
        self.log = self.output / "pktgen.log"
        self.trial, self.resolution = (2, 0.1) if quick else (10, 0.02)
        self.steady, self.load_seconds = (10, 3) if quick else (60, 20)
        self.attempts, self.patience = (1, 0) if quick else (arguments.attempts, arguments.patience)
        self.facts = {"machine": machine(), "quick": quick}

    def do(self, path, rate, mode, seconds):
        """One run of the generator, announced."""
        print(f"{path.wires}: {path.name}, {mode.split(']')[0].lstrip('[')} from {rate:.0f}/s", flush=True)
        with open(self.log, "a") as log:
            log.write(f"\n{path.wires}: {path.name}\n")
        tries = []
        for _ in range(self.attempts):
            quiet(self.patience)
            done = measure(path, rate, mode, seconds, self.log)
            print(f"  {done['report']['outcome']['reason']}; {done['losses']['named']}; {done['machine']}", flush=True)
            tries.append(done)
            if not done["machine"]["disturbed"]:
                break
        # The least disturbed one counts.
        return min(tries, key=lambda it: max(it["machine"]["waits"].values(), default=0))

    def find(self, path, loss):
        """The highest rate: the first trial is as fast as the generator can."""
        return self.do(path, 0, search(self.trial, self.resolution, loss), (self.trial + 3) * 10)

    def virtio(self):
        """Homeward and testpmd through the same sockets, at the same loads."""
        ours, theirs = Path("virtio", "homeward"), Path("virtio", "testpmd")
        done = self.facts["virtio"] = {"search": [self.find(ours, BOUND), self.find(theirs, BOUND)]}
        found = rate(done["search"][0])
        if not found:
            raise LabError("no rate was found")
        done["steady"] = self.do(ours, round(0.9 * found), single(self.steady, BOUND), self.steady + 10)
        done["latency"] = [self.do(path, round(found), latency(LOADS, self.load_seconds), (self.load_seconds + 5) * 3)
                           for path in (ours, theirs)]

    def veth(self):
        """Everything that can forward between veths; directed, as the kernel's translation is."""
        done = self.facts["veth"] = []
        for path in (Path("veth", "wire"), Path("veth", "kernel"), Path("veth", "kernel", "steered"), Path("veth", "homeward", "af_packet", directed=True),
                     Path("veth", "homeward", "af_xdp", directed=True), Path("veth", "testpmd", "af_packet"),
                     Path("veth", "testpmd", "af_xdp")):
            try:
                found = self.find(path, 0)
                entry = {"path": path.name, "search": found}
                if rate(found):
                    entry["latency"] = self.do(path, round(rate(found)), latency([50], self.load_seconds), self.load_seconds + 10)
            except (LabError, AssertionError, subprocess.TimeoutExpired) as error:
                entry = {"path": path.name, "failed": str(error)}
                print(f"  failed: {error}", flush=True)
            done.append(entry)

    def write(self):
        """What there is, even if not all."""
        (self.output / "paths.json").write_text(json.dumps(self.facts, indent=1) + "\n")
        text = markdown(self.facts)
        (self.output / "paths.md").write_text(text)
        print("\n" + text, end="")

    def broken(self):
        """What must hold and does not."""
        steady = self.facts.get("virtio", {}).get("steady")
        if steady is None:
            return None
        total, losses = steady["report"]["total"], steady["losses"]
        if total["lost"] > BOUND * total["sent"]:
            return f"{total['lost']} of {total['sent']} frames were lost at 90 %"
        return f"{losses['unattributed']} lost frames have no name" if losses["unattributed"] else None


def machine():
    """What this is measured on."""
    model = next((line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), "unknown")
    dpdk = subprocess.run(["pkg-config", "--modversion", "libdpdk"], capture_output=True, text=True, check=False).stdout.strip()
    return {"cpu": model, "cpus": os.cpu_count(), "kernel": platform.release(), "dpdk": dpdk, "load": os.getloadavg()[0]}


def main():
    """Measures; 0 if what must hold does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("virtio", "veth"))
    parser.add_argument("--quick", action="store_true", help="short trials: whether it works, not how fast")
    parser.add_argument("--attempts", type=int, default=3, help="how often to repeat what other programs disturbed")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine before each")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "target" / "paths")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    raise_on_sigterm()
    sweep()
    run = Run(arguments)
    run.log.unlink(missing_ok=True)
    try:
        if arguments.only != "veth":
            with Pages(PAGES):
                run.virtio()
        if arguments.only != "virtio":
            run.veth()
    finally:
        run.write()
    broken = run.broken()
    if broken:
        print(f"broken: {broken}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
