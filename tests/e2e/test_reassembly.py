"""What a router on the way has cut, put together by a home agent: parts that scapy made, played by `dpdk-testpmd` through virtio, where no
kernel puts them together before."""

import random
import socket

import home_agent
import mobileip
import pytest
from director import interface, management, stable_verdicts
from frame_checks import IP, UDP, Ether, checksums_right, decode, payload
from mobile_node import identification
from netlab import PDSN, inside, wait_until
from scapy.layers.inet import fragment
from scapy.packet import Raw
from test_virtio_bytes import AGENT, INSIDE, OUTSIDE, REALS, Far, dotted, sent

CORRESPONDENT = "10.1.1.51"
HOME, HERE = "10.9.0.1", "15.1.1.1"

pytestmark = pytest.mark.usefixtures("pages")


def register(director):
    """A request that the home agent's own host sends for a node: nobody answers beyond the wire."""
    def ask():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.sendto(mobileip.request("node@example.com", identification(), agent=HERE, care_of=PDSN), (HERE, mobileip.PORT))
            return asking.recv(1500)
    reply = inside(director.lab.hosts["director"].namespace, ask)
    assert reply[1] == 0 and socket.inet_ntoa(reply[4:8]) == HOME, reply.hex()


def text(number, length):
    """Bytes that no other packet has."""
    return random.Random(number).randbytes(length)


def parts(number, length, size):
    """A packet of the node, in its tunnel, cut so that no part has more than `size` bytes behind its header."""
    inner = IP(src=HOME, dst=CORRESPONDENT, ttl=64, id=number) / UDP(sport=5, dport=6) / Raw(text(number, length))
    return [bytes(Ether(src=AGENT, dst=OUTSIDE) / part)
            for part in fragment(IP(src=PDSN, dst=HERE, proto=4, id=100 + number) / inner, fragsize=size)]


def test_packets_in_parts_arrive_whole(labs):
    lengths = [(number, 1472 if number % 3 else 200, 1480 if number % 2 else 120) for number in range(1, 25)]
    frames = []
    for number, length, size in lengths:
        cut = parts(number, length, size)
        assert len(cut) > 1 or length == 200
        frames += cut[::-1] if number % 4 == 1 else cut
    frames += parts(90, 1472, 800)[:-1]
    twice = parts(91, 1472, 800)
    frames += [twice[0], twice[0], twice[1]]
    lab = labs(homes=0)
    far = Far(lab, frames)
    configuration = "hostname agent\n!\ndataplane\n workers 1\n sessions 16384\n hugepages required\n memory 128\n poll adaptive\n!\n"
    for number, (name, mac, address) in enumerate((("out", OUTSIDE, HERE), ("in", INSIDE, "10.1.1.1"))):
        configuration += interface(f"Ethernet{number}", f"device net_virtio_user{number},path={lab.folder}/{name}.sock,mac={mac}",
                                   f"ip address {address} 255.255.255.0")
    configuration += f"arp {CORRESPONDENT} {dotted(REALS[CORRESPONDENT])}\n!\n"
    agent = lab.director(configuration + home_agent.CONFIGURATION + management())
    register(agent)
    far.say("start")
    wait_until(lambda: stable_verdicts(agent)["routed"] >= len(lengths), 10, "every packet")
    wait_until(lambda: "packets in parts" in agent.show("show dataplane"), 5, "the count of them")
    counted = stable_verdicts(agent)
    assert counted["routed"] == len(lengths) and counted["reassembly"] == 1 and counted["tunnel_source_mismatch"] == 0
    wait_until(lambda: f"packets in parts: {sum(len(parts(*one)) > 1 for one in lengths)} put together, 3 given up"
               in agent.show("show dataplane"), 5, "the end of those that never become whole")
    wait_until(lambda: far.taken() >= sent(agent, "Ethernet1") >= len(lengths), 10, "testpmd to have taken every frame")
    arrived = {}
    for one in map(decode, far.delivered()):
        if UDP in one and one[IP].src == HOME:
            assert one[IP].ttl == 63 and one[IP].flags == 0 and checksums_right(one)
            arrived[one[IP].id] = payload(one)
    assert arrived == {number: text(number, length) for number, length, _ in lengths}
