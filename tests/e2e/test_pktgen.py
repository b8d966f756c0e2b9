"""The generator's foreign agents and home agents meet through a director, in both modes, and both tell one story."""

import json
import signal
import socket
import subprocess

import pytest
from netlab import Host, locate, wait_until
from director import reals, start, state
from pktgen_scenarios import AUTHENTICATION, FOREIGN_AGENT, home_agents

A, B = "10.1.1.51", "10.1.1.52"

HOME_AGENTS = home_agents("eth0")

AGENTS = """
[port]
device = "net_af_packet0,iface=eth0"
hugepages = "off"
""" + FOREIGN_AGENT + """[nodes]
nai = "mwts-mip-np-user{n}@ispxyz.com"
count = 40
[traffic]
rate = 200
retransmit_after = 0.2
retransmissions = 20
drain = 20
""" + AUTHENTICATION


def begin(lab, host, mode, text, *words):
    """Starts pktgen in a host with this scenario."""
    path = lab.folder / f"{mode}.toml"
    path.write_text(text)
    program = [str(locate("PKTGEN", "pktgen")), mode, str(path), "--quiet", "--json", "-", *words]
    process = host.spawn(*program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    lab.processes.append(process)
    return process


def result(process):
    """What it printed in the end."""
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 0, text
    return json.loads(text)


def register(lab):
    """Registers every node and returns the foreign agent's result."""
    return result(begin(lab, lab.hosts["pdsn"], "generate", AGENTS, "--expect-all"))


def tell(path, line):
    """A command to the home agents."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(path))
        stream.sendall(line.encode() + b"\n")
        return stream.makefile().readline().strip()


def homes(lab):
    """pktgen plays both home agents on one port of the switch they belong to."""
    host = Host(lab, "homes")
    lab.plug(host, "eth0", "router" if lab.mode == "directed" else "switch")
    path = lab.folder / "control"
    process = begin(lab, host, "respond", HOME_AGENTS, "--control", str(path))
    wait_until(path.exists, 20, "the home agents' control socket")
    lab.reals = [A, B]
    return process, path


@pytest.fixture
def dispatched(labs):
    """A laboratory without peers as home agents."""
    return labs(homes=0)


def test_nodes_register_dispatched_and_move_from_a_home_agent_that_goes_deaf(dispatched):
    process, control = homes(dispatched)
    director = start(dispatched, each=["weight 1", "reassign 1", "faildetect numconns 2 numclients 1", "retry 3600"])
    first = register(dispatched)
    assert [(agent["address"], agent["accepted"]) for agent in sorted(first["home_agents"], key=lambda a: a["address"])] \
        == [(A, 20), (B, 20)]
    assert first["requests"]["sent"] == first["requests"]["answered"] == 40
    assert tell(control, "deaf ha1") == "ok"
    second = register(dispatched)
    assert [(agent["address"], agent["accepted"]) for agent in second["home_agents"]] == [(B, 40)]
    assert state(director, A) == "FAILED"
    assert reals(director)[B]["conns"] == 40
    process.send_signal(signal.SIGINT)
    ha1, ha2 = result(process)["home_agents"]
    assert (ha1["dispatched"], ha2["dispatched"]) == (20, 60)
    assert ha1["unheard"] == second["requests"]["lost"] > 0
    assert ha1["directed"] == ha2["directed"] == 0 and ha1["discarded"] == ha2["discarded"] == {}


def test_nodes_register_directed(labs):
    lab = labs("directed", homes=1)
    # The laboratory's own home agent gives way: its router stays.
    lab.homes[0].process.kill()
    lab.homes[0].host.ip("link set eth0 down")
    process, _ = homes(lab)
    start(lab)
    done = register(lab)
    assert sorted((agent["address"], agent["accepted"]) for agent in done["home_agents"]) == [(A, 20), (B, 20)]
    process.send_signal(signal.SIGINT)
    ha1, ha2 = result(process)["home_agents"]
    assert (ha1["directed"], ha2["directed"]) == (20, 20)
    assert ha1["dispatched"] == ha2["dispatched"] == 0 and ha1["discarded"] == ha2["discarded"] == {}
