"""Homeward as a home agent: nodes register, and a correspondent's kernel talks to them through tunnels."""

import contextlib
import ctypes
import re
import struct

import home_agent
import mobileip
import pytest
from director import verdicts
from mobile_node import MobileNode
from netlab import wait_until
from scapy.layers.inet import ICMP, IP

@pytest.fixture
def agent(labs):
    """A home agent, its pdsn and a correspondent."""
    return home_agent.start(labs)


@contextlib.contextmanager
def node(director, name, how="ipip", **options):
    """A node that leaves at the end."""
    mobile = MobileNode(director.lab, f"{name}@example.com", how, **options)
    try:
        yield mobile
    finally:
        mobile.close()


def ping(director, address, *options, count=3):
    """What the correspondent's ping says."""
    host = director.lab.hosts["ha1"]
    return host.command("ping", "-n", "-c", str(count), "-i", "0.1", "-W", "1", *options, address).stdout


def bindings(director):
    """`show ip mobile binding | json`."""
    return director.show_json("show ip mobile binding")["bindings"]


@pytest.mark.parametrize(("how", "words", "overhead"), [("ipip", "IP/IP", 20), ("gre", "GRE/IP", 24), ("udp", "MIPUDP/IP", 32)])
def test_a_node_registers_is_reached_and_goes_home(agent, how, words, overhead):
    with node(agent, "user1", how) as mobile:
        assert mobile.register() == (0, 600, "10.9.0.1")
        [binding] = bindings(agent)
        assert binding["node"] == "user1@example.com" and binding["home"] == mobile.home and binding["lifetime_granted"] == 600
        assert binding["tunnel_destination"] == "15.1.1.51" and binding["encapsulation"].startswith(words)
        assert "3 received" in ping(agent, mobile.home)
        assert {source for _, source in mobile.inner} == {"15.1.1.1"}, "the outer source is the home agent that the reply named"
        whole = ping(agent, mobile.home, "-M", "do", "-s", str(1500 - overhead - 28))
        assert "3 received" in whole, "the largest that fits"
        assert f"mtu = {1500 - overhead}" in ping(agent, mobile.home, "-M", "do", "-s", str(1500 - overhead - 27), count=1)
        # Renewed, more than the home agent grants, then given back.
        assert mobile.register(lifetime=65535) == (0, 1800, mobile.home)
        assert "Total 1" in agent.show("show ip mobile binding summary")
        assert mobile.register(lifetime=0)[0] == 0
        assert "Total 0" in agent.show("show ip mobile binding summary")
        assert "0 received" in ping(agent, mobile.home, count=1)
    counters = dict(agent.show_json("show ip mobile traffic")["traffic"]["counters"])
    assert counters["Register requests"] == 2 and counters["Deregister requests"] == 1 and counters["Accepted"] == 3


def test_two_nodes_have_addresses_of_their_own_and_reach_each_other(agent):
    with node(agent, "user1") as first, node(agent, "user2", "gre") as second:
        assert first.register()[2] == "10.9.0.1" and second.register()[2] == "10.9.0.2"
        first.send_inner(IP(src=first.home, dst=second.home) / ICMP(type=8, id=7, seq=1) / b"from one to the other")
        answered = lambda: any(packet.src == second.home and ICMP in packet and packet[ICMP].type == 0 for packet, _ in first.inner)
        wait_until(answered, 3, "an answer through both tunnels")
        tunnels = agent.show_json("show ip mobile tunnel")
        assert tunnels["total"] == 2 and [row["users"] for row in tunnels["tunnels"]] == [1, 1]
        assert "src 15.1.1.1, dest 15.1.1.51\n    encap GRE/IP, tunnel-users 1" in agent.show("show ip mobile tunnel")
        # An address that is not the node's own is not believed.
        assert verdicts(agent)["tunnel_source_mismatch"] == 0
        first.send_inner(IP(src="10.9.0.77", dst="10.1.1.51") / ICMP(type=8))
        wait_until(lambda: verdicts(agent)["tunnel_source_mismatch"] == 1, 3, "a refused packet")


def test_who_is_not_who_he_says_is_denied_logged_or_not_answered(agent):
    with node(agent, "user1") as mobile:
        request = mobile.request()
        assert mobile.send(request)[0] == 0
        assert mobile.send(request) == (0, 600, "10.9.0.1"), "the same again: the same reply"
        assert mobile.register(identification=1 << 32)[0] == 133, "a time stamp of long ago"
        assert mobile.register(key=b"another key")[0] == 131
        assert mobile.register(key=None, deadline=0.5) is None, "nothing signs it"
        assert mobile.send(request[:24], deadline=0.5) is None, "no extension at all"
        assert mobile.send(request[:23], deadline=0.5) is None
    with node(agent, "stranger") as stranger:
        stranger.nai = "stranger@elsewhere.net"
        assert stranger.register(deadline=0.5) is None
    violations = agent.show_json("show ip mobile violation")["violations"]
    assert {row["peer"]: row["violations"] for row in violations}["user1@example.com"] >= 2
    assert "%IPMOBILE-4-SECURE: Security violation from 15.1.1.51: " in agent.show("show logging")
    assert [row["node"] for row in bindings(agent)] == ["user1@example.com"]


def test_lifetimes_end_operators_clear_and_keys_are_not_shown(agent):
    with node(agent, "user1") as first, node(agent, "user2") as second:
        assert first.register(lifetime=2)[:2] == (0, 2) and second.register()[0] == 0
        wait_until(lambda: [row["node"] for row in bindings(agent)] == ["user2@example.com"], 5, "the first one's end")
        assert "0 received" in ping(agent, "10.9.0.1", count=1)
        assert agent.shell("clear ip mobile binding nai user2@example.com").returncode == 0
        assert bindings(agent) == []
        assert first.register()[2] == "10.9.0.1", "who comes back gets his address"
        assert second.register()[2] == "10.9.0.2"
        agent.configure("no ip mobile home-agent")
        assert second.register(deadline=0.5) is None, "out of service"
    assert mobileip.KEY.decode() not in agent.show("show running-config | json")
    assert agent.http("/show/running-config")[1].count(mobileip.KEY.decode()) == 0


@pytest.mark.parametrize("how", ["ipip", "udp"])
def test_the_host_itself_reaches_nodes_and_answers_them(agent, how):
    host = agent.lab.hosts["director"]
    assert "10.9.0.0/16 dev Da0 proto 72" in host.command("ip", "route", "show").stdout
    with node(agent, "user1", how) as mobile:
        assert mobile.register()[0] == 0
        ping_of_host = host.command("ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", mobile.home).stdout
        assert "3 received" in ping_of_host
        # What RFC 3519, section 3.3 has a node send to keep a NAT's mapping: an echo request to the home agent.
        mobile.send_inner(IP(src=mobile.home, dst="15.1.1.1") / ICMP(type=8, id=9, seq=3) / b"keepalive")
        answered = lambda: any(packet.src == "15.1.1.1" and ICMP in packet and packet[ICMP].type == 0 for packet, _ in mobile.inner)
        wait_until(answered, 3, "an answer to the keepalive")
    # From where an error can be told: nobody has this address.
    assert "Destination Host Unreachable" in ping(agent, "10.9.0.200", count=1)
    assert "10.9.0.0/16" in agent.show("show ip route")
    agent.configure("no router mobile")
    wait_until(lambda: "10.9" not in host.command("ip", "route", "show").stdout, 3, "the route's end")
    with node(agent, "user2", how) as mobile:
        assert mobile.register(deadline=0.5) is None
        agent.configure("router mobile")
        wait_until(lambda: "10.9" in host.command("ip", "route", "show").stdout, 3, "the route again")
        before = verdicts(agent)["registration"]
        assert mobile.register()[0] == 0 and verdicts(agent)["registration"] == before + 1, "by the ring, as before"


def test_a_first_packet_is_not_lost_while_its_neighbour_is_asked_for(agent):
    with node(agent, "user1") as mobile:
        assert mobile.register()[0] == 0
        host = agent.lab.hosts["director"]
        host.ip("neigh flush dev Et1")
        wait_until(lambda: "10.1.1.51" not in agent.show("show ip arp"), 3, "a forgotten neighbour")
        mobile.send_inner(IP(src=mobile.home, dst="10.1.1.51") / ICMP(type=8, id=5, seq=1) / b"first")
        answered = lambda: any(packet.src == "10.1.1.51" and ICMP in packet for packet, _ in mobile.inner)
        wait_until(answered, 3, "an answer to the first packet")


def test_a_clock_that_nobody_keeps_is_said(agent):
    # Status word of struct timex; STA_UNSYNC (adjtimex(2)).
    timex = ctypes.create_string_buffer(208)
    assert ctypes.CDLL(None).adjtimex(timex) >= 0
    unsynchronised = bool(struct.unpack_from("i", timex, 40)[0] & 0x40)
    agent.configure("management", "health clock-unsynchronised after 0")
    wait_until(lambda: ("clock-unsynchronised" in agent.show("show health")) == unsynchronised, 5, "the clock's state")
    assert re.search(r"bindings +good +0 of 235000 in use", agent.show("show health"))


def test_each_line_of_hosts_counts_what_became_of_its_requests(agent):
    agent.configure("ip mobile host nai other@example.com address 10.9.7.7 virtual-network 10.9.0.0 255.255.0.0 lifetime 60")
    with node(agent, "user1") as one, node(agent, "other") as other:
        assert one.register()[0] == 0 and one.register(lifetime=0)[0] == 0
        assert one.register(home="10.9.7.1")[0] == 129
        assert other.register() == (0, 60, "10.9.7.7")

    def counted(*which):
        hosts = agent.show_json(" ".join(("show ip mobile host", *which)))["hosts"]
        return {host["host"]: (host["accepted"], host["denied"], host["last_code"]) for host in hosts}
    assert counted() == {"@example.com": (2, 1, 129), "other@example.com": (1, 0, None)}
    assert counted("nai", "anybody@example.com") == {"@example.com": (2, 1, 129)}
    text = agent.show("show ip mobile host")
    assert re.search(r"Mobile Host List:\nTotal 2\n@example.com:\n    Dynamic address from local pool MIP\n"
                     r"    Allowed lifetime 00:30:00 \(1800/default\)\n    Home link on virtual network 10.9.0.0/16\n"
                     r"    Accepted 2, Last time 00:00:\d\d ago\n    Denied 1, Last time 00:00:\d\d ago, Last code 129\n"
                     r"other@example.com:\n    Address 10.9.7.7\n    Allowed lifetime 00:01:00 \(60\)\n", text), text
    # A line that comes or goes leaves the counts of the others.
    agent.configure("no ip mobile host nai other@example.com virtual-network 10.9.0.0 255.255.0.0")
    assert counted() == {"@example.com": (2, 1, 129)}
    agent.shell("clear ip mobile host-counters nai anybody@example.com")
    assert counted() == {"@example.com": (0, 0, None)}
    refused = agent.shell("show ip mobile host nai x@elsewhere.com")
    assert "No line of `ip mobile host` is about that node" in refused.stdout + refused.stderr
