"""Probes: a home agent that dies quietly is noticed before nodes fail, whatever it is asked, and taken back."""

import os
import signal
import subprocess
import sys

import pytest

import mobileip
from netlab import wait_until
from director import configuration, detail, one_by_one, register, start, state, table, user, wait_operational
from scripts import LAUNCHER, below, lives

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


def start_scripted(lab, scripts, *lines):
    """A director whose farm is asked by a script."""
    text = configuration(lab, farm_lines=["probe P"], before=probe("script", *lines))
    director = lab.director(text, arguments=scripts.arguments)
    wait_operational(director)
    return director


def launcher_of(director):
    """The launcher's number."""
    [found] = below(director.process.pid)[LAUNCHER]
    return found


def test_a_script_fails_a_home_agent_and_brings_it_back(lab, scripts):
    scripts.write("check.sh", f'''echo "$1 $HOMEWARD_PROBE $HOMEWARD_SERVER $HOMEWARD_PORT $HOMEWARD_TIMEOUT"
[ ! -e {scripts.folder}/down.$HOMEWARD_SERVER ]''')
    director = start_scripted(lab, scripts, "script check.sh --deep")
    wait_until(lambda: all(row["answers"] > 0 for row in servers(director)), 5, "answers from all")
    assert one_by_one(lab, [user(1), user(2)]) == [A, B]
    down = scripts.folder / f"down.{A}"
    director.show("debug ip slb probe")
    down.touch()
    wait_state(director, A, "PROBE_FAILED")
    assert set(register(lab, [user(number) for number in range(10, 20)])) == {B}
    down.unlink()
    wait_state(director, A, "OPERATIONAL")
    now, outages, *_ = probed(director)[f"{A}:434"]
    assert (now, outages) == ("OPERATIONAL", "1") and probed(director)[f"{B}:434"][1] == "0"
    shown = director.show("show logging")
    assert f"SLB_PROBE: P: {A}:434: exit status 1: --deep P {A} 434 1" in shown
    assert f"SLB_PROBE: P: {B}:434: exit status 0: --deep P {B} 434 1" in shown
    assert "\n script check.sh --deep\n" in director.show("show running-config")
    assert director.show_json("show ip slb probe")["probes"][0]["script"] == "check.sh --deep"
    metrics = director.http("/metrics")[1]
    assert f'homeward_probe_outages_total{{probe="P",server="{A}:434"}} 1' in metrics
    assert "homeward_launcher_up{} 1.0" in metrics and 'homeward_launcher_scripts_total{outcome="busy"} 0' in metrics


def test_a_script_that_hangs_fails_a_home_agent_and_one_that_may_not_run_says_nothing(lab, scripts):
    scripts.write("hang.sh", "sleep 611")
    scripts.write("open.sh", "exit 1", mode=0o777)
    director = start_scripted(lab, scripts, "script open.sh")
    wait_until(lambda: all(row["not_sent"] > 2 for row in servers(director)), 10, "tries that were not made")
    assert {state(director, A), state(director, B)} == {"OPERATIONAL"}
    assert "which says nothing of the server: not started: " in lab.logs() and "may be written by others" in lab.logs()
    director.configure("ip slb probe P script", "script hang.sh")
    for address in (A, B):
        wait_state(director, address, "PROBE_FAILED")
    director.configure("ip slb serverfarm HAFARM", "no probe P")
    wait_until(lambda: "sleep" not in below(director.process.pid), 5, "no script that hangs")


def test_without_its_launcher_a_director_goes_on_and_says_what_it_lacks(lab, scripts):
    scripts.write("check.sh", "exit 0")
    director = start_scripted(lab, scripts, "script check.sh")
    wait_until(lambda: all(row["answers"] > 0 for row in servers(director)), 5, "answers from all")
    assert "launcher-ended" not in director.show("show health")
    os.kill(launcher_of(director), signal.SIGKILL)
    wait_until(lambda: "launcher-ended" in director.show("show health"), 5, "launcher-ended in show health")
    assert "The launcher has ended (signal: 9 (SIGKILL)): no script is started until Homeward is" in lab.logs()
    seen = [row["not_sent"] for row in servers(director)]
    wait_until(lambda: all(row["not_sent"] > before + 2 for row, before in zip(servers(director), seen)), 10, "tries not made")
    assert {row["state"] for row in servers(director)} == {"OPERATIONAL"}
    metrics = [line for line in director.http("/metrics")[1].splitlines() if "launcher" in line]
    assert director.http("/health/ready")[0] == 200 and "homeward_launcher_up{} 0.0" in metrics, metrics
    assert set(register(lab, [user(number) for number in range(1, 9)])) == {A, B}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_script_outlives_the_director(lab, scripts, how):
    scripts.write("hang.sh", "setsid sleep 612 &\nsleep 613")
    director = start_scripted(lab, scripts, "interval 60", "timeout 60", "script hang.sh")
    wait_until(lambda: len(below(director.process.pid).get("sleep", [])) == 4, 10, "two scripts that hang")
    started = [pid for pids in below(director.process.pid).values() for pid in pids]
    assert len(started) >= 7
    director.process.send_signal(how)
    director.process.wait(10)
    wait_until(lambda: not any(lives(pid) for pid in started), 5, "nothing left")
    assert "The launcher has ended" not in lab.logs(), "not before the director"


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
