"""Probes: a home agent that dies quietly is noticed before nodes fail, whatever it is asked, and taken back."""

import subprocess
import sys

import pytest

import mobileip
from netlab import wait_until
from director import detail, one_by_one, register, start, state, table, user

A, B = "10.1.1.51", "10.1.1.52"
PROBE = "probe@homeward"
QUICK = ["interval 1", "timeout 1", "faildetect 2"]


def probe(kind, *lines, name="P"):
    """A quick probe."""
    return "\n".join([f"ip slb probe {name} {kind}", *(f" {line}" for line in (*QUICK, *lines)), "!", ""])


def probed(director, name="P"):
    """`show ip slb probe` by server: state, outages, current, cumulative."""
    return {row[0]: row[1:] for row in table(director.show(f"show ip slb probe name {name}"))}


def wait_state(director, address, wanted, deadline=10):
    """Waits until a real has that state."""
    wait_until(lambda: state(director, address) == wanted, deadline,
               f"{address} {wanted}: {director.show('show ip slb reals')}{director.show('show ip slb probe detail')}")


def start_probed(lab, kind, *lines, **options):
    """A director whose farm has one probe."""
    # The probe stands before the farm, as in a configuration that is saved.
    director = start(lab, farm_lines=["probe P"], before=probe(kind, *lines), **options)
    wait_until(lambda: all(row["answers"] > 0 for row in servers(director)), 5, "answers from all")
    return director


def servers(director):
    """Rows of `show ip slb probe | json`."""
    return [row for one in director.show_json("show ip slb probe")["probes"] for row in one["servers"]]


@pytest.mark.parametrize("mode", ["dispatched", "directed"])
def test_a_home_agent_that_dies_quietly_gets_no_new_nodes_and_comes_back(labs, mode):
    lab = labs(mode)
    director = start_probed(lab, "custom udp", "request mobile-ip")
    assert PROBE in lab.homes[0].ask("requests"), "a request that its kernel and the suite could read"
    assert one_by_one(lab, [user(1), user(2)]) == [A, B]
    lab.homes[0].ask("deaf", deaf=True)
    wait_state(director, A, "PROBE_FAILED")
    nodes = [user(number) for number in range(10, 30)]
    assert set(register(lab, nodes)) == {B}, "not one of them had to repeat itself"
    assert register(lab, [user(1)]) == [B], "who was there before moves"
    assert probed(director)[f"{A}:434"][:2] == ["FAILED", "1"]
    assert "does not answer its probe" in director.show("show ip slb sessions ipmobile nai nobody@example.com")
    lab.homes[0].ask("deaf", deaf=False)
    wait_state(director, A, "OPERATIONAL")
    assert A in register(lab, [user(number) for number in range(40, 44)])
    now, outages, current, cumulative = probed(director)[f"{A}:434"]
    assert (now, outages, current) == ("OPERATIONAL", "1", "00:00:00") and "00:00:01" < cumulative < "00:00:20"
    log = lab.logs()
    assert f"Probe P: {A}:434 does not answer" in log
    assert f"Probe P: {A}:434 answers again, after 00:00:" in log


def test_a_home_agent_that_answers_from_the_virtual_address_answers(lab):
    for home in lab.homes:
        home.ask("dynamic_address")
    director = start_probed(lab, "custom udp", "request mobile-ip nai someone@example.net")
    assert "someone@example.net" in lab.homes[1].ask("requests")
    assert {row[0] for row in probed(director).values()} == {"OPERATIONAL"}


def test_ping(lab):
    director = start_probed(lab, "ping")
    host = lab.hosts["ha2"]
    host.sysctl({"net.ipv4.icmp_echo_ignore_all": 1})
    wait_state(director, B, "PROBE_FAILED")
    assert state(director, A) == "OPERATIONAL"
    assert probed(director)[f"{B}:0"][:2] == ["FAILED", "1"]
    host.sysctl({"net.ipv4.icmp_echo_ignore_all": 0})
    wait_state(director, B, "OPERATIONAL")


def listen(lab, name):
    """Something that takes connections on port 8080 of a home agent."""
    return lab.hosts[name].spawn(sys.executable, "-m", "http.server", "8080", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_tcp(lab):
    listening = {name: listen(lab, name) for name in ("ha1", "ha2")}
    director = start_probed(lab, "tcp", "port 8080")
    listening["ha1"].kill()
    listening["ha1"].wait()
    wait_state(director, A, "PROBE_FAILED")
    listen(lab, "ha1")
    wait_state(director, A, "OPERATIONAL")
    assert probed(director)[f"{A}:8080"][1] == "1" and probed(director)[f"{B}:8080"][1] == "0"


def test_bytes_of_your_own(lab):
    request = mobileip.request("own@example.net", 7 << 11).hex()
    # A reply (3), accepted (0): the first two bytes.
    director = start_probed(lab, "custom udp", f"request data 0 {request}", "response 1 data 0 0300")
    director.configure("ip slb probe P custom udp", "response 1 data 0 0388")
    for address in (A, B):
        wait_state(director, address, "PROBE_FAILED")
    director.configure("ip slb probe P custom udp", "no response 1")
    for address in (A, B):
        wait_state(director, address, "OPERATIONAL")


def not_probes(lab):
    """Requests of nodes at all home agents."""
    return sum(nai != PROBE for home in lab.homes for nai in home.ask("requests"))


@pytest.mark.parametrize("kind, line, ends", [("custom udp", "request mobile-ip", "OPERATIONAL"), ("ping", "retry 2", "FAILED")])
def test_only_an_answered_registration_vouches_for_a_home_agent(lab, kind, line, ends):
    director = start_probed(lab, kind, line,
                            each=["weight 1", "reassign 1", "faildetect numconns 4 numclients 2", "retry 3600"])
    for home in lab.homes:
        home.ask("deaf", deaf=True, hears=[PROBE])
    both = lambda: {state(director, A), state(director, B)}
    sent = 0
    for number in range(12):
        if both() == {"FAILED"}:
            break
        for _ in range(3):
            lab.pdsn.ask("register", to=lab.vip, users=[user(number)])
            sent += 1
            wait_until(lambda: not_probes(lab) >= sent or both() == {"FAILED"}, 5, f"{sent} requests at the home agents")
        if number in (2, 7):  # somebody has failed, not enough have
            seen = [row["answers"] for row in servers(director)]
            wait_until(lambda: all(row["answers"] > before for row, before in zip(servers(director), seen)), 5, "answers")
    assert both() == {ends}, director.show("show ip slb reals detail")
    doubted = int(detail(director, A).get("doubted", 0))
    assert (doubted > 0) == (ends == "OPERATIONAL")
    assert ("SLB-4-INBAND" in lab.logs()) == (ends == "OPERATIONAL")
