"""pktgen measures a director from both ends: its counters must agree with the director's and with those of the wire."""

import json
import signal
import subprocess

import pytest
from netlab import locate, wait_until
from director import configuration, reals, stats, verdicts
from pktgen_scenarios import AUTHENTICATION, home_agents

A, B = "10.1.1.51", "10.1.1.52"

SCENARIO = """
[port]
device = "net_af_packet0,iface=eth0"
hugepages = "off"
[sink]
device = "net_af_packet1,iface=eth1"
[[agent]]
address = "15.1.1.61"
mac = "02:00:0f:01:01:3d"
[[agent]]
address = "15.1.1.62"
mac = "02:00:0f:01:01:3e"
[target]
address = "10.1.1.10"
gateway = "15.1.1.1"
[nodes]
nai = "mwts-mip-np-user{n}@ispxyz.com"
count = 300
[traffic]
rate = 500
resolve = 30
[[home_agent]]
name = "ha1"
address = "10.1.1.51"
[[home_agent]]
name = "ha2"
address = "10.1.1.52"
"""

REPLIES = SCENARIO.replace('[sink]\ndevice = "net_af_packet1,iface=eth1"\n', "") + AUTHENTICATION

HOME_AGENTS = home_agents("eth1")

STICKY = ["weight 1", "no reassign", "no faildetect inband"]


def prepare(lab, **options):
    """A director between the two ports of the pdsn's host; the home agents live at the second one."""
    lab.plug(lab.hosts["pdsn"], "eth1")
    lab.reals = [A, B]
    return lab.director(configuration(lab, each=STICKY, **options))


@pytest.fixture
def lab(labs):
    """A laboratory without peers as home agents."""
    return labs(homes=0)


def spawn(lab, mode, text, *words):
    """Starts pktgen in the pdsn's host with this scenario."""
    path = lab.folder / f"{mode}.toml"
    path.write_text(text)
    program = [str(locate("PKTGEN", "pktgen")), mode, str(path), "--json", "-", *words]
    process = lab.hosts["pdsn"].spawn(*program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
    lab.processes.append(process)
    return process


def result(process, code=0):
    """What it printed in the end."""
    text, said = process.communicate(timeout=90)
    assert process.returncode == code, f"{process.returncode}: {said}{text}"
    return json.loads(text)


def counters(director):
    """The lines that have pktgen ask the director."""
    command = [str(director.program), "shell", "--socket", str(director.socket), "-c", "show dataplane | json",
               "-c", "show ip slb stats | json", "-c", "show memory | json"]
    return f"[director]\ncounters = {json.dumps(command)}\n"


def balanced(frames):
    """Every frame has one end."""
    return frames["sent"] == frames["right"] + frames["wrong"] + frames["corrupted"] + frames["lost"]


def test_throughput_is_found_and_both_counts_agree(lab):
    director = prepare(lab)
    mode = "[mode.throughput]\ntrial = 1\nsettle = 1\nwarmup = 1\nwarmup_rate = 400\nloss = 0.05\nresolution = 0.2\n"
    report = result(spawn(lab, "measure", SCENARIO + counters(director) + mode))
    assert report["mode"] == "throughput" and report["outcome"]["passed"], report["outcome"]
    total, steps = report["total"], report["steps"]
    assert [step["phase"] for step in steps[:2]] == ["warmup", "trial"]
    assert steps[1]["target"] == 500 and all(balanced(step["frames"]) for step in steps) and balanced(total)
    assert total["wrong"] == total["corrupted"] == total["duplicated"] == total["stray"] == 0
    # The director's own counters: what it forwarded is what arrived, and each node has one session.
    forwarded = verdicts(director)["slb_dispatched"]
    assert total["right"] <= forwarded <= total["sent"] and total["right"] > 800
    assert reals(director)[A]["conns"] + reals(director)[B]["conns"] == 300 == steps[-1]["table"]
    assert {agent["address"]: agent["nodes"] for agent in report["home_agents"]} == {
        address: real["conns"] for address, real in reals(director).items()}
    assert sum(worker["frames"] for worker in report["workers"]) >= total["right"]


def test_latency_is_measured_at_loads(lab):
    prepare(lab)
    mode = "[mode.latency]\nloads = [20, 100]\ntrial = 1\nsettle = 1\nwarmup = 1\n"
    report = result(spawn(lab, "measure", SCENARIO + mode))
    loads = [step for step in report["steps"] if step["phase"] == "load"]
    assert [(step["load"], step["target"]) for step in loads] == [(20, 100), (100, 500)]
    for step in loads:
        latency = step["latency"]
        assert latency["count"] == step["frames"]["right"] > 0
        assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
        assert latency["curve"][-1][0] == 100


def test_sessions_fill_a_small_table_and_then_churn(lab):
    director = prepare(lab)
    mode = "[mode.sessions]\ncapacity = 200\ninterval = 0.2\nchurn = 1\nchurn_new = 0.1\n"
    report = result(spawn(lab, "measure", SCENARIO + mode))
    phases = [step["phase"] for step in report["steps"]]
    assert phases == ["fill"] * phases.count("fill") + ["churn"] * 5 and phases.count("fill") >= 2
    fill = [step for step in report["steps"] if step["phase"] == "fill"]
    assert fill[-1]["sessions"] == 200 and all(step["frames"]["new"] == step["frames"]["sent"] for step in fill)
    total = report["total"]
    assert 200 < total["new"] == report["outcome"]["sessions"] < 300 and balanced(total)
    assert stats(director)["Connections Created"] == total["new"] or total["lost"] > 0
    outcome = report["outcome"]
    # Every new node's first frame has made a session at the rate that they were sent with, or a busy machine was slower.
    assert outcome["passed"] and outcome["filled"] == "nodes" and 50 < outcome["rate"] <= 550, outcome
    assert 5 < outcome["churn_rate"] < 200 and total["created"] == total["new"], outcome


def test_a_fill_ends_when_the_director_says_that_its_table_is_full(lab):
    director = prepare(lab, sessions=1024)
    mode = "[mode.sessions]\ninterval = 0.5\nchurn = 1\nchurn_new = 0\n"
    text = SCENARIO.replace("count = 300", "count = 20000").replace("rate = 500", "rate = 400")
    page = lab.folder / "sessions.html"
    report = result(spawn(lab, "measure", text + counters(director) + mode, "--html", str(page)))
    outcome = report["outcome"]
    assert outcome["passed"] and outcome["filled"] == "table" and 100 < outcome["rate"] <= 440, outcome
    assert "until the director's table was full" in outcome["reason"]
    # It was full, and the fill ended soon after, long before all nodes were sent for.
    made = stats(director)
    # What came after it was full took the place of nodes that had been seen once.
    evicted = made.get("Connections Evicted", 0)
    assert made["Connections Created"] - evicted == 1024 == report["steps"][-1]["table"]
    assert 1024 < report["total"]["new"] < 8000 and report["total"]["wrong"] <= evicted
    assert {step["phase"] for step in report["steps"]} == {"fill", "churn"}
    assert "by its own counters" in page.read_text() and "new sessions a second" in page.read_text()


def nowhere(lab):
    """A port whose frames go nowhere."""
    return SCENARIO.replace('"net_af_packet0,iface=eth0"', '"net_null0"').replace(
        '"net_af_packet1,iface=eth1"', '"net_af_packet1,iface=eth1"\nwait = 0').replace(
        'gateway = "15.1.1.1"', 'gateway = "15.1.1.1"\nmac = "02:00:00:00:00:01"')


@pytest.mark.parametrize("mode", ["[mode.soak]\ninterval = 1\nsettle = 0.5\nloss = 1\n",
                                  "[mode.sessions]\ninterval = 0.5\nsettle = 0.5\nloss = 1\n"],
                         ids=["soak", "sessions"])
def test_what_loses_every_frame_has_failed_whatever_the_bound(lab, mode):
    lab.plug(lab.hosts["pdsn"], "eth1")
    report = result(spawn(lab, "measure", nowhere(lab) + mode, "--duration", "3"), code=2)
    assert "nothing arrived" in report["outcome"]["reason"] and not report["outcome"]["passed"]
    assert report["total"]["sent"] == report["total"]["lost"] > 0 and report["steps"][0]["passed"] is False


def test_a_soak_says_what_the_wire_did_and_stops_at_a_broken_invariant(labs):
    lab = labs(homes=0, relay={"seed": 7, "loss": 40, "duplicate": 0, "reorder": 30})
    prepare(lab)
    mode = "[mode.soak]\ninterval = 1\nsettle = 1\nloss = 0.2\n"
    report = result(spawn(lab, "measure", SCENARIO.replace("rate = 500", "rate = 200") + mode, "--duration", "3"))
    done = lab.relay.ask("done")
    total = report["total"]
    assert report["outcome"]["passed"] and [step["passed"] for step in report["steps"]] == [True] * 3
    assert (total["lost"], total["sent"]) == (done["lost"], 600) and done["reordered"] > 0 < total["lost"]
    assert balanced(total) and total["wrong"] == total["stray"] == 0


def test_a_soak_samples_the_counters_of_the_director(lab):
    director = prepare(lab)
    mode = "[mode.soak]\ninterval = 1\nsettle = 1\nloss = 0.2\n"
    report = result(spawn(lab, "measure", SCENARIO + counters(director) + mode, "--duration", "3"))
    assert report["outcome"]["passed"] and "the director's counters balanced" in report["outcome"]["reason"]
    # The same with a director that lost track of one frame: found when traffic is still.
    lost = {"workers": [{"worker": 0, "received": 1000}], "received": 1000,
            "verdicts": [{"verdict": "slb_dispatched", "class": "forwarded", "packets": 999}]}
    liar = f"[director]\ncounters = {json.dumps(['echo', json.dumps(lost)])}\n"
    report = result(spawn(lab, "measure", SCENARIO + liar + mode, "--duration", "2"), code=2)
    reason = report["outcome"]["reason"]
    assert not report["outcome"]["passed"] and "received 1000 frames and gave 999 verdicts" in reason, reason


def test_a_soak_over_a_wire_that_doubles_frames_fails(labs):
    lab = labs(homes=0, relay={"seed": 7, "loss": 0, "duplicate": 100, "reorder": 0})
    prepare(lab)
    mode = "[mode.soak]\ninterval = 30\nsettle = 1\n"
    report = result(spawn(lab, "measure", SCENARIO + mode, "--duration", "60"), code=2)
    assert not report["outcome"]["passed"] and report["outcome"]["reason"].endswith("frames duplicated")
    assert report["seconds"] < 30 and report["total"]["duplicated"] > 0


def test_replies_stand_for_deliveries_and_a_move_from_a_living_home_agent_breaks_a_soak(lab):
    director = prepare(lab)
    control = lab.folder / "control"
    homes = spawn(lab, "respond", HOME_AGENTS, "--quiet")
    wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(director).values()), 20, "both reals")
    mode = "[mode.soak]\ninterval = 1\n"
    soak = spawn(lab, "measure", REPLIES.replace("rate = 500", "rate = 300") + mode, "--control", str(control))
    wait_until(lambda: stats(director)["Connections Created"] == 300, 20, "a session for every node")
    director.configure("ip slb serverfarm HAFARM", "real 10.1.1.51", "no inservice")
    director.show("clear ip slb sessions")
    report = result(soak, code=2)
    assert "wrong home agent" in report["outcome"]["reason"]
    assert report["total"]["right"] >= 300 and report["scenario"]["sink"] is None and balanced(report["total"])
    homes.send_signal(signal.SIGINT)
    assert all(agent["accepted"] > 0 for agent in result(homes)["home_agents"])
