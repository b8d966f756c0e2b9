"""A laboratory for the peer that is written from the RFCs alone: home agents that are Homeward, in a namespace each, alone or behind a
director, with nodes and a foreign agent on a network outside. Every frame is captured, and tshark judges all of them.

    direct:     nodes, fa -- 15.1.1.1 ha1 10.1.1.1 -- 10.1.1.81 correspondent
    dispatched: nodes, fa -- 15.1.1.1 director 10.1.1.1 -- ha1 10.1.1.51, ha2 10.1.1.52, which have the virtual address 10.1.1.10,
                                                           and the correspondent
    directed:   nodes, fa -- 15.1.1.1 director 10.2.1.1 -- 10.2.1.2 router 10.1.1.1 -- ha1 10.1.1.51, ha2 10.1.1.52, correspondent
    visitor:    192.168.7.2, behind the foreign agent (192.168.7.1 on that side, 15.1.1.61 outside)
"""

import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

import pytest
from director import configuration, interface, management, reals
from netlab import DIRECTED_INSIDE, INSIDE, OUTSIDE, ROUTER, VIP, Director, Host, Lab, inside, wait_until

PEER = pathlib.Path(__file__).parent / "rfc5944_peer.py"
FOREIGN_AGENT, AIR, VISITOR, CORRESPONDENT = "15.1.1.61", "192.168.7.1", "192.168.7.2", "10.1.1.81"
OPAQUE = ("udp.port==47000", "tcp.port==47001", "udp.port==5201", "tcp.port==5201")
ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS, SO_RCVBUFFORCE = 3, 263, 6, 33
KEY, OLD_KEY, AGENT_KEY = "1234567812345678", "00112233445566778899aabbccddeeff", "between-agents-1"


class Capture:
    """All frames at a device, in the order in which they passed. It must be the far end of a wire to a dataplane, which sends past the
    kernel's taps."""

    def __init__(self, name, host, device):
        self.name, self.frames = name, []

        def listen():
            made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            # Enough for a whole test, so that nobody has to read while it runs.
            made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 28)
            made.bind((device, ETH_P_ALL))
            made.setblocking(False)
            return made
        self.socket = inside(host.namespace, listen)

    def read(self):
        """Everything so far."""
        while True:
            try:
                self.frames.append(self.socket.recv(65535))
            except BlockingIOError:
                break
        assert struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[1] == 0, f"{self.name} lost frames"
        return self.frames

    def save(self, folder):
        """As a file for tshark."""
        file = folder / f"{self.name}.pcap"
        with open(file, "wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            for number, frame in enumerate(self.read()):
                out.write(struct.pack("<IIII", number // 1000, number % 1000 * 1000, len(frame), len(frame)) + frame)
        return file


class Program:
    """The peer in a namespace, and the events that it printed."""

    def __init__(self, lab, host, *words):
        self.events, self.at = [], 0
        self.process = host.spawn(sys.executable, str(PEER), *words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab.processes.append(self.process)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.until("ready")

    def read(self):
        """Collects its lines."""
        try:
            self.events += map(json.loads, self.process.stdout)
        except ValueError:
            return  # The laboratory has closed the pipe.

    def until(self, *names):
        """The next event of these names; what came before it stays in `events`."""
        def found():
            for at in range(self.at, len(self.events)):
                if self.events[at]["event"] in names:
                    self.at = at + 1
                    return self.events[at]
            assert self.process.poll() is None, f"the peer ended: {self.events}"
            return None
        try:
            return wait_until(found, 40, f"{names}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.events}") from None

    def do(self, command):
        """A command and what came of it."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.until("registered", "deregistered", "denied", "unanswered", "stats")

    def named(self, name):
        """All events of a name."""
        return [event for event in self.events if event["event"] == name]


class PeerLab(Lab):
    """The namespaces and wires; `run` starts home agents and director."""

    def __init__(self, mode="direct", homes=1):
        self.captures, self.agents = [], {}
        super().__init__(mode, homes)

    def build(self, homes, bypass, one_arm):
        """The network outside first, then what is between it and the home agents."""
        names = [f"ha{number}" for number in range(1, homes + 1)]
        edge = Host(self, "edge")
        edge.ip("link add br0 type bridge forward_delay 0", "link set br0 up")
        self.ports = 0
        first = Host(self, "ha1" if self.mode == "direct" else "director")
        self.tapped(first, "outside", "edge")
        agent, visitor = self.outside("fa", FOREIGN_AGENT), Host(self, "visitor")
        self.wire(agent, "air", visitor, "eth0")
        agent.ip(f"addr add {AIR}/24 dev air")
        visitor.ip(f"addr add {VISITOR}/24 dev eth0")
        self.addresses = {}
        correspondent = Host(self, "correspondent")
        if self.mode == "direct":
            self.wire(first, "inside", correspondent, "eth0")
            self.captures.append(Capture("ha1.inside", correspondent, "eth0"))
            self.addresses["ha1"] = OUTSIDE
        else:
            switch = Host(self, "switch")
            switch.ip("link add br0 type bridge forward_delay 0", "link set br0 up")
            self.tapped(first, "inside", "switch")
            if self.mode == "directed":
                switch = Host(self, "router")
                switch.sysctl({"net.ipv4.ip_forward": 1})
                self.plug(switch, "eth0")
                self.address(switch, "eth0", ROUTER, DIRECTED_INSIDE)
                switch.ip("link add br0 type bridge forward_delay 0", "link set br0 up", f"addr add {INSIDE}/24 dev br0")
            for number, name in enumerate(names, 51):
                self.tapped(Host(self, name), "inside", switch.role)
                self.addresses[name] = f"10.1.1.{number}"
            self.plug(correspondent, "eth0", switch.role)
        self.address(correspondent, "eth0", CORRESPONDENT, INSIDE)
        correspondent.command("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off")
        self.reals = list(self.addresses.values())

    def outside(self, role, address):
        """A further host on the network outside."""
        host = Host(self, role)
        self.plug(host, "eth0", "edge")
        self.address(host, "eth0", address, OUTSIDE)
        host.command("ethtool", "-K", "eth0", "tso", "off", "gso", "off", "gro", "off")
        return host

    def beyond(self, mtu):
        """A node's host behind a router outside, whose link takes smaller packets: 16.1.1.51 behind 15.1.1.71."""
        router, node = self.outside("way", "15.1.1.71"), Host(self, "node")
        router.sysctl({"net.ipv4.ip_forward": 1})
        self.wire(router, "far", node, "eth0")
        router.ip("addr add 16.1.1.1/24 dev far", f"link set far mtu {mtu}")
        self.address(node, "eth0", "16.1.1.51", "16.1.1.1")
        node.ip(f"link set eth0 mtu {mtu}")

    def tapped(self, host, device, switch):
        """A wire to a switch, and what passes there is kept."""
        self.plug(host, device, switch)
        self.captures.append(Capture(f"{host.role}.{device}", self.hosts[switch], f"port{self.ports}"))

    def home_agent(self, number, extra):
        """The configuration of a home agent; each has home addresses of its own."""
        name = f"ha{number}"
        text = f"hostname {name}\n!\ndataplane\n workers 1\n sessions 16384\n hugepages off\n!\n"
        if self.mode == "direct":
            text += interface("Ethernet0", "device net_af_packet0,iface=outside", f"ip address {OUTSIDE} 255.255.255.0")
            text += interface("Ethernet1", "device net_af_packet1,iface=inside", f"ip address {INSIDE} 255.255.255.0")
        else:
            text += interface("Ethernet0", "device net_af_packet0,iface=inside", f"ip address {self.addresses[name]} 255.255.255.0")
            text += f"ip route 0.0.0.0 0.0.0.0 {INSIDE}\n!\n"
            extra = (f"ip mobile home-agent virtual-address {VIP}", *extra)
        return text + f"""router mobile
!
ip local pool NODES 10.9.{number}.1 10.9.{number}.250
!
ip mobile home-agent lifetime 1800
{chr(10).join(extra)}
ip mobile virtual-network 10.9.0.0 255.255.0.0
ip mobile host nai @example.com address pool local NODES virtual-network 10.9.0.0 255.255.0.0
ip mobile secure host nai @example.com spi 100 key ascii {KEY}
ip mobile host nai @old.example.com address pool local NODES virtual-network 10.9.0.0 255.255.0.0
ip mobile secure host nai @old.example.com spi 1a0 key hex {OLD_KEY} algorithm md5 mode prefix-suffix
!
""" + management()

    def run(self, *extra):
        """Starts everything; `extra` are lines of every home agent."""
        for number, name in enumerate(self.addresses, 1):
            if self.mode == "dispatched":
                # As conf/README.md says of home agents in dispatched mode.
                self.hosts[name].ip(f"addr add {VIP}/32 dev lo")
                self.hosts[name].sysctl({"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2})
            self.agents[name] = Director(self, self.home_agent(number, extra), name=name).start()
        if self.mode != "direct":
            director = self.director(configuration(self))
            wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(director).values()), 10, "every real OPERATIONAL")
        return self

    def node(self, address="15.1.1.51", *words, nai="joe@example.com", spi="100", key=f"ascii:{KEY}", role="node", to=None):
        """A mobile node on the network outside, in a namespace of its own."""
        host = self.hosts.get(role) or self.outside(role, address)
        return Program(self, host, "node", "--local", address, "--home-agent", to or (OUTSIDE if self.mode == "direct" else VIP),
                       "--nai", nai, "--spi", spi, "--key", key, *words)

    def visit(self, *words, authenticated=False, **options):
        """(foreign agent, node): a node on the foreign agent's link."""
        secret = ()
        if authenticated:
            secret = ("--spi", "300", "--key", f"ascii:{AGENT_KEY}")
            for agent in self.agents.values():
                agent.configure(f"ip mobile secure foreign-agent {FOREIGN_AGENT} spi 300 key ascii {AGENT_KEY}")
        agent = Program(self, self.hosts["fa"], "foreign-agent", "--address", FOREIGN_AGENT, "--inside", AIR, *secret)
        return agent, self.node(VISITOR, "--agent", AIR, "--care-of", FOREIGN_AGENT, *words, role="visitor", **options)

    def bindings(self):
        """How many bindings each home agent has, as its show says."""
        return {name: agent.show_json("show ip mobile binding")["total"] for name, agent in self.agents.items()}

    def close(self):
        """Also the captures."""
        for capture in self.captures:
            capture.socket.close()
        super().close()


def dissect(file, *words):
    """tshark's reading, all checksums verified. Random payloads must not be taken for protocols that happen to look like them."""
    options = [word for name in ("ip.check_checksum", "udp.check_checksum", "tcp.check_checksum") for word in ("-o", f"{name}:TRUE")]
    options += [word for port in OPAQUE for word in ("-d", f"{port},data")]
    done = subprocess.run(["tshark", "-n", "-r", str(file), *options, *words], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def fields(file, which, *names):
    """The fields of each frame that a display filter lets through."""
    return dissect(file, "-Y", which, "-T", "fields", *(word for name in names for word in ("-e", name)))


def judge(lab, only=""):
    """Nothing that went over a wire (of those whose name begins so) is malformed, an error to tshark, or sums up wrong. Returns the
    captures' files by name."""
    captures = [capture for capture in lab.captures if capture.name.startswith(only)]
    files = {capture.name: capture.save(lab.folder) for capture in captures}
    for name, file in files.items():
        # Linux writes a TCP checksum that comes out as 0 as 0xffff: right as a sum, but an error to tshark.
        bad = dissect(file, "-Y", "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || icmp.checksum.status == 0"
                                  " || (!(tcp.checksum == 0xffff) && (_ws.expert.severity == 8388608 || tcp.checksum.status == 0))")
        assert not bad, f"{name}: {bad[:5]}"
    # The filter would be silent about files that tshark does not read, too.
    assert sum(len(dissect(file)) for file in files.values()) == sum(len(capture.frames) for capture in captures) > 0
    return files


@pytest.fixture
def peer_lab(labs):
    """Makes such laboratories; conftest.py closes them."""
    def make(mode="direct", homes=1):
        lab = PeerLab(mode, homes)
        lab.last_words = ""
        labs.opened.append(lab)
        return lab
    return make
