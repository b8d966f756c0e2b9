"""Ordinary programs beside a home agent, with a node whose end of the tunnel is written from the RFCs alone: what sizes pass, what is said
of those that do not, and how the packets look between home agent and node."""

import hashlib
import json
import os
import re
import socket
import subprocess

import pytest
from netlab import OUTSIDE, inside, wait_until
from rfc5944_lab import CORRESPONDENT, fields, judge, peer_lab  # noqa: F401 - a fixture

# The largest packet inside a tunnel over 1500 bytes: RFC 2003; RFC 2784 without options; RFC 3519.
MTU = {"ipip": 1480, "gre": 1476, "udp": 1468}
NODE = "15.1.1.51"
IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0


def roam(lab, how, address=NODE, role="node", nai="joe@example.com", mtu=1500):
    """A registered node that takes everything through its tunnel. Behind a NAT its care-of address is not the source of its requests."""
    words = ["--encapsulation", how, "--reverse", "--tun", "tun0", "--mtu", str(mtu)]
    if how == "udp":
        words += ["--care-of", "192.168.99.2"]
    node = lab.node(address, *words, role=role, nai=nai)
    node.home = node.do("register")
    assert node.home["event"] == "registered", node.events
    node.host = lab.hosts[role]
    return node


@pytest.fixture(params=list(MTU))
def roaming(peer_lab, request):  # noqa: F811
    """(laboratory, node, correspondent's host, encapsulation), all neighbours known."""
    lab = peer_lab().run("ip mobile home-agent nat traversal")
    node = roam(lab, request.param)
    correspondent = lab.hosts["correspondent"]
    # Like any router the home agent may drop what has to wait for the hardware address of a neighbour.
    wait_until(lambda: ping(correspondent, node.home["home_address"], 84)[0], 10, "an echo through the tunnel")
    return lab, node, correspondent, request.param


def ping(host, address, length, *options):
    """(whether exactly one intact echo came back, what ping said) for an IP packet of this length."""
    # A path MTU that an earlier packet has found must not spare the home agent this one.
    host.ip("route flush cache")
    done = host.command("ping", "-n", "-c", "1", "-W", "3", "-s", str(length - 28), "-p", os.urandom(16).hex(), *options, address)
    text = done.stdout + done.stderr
    return done.returncode == 0 and " 1 received" in text and "wrong data" not in text and "DUP" not in text, text


def sizes(how):
    """Around the tunnel's MTU and up to the wire's."""
    return [84, 1400, MTU[how] - 1, MTU[how], MTU[how] + 1, 1499, 1500]


def test_a_correspondent_reaches_the_node_with_every_size(roaming):
    lab, node, correspondent, how = roaming
    home = node.home["home_address"]
    for length in sizes(how):
        passed, text = ping(correspondent, home, length, "-M", "dont")
        assert passed, f"{length} bytes that may be cut: {text}"
        passed, text = ping(correspondent, home, length, "-M", "do")
        if length <= MTU[how]:
            assert passed, f"{length} bytes that must not be cut: {text}"
        else:
            said = re.search(r"From (\S+).*mtu ?= ?(\d+)", text)
            assert not passed and said and said.groups() == ("10.1.1.1", str(MTU[how])), f"{length}: {text}"
    files = judge(lab)
    refused = fields(files["ha1.inside"], "icmp.type == 3", "icmp.code", "icmp.mtu", "ip.src", "ip.dst")
    # Where there are two: of the message, then of the packet that it is about.
    assert refused == [["4,0", str(MTU[how]), f"10.1.1.1,{CORRESPONDENT}", f"{CORRESPONDENT},{home}"]] * 3


def test_the_node_reaches_a_correspondent_with_every_size(roaming):
    lab, node, _, how = roaming
    for length in sizes(how):
        passed, text = ping(node.host, CORRESPONDENT, length, "-M", "dont")
        assert passed, f"{length} bytes that may be cut: {text}"
        if length <= MTU[how]:
            passed, text = ping(node.host, CORRESPONDENT, length, "-M", "do")
            assert passed, f"{length} bytes that must not be cut: {text}"
    files = judge(lab)
    # Nothing reached the correspondent but from the home address, and nothing of the tunnel did.
    assert {row[0] for row in fields(files["ha1.inside"], f"ip && ip.dst == {CORRESPONDENT} && icmp.type != 3", "ip.src")} == {
        node.home["home_address"]}


def outer_packets(file, how, care_of=NODE):
    """What the home agent put into the tunnel: dicts of the fields, each as (outer, inner)."""
    names = ("ip.src", "ip.dst", "ip.proto", "ip.ttl", "ip.dsfield", "ip.flags.df", "ip.flags.mf", "ip.len")
    which = {"ipip": "ip.proto == 4", "gre": "gre", "udp": "udp.srcport == 434 && mip.type == 4"}[how]
    rows = fields(file, f"{which} && ip.dst == {care_of}", *names)
    return [{name: tuple(value.split(",")) for name, value in zip(names, row)} for row in rows]


def test_how_the_tunnel_looks(roaming):
    """Ends, header fields and what is copied from the packet inside, by RFC 2003 (3.1), RFC 2784 and RFC 3519."""
    lab, node, correspondent, how = roaming
    home = node.home["home_address"]
    for length in (84, MTU[how], 1500):
        for cut in ("do", "dont"):
            ping(correspondent, home, length, "-M", cut, "-Q", "0xb8")
    file = judge(lab)["ha1.outside"]
    packets = outer_packets(file, how)
    # The warm-up, then with DF 84 and the MTU, without those and 1500 in two pieces.
    marked = [packet for packet in packets if packet["ip.dsfield"][1] == "0xb8"]
    assert len(marked) == 6, marked
    for packet in packets:
        assert packet["ip.src"] == (node.home["home_agent"], CORRESPONDENT) and packet["ip.dst"] == (NODE, home)
        assert packet["ip.proto"] == ({"ipip": "4", "gre": "47", "udp": "17"}[how], "1")
        # The home agent forwards, once; the outer TTL is enough for any path.
        assert packet["ip.ttl"][1] == "63" and int(packet["ip.ttl"][0]) >= 63
        assert int(packet["ip.len"][0]) - int(packet["ip.len"][1]) == 1500 - MTU[how]
        assert packet["ip.flags.mf"][0] == "0"
        # What must not be cut must not be cut on the way either.
        assert packet["ip.flags.df"][0] == "1" or packet["ip.flags.df"][1] == "0"
    assert all(packet["ip.dsfield"] == ("0xb8", "0xb8") for packet in marked), marked
    pieces = [int(packet["ip.len"][1]) for packet in marked if packet["ip.flags.mf"][1] == "1"]
    assert len(pieces) == 1 and pieces[0] <= MTU[how] and (pieces[0] - 20) % 8 == 0
    if how == "gre":
        assert {tuple(row) for row in fields(file, "gre", "gre.flags_and_version", "gre.proto")} == {("0x0000", "0x0800")}
    if how == "udp":
        names = ("udp.srcport", "udp.dstport", "mip.nattt.nexthdr")
        ports = {tuple(row) for row in fields(file, f"mip.type == 4 && ip.dst == {NODE}", *names)}
        assert ports == {("434", str(node.events[0]["port"]), "4")}


def test_a_reply_grants_udp_only_behind_a_nat(roaming):
    """The extension of RFC 3519 answers the request's: code 0, and a keepalive interval that is not 0."""
    _, node, _, how = roaming
    (reply,) = node.named("reply")
    assert ("udp_tunnel" in reply) == (how == "udp")
    if how == "udp":
        assert (reply["udp_tunnel"]["subtype"], reply["udp_tunnel"]["code"], reply["udp_tunnel"]["force"]) == (0, 0, 0)
        assert reply["udp_tunnel"]["keepalive"] == 110


def test_datagrams_arrive_as_they_were_sent(roaming):
    """Random payloads of every size, there and back, whole or cut."""
    lab, node, correspondent, how = roaming

    def bound(host, address):
        def make():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
            made.bind((address, 47000))
            made.settimeout(5)
            return made
        return inside(host.namespace, make)
    with bound(correspondent, CORRESPONDENT) as near, bound(node.host, node.home["home_address"]) as far:
        # Towards the node no longer ones: net_af_packet hands over what the kernel has put together again, and cuts it off at 2 KB.
        both = [(length, *ends) for length in (*sizes(how), 1501, 1600) for ends in ((near, far), (far, near))]
        for length, source, target in [*both, (2900, far, near), (4000, far, near)]:
            correspondent.ip("route flush cache")
            payload = os.urandom(length - 28)
            source.sendto(payload, target.getsockname())
            got, peer = target.recvfrom(65535)
            assert peer == source.getsockname()
            assert hashlib.sha256(got).digest() == hashlib.sha256(payload).digest(), f"{length} bytes"
    judge(lab)


def iperf(server, address, client, *options):
    """The report of a client, once the server is there."""
    with server.spawn("iperf3", "-s", "-1", "-B", address, "--forceflush", stdout=subprocess.PIPE, text=True) as listening:
        try:
            for line in listening.stdout:
                if "listening" in line:
                    break
            done = client.command("iperf3", "-c", address, "-J", "-t", "3", *options, timeout=60)
        finally:
            listening.kill()
    report = json.loads(done.stdout)
    assert done.returncode == 0 and "error" not in report, done.stdout
    return report["end"]


@pytest.mark.parametrize("backwards", [(), ("-R",)], ids=["to the node", "from the node"])
def test_streams(roaming, backwards):
    """iperf3 loses no datagram at a rate that a busy machine bears, and TCP finds the tunnel's MTU by itself."""
    lab, node, correspondent, _ = roaming
    home = node.home["home_address"]
    total = iperf(node.host, home, correspondent, "-u", "-b", "2M", "-l", "1400", *backwards)["sum"]
    assert total["packets"] > 100 and total["lost_packets"] == 0, total
    ends = iperf(node.host, home, correspondent, "-b", "4M", *backwards)
    assert ends["sum_received"]["bytes"] > 500_000, ends["sum_received"]
    assert node.do("stats")["stray"] == 0 and not node.named("broken")
    judge(lab)


def test_a_stream_of_bytes_is_what_was_sent(roaming):
    """A TCP connection that the node opens, and half a million random bytes in each direction."""
    lab, node, correspondent, _ = roaming
    data = os.urandom(500_000)

    def listen():
        made = socket.create_server((CORRESPONDENT, 47001))
        made.settimeout(10)
        return made
    with inside(correspondent.namespace, listen) as server, inside(
            node.host.namespace, lambda: socket.create_connection((CORRESPONDENT, 47001), 10)) as far:
        near, peer = server.accept()
        with near:
            assert peer[0] == node.home["home_address"]
            near.settimeout(20)
            far.settimeout(20)
            for source, target in ((near, far), (far, near)):
                # As much as socket buffers take for certain, then the other side's turn.
                for at in range(0, len(data), 10_000):
                    source.sendall(data[at:at + 10_000])
                    got = b""
                    while len(got) < 10_000:
                        got += target.recv(10_000 - len(got))
                    assert got == data[at:at + 10_000]
    judge(lab)


@pytest.mark.parametrize("how", list(MTU))
@pytest.mark.parametrize("mode", ["dispatched", "directed"])
def test_packets_through_a_director(peer_lab, mode, how):  # noqa: F811
    """The tunnel passes the director as transit traffic: the node has been told the home agent's own address as its end."""
    lab = peer_lab(mode, 1).run("ip mobile home-agent nat traversal", "ip mobile home-agent dynamic-address 10.1.1.51")
    node, correspondent = roam(lab, how), lab.hosts["correspondent"]
    home = node.home["home_address"]
    assert node.home["home_agent"] == "10.1.1.51"
    correspondent.ip(f"route add {home} via 10.1.1.51")
    wait_until(lambda: ping(correspondent, home, 84)[0], 10, "an echo through the tunnel")
    for host, address in ((correspondent, home), (node.host, CORRESPONDENT)):
        for length, cut in ((84, "do"), (MTU[how], "do"), (MTU[how] + 1, "dont"), (1500, "dont")):
            passed, text = ping(host, address, length, "-M", cut)
            assert passed, f"{length} {cut}: {text}"
    passed, text = ping(correspondent, home, MTU[how] + 1, "-M", "do")
    assert not passed and re.search(rf"mtu ?= ?{MTU[how]}\b", text), text
    # Registered again by way of the virtual address, it stays where it is.
    assert node.do("register")["home_agent"] == "10.1.1.51" and ping(node.host, CORRESPONDENT, 84)[0]
    files = judge(lab)
    assert {packet["ip.src"][0] for packet in outer_packets(files["director.outside"], how)} == {"10.1.1.51"}


@pytest.mark.parametrize("how", list(MTU))
def test_a_link_on_the_way_takes_less(peer_lab, how):  # noqa: F811
    """What a router says of the outer packet the home agent has to say of the inner one (RFC 2003, 5.1)."""
    lab = peer_lab()
    lab.beyond(1300)
    lab.run("ip mobile home-agent nat traversal", "ip route 16.1.1.0 255.255.255.0 15.1.1.71")
    node, correspondent = roam(lab, how, "16.1.1.51", mtu=1300), lab.hosts["correspondent"]
    home, mtu = node.home["home_address"], 1300 - 1500 + MTU[how]
    wait_until(lambda: ping(correspondent, home, 84)[0], 10, "an echo through the tunnel")
    passed, text = ping(correspondent, home, 1400, "-M", "do")
    assert not passed, text
    # The first one is lost where the link is; whoever comes then hears of it.
    wait_until(lambda: re.search(rf"mtu ?= ?{mtu}\b", ping(correspondent, home, 1400, "-M", "do")[1]), 20, f"an MTU of {mtu}")
    for length, cut in ((mtu, "do"), (mtu + 1, "dont"), (1400, "dont"), (1500, "dont")):
        passed, text = ping(correspondent, home, length, "-M", cut)
        assert passed, f"{length} {cut}: {text}"
    judge(lab)


def test_two_nodes_reach_each_other(peer_lab):  # noqa: F811
    """From one tunnel into another, of another kind, with the smaller MTU of the two."""
    lab = peer_lab().run("ip mobile home-agent nat traversal")
    one = roam(lab, "ipip")
    other = roam(lab, "udp", "15.1.1.52", "other", "jill@example.com")
    home = other.home["home_address"]
    for length in (84, MTU["udp"], MTU["udp"] + 1, MTU["ipip"]):
        passed, text = ping(one.host, home, length, "-M", "dont")
        assert passed, f"{length}: {text}"
    passed, text = ping(one.host, home, MTU["udp"], "-M", "do")
    assert passed, text
    passed, text = ping(one.host, home, MTU["udp"] + 1, "-M", "do")
    assert not passed and re.search(rf"mtu ?= ?{MTU['udp']}\b", text), text
    judge(lab)


def test_a_node_behind_a_nat_keeps_its_tunnel_alive(peer_lab):  # noqa: F811
    """The keepalive of RFC 3519 is an echo of the home agent's address through the tunnel (4.9)."""
    lab = peer_lab().run("ip mobile home-agent nat traversal")
    node = roam(lab, "udp")
    passed, text = ping(node.host, node.home["home_agent"], 84, "-I", "tun0")
    assert passed, text
    file = judge(lab)["ha1.outside"]
    assert [packet["ip.src"] for packet in outer_packets(file, "udp")] == [(OUTSIDE, OUTSIDE)]


def test_no_packet_comes_once_a_node_has_ended_its_binding(roaming):
    lab, node, correspondent, _ = roaming
    received = node.do("stats")["received"]
    assert node.do("deregister")["event"] == "deregistered"
    passed, text = ping(correspondent, node.home["home_address"], 84)
    assert not passed and "Destination Host Unreachable" in text, text
    after = node.do("stats")
    assert (after["received"], after["stray"]) == (received, 0)
    judge(lab)
