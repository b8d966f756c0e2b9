"""What stands between the generator's ends: Homeward, dpdk-testpmd, the kernel, or a bare wire."""

import re
import subprocess

from netlab import Director, LabError, wait_until
from generator import AGENTS, HOMES, INSIDE, OUTSIDE, VIP
from cpu_watch import FORWARDER_CPU, raise_priority

# Of its two ports.
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")
PORTS = (("Ethernet0", OUTSIDE), ("Ethernet1", INSIDE))


def dotted(mac):
    """A hardware address as the command language writes it."""
    return re.sub(r"(....)(....)(....)", r"\1.\2.\3", mac.replace(":", ""))


class Homeward:
    """One worker, two reals, no session ends."""

    name = "homeward"

    def __init__(self, lab, devices, *, huge, directed=False, descriptors=1024):
        text = f"""hostname path
!
dataplane
 workers 1
 cores {FORWARDER_CPU}
 sessions 65536
 hugepages {'required' if huge else 'off'}
 poll always
!
"""
        for (name, address), device in zip(PORTS, devices):
            text += (f"interface {name}\n device {device}\n ip address {address} 255.255.255.0\n rx-descriptors {descriptors}\n"
                     f" tx-descriptors {descriptors}\n no shutdown\n!\n")
        known = {**AGENTS, **HOMES}
        text += "".join(f"arp {address} {dotted(mac)}\n" for address, mac in known.items()) + "!\n"
        text += "ip slb serverfarm HAFARM\n" + (" nat server\n" if directed else "")
        text += " !\n".join(f" real {address}\n  weight 1\n  no reassign\n  no faildetect inband\n  inservice\n" for address in HOMES)
        text += (f"!\nip slb vserver MIPSLB\n virtual {VIP} udp 434 service ipmobile\n serverfarm HAFARM\n"
                 " idle ipmobile request 3600\n inservice\n!\nmanagement\n socket @SOCKET@\n!\n")
        self.director = Director(lab, text).launch()
        self.process = self.director.process
        raise_priority(self.process.pid)
        wait_until(lambda: self.director.said("READY=1") or self.process.poll() is not None, 60, "READY=1")
        if self.process.poll() is not None:
            raise LabError(f"homeward ended:\n{self.director.log()[-2000:]}")

    def counters(self):
        """Every counter that a lost frame can be in, by name; and what passed each port."""
        view = self.director.show_json("show dataplane")
        found = {f"director.{row['verdict']}": row["packets"] for row in view["verdicts"] if row["class"] == "dropped"}
        passed = {"received": view["received"], "verdict_sum": view["verdict_sum"]}
        for row in self.director.show_json("show interfaces")["interfaces"]:
            counted = row["port"]["counters"]
            for key in ("rx_missed", "rx_errors", "rx_no_mbuf", "tx_errors"):
                found[f"director.{row['name']}.{key}"] = counted[key]
            passed[f"{row['name']}.rx"], passed[f"{row['name']}.tx"] = counted["rx_packets"], counted["tx_packets"]
        return {key: count for key, count in found.items() if count}, passed

    def effort(self):
        """How busy the worker was in the last five seconds."""
        worker = self.director.show_json("show dataplane")["workers"][0]
        return {key: round(worker[key], 2) for key in ("mpps", "busy_percent", "cycles_per_packet", "burst")}

    def close(self):
        """Ends it."""
        self.director.stop()


class Testpmd:
    """`dpdk-testpmd` in forward mode mac: everything goes to the first home agent's address."""

    name = "testpmd"

    def __init__(self, lab, host, devices, *, huge, mode="mac", descriptors=1024):
        # The main lcore only reads commands. A line at a time, so that we read what it does.
        words = ["stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@0,1@{FORWARDER_CPU}", "--main-lcore", "0", "--no-pci", "--no-telemetry"]
        words += ["--in-memory", "--single-file-segments"] if huge else ["--no-huge", "--no-shconf", "-m", "256"]
        for device in devices:
            words += ["--vdev", device]
        home = next(iter(HOMES.values()))
        agent = next(iter(AGENTS.values()))
        words += ["--", "--interactive", f"--forward-mode={mode}", f"--eth-peer=0,{agent}", f"--eth-peer=1,{home}",
                  "--nb-cores=1", "--burst=64", f"--rxd={descriptors}", f"--txd={descriptors}", "--total-num-mbufs=32768",
                  "--no-lsc-interrupt"]
        self.log = lab.folder / "testpmd.log"
        with open(self.log, "wb") as log:
            self.process = host.spawn(*words, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, text=True)
        lab.processes.append(self.process)
        raise_priority(self.process.pid)
        self.say("start")
        wait_until(lambda: "packet forwarding - ports=2" in self.said() or self.process.poll() is not None, 30, "testpmd to forward")
        if self.process.poll() is not None:
            raise LabError(f"testpmd ended:\n{self.said()[-2000:]}")

    def say(self, command):
        """A command."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def said(self):
        """All it has printed."""
        return self.log.read_text(errors="replace")

    def counters(self):
        """Its drops by port, from the statistics that it prints when it stops."""
        self.say("stop")
        wait_until(lambda: "Accumulated forward statistics" in self.said() and "Done." in self.said(), 10, "testpmd's statistics")
        return read_testpmd(self.said())

    @staticmethod
    def effort():
        """It does not say how busy it is."""
        return {}

    def close(self):
        """Ends it."""
        self.say("quit")
        self.process.wait(20)


def read_testpmd(text):
    """Drops and what passed, by port."""
    found, passed = {}, {}
    for port, rx, rx_dropped, tx, tx_dropped in re.findall(
            r"Forward statistics for port (\d+).*?RX-packets:\s*(\d+)\s+RX-dropped:\s*(\d+).*?TX-packets:\s*(\d+)\s+TX-dropped:\s*(\d+)",
            text, re.DOTALL):
        found[f"testpmd.port{port}.rx_dropped"], found[f"testpmd.port{port}.tx_dropped"] = int(rx_dropped), int(tx_dropped)
        passed[f"port{port}.rx"], passed[f"port{port}.tx"] = int(rx), int(tx)
    return {key: count for key, count in found.items() if count}, passed


class Kernel:
    """The kernel forwards and translates the virtual address by nftables: the home agent is chosen once a flow, a foreign agent's.

    It works where frames are sent from, or on the forwarder's CPU if it is told to steer them there.
    """

    name = "kernel"
    process = None

    def __init__(self, host, devices, folder, steered):
        host.sysctl({"net.ipv4.ip_forward": 1})
        for (_, address), device in zip(PORTS, devices):
            host.ip(f"addr add {address}/24 dev {device}")
            host.sysctl({f"net.ipv4.conf.{device}.rp_filter": 0})
        for device, known in zip(devices, (AGENTS, HOMES)):
            host.ip(*(f"neigh replace {address} lladdr {mac} dev {device} nud permanent" for address, mac in known.items()))
        if steered:
            queue = f"/sys/class/net/{devices[0]}/queues/rx-0/rps_cpus"
            done = host.command("sh", "-c", f"echo {1 << FORWARDER_CPU:x} > {queue}")
            if done.returncode:
                raise LabError(f"{queue}: {done.stderr}")
        picks = ", ".join(f"{number} : {address}" for number, address in enumerate(HOMES))
        rules = f"""table ip path {{
  chain dstnat {{
    type nat hook prerouting priority dstnat;
    ip daddr {VIP} udp dport 434 dnat to numgen inc mod {len(HOMES)} map {{ {picks} }}
  }}
}}
"""
        file = folder / "rules.nft"
        file.write_text(rules)
        done = host.command("nft", "-f", str(file))
        if done.returncode:
            raise LabError(f"nft: {done.stderr}")

    def counters(self):
        """What the devices dropped."""
        return {}, {}

    @staticmethod
    def effort():
        """It does not say how busy it is."""
        return {}

    def close(self):
        """Its namespace goes."""


class Wire:
    """Nothing: the generator's two ends are the ends of one wire."""

    name = "wire"
    process = None

    @staticmethod
    def counters():
        """Nothing counts here."""
        return {}, {}

    @staticmethod
    def effort():
        """It does not say how busy it is."""
        return {}

    def close(self):
        """Nothing to end."""
