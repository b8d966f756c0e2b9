"""The scripts for Pktgen-DPDK and TRex, run against stubs: no NIC, and neither tool, is at hand here."""

import contextlib
import importlib.util
import os
import pathlib
import subprocess
import sys
import tomllib

import frame_checks
import pytest
import trex_stub
from netlab import PDSN, locate, wait_until
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapReader
from director import requests_received, start, stats, verdicts

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "pktgen" / "bare-metal"
MACS = ["--director-mac", "02:00:00:00:00:01", "--agent-mac", "02:00:00:00:00:02"]


@contextlib.contextmanager
def trex():
    """TRex's library is the stub while this lasts."""
    api = trex_stub.module()
    package = type(api)("trex_stl_lib")
    package.api = api
    sys.modules.update({"trex_stl_lib": package, "trex_stl_lib.api": api})
    try:
        spec = importlib.util.spec_from_file_location("homeward_trex", SCRIPTS / "homeward_trex.py")
        profile = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(profile)
        yield profile
    finally:
        del sys.modules["trex_stl_lib"], sys.modules["trex_stl_lib.api"]


def stream(*words):
    """The profile's only stream."""
    with trex() as profile:
        streams = profile.register().get_streams(direction=0, tunables=list(words), port_id=0)
    assert len(streams) == 1
    return streams[0]


def capture(folder, requests, scenario="bare-metal", edit=None):
    """Frames that our generator writes."""
    if edit:
        text = subprocess.run([str(locate("PKTGEN", "pktgen")), "scenarios", scenario], capture_output=True, text=True,
                              check=True).stdout
        changed = edit(text)
        assert changed != text
        scenario = folder / "mine.toml"
        scenario.write_text(changed)
    file = folder / "requests.pcap"
    subprocess.run([str(locate("PKTGEN", "pktgen")), "write-pcap", str(scenario), "--output", str(file), "--requests",
                    str(requests)], capture_output=True, check=True)
    return [bytes(frame) for frame, _ in RawPcapReader(str(file))]


def first_difference(sent, written):
    """Where two lists of frames part, and how."""
    assert len(sent) == len(written)
    return next(((at, one.hex(), other.hex()) for at, (one, other) in enumerate(zip(sent, written)) if one != other), None)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 7, 9])
def test_trex_sends_what_our_generator_writes_on_any_number_of_cores(tmp_path, cores):
    written = capture(tmp_path, 12_000)
    sent = stream(*MACS).frames(12_000, cores)
    assert first_difference(sent, written) is None


def test_trex_with_udp_checksums_and_other_nodes_is_still_our_generator(tmp_path):
    def edit(text):
        return (text.replace("udp_checksum = false", "udp_checksum = true").replace("1_000_000", "800")
                .replace("mip-user{n:09}@ispxyz.com", "ha{n:03}@a.example"))
    written = capture(tmp_path, 1700, edit=edit)
    sent = stream(*MACS, "--udp-checksum", "--nodes", "800", "--nai", "ha{n:03}@a.example").frames(1700, 3)
    assert first_difference(sent, written) is None
    assert len(set(sent)) == 1700


def test_scapy_and_tshark_find_trex_requests_whole(tmp_path):
    sent = stream(*MACS, "--udp-checksum", "--agents", "4", "--nodes", "200").frames(400, 2)
    for serial, frame in enumerate(sent):
        packet = frame_checks.decode(frame)
        assert frame_checks.checksums_right(packet) and packet[UDP].chksum != 0
        assert len(frame) == 118 == packet[IP].len + 14 and packet[UDP].len == packet[IP].len - 20
        request = frame_checks.mobile_ip(packet)
        assert (request.coaddr, request.id) == (packet[IP].src, 0xc2b9f5a0 << 32 | serial)
    fields = ["ip.checksum.status", "udp.checksum.status", "mip.type", "mip.nai", "mip.coa", "mip.life", "ip.src", "ip.id",
              "mip.auth.spi", "_ws.malformed"]
    for serial, seen in enumerate(frame_checks.tshark(sent, tmp_path, *fields)):
        agent = f"15.1.1.{51 + serial % 4}"
        assert seen["mip.nai"] == [f"mip-user{serial % 200:09}@ispxyz.com"]
        assert (seen["mip.coa"], seen["ip.src"]) == ([agent], [agent])
        assert (seen["ip.checksum.status"], seen["udp.checksum.status"], seen["mip.type"]) == (["1"], ["1"], ["1"])
        assert (seen["mip.life"], int(seen["ip.id"][0], 16)) == (["1800"], serial)
        assert seen["mip.auth.spi"] is None and seen["_ws.malformed"] is None


def test_a_director_balances_trex_requests(labs):
    lab = labs()
    director = start(lab)
    ethernet = frame_checks.to_director(lab)
    sent = stream("--director-mac", ethernet.dst, "--agent-mac", ethernet.src, "--agents", "1", "--nodes", "100",
                  "--agent", PDSN, "--virtual", lab.vip).frames(200, 2)
    lab.pdsn.send(*sent)
    wait_until(lambda: verdicts(director)["slb_dispatched"] == 200, 5, "200 requests dispatched")
    wait_until(lambda: requests_received(lab) == [100, 100], 5, f"100 requests at each home agent, {requests_received(lab)} there")
    assert stats(director)["Connections Created"] == 100


def test_trex_profile_leaves_addresses_and_the_other_port_to_trex():
    packet = stream().packet.packet
    assert "dst" not in packet[Ether].fields and "src" not in packet[Ether].fields
    with trex() as profile:
        assert profile.register().get_streams(direction=1, tunables=[]) == []
    burst = stream("--requests", "1000", "--pps", "50").mode
    assert (burst.total_pkts, burst.pps) == (1000, 50)
    assert stream("--pps", "7").mode.total_pkts is None


@pytest.mark.parametrize("words, why", [
    (["--nodes", "1234"], "a digit and at least one zero"),
    (["--nodes", "5"], "a digit and at least one zero"),
    (["--nodes", "100", "--agents", "3"], "multiple of --agents"),
    (["--nodes", "100000", "--nai", "a{n:03}@b"], "more digits than --nai"),
    (["--nai", "user{n}@b"], "cannot change its length"),
    (["--size", "97"], "--size is 96"),
    (["--size", "90"], "--size is 96"),
])
def test_trex_profile_says_what_it_cannot_do(words, why):
    with pytest.raises(ValueError, match=why):
        stream(*words)


def test_ten_cores_are_too_many_for_the_last_digit():
    assert len({frame[68:98] for frame in stream(*MACS).frames(100, 9)}) == 100
    assert len({frame[68:98] for frame in stream(*MACS).frames(100, 10)}) == 10


def test_the_scenario_is_what_the_page_and_the_profile_say():
    scenario = tomllib.loads((ROOT / "pktgen" / "scenarios" / "bare-metal.toml").read_text())
    with trex() as profile:
        options = profile.arguments([])
    assert [agent["address"] for agent in scenario["agent"]] == [
        str(options.agent + at) for at in range(options.agents)]
    assert (scenario["nodes"]["nai"], scenario["nodes"]["count"]) == (options.nai, options.nodes)
    assert (scenario["target"]["address"], scenario["request"]["frame_size"]) == (str(options.virtual), options.size)


def test_the_pages_configuration_is_one(tmp_path):
    blocks = (ROOT / "docs" / "bare-metal.md").read_text().split("```")[1::2]
    text = next(block for block in blocks if block.startswith("\ndataplane\n"))
    file = tmp_path / "bare-metal.conf"
    file.write_text(text)
    done = subprocess.run([str(locate("HOMEWARD", "homeward")), "check", str(file)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    file.write_text(text.replace("arp 10.1.1.51 ", "arp 10.1.1.51.1 "))
    assert subprocess.run([str(locate("HOMEWARD", "homeward")), "check", str(file)], capture_output=True,
                          check=False).returncode != 0


def lua(folder, stats="curr", **settings):
    """Runs the script for Pktgen-DPDK; the finished process and the lines of its result file."""
    file = folder / "results.csv"
    environment = {name: word for name, word in os.environ.items() if not name.startswith("HOMEWARD_")}
    environment |= {"HOMEWARD_RESULTS": str(file), "STUB_STATS": stats, **settings}
    done = subprocess.run(["lua5.4", "-e", f"dofile('{pathlib.Path(__file__).with_name('pktgen_stub.lua')}')",
                           str(SCRIPTS / "homeward.lua")], capture_output=True, text=True, env=environment, check=False)
    rows = file.read_text().splitlines() if file.exists() else []
    return done, rows


def calls(done):
    """What the script asked of Pktgen-DPDK."""
    return [line.removeprefix("call ") for line in done.stderr.splitlines() if line.startswith("call ")]


@pytest.mark.parametrize("stats", ["flat", "curr"])
def test_pktgen_dpdk_plays_the_capture_once_and_then_a_trial_a_rate(tmp_path, stats):
    done, rows = lua(tmp_path, stats, HOMEWARD_REQUESTS="2500", HOMEWARD_WARMUP="10", HOMEWARD_RATES="10,50",
                     HOMEWARD_SECONDS="3", STUB_LOSS="100")
    assert done.returncode == 0, done.stderr
    assert rows == ["trial,rate_percent,sent,arrived,lost,not_taken_by_the_nic,missed_by_the_sink",
                    "new,10,2500,2475,25,0,0", "repeat,10,3000,2970,30,0,0", "repeat,50,15000,14850,150,0,0"]
    assert done.stdout.splitlines() == rows
    seen = calls(done)
    assert seen[:3] == ["screen off", "set 0 size 122", "pcap 0 on"] and seen[-1] == "screen on"
    assert [call for call in seen if call.startswith("sends")] == ["sends 0 pcap"] * 3
    assert [call for call in seen if call.startswith("set 0 count")] == ["set 0 count 2500", "set 0 count 0", "set 0 count 0"]


def test_pktgen_dpdk_routes_a_range_of_agents(tmp_path):
    done, rows = lua(tmp_path, HOMEWARD_MODE="route", HOMEWARD_DIRECTOR_MAC="02:00:00:00:00:01", HOMEWARD_RATES="100",
                     HOMEWARD_SECONDS="2", HOMEWARD_LAST_AGENT="15.1.1.60")
    assert done.returncode == 0, done.stderr
    assert rows[1:] == ["route,100,20000,20000,0,0,0"]
    seen = calls(done)
    for call in ["range.dst_mac 0 start 02:00:00:00:00:01", "range.src_ip 0 min 15.1.1.51", "range.src_ip 0 max 15.1.1.60",
                 "range.src_ip 0 inc 0.0.0.1", "range.dst_ip 0 start 10.1.1.51", "range.dst_ip 0 inc 0.0.0.0",
                 "range.src_port 0 max 65535", "range.pkt_size 0 start 122", "range.ip_proto 0 udp", "sends 0 range"]:
        assert call in seen, call
    assert not any(call.startswith("pcap 0 on") for call in seen)


@pytest.mark.parametrize("settings, why", [
    ({"HOMEWARD_MODE": "route"}, "HOMEWARD_DIRECTOR_MAC is missing"),
    ({"HOMEWARD_MODE": "other"}, "HOMEWARD_MODE is requests or route"),
    ({"HOMEWARD_SECONDS": "soon"}, "HOMEWARD_SECONDS is not a number"),
])
def test_pktgen_dpdk_script_says_what_is_wrong(tmp_path, settings, why):
    done, _ = lua(tmp_path, **settings)
    assert done.returncode != 0 and why in done.stderr
