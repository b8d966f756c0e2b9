"""What leaves the director through virtio, judged by others: `dpdk-testpmd` holds the far ends on `net_vhost`, plays frames that
scapy built and writes what comes back to captures, which scapy and tshark read. No code of ours is beyond the wires."""

import re
import subprocess

import mobileip
import pytest
from frame_checks import IP, UDP, Ether, checksums_right, decode, payload, requests, tshark
from netlab import PDSN, VIP, wait_until
from scapy.packet import Raw
from scapy.utils import rdpcap, wrpcap
from director import farm, interface, management, reals, stable_verdicts, user, verdicts, vserver

REALS = {"10.1.1.51": "02:00:0a:01:01:51", "10.1.1.52": "02:00:0a:01:01:52"}
OUTSIDE, INSIDE, AGENT = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:0f:01:01:33"

pytestmark = pytest.mark.usefixtures("pages")


def dotted(mac):
    """A hardware address as the command language writes it."""
    return re.sub(r"(....)(....)(....)", r"\1.\2.\3", mac.replace(":", ""))


def frame(number, *, checksum=None):
    """A node's authenticated request; a UDP checksum of 0 says that there is none."""
    udp = UDP(sport=434, dport=434) if checksum is None else UDP(sport=434, dport=434, chksum=checksum)
    message = mobileip.request(user(number), 0xC2B9F5A012300000 + number, care_of=PDSN)
    return bytes(Ether(src=AGENT, dst=OUTSIDE) / IP(src=PDSN, dst=VIP, ttl=64, id=number, flags="DF") / udp / Raw(message))


class Far:
    """testpmd in pairs of ports: a capture feeds the outer wire, the inner wire fills another capture."""

    def __init__(self, lab, frames):
        self.folder, self.log = lab.folder, lab.folder / "testpmd.log"
        wrpcap(str(self.folder / "sent.pcap"), [Ether(sent) for sent in frames])
        words = ["dpdk-testpmd", "-l", "0,1", "--in-memory", "--no-pci", "--no-telemetry", "-m", "256"]
        for device in (f"net_pcap0,rx_pcap={self.folder}/sent.pcap,tx_pcap={self.folder}/returned.pcap",
                       f"net_vhost0,iface={self.folder}/out.sock", f"net_vhost1,iface={self.folder}/in.sock",
                       f"net_pcap1,tx_pcap={self.folder}/delivered.pcap"):
            words += ["--vdev", device]
        with open(self.log, "wb") as log:
            # Flushing would take away the capture's frames before forwarding begins.
            self.process = lab.hosts["switch"].spawn(
                *words, "--", "--interactive", "--forward-mode=io", "--no-flush-rx", "--total-num-mbufs=8192",
                "--no-lsc-interrupt", stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, text=True)
        lab.processes.append(self.process)
        # virtio-user connects to its peers, so they come first.
        for name in ("out.sock", "in.sock"):
            wait_until(lambda: (self.folder / name).exists() or self.process.poll() is not None, 20, f"testpmd's {name}")
        assert self.process.poll() is None, self.log.read_text(errors="replace")

    def say(self, command):
        """A command to testpmd."""
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()

    def taken(self):
        """Frames that testpmd has taken from the inner wire, as far as its answers so far tell."""
        self.say("show port stats 2")
        counts = re.findall(r"NIC statistics for port 2\b.*?RX-packets:\s+(\d+)", self.log.read_text(errors="replace"), re.DOTALL)
        return int(counts[-1]) if counts else 0

    def delivered(self):
        """Ends testpmd, which closes its captures; the frames of the inner wire."""
        self.say("stop")
        self.say("quit")
        assert self.process.wait(20) == 0, self.log.read_text(errors="replace")
        return [bytes(packet) for packet in rdpcap(str(self.folder / "delivered.pcap"))]


def balanced(labs, frames, *, directed):
    """Sends frames through a director; the requests that it delivers on the inner wire."""
    lab = labs(homes=0)
    far = Far(lab, frames)
    text = "hostname director\n!\ndataplane\n workers 1\n sessions 16384\n hugepages required\n memory 128\n poll adaptive\n!\n"
    for number, (name, mac, address) in enumerate((("out", OUTSIDE, "15.1.1.1"), ("in", INSIDE, "10.1.1.1"))):
        text += interface(f"Ethernet{number}", f"device net_virtio_user{number},path={lab.folder}/{name}.sock,mac={mac}",
                          f"ip address {address} 255.255.255.0")
    # Nobody answers ARP beyond the wire.
    text += "".join(f"arp {address} {dotted(mac)}\n" for address, mac in REALS.items()) + "!\n"
    text += farm({address: ["weight 1"] for address in REALS}, lines=("nat server",) if directed else ())
    director = lab.director(text + vserver(VIP, idle=300) + management())
    wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(director).values()), 10, "every real OPERATIONAL")
    far.say("start")
    verdict = "slb_directed" if directed else "slb_dispatched"
    wait_until(lambda: verdicts(director)[verdict] == len(frames), 10, f"{len(frames)} {verdict}")
    stable_verdicts(director)
    wait_until(lambda: far.taken() >= sent(director, "Ethernet1") >= len(frames), 10, "testpmd to have taken every frame")
    return [bytes(packet) for packet in requests(far.delivered())]


def sent(director, name):
    """Frames that an interface has transmitted."""
    view = next(row for row in director.show_json("show interfaces")["interfaces"] if row["name"] == name)
    return view["port"]["counters"]["tx_packets"]


@pytest.mark.parametrize("directed", [False, True], ids=["dispatched", "directed"])
def test_only_what_the_mode_changes_is_changed(labs, directed):
    frames = [frame(1), frame(2), frame(3, checksum=0), frame(4, checksum=0)]
    arrived = balanced(labs, frames, directed=directed)
    assert len(arrived) == len(frames)
    for number, (before, after) in enumerate(zip(map(decode, frames), map(decode, arrived))):
        real = list(REALS)[number % 2]
        assert (after.src, after.dst) == (INSIDE, REALS[real])
        assert (after[IP].src, after[IP].dst, after[IP].ttl) == (PDSN, real if directed else VIP, 63)
        assert (after[IP].id, after[IP].flags, after[IP].tos) == (before[IP].id, before[IP].flags, before[IP].tos)
        assert (after[UDP].sport, after[UDP].dport, after[UDP].len) == (434, 434, before[UDP].len)
        assert payload(after) == payload(before) and checksums_right(after)
        assert (after[UDP].chksum == 0) == (before[UDP].chksum == 0), "no checksum stays none"
        # The frame says it all: nothing was added behind the packet.
        assert len(after) == len(before)
    read = tshark(arrived, labs.opened[0].folder, "ip.checksum.status", "udp.checksum.status", "mip.nai", "_ws.malformed")
    # 1 is good, 3 is not present.
    assert [row["ip.checksum.status"] for row in read] == [["1"]] * 4
    assert [row["udp.checksum.status"] for row in read] == [["1"], ["1"], ["3"], ["3"]]
    assert [row["mip.nai"] for row in read] == [[user(number)] for number in (1, 2, 3, 4)]
    assert all(row["_ws.malformed"] is None for row in read)
