"""Throughput, loss and latency of Homeward between two ends of pktgen, beside dpdk-testpmd and the kernel on the same paths.

  python3 benches/paths [--only virtio|veth] [--quick] [--resume] [--output DIRECTORY]

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
from cpu_watch import wait_until_idle  # noqa: E402
from report import markdown  # noqa: E402

# A frame in a million may be lost.
BOUND = 1e-6
LOADS = [10, 50, 90]


class Run:
    """Times, and what was found so far."""

    def __init__(self, arguments):
        quick = arguments.quick
        self.output = arguments.output
        self.log = self.output / "pktgen.log"
        self.trial, self.resolution = (2, 0.1) if quick else (6, 0.02)
        self.steady, self.load_seconds = (10, 3) if quick else (60, 8)
        self.attempts, self.patience = (1, 0) if quick else (arguments.attempts, arguments.patience)
        self.facts = {"machine": machine(), "quick": quick, "runs": []}
        self.kept = []
        if arguments.resume and (self.output / "paths.json").exists():
            self.kept = json.loads((self.output / "paths.json").read_text())["runs"]

    def do(self, question, path, rate, mode, seconds):
        """One run of the generator, announced and repeated while it is disturbed; the least disturbed one counts."""
        key = {"question": question, "wires": path.wires, "path": path.name, "rate": rate}
        tries = [run for run in self.kept if {name: run[name] for name in key} == key and "failed" not in run]
        print(f"{path.wires}: {path.name}, {question} from {rate:.0f}/s", flush=True)
        for _ in range(self.attempts):
            if tries and (tries[0] in self.kept or not tries[-1]["machine"]["disturbed"]):
                break
            wait_until_idle(self.patience)
            with open(self.log, "a") as log:
                log.write(f"\n{path.wires}: {path.name}, {question}\n")
            try:
                done = {**key, **measure(path, rate, mode, seconds, self.log)}
            except (LabError, AssertionError, OSError, subprocess.TimeoutExpired) as error:
                print(f"  failed: {error}", flush=True)
                failure = {**key, "failed": str(error)}
                continue
            print(f"  {done['report']['outcome']['reason']}; {done['losses']['named']}; {done['machine']}", flush=True)
            tries.append(done)
        best = min(tries, key=lambda run: run["machine"]["disturbance"]) if tries else failure
        self.facts["runs"].append(best)
        self.write()
        return best

    def find(self, path, loss):
        """The highest rate: the first trial is as fast as the generator can."""
        run = self.do("rate", path, 0, search(self.trial, self.resolution, loss), (self.trial + 3) * 10)
        return None if "failed" in run else run["report"]["outcome"]["rate"]

    def virtio(self):
        """Homeward and testpmd through the same sockets, at the same loads."""
        ours, theirs = Path("virtio", "homeward"), Path("virtio", "testpmd")
        found = self.find(ours, BOUND)
        self.find(theirs, BOUND)
        if not found:
            raise LabError("no rate was found")
        self.do("steady", ours, round(0.9 * found), single(self.steady, BOUND), self.steady + 10)
        # One load a run: what is disturbed is repeated alone.
        for load in LOADS:
            for path in (ours, theirs):
                self.do(f"latency {load}", path, round(found), latency([load], self.load_seconds), self.load_seconds + 10)

    def veth(self):
        """Everything that can forward between veths; directed, as the kernel's translation is."""
        for path in (Path("veth", "wire"), Path("veth", "kernel"), Path("veth", "kernel", "steered"),
                     Path("veth", "homeward", "af_packet", directed=True), Path("veth", "homeward", "af_xdp", directed=True),
                     Path("veth", "testpmd", "af_packet"), Path("veth", "testpmd", "af_xdp")):
            found = self.find(path, 0)
            if found:
                self.do("latency 50", path, round(found), latency([50], self.load_seconds), self.load_seconds + 10)

    def write(self):
        """What there is, even if not all."""
        (self.output / "paths.json").write_text(json.dumps(self.facts, indent=1) + "\n")
        text = markdown(self.facts["runs"])
        (self.output / "paths.md").write_text(text)
        return text

    def broken(self):
        """What must hold and does not."""
        steady = next((run for run in self.facts["runs"] if run["question"] == "steady"), None)
        if steady is None:
            return None
        if "failed" in steady:
            return steady["failed"]
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
    parser.add_argument("--attempts", type=int, default=4, help="how often to repeat what other programs disturbed")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for a quiet machine before each")
    parser.add_argument("--resume", action="store_true", help="keep what DIRECTORY has, measure what is missing or failed")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "target" / "paths")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    raise_on_sigterm()
    sweep()
    run = Run(arguments)
    try:
        if arguments.only != "veth":
            run.virtio()
        if arguments.only != "virtio":
            run.veth()
    finally:
        print("\n" + run.write(), end="")
    broken = run.broken()
    if broken:
        print(f"broken: {broken}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
