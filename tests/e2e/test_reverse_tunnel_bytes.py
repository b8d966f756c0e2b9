"""What a home agent takes out of a tunnel and what it does not, by RFC 2003, 2784, 3519 and 1812: packets made byte by byte, and which of
them reach a correspondent."""

import socket
import struct

import pytest
from netlab import OUTSIDE, inside, wait_until
from rfc5944_lab import CORRESPONDENT, fields, judge, peer_lab  # noqa: F401 - a fixture

NODE, STRANGER, PORT = "15.1.1.51", "15.1.1.77", 47000


def checksum(data):
    """Of the Internet (RFC 1071)."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def ip(source, destination, protocol, payload, *, ttl=64, options=b"", length=None, version=4, spoil=0):
    """An IPv4 packet; `length` and `spoil` make its length and checksum wrong."""
    size = 20 + len(options)

    def header(total):
        return struct.pack("!BBHHHBBH4s4s", version << 4 | size // 4, 0, length or size + len(payload), 7, 0, ttl, protocol, total,
                           socket.inet_aton(source), socket.inet_aton(destination)) + options
    return header(checksum(header(0)) ^ spoil) + payload


def udp(source, destination, ports, payload, *, total=None):
    """A UDP datagram for these addresses; `total` in place of its checksum."""
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", 17, 8 + len(payload))
    header = struct.pack("!HHH", *ports, 8 + len(payload))
    right = checksum(pseudo + header + b"\0\0" + payload) or 0xFFFF
    return header + struct.pack("!H", right if total is None else total) + payload


def gre(payload, *, first=0, protocol=0x0800, extra=b""):
    """A GRE packet; `first` are flags and version."""
    return struct.pack("!HH", first, protocol) + extra + payload


class Tunnel:
    """A node's end of a tunnel, by hand, and a correspondent that listens."""

    def __init__(self, lab, how):
        self.lab = lab
        self.node = lab.node(NODE, "--reverse", "--encapsulation", how, *(("--care-of", "192.168.99.2") if how == "udp" else ()))
        registered = self.node.do("register")
        assert registered["event"] == "registered", self.node.events
        self.home, self.port = registered["home_address"], self.node.events[0]["port"]
        self.raw = inside(lab.hosts["node"].namespace, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
        correspondent = lab.hosts["correspondent"]

        def listen():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((CORRESPONDENT, PORT))
            made.setblocking(False)
            return made
        self.listener = inside(correspondent.namespace, listen)
        # Like any router the home agent may drop what has to wait for ARP.
        wait_until(lambda: correspondent.command("ping", "-c1", "-W1", "10.1.1.1").returncode == 0, 5, "the correspondent's neighbour")

    def inner(self, text, *, source=None, **options):
        """A datagram with this text for the correspondent, as an IP packet."""
        source = source or self.home
        return ip(source, CORRESPONDENT, 17, udp(source, CORRESPONDENT, (4711, PORT), text.encode()), **options)

    def over_ip(self, packet, *, source=NODE, **options):
        """IP in IP."""
        return ip(source, OUTSIDE, 4, packet, **options)

    def over_gre(self, packet, **options):
        """IP in GRE."""
        return ip(NODE, OUTSIDE, 47, gre(packet, **options))

    def over_gre_with_checksum(self, packet, spoil=0):
        """IP in GRE with the optional checksum, wrong if it is spoilt."""
        total = checksum(gre(packet, first=0x8000, extra=bytes(4))) ^ spoil
        return self.over_gre(packet, first=0x8000, extra=struct.pack("!HH", total, 0))

    def over_udp(self, packet, *, port=None, head=b"\x04\x04\0\0", total=None):
        """IP in UDP, from the port that registered."""
        return ip(NODE, OUTSIDE, 17, udp(NODE, OUTSIDE, (port or self.port, 434), head + packet, total=total))

    def arriving(self, last, packets):
        """Sends the packets, then one that is right: the texts that the correspondent receives before that."""
        for packet in (*packets, last):
            self.raw.sendto(packet, (OUTSIDE, 0))
        texts = []

        def ended():
            try:
                texts.append(self.listener.recv(2048).decode())
            except BlockingIOError:
                return False
            return texts[-1] == "last"
        wait_until(ended, 10, f"the last packet after {texts}")
        return texts[:-1]

    def close(self):
        """The sockets."""
        self.raw.close()
        self.listener.close()


@pytest.fixture
def tunnel(peer_lab):  # noqa: F811
    """Makes a tunnel of a kind; a laboratory for each."""
    made = []

    def make(how):
        made.append(Tunnel(peer_lab().run("ip mobile home-agent nat traversal"), how))
        return made[-1]
    yield make
    for one in made:
        one.close()


def test_ip_in_ip(tunnel):
    end = tunnel("ipip")
    good, inner = end.over_ip, end.inner
    assert end.arriving(good(inner("last")), [
        good(inner("plain")),
        good(inner("options inside", options=b"\x01\x01\x01\x00")),
        good(inner("options outside"), options=b"\x01\x01\x01\x00"),
        good(inner("outer TTL used up"), ttl=1),
        good(inner("another's address", source="10.9.1.99")),
        good(inner("from a stranger"), source=STRANGER),
        good(inner("wrong checksum", spoil=0x0101)),
        good(inner("longer than it is", length=1400)),
        good(inner("version 6", version=6)),
        good(inner("cut short")[:19]),
        good(inner("TTL used up", ttl=1)),
        good(good(inner("a tunnel inside"))),
        end.over_gre(inner("GRE, which was not agreed")),
        end.over_udp(inner("UDP, which was not agreed")),
    ]) == ["plain", "options inside", "options outside", "outer TTL used up"]
    judge(end.lab, "ha1.inside")


def test_gre(tunnel):
    end = tunnel("gre")
    good, inner = end.over_gre, end.inner

    assert end.arriving(good(inner("last")), [
        good(inner("plain")),
        end.over_gre_with_checksum(inner("with a checksum")),
        good(inner("reserved bits that are ignored"), first=0x0008),
        good(inner("version 1"), first=0x0001),
        good(inner("routing of RFC 1701"), first=0x4000, extra=bytes(4)),
        good(inner("another protocol"), protocol=0x86DD),
        good(inner("another's address", source="10.9.1.99")),
        end.over_ip(inner("IP in IP, which was not agreed")),
    ]) == ["plain", "with a checksum", "reserved bits that are ignored"]
    judge(end.lab, "ha1.inside")


def test_gre_with_a_wrong_checksum(tunnel):
    end = tunnel("gre")
    assert end.arriving(end.over_gre(end.inner("last")), [end.over_gre_with_checksum(end.inner("spoilt"), 0x0101)]) == []


def test_gre_with_a_bit_that_has_to_be_zero(tunnel):
    """A receiver that does not know RFC 1701 discards what has any of the bits 1 to 5; key and sequence number are RFC 2890's."""
    end = tunnel("gre")
    assert end.arriving(end.over_gre(end.inner("last")), [
        end.over_gre(end.inner("strict source route"), first=0x0800), end.over_gre(end.inner("recursion"), first=0x0400)]) == []


def test_udp(tunnel):
    end = tunnel("udp")
    good, inner = end.over_udp, end.inner
    assert end.arriving(good(inner("last")), [
        good(inner("plain")),
        good(inner("no checksum"), total=0),
        good(inner("reserved bits that are ignored"), head=b"\x04\x04\xff\xff"),
        good(inner("another port"), port=end.port ^ 1),
        good(inner("unknown next header"), head=b"\x04\x63\0\0"),
        good(inner("another type"), head=b"\x05\x04\0\0"),
        good(inner("another's address", source="10.9.1.99")),
        end.over_ip(inner("IP in IP, which was not agreed")),
    ]) == ["plain", "no checksum", "reserved bits that are ignored"]
    judge(end.lab, "ha1.inside")


def test_udp_with_a_wrong_checksum(tunnel):
    end = tunnel("udp")
    assert end.arriving(end.over_udp(end.inner("last")), [end.over_udp(end.inner("spoilt"), total=0x1234)]) == []


@pytest.mark.parametrize("how", ["ipip", "gre", "udp"])
def test_a_ttl_that_is_used_up_on_the_way_to_a_node(peer_lab, how):  # noqa: F811
    """The home agent is a router before the tunnel and says so; the node is one hop further (RFC 2003, 3.1)."""
    lab = peer_lab().run("ip mobile home-agent nat traversal")
    node = lab.node(NODE, "--reverse", "--encapsulation", how, "--tun", "tun0", *(("--care-of", "192.168.99.2") if how == "udp" else ()))
    home, correspondent = node.do("register")["home_address"], lab.hosts["correspondent"]
    # Like any router the home agent may drop what has to wait for ARP.
    wait_until(lambda: correspondent.command("ping", "-c1", "-W1", home).returncode == 0, 10, "an echo")
    assert "From 10.1.1.1 icmp_seq=1 Time to live exceeded" in correspondent.command("ping", "-n", "-c1", "-W2", "-t1", home).stdout
    assert correspondent.command("ping", "-n", "-c1", "-W5", "-t2", home).returncode == 0
    # And from the node: the hop is the home agent, which answers through the tunnel.
    away = lab.hosts["node"].command("ping", "-n", "-c1", "-W5", "-t1", CORRESPONDENT)
    assert "Time to live exceeded" in away.stdout, away.stdout
    files = judge(lab)
    exceeded = fields(files["ha1.outside"], f"icmp.type == 11 && ip.dst == {home}", "ip.src")
    assert len(exceeded) == 1 and exceeded[0][0].startswith(f"{node.named('registered')[0]['home_agent']},"), exceeded
