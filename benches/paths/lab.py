"""The laboratory of a path: a host with the generator's two ends, another with what forwards; and one measurement in it."""

import json
import pathlib

from netlab import Host, Lab, run
from forwarders import MACS, Homeward, Kernel, Testpmd, Wire
from generator import HOMES, Generator, scenario
from losses import attribute
from cpu_watch import CpuWatch
from hugepages import reserved

# Descriptors, so many that a CPU may be away for a few milliseconds.
RING = 4096
# Outer and inner ring of virtio: what waits in the outer one finds room in the inner one while the generator's CPU is away,
# and while the forwarder's is, the generator sees a full ring and waits.
VIRTIO_RINGS = (1024, 4096)
# Huge pages of 2 MiB for the generator and a forwarder.
PAGES = 512


class PathLab(Lab):
    """Two hosts; no peer listens on any wire."""

    def build(self, homes, bypass, one_arm):
        """Only the hosts: wires come with the path."""
        Host(self, "ends")
        Host(self, "director")

    def veths(self):
        """A veth a side, one queue each, without checksum offload."""
        for side in ("outside", "inside"):
            run("ip", "-n", self.hosts["ends"].namespace, "link", "add", f"e{side}", "numtxqueues", "1", "numrxqueues", "1",
                "type", "veth", "peer", "name", side, "numtxqueues", "1", "numrxqueues", "1", "netns",
                self.hosts["director"].namespace)
            for host, device in (("ends", f"e{side}"), ("director", side)):
                self.hosts[host].command("ethtool", "-K", device, "tx", "off")
                self.hosts[host].ip(f"link set {device} up")

    def bare(self):
        """One veth between the generator's ends."""
        host = self.hosts["ends"]
        host.ip("link add eoutside type veth peer name einside")
        for device in ("eoutside", "einside"):
            host.command("ethtool", "-K", device, "tx", "off")
            host.ip(f"link set {device} up")

    def drops(self):
        """What the kernel counts as dropped: veths of both hosts, and the backlogs of the CPUs."""
        found = {}
        for role, host in self.hosts.items():
            for device in json.loads(host.command("ip", "-s", "-j", "link").stdout or "[]"):
                stats = device.get("stats64", {})
                for way in ("rx", "tx"):
                    count = stats.get(way, {}).get("dropped", 0) + stats.get(way, {}).get("errors", 0)
                    found[f"kernel.{role}.{device['ifname']}.{way}_dropped"] = count
        rows = pathlib.Path("/proc/net/softnet_stat").read_text().splitlines()
        found["kernel.backlog_dropped"] = sum(int(row.split()[1], 16) for row in rows)
        return found


class Path:
    """A way through a forwarder: `virtio` or `veth`, and what forwards with which driver."""

    def __init__(self, wires, forwarder, driver=None, *, directed=False):
        self.wires, self.forwarder, self.driver, self.directed = wires, forwarder, driver, directed

    @property
    def name(self):
        """For a table."""
        return f"{self.forwarder}, {self.driver}" if self.driver else self.forwarder

    def ends(self, lab):
        """The generator's devices."""
        if self.wires == "virtio":
            return f"net_vhost0,iface={lab.folder}/out.sock", f"net_vhost1,iface={lab.folder}/in.sock"
        return "net_af_packet0,iface=eoutside", "net_af_packet1,iface=einside"

    def start(self, lab):
        """The forwarder; the generator's ends are there."""
        huge = self.wires == "virtio"
        if huge:
            devices = [f"net_virtio_user{number},path={lab.folder}/{name}.sock,queue_size={ring},mac={mac}"
                       for number, (name, ring, mac) in enumerate(zip(("out", "in"), VIRTIO_RINGS, MACS))]
        else:
            # As Homeward makes them by itself.
            more = f",framesz=2048,blocksz=4096,framecnt={RING}" if self.driver == "af_packet" else ""
            devices = [f"net_{self.driver}{number},iface={name}{more}" for number, name in enumerate(("outside", "inside"))]
        host = lab.hosts["director"]
        if self.forwarder == "homeward":
            return Homeward(lab, devices, huge=huge, directed=self.directed, descriptors=RING)
        if self.forwarder == "testpmd":
            return Testpmd(lab, host, devices, huge=huge, descriptors=RING)
        if self.forwarder == "kernel":
            return Kernel(host, ("outside", "inside"), lab.folder, self.driver == "steered")
        return Wire()

    def target_mac(self, lab):
        """The next hop's address, where nobody answers ARP; else none."""
        if self.forwarder == "wire":
            return next(iter(HOMES.values()))
        if self.forwarder == "testpmd":
            # As mac forwarding takes everything, any address will do.
            return MACS[0]
        return None


def measure(path, rate, mode, seconds, log):
    """One run of the generator through a path: its report, where losses went, and what the machine did meanwhile."""
    # Anew for each run: others give theirs back at any time.
    with reserved(PAGES if path.wires == "virtio" else 0), PathLab() as lab:
        if path.wires == "veth":
            lab.bare() if path.forwarder == "wire" else lab.veths()
        device, sink = path.ends(lab)
        text = scenario(device, sink, rate=rate, mode=mode, huge=path.wires == "virtio", target_mac=path.target_mac(lab),
                        descriptors=RING, name=path.name)
        if path.wires == "virtio":
            # virtio-user connects to its peers, so they come first.
            generator = Generator(lab, lab.hosts["ends"], text, log)
            generator.sockets(lab.folder / "out.sock", lab.folder / "in.sock")
            forwarder = path.start(lab)
        else:
            forwarder = path.start(lab)
            generator = Generator(lab, lab.hosts["ends"], text, log)
        before = lab.drops()
        pids = {"generator": generator.process.pid}
        if forwarder.process is not None:
            pids["forwarder"] = forwarder.process.pid
        watch = CpuWatch(pids, forwarder.effort)
        report = generator.result(seconds + 60)
        machine = watch.stop()
        found, passed = forwarder.counters()
        found.update({name: count - before.get(name, 0) for name, count in lab.drops().items() if count > before.get(name, 0)})
        if path.driver == "af_xdp":
            # The driver's own count of the same frames.
            found.pop("kernel.director.outside.rx_dropped", None)
        forwarder.close()
    return {"machine": machine, "losses": attribute(report, found, passed), "report": report}
