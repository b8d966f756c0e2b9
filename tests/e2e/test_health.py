"""Live, ready, degraded: what is wrong around a director has a name, and only what is wrong with it stops the watchdog."""

import json
import os
import pathlib
import re
import resource
import time

from netlab import wait_until
from director import configuration, one_by_one, reals, register, start, user, wait_operational
from stopped_thread import stopped_thread

A, B = "10.1.1.51", "10.1.1.52"


def health(director):
    """`/health`, decoded."""
    return json.loads(director.http("/health")[1])


def codes(director):
    """What `/health/live`, `/health/ready` and `/health` answer."""
    return tuple(director.http(path)[0] for path in ("/health/live", "/health/ready", "/health"))


def wrong(director):
    """What is wrong: (condition, subject)."""
    return {(held["condition"], held["subject"]) for held in health(director)["conditions"]}


def wait_ready(director):
    """Waits until nothing is wrong."""
    wait_until(lambda: codes(director) == (200, 200, 200) and not health(director)["degraded"], 20,
               f"nothing wrong: {director.show('show health')}")


def pats(director):
    """How often the watchdog of the service manager was patted."""
    return director.notices.count("WATCHDOG=1")


def worker_threads(director):
    """Thread ids of the workers, by their names."""
    tasks = sorted(pathlib.Path(f"/proc/{director.process.pid}/task").iterdir(), key=lambda path: int(path.name))
    names = {int(task.name): (task / "comm").read_text().strip() for task in tasks}
    found = [task for task, name in names.items() if re.search(r"-core\d+$", name)]
    assert found, f"no worker among {names}"
    return found


def test_a_link_that_is_down_is_named_and_the_watchdog_goes_on(lab):
    director = lab.director(configuration(lab), environment={"WATCHDOG_USEC": "1000000"})
    wait_operational(director)
    wait_ready(director)
    far = lab.hosts["pdsn"]
    far.ip("link set eth0 down")
    wait_until(lambda: wrong(director) == {("port-down", "Ethernet0")}, 10, "the port, by its name")
    assert codes(director) == (200, 503, 503)
    told = health(director)
    assert (told["live"], told["ready"], told["degraded"]) == (True, False, True)
    shown = director.show("show health")
    assert "live: yes\n" in shown and "ready: no: port-down\n" in shown and "no link" in shown
    assert 'homeward_condition{condition="port-down",subject="Ethernet0"} 1.0' in director.http("/metrics")[1]
    wait_until(lambda: "%HEALTH-4-CONDITION: port-down of Ethernet0 begins: no link" in director.show("show logging"), 5,
               "the line of its beginning")
    before = pats(director)
    wait_until(lambda: pats(director) >= before + 3, 10, "pats while it is not ready")
    # What makes it not ready is the operator's to say.
    director.configure("management", "no health port-down unready")
    assert codes(director) == (200, 200, 200) and health(director)["degraded"]
    assert " no health port-down unready" in director.show("show running-config").splitlines()
    director.configure("management", "health port-down unready")
    assert codes(director) == (200, 503, 503)
    far.ip("link set eth0 up")
    wait_ready(director)
    wait_until(lambda: "port-down of Ethernet0 has ended after" in director.show("show logging"), 5, "the line of its end")


def test_reals_that_nobody_finds_are_named_and_their_virtual_server_too(lab):
    switch = lab.hosts["switch"]
    switch.ip("link set port2 down", "link set port3 down")
    director = start(lab, ready=False)
    director.configure("management", "health real-arp-failed after 1")
    reals_of = {("real-arp-failed", f"{address} (HAFARM)") for address in (A, B)}
    wait_until(lambda: wrong(director) == {*reals_of, ("vserver-no-real", "MIPSLB")}, 15, "all of them, by name")
    assert {real["state"] for real in reals(director).values()} == {"ARP_FAILED"}
    assert codes(director) == (200, 503, 503)
    reason = next(held["reason"] for held in health(director)["conditions"] if held["condition"] == "vserver-no-real")
    assert "2 ARP_FAILED" in reason
    switch.ip("link set port2 up")
    wait_until(lambda: wrong(director) == {("real-arp-failed", f"{B} (HAFARM)")}, 20, "one is there")
    assert codes(director) == (200, 200, 200), "one serves all"
    switch.ip("link set port3 up")
    wait_ready(director)


def test_a_process_that_runs_out_of_descriptors_says_so_and_forwards(lab):
    director = start(lab)
    wait_ready(director)
    before = one_by_one(lab, map(user, range(4)))
    pid = director.process.pid
    open_now = len(os.listdir(f"/proc/{pid}/fd"))
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now + 3, hard))
    wait_until(lambda: wrong(director) == {("descriptors", "process")}, 5, "the condition")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (1, hard))
    time.sleep(3)  # every look at the world has been due
    assert one_by_one(lab, map(user, range(4))) == before
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    wait_ready(director)
    assert "%HEALTH-6-CONDITION: descriptors of process has ended" in director.show("show logging")
    assert {state["state"] for state in reals(director).values()} == {"OPERATIONAL"}


def test_registrations_that_are_all_dropped_are_named(lab):
    director = start(lab)
    wait_ready(director)
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "no inservice", f"real {B}", "no inservice")
    wait_until(lambda: wrong(director) == {("vserver-no-real", "MIPSLB")}, 5, "a virtual server without reals")
    assert codes(director) == (200, 503, 503)
    lab.pdsn.ask("register", to=lab.vip, users=[user(number) for number in range(200)])
    wait_until(lambda: ("drops", "received packets") in wrong(director), 10, "drops")
    reason = next(held["reason"] for held in health(director)["conditions"] if held["condition"] == "drops")
    assert "no_real" in reason, reason
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "inservice", f"real {B}", "inservice")
    wait_ready(director)
    assert len(register(lab, [user(number) for number in range(8)])) == 8


def test_the_watchdog_stops_while_a_worker_stands_still(lab):
    director = lab.director(configuration(lab, workers=2), environment={"WATCHDOG_USEC": "1000000"})
    wait_operational(director)
    wait_ready(director)
    with stopped_thread(worker_threads(director)[0]):
        wait_until(lambda: codes(director) == (503, 503, 503), 15, "not live")
        before = pats(director)
        shown = director.show("show health")
        assert "live: no\n" in shown and "ready: no: not live\n" in shown
        assert [check["name"] for check in health(director)["checks"] if not check["healthy"]] in (["worker 0"], ["worker 1"])
        log = re.compile(r"%SYS-2-WORKER: Worker \d stands still: no heartbeat for \d s")
        assert log.search(director.show("show logging")), "at once"
        # Several looks later.
        wait_until(lambda: re.search(r"no heartbeat for ([7-9]|\d\d) s", director.show("show health")), 15, "7 s")
        assert pats(director) <= before + 1, "one may have been on its way"
    wait_ready(director)
    assert re.search(r"%SYS-6-WORKER: Worker \d goes on after \d+ s", director.show("show logging"))
    after = pats(director)
    wait_until(lambda: pats(director) > after, 5, "pats again")
    register(lab, [user(number) for number in range(1, 5)])


def test_an_address_beside_the_director_is_named_and_leaves_it_live(lab):
    director = start(lab)
    wait_ready(director)
    host = lab.hosts["director"]
    host.ip("addr add 192.0.2.1/24 dev outside")
    wait_until(lambda: wrong(director) == {("device-address", "outside")}, 10, "the device")
    assert codes(director) == (200, 503, 503)
    host.ip("addr del 192.0.2.1/24 dev outside")
    wait_ready(director)
