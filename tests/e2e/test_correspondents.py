"""Ordinary programs on both sides of a home agent: ping and iperf3 between a correspondent and a node that is away."""

import contextlib
import json
import re

import home_agent
import pytest
from roaming_host import RoamingHost

CORRESPONDENT = "10.1.1.51"


@contextlib.contextmanager
def roaming(director, how):
    """A node that is away."""
    node = RoamingHost(director.lab, "roamer@example.com", how)
    try:
        node.attach()
        yield node
    finally:
        node.close()


@pytest.fixture(params=["ipip", "gre", "udp"])
def pair(labs, request):
    """The node, and both hosts with the other's address."""
    agent = home_agent.start(labs)
    correspondent = agent.lab.hosts["ha1"]
    correspondent.command("ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    with roaming(agent, request.param) as node:
        yield node, [(correspondent, node.home), (node.host, CORRESPONDENT)]


def ping(host, address, length, *options):
    """What comes of three echo requests that are so long as packets; every byte of an answer is looked at by ping."""
    done = host.command("ping", "-n", "-c", "3", "-i", "0.1", "-W", "2", "-p", "c3a5", "-s", str(length - 28), *options, address)
    assert "wrong data byte" not in done.stdout
    return done.stdout + done.stderr


def test_every_size_passes_and_what_must_not_be_cut_is_refused(pair):
    node, ways = pair
    for host, address in ways:
        for length in (60, 1000, node.mtu - 1, node.mtu):
            assert "3 received" in ping(host, address, length, "-M", "do"), f"{length} bytes from {host.role}"
        # Two fragments are the most: a packet socket hands them over put together, and its frames have room for no more.
        for length in (node.mtu + 1, 1500, 1501, 1900):
            assert "3 received" in ping(host, address, length, "-M", "dont"), f"{length} bytes in pieces from {host.role}"
    correspondent, home = ways[0]
    refused = ping(correspondent, home, node.mtu + 1, "-M", "do")
    assert re.search(rf"mtu ?= ?{node.mtu}\b", refused) and "0 received" in refused
    assert node.sources == {"15.1.1.1"}, "the outer source is the home agent that the reply named"


def iperf(client, address, server, *options):
    """A test's end as iperf3 says it."""
    with server.spawn("iperf3", "-s", "-1", "-J", stdout=-1) as listening:
        try:
            for _ in range(50):
                done = client.command("iperf3", "-c", address, "-J", "-t", "1", *options)
                said = json.loads(done.stdout)
                if "unable to connect" not in said.get("error", ""):
                    break
        finally:
            listening.terminate()
    assert "error" not in said, said["error"]
    return said["end"]


def datagrams_sent(host):
    """How many UDP datagrams its kernel has sent."""
    names, values = re.findall(r"(?m)^Udp: (.*)$", host.command("cat", "/proc/net/snmp").stdout)
    return int(dict(zip(names.split(), values.split(), strict=True))["OutDatagrams"])


@pytest.mark.parametrize("reverse", [(), ("-R",)], ids=["to the node", "from the node"])
def test_streams_arrive_whole(pair, reverse):
    node, ways = pair
    correspondent, home = ways[0]
    sender = node.host if reverse else correspondent
    for length in (64, 1200, node.mtu - 28, 1472):
        # Those that do not fit go without DF, so that the home agent has to cut them.
        for host, _ in ways:
            host.sysctl({"net.ipv4.ip_no_pmtu_disc": int(length > node.mtu - 28)})
        before = datagrams_sent(sender)
        end = iperf(correspondent, home, node.host, "-u", "-b", "1M" if length == 64 else "4M", "-l", str(length), *reverse)["sum"]
        # One datagram opens the stream. Those that iperf3 numbered but could not send are not lost on the way.
        unsent = end["packets"] - (datagrams_sent(sender) - before - 1)
        assert end["lost_packets"] <= unsent and end["packets"] > 50, f"datagrams of {length} bytes"
    for host, _ in ways:
        host.sysctl({"net.ipv4.ip_no_pmtu_disc": 0})
    end = iperf(correspondent, home, node.host, "-b", "8M", *reverse)
    assert end["sum_received"]["bytes"] > 250_000
