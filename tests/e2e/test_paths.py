"""The tool that measures paths: lost frames get names, disturbed and generator-bound runs are marked as such, and a
short run through virtio tells one story at both ends."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

PATHS = pathlib.Path(__file__).resolve().parents[2] / "benches" / "paths"


def tool(name):
    """One of its modules; they are not on the path of the other tests."""
    found = importlib.util.spec_from_file_location(f"paths_{name}", PATHS / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def report(**total):
    """As pktgen writes it."""
    frames = {"sent": 1000, "right": 990, "lost": 10, "late": 0, **total}
    ports = [{"role": "port", "sent": 1001, "received": 1, "missed": 0}, {"role": "sink", "sent": 1, "received": 991, "missed": 3}]
    return {"total": frames, "ports": ports, "steps": [], "seconds": 1, "outcome": {"rate": 100.0, "loss": 0.01}}


def test_every_lost_frame_has_a_name_or_is_said_to_have_none():
    losses = tool("losses")
    all_named = losses.attribute(report(late=1), {"director.tx_full": 6}, {"Ethernet0.rx": 1000})
    assert all_named["named"] == {"generator.sink.missed": 3, "generator.late": 1, "director.tx_full": 6}
    assert all_named["unattributed"] == 0
    assert all_named["counters"] == {"generator.port.sent": 1001, "forwarder.Ethernet0.rx": 1000, "generator.sink.received": 991}
    assert losses.attribute(report(), {"director.tx_full": 6}, {})["unattributed"] == 1


def test_a_disturbed_run_has_a_star_and_a_bound_of_the_generator_is_no_rate_of_the_forwarder():
    tables = tool("report")
    trial = {"phase": "trial", "passed": True}
    machine = {"waits": {"generator": 0.02}, "load": 3.0, "disturbed": True, "busy_percent": 61.2}
    run = {"question": "rate", "wires": "veth", "path": "homeward", "machine": machine, "report": {**report(), "steps": [trial]}}
    failed = {"question": "rate", "wires": "veth", "path": "kernel", "failed": "no nft\nat all"}
    text = tables.markdown([run, failed])
    assert "| homeward \\* | ≥ 100 | 1.0e-02 | 61 % | - | - | - | - | generator 2.00%, load 3.0 |" in text
    assert "| kernel | - | - | - | - | - | - | - | no nft |" in text
    run["machine"], trial["passed"] = {**machine, "disturbed": False}, False
    assert "| homeward | 100 | 1.0e-02 | 61 % " in tables.markdown([run])


def test_testpmd_s_statistics_are_read():
    said = """
  ---------------------- Forward statistics for port 0  ----------------------
  RX-packets: 700            RX-dropped: 2             RX-total: 702
  TX-packets: 0              TX-dropped: 0             TX-total: 0
  ---------------------- Forward statistics for port 1  ----------------------
  RX-packets: 0              RX-dropped: 0             RX-total: 0
  TX-packets: 695            TX-dropped: 5             TX-total: 700
"""
    found = subprocess.run(
        [sys.executable, "-c", "import sys, json; sys.path[:0] = sys.argv[1:3]; from forwarders import read_testpmd; "
         "print(json.dumps(read_testpmd(sys.stdin.read())))", str(PATHS), str(PATHS.parents[1] / "tools")],
        input=said, capture_output=True, text=True, check=True)
    drops, passed = json.loads(found.stdout)
    assert drops == {"testpmd.port0.rx_dropped": 2, "testpmd.port1.tx_dropped": 5}
    assert passed == {"port0.rx": 700, "port0.tx": 0, "port1.rx": 0, "port1.tx": 695}


@pytest.mark.usefixtures("pages")
def test_a_short_run_through_virtio_tells_one_story_at_both_ends(tmp_path):
    code = """
import json, pathlib, sys
sys.path[:0] = sys.argv[1:3]
import lab, generator
log = pathlib.Path(sys.argv[3]) / "log"
done = lab.measure(lab.Path("virtio", "homeward"), 2000, generator.single(8, 0.5), 30, log)
print(json.dumps(done))
"""
    done = subprocess.run([sys.executable, "-c", code, str(PATHS), str(PATHS.parents[1] / "tools"), str(tmp_path)],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    total, counters = run["report"]["total"], run["losses"]["counters"]
    assert total["sent"] == total["right"] + total["lost"] > 10_000 and total["stray"] == 0
    assert run["losses"]["unattributed"] == 0, run["losses"]
    # Requests and the ARP of a director that comes up.
    assert counters["forwarder.received"] == counters["forwarder.verdict_sum"] >= total["right"]
    assert set(run["machine"]["waits"]) == {"generator", "forwarder"}
