"""Registrations in quantity from those who mean no good, or whose network is bad: what is answered, what is silence, what is counted, and
that the home agent stays as large as it is and goes on to serve."""

import contextlib
import random
import re
import socket
import struct
import time

import home_agent
import mobileip
import pytest
from director import management, resolve_neighbor, stable_verdicts, system_config
from mobile_node import MobileNode, identification
from netlab import inside, resident, wait_until
from scapy.layers.inet import IP, UDP

AGENT, MANY = ("15.1.1.1", mobileip.PORT), 4000
# Answers a second to one source that prove nothing.
UNPROVEN = 100
# Bytes by which a process may grow that keeps nothing of what it is sent: pages of its allocator, its log.
NOISE = 8 << 20
EXTENSIONS_AT = 24


def start(labs, *, pool=250, extra=""):
    """A home agent with a pool of so many addresses."""
    lab = labs(homes=1)
    text = home_agent.CONFIGURATION.replace("10.9.0.250", f"10.9.0.{pool}") + extra
    agent = lab.director(system_config(lab) + text + management())
    resolve_neighbor(lab, agent)
    return agent


@contextlib.contextmanager
def nodes(agent, *names):
    """Nodes that leave at the end."""
    made = [MobileNode(agent.lab, f"{name}@example.com") for name in names]
    try:
        yield made
    finally:
        for one in made:
            one.close()


def flood(sender, messages):
    """Sends them all from a node's socket, not faster than a packet socket takes them."""
    for number, message in enumerate(messages):
        sender.control.sendto(message, AGENT)
        if number % 100 == 99:
            time.sleep(0.005)


def traffic(agent):
    """What was counted of registrations, and why some were ignored, once nothing moves."""
    stable_verdicts(agent)
    view = agent.show_json("show ip mobile traffic")["traffic"]
    return dict(view["counters"]), dict(view["discards"])


def answers(sender):
    """Codes of the replies that a node's socket has received."""
    codes = []
    while not sender.replies.empty():
        codes.append(sender.replies.get()[0][1])
    return codes


def bound(agent):
    """Identification by node."""
    return {row["node"]: row["identification"] for row in agent.show_json("show ip mobile binding")["bindings"]}


def shown(message):
    """The identification of a request, as it is shown."""
    return "{:08X}.{:08X}".format(*struct.unpack_from("!II", message, 16))


@contextlib.contextmanager
def serves_on(agent, good):
    """A good node keeps its binding, renews it afterwards, and the process has not grown."""
    assert good.register()[0] == 0
    before = resident(agent.process.pid)
    yield
    assert good.nai in bound(agent)
    assert good.register()[0] == 0, "and goes on"
    assert resident(agent.process.pid) < before + NOISE


def test_wrong_keys_from_one_source_and_from_many(labs):
    agent = start(labs)
    with nodes(agent, "good", "bad") as (good, bad), serves_on(agent, good):
        at = identification()
        wrong = [mobileip.request(f"node{n}@example.com", at + n, agent=AGENT[0], care_of="15.1.1.51", key=b"a guess") for n in range(MANY)]
        began = time.monotonic()
        flood(bad, wrong)
        counters, discards = traffic(agent)
        seconds = time.monotonic() - began
        codes = answers(bad)
        assert set(codes) == {131} and len(codes) <= UNPROVEN * (seconds + 2), "answers are limited for each source"
        assert counters["Authentication failed MN"] + discards["rate-limited"] > MANY // 2
        assert counters["Authentication failed MN"] >= len(codes)

        def spoof():
            raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            for number, message in enumerate(wrong[:1000]):
                source = f"15.1.{2 + number // 250}.{1 + number % 250}"
                raw.sendto(bytes(IP(src=source, dst=AGENT[0]) / UDP(sport=434, dport=434) / message), (AGENT[0], 0))
            raw.close()
        inside(agent.lab.pdsn.host.namespace, spoof)
        more, _ = traffic(agent)
        assert more["Authentication failed MN"] > counters["Authentication failed MN"] + 500, "each source has a share of its own"
        assert list(bound(agent)) == [good.nai]
        violations = agent.show_json("show ip mobile violation")["violations"]
        assert 500 < len(violations) <= 1024, "the log of violations is bounded"
        lines = agent.show("show logging").count("%IPMOBILE-4-SECURE")
        assert lines <= time.monotonic() - began + 2, "a line a second"


def test_replays_change_nothing(labs):
    agent = start(labs)
    with nodes(agent, "good", "victim") as (good, victim), serves_on(agent, good):
        old, new = victim.request(), victim.request(lifetime=700)
        assert victim.send(old)[:2] == (0, 600) and victim.send(new)[:2] == (0, 700)
        gone = victim.request(lifetime=0)
        assert victim.send(gone)[0] == 0 and victim.send(victim.request())[0] == 0
        last = bound(agent)[victim.nai]
        began = time.monotonic()
        # A recording of all that it said, the end of its binding too.
        flood(victim, [old, new, gone] * (MANY // 3))
        counters, discards = traffic(agent)
        codes = answers(victim)
        assert set(codes) == {133} and len(codes) <= UNPROVEN * (time.monotonic() - began + 2)
        assert counters["Bad identification"] + discards["rate-limited"] > MANY // 2
        assert bound(agent)[victim.nai] == last
        time.sleep(1.1)  # Its answers are limited like anybody's.
        for value in (0, 1, identification() - (60 << 32), identification() + (60 << 32), 2**64 - 1):
            assert victim.register(identification=value)[0] == 133, hex(value)
        assert bound(agent)[victim.nai] == last


def test_an_older_request_after_a_newer_one_and_everything_twice(labs):
    agent = start(labs)
    with nodes(agent, "good", "late") as (good, late), serves_on(agent, good):
        latest = None
        for _ in range(20):
            first, second = late.request(), late.request(lifetime=700)
            flood(late, [second, first, second, first])
            latest = second
            wait_until(lambda: late.replies.qsize() >= 4, 3, "four answers")
            # The same again is answered again, in case that the answer was lost.
            assert sorted(answers(late)) == [0, 0, 133, 133]
            time.sleep(0.05)
        assert bound(agent)[late.nai] == shown(latest)
        row = next(row for row in agent.show_json("show ip mobile binding")["bindings"] if row["node"] == late.nai)
        assert row["lifetime_granted"] == 700


def test_a_pool_that_is_used_up(labs):
    agent = start(labs, pool=8)
    names = [f"node{n}" for n in range(12)]
    with nodes(agent, *names) as all_nodes:
        codes = [one.register()[0] for one in all_nodes]
        assert codes == [0] * 8 + [130] * 4
        before = resident(agent.process.pid)
        at = identification()
        others = [mobileip.request(f"more{n}@example.com", at + n, agent=AGENT[0], care_of="15.1.1.51") for n in range(MANY)]
        flood(all_nodes[8], others)
        counters, _ = traffic(agent)
        assert set(answers(all_nodes[8])) == {130}, "whoever proves who he is hears why"
        assert counters["No resource"] > MANY // 2 and len(bound(agent)) == 8
        # Their time stamps are remembered, so that what was denied cannot be said again later.
        assert resident(agent.process.pid) < before + NOISE
        assert all_nodes[3].register(lifetime=0)[0] == 0
        assert all_nodes[9].register() == (0, 600, "10.9.0.4"), "the address that was given back"
        assert all_nodes[3].register()[0] == 129, "it asks for the address that it had, which is another's now"
        assert all_nodes[3].register(home="0.0.0.0")[0] == 130
        assert all_nodes[0].register() == (0, 600, "10.9.0.1"), "who has one renews it"


def test_as_many_bindings_as_are_allowed(labs):
    agent = start(labs, extra="ip mobile home-agent max-binding 4\n!\n")
    with nodes(agent, *(f"node{n}" for n in range(6))) as all_nodes:
        assert [one.register()[0] for one in all_nodes] == [0] * 4 + [130] * 2
        assert all_nodes[2].register(lifetime=700)[:2] == (0, 700), "who is bound renews"
        assert all_nodes[1].register(lifetime=0)[0] == 0
        assert all_nodes[5].register()[0] == 0 and all_nodes[4].register()[0] == 130
        counters, _ = traffic(agent)
        assert counters["No resource"] == 3 and len(bound(agent)) == 4


def malformed(good, source):
    """Datagrams that are no requests, or nearly."""
    whole = good.request()
    for _ in range(MANY):
        kind = source.randrange(5)
        if kind == 0:
            yield source.randbytes(source.randrange(200))
        elif kind == 1:
            yield whole[:source.randrange(len(whole))]
        elif kind == 2:
            # One byte is another; the authenticator notices.
            at = source.randrange(len(whole))
            yield whole[:at] + bytes([whole[at] ^ (1 + source.randrange(255))]) + whole[at + 1:]
        elif kind == 3:
            yield whole[:EXTENSIONS_AT] + b"".join(mobileip.extension(200, b"") for _ in range(120))
        else:
            yield whole[:EXTENSIONS_AT] + bytes([mobileip.NAI, 255]) + source.randbytes(255) + bytes([mobileip.MN_HA_AUTH, 20]) + bytes(20)


def test_what_is_no_request(labs):
    agent = start(labs)
    with nodes(agent, "good", "bad") as (good, bad), serves_on(agent, good):
        flood(bad, malformed(bad, random.Random(1)))
        counters, discards = traffic(agent)
        assert counters["Ignored"] > MANY // 2
        for reason in ("too-short", "ext-overrun", "no-authorization-extension", "no-security-association", "rate-limited"):
            assert discards[reason] > 0, discards
        assert sum(discards.values()) == counters["Ignored"]
        assert set(answers(bad)) <= {131, 133}
        assert list(bound(agent)) == [good.nai]


# What a line of a log or of a table begins with, and what clears a terminal.
ODD = ["a\n%LINK-3-UPDOWN: Interface Ethernet0, changed state to down\n", "b\r\x1b[2J", "  blanks  ", "\x00zero", "\xff\xfe", "UPPER", "upper",
       "l" * (255 - len("@example.com"))]


def test_odd_names_forge_no_line_and_break_no_table(labs):
    agent = start(labs)
    with nodes(agent, *ODD) as all_nodes:
        homes = [one.register()[2] for one in all_nodes]
        assert len(set(homes)) == len(ODD), "case counts, as every byte does"
        for one in all_nodes:
            assert one.register(key=b"a guess")[0] == 131
        text = agent.show("show ip mobile binding")
        assert re.findall(r"(?m)^(\S+):$", text) == sorted(homes, key=socket.inet_aton)
        logged = agent.show("show logging") + agent.log()
        for said in (text, logged, agent.show("show ip mobile violation"), agent.show("show ip mobile host")):
            assert not re.search(r"(?m)^%LINK", said) and "\x1b" not in said and "\r" not in said and "\0" not in said
        assert "a\\x0A%LINK-3-UPDOWN:\\x20Interface" in text, text
        assert {row["home"] for row in agent.show_json("show ip mobile binding")["bindings"]} == set(homes)
