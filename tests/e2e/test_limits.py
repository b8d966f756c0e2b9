"""What happens at the limits of the machine: too little memory, full rings, more requests than can be served, peers that
vanish. Pools are as large as all that can hold buffers, so none runs dry here; the dataplane's own tests dry one."""

import os
import re
import resource
import signal
import subprocess
import time

import pytest
from cgroups import memory_limit
from held_connections import HeldConnections
from netlab import locate, wait_until
from director import (farm, interface, management, one_by_one, requests_received, stable_verdicts, start, user,
                      verdicts, vserver, wait_operational)
from test_pktgen import begin
from test_virtio import HOME, HOME_AGENTS

MB = 1 << 20
SESSIONS = 4_000_000
# 47 bytes a session in whole huge pages, and what the rest of the program is left with.
TABLE, REST = 188743680, 128 * MB


def homeward(*words, **options):
    """Runs the program to its end."""
    return subprocess.run([str(locate("HOMEWARD", "homeward")), *words], capture_output=True, text=True, check=False,
                          timeout=30, **options)


@pytest.fixture
def large(tmp_path):
    """A configuration with a table of 180 MB."""
    file = tmp_path / "large.conf"
    file.write_text(f"dataplane\n sessions {SESSIONS}\n hugepages off\n!\nmanagement\n socket {tmp_path}/sock\n!\n")
    return file


def test_a_table_larger_than_the_groups_memory_is_refused_with_figures_and_what_to_do(large):
    with memory_limit(300 * MB) as (limit, enter):
        done = homeward("run", "--config", str(large), preexec_fn=enter)
        checked = homeward("check", str(large), preexec_fn=enter)
    assert done.returncode == 1
    words = (f"sessions {SESSIONS} needs {TABLE} bytes of memory for its table, ", "configure at most `sessions ",
             f"or raise the limit in {limit}")
    assert all(word in done.stderr for word in words), done.stderr
    available = int(done.stderr.split("for its table, ")[1].split()[0])
    assert 100 * MB < available <= 300 * MB - REST
    assert checked.returncode == 0, "the file is good, this machine is small"
    assert all(word in checked.stderr for word in ("warning: on this machine now: ", *words)), checked.stderr


def test_the_capacity_that_the_refusal_names_is_accepted(large):
    with memory_limit(300 * MB) as (_, enter):
        refused = homeward("check", str(large), preexec_fn=enter)
        fits = int(refused.stderr.split("at most `sessions ")[1].split("`")[0])
        # What the program itself takes differs a little from run to run.
        large.write_text(large.read_text().replace(f"sessions {SESSIONS}", f"sessions {fits - 100_000}"))
        done = homeward("check", str(large), preexec_fn=enter)
    assert 1_000_000 < fits < SESSIONS
    assert done.returncode == 0 and done.stderr == ""


def dropped(director):
    """Every drop by name, as `show dataplane` counts them."""
    view = director.show_json("show dataplane")
    return {row["verdict"]: row["packets"] for row in view["verdicts"] if row["class"] == "dropped" and row["packets"]}


# What a request may be called that finds no way to its home agent: the first while the port is known to be down, the
# others once the kernel has forgotten the neighbours behind it.
UNREACHABLE = {"tx_down", "no_adjacency", "no_real"}


def drops(director, before, count):
    """The named drops since `before`, once there are `count`; not one more."""
    def since():
        now = dropped(director)
        return {name: now[name] - before.get(name, 0) for name in now if now[name] > before.get(name, 0)}
    wait_until(lambda: sum(since().values()) >= count, 10, f"{count} drops with a name")
    stable_verdicts(director)
    assert sum(since().values()) == count, since()
    return since()


def metric(director, name, **labels):
    """One sample of `/metrics`."""
    status, body = director.http("/metrics")
    assert status == 200
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    for line in body.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(label in line for label in wanted):
            return float(line.split()[-1])
    raise AssertionError(f"no {name} {labels} in\n{body}")


def line_is(director, name, up):
    """Whether an interface is up with link, as shell and metric both say."""
    view = next(row for row in director.show_json("show interfaces")["interfaces"] if row["name"] == name)
    return view["line_up"] == up == bool(metric(director, "homeward_interface_up", interface=name))


def test_the_home_agents_wire_goes_down_and_comes_back(lab):
    director = start(lab, each=["weight 1", "no faildetect inband"])
    nodes = [user(number) for number in range(1, 9)]
    homes = one_by_one(lab, nodes)
    before, arrived = dropped(director), requests_received(lab)
    lab.hosts["switch"].ip("link set port1 down")
    wait_until(lambda: line_is(director, "Ethernet1", False), 10, "Ethernet1 without link")
    lab.pdsn.ask("register", to=lab.vip, users=nodes)

    lost = drops(director, before, len(nodes))
    assert set(lost) <= UNREACHABLE
    for name, packets in lost.items():
        assert metric(director, "homeward_packets_total", verdict=name) == packets + before.get(name, 0)
    assert requests_received(lab) == arrived and director.alive()
    lab.hosts["switch"].ip("link set port1 up")
    wait_until(lambda: line_is(director, "Ethernet1", True), 10, "Ethernet1 with link")
    wait_operational(director)
    # Each home agent's own account, of requests whose bytes it has checked.
    assert one_by_one(lab, nodes) == homes
    assert sum(requests_received(lab)) == sum(arrived) + len(nodes)


def descriptors(director):
    """Files that the process has open."""
    return len(os.listdir(f"/proc/{director.process.pid}/fd"))


def test_connections_that_are_only_held_at_every_listener_lose_no_request(lab):
    lab.folder.chmod(0o755)
    director = start(lab, extra="ip dfp agent slb\n port 8080\n inservice\n!\n", socket_mode="0666", each=["weight 1", "no faildetect inband"])
    before = dropped(director)
    resource.prlimit(director.process.pid, resource.RLIMIT_NOFILE, (1024, 1024))
    targets = ["127.0.0.1:9434", "127.0.0.1:8080", str(director.socket)]
    first, end, most = 0, time.monotonic() + 8, 0
    with HeldConnections(director.host.spawn, 5000, targets) as held:
        while time.monotonic() < end:
            assert len(one_by_one(lab, [user(first + number) for number in range(10)])) == 10
            first, most = first + 10, max(most, descriptors(director))
            # Root's shell has a place all the time.
            assert "line protocol is up" in director.show("show interfaces")
        opened = held.end()
    print(f"{opened} connections opened, at most {most} descriptors, {first} requests")
    assert opened > 5000 and most < 700
    assert dropped(director) == before, "not one request is lost"
    assert "SYS-4-CONNECTIONS" in director.log() and "shells refused: 64 are open" in director.log()
    wait_until(lambda: director.http("/health")[0] == 200, 15, "HTTP has room again")


# The director's inside port is virtio; the home agents at its far end are a process that can stand still or die.

class VirtioHomes:
    """A director between the laboratory's pdsn and pktgen's home agents behind vhost."""

    def __init__(self, labs):
        self.lab = lab = labs(homes=0)
        lab.reals = ["10.1.1.51", "10.1.1.52"]
        self.homes = self.play()
        text = f"""hostname director
!
dataplane
 workers 1
 sessions 16384
 hugepages required
 memory 128
!
""" + interface("Ethernet0", "device net_af_packet0,iface=outside", "ip address 15.1.1.1 255.255.255.0") \
            + interface("Ethernet1", f"device net_virtio_user1,path={lab.folder}/in.sock,server=1", "ip address 10.1.1.1 255.255.255.0") \
            + farm({real: [] for real in lab.reals}, each=("weight 1", "no faildetect inband", "no reassign")) \
            + vserver(lab.vip, idle=300) + management()
        self.director = lab.director(text)
        wait_operational(self.director)

    def play(self):
        """Starts the home agents."""
        lab, self.control = self.lab, self.lab.folder / "control"
        self.control.unlink(missing_ok=True)
        blocks = "".join(HOME.format(number=number, host=50 + number, deaf="false") for number in (1, 2))
        # Who listens at the socket survives the other: that is to be the director.
        text = HOME_AGENTS.replace("@FOLDER@/in.sock", f"{lab.folder}/in.sock,client=1").replace("@HOMES@", blocks)
        homes = begin(lab, lab.hosts["switch"], "respond", text, "--control", str(self.control))
        wait_until(self.control.exists, 20, "the home agents' control socket")
        return homes

    def ask(self, first, last):
        """Sends one request for each node of a range."""
        self.lab.pdsn.ask("register", to=self.lab.vip, users=[user(number) for number in range(first, last)])


@pytest.mark.usefixtures("pages")
def test_a_transmit_ring_that_stays_full_is_counted_sheds_new_nodes_and_drains(labs):
    wires = VirtioHomes(labs)
    lab, director = wires.lab, wires.director
    homes = dict(zip(range(1, 9), one_by_one(lab, [user(number) for number in range(1, 9)])))
    wires.homes.send_signal(signal.SIGSTOP)
    try:
        # Nobody takes what is sent: first the ring fills, then new nodes are refused.
        first = 1000

        def overloaded():
            nonlocal first
            wires.ask(first, first + 500)
            first += 500
            return verdicts(director)["overload"] > 0
        wait_until(overloaded, 30, "the verdict overload")
        totals = stable_verdicts(director)
        assert totals["tx_full"] > 0
        assert metric(director, "homeward_packets_total", verdict="tx_full") == totals["tx_full"]
        assert metric(director, "homeward_packets_total", verdict="overload") == totals["overload"]
        assert metric(director, "homeward_slb_total", counter="shed") == totals["overload"]
        assert "SLB-4-OVERLOAD" in director.log() and director.alive()
    finally:
        wires.homes.send_signal(signal.SIGCONT)
    wait_until(lambda: "every new session is begun" in director.show("show health"), 30, "the end of the overload")
    assert metric(director, "homeward_shedding_ratio") == 0 and "SLB-6-OVERLOAD" in director.log()
    full = verdicts(director)["tx_full"]
    # Nodes that had a session before are where they were, and new ones are begun.
    assert dict(zip(range(1, 9), one_by_one(lab, [user(number) for number in range(1, 9)]))) == homes
    one_by_one(lab, [user(number) for number in range(100_000, 100_004)])
    assert verdicts(director)["tx_full"] == full


@pytest.mark.usefixtures("pages")
def test_a_vhost_peer_that_is_killed_and_started_again_is_found_again(labs):
    wires = VirtioHomes(labs)
    lab, director = wires.lab, wires.director
    nodes = [user(number) for number in range(1, 9)]
    homes = one_by_one(lab, nodes)
    wires.homes.send_signal(signal.SIGKILL)
    wires.homes.wait()
    wait_until(lambda: line_is(director, "Ethernet1", False), 10, "Ethernet1 without link")
    before = dropped(director)
    wires.ask(1, 9)
    lost = drops(director, before, 8)
    assert set(lost) <= UNREACHABLE
    wires.homes = wires.play()
    wait_until(lambda: line_is(director, "Ethernet1", True), 30, "Ethernet1 with link")
    wait_operational(director)
    assert one_by_one(lab, nodes) == homes
