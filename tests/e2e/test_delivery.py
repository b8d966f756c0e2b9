"""A request for the virtual address reaches a home agent with exactly the bytes that it should."""

import json
import pathlib
import socket

import mobileip
import pytest
from frame_checks import IP, UDP, Ether, checksums_right, decode, mobile_ip, payload, request_frame, requests, tshark
from netlab import PDSN, inside, wait_until
from scapy.layers.inet import IPOption_RR
from scapy.layers.l2 import Dot1Q
from director import (farm, management, reals, register, requests_received, stable_verdicts, start, system_config, user,
                      verdicts, vserver)

VECTORS = json.loads((pathlib.Path(__file__).parent / "vectors" / "mobile-ip.json").read_text())
PACKETS = {packet["id"]: bytes.fromhex(packet["ip_packet_hex"]) for packet in VECTORS["packets"]}


def delivered(lab, frame, index=None):
    """Sends a frame from the pdsn; returns the one request that arrives (decoded) and the home agent it reached."""
    for home in lab.homes:
        home.ask("clear")
    lab.pdsn.send(frame)
    wait_until(lambda: any(requests(home.frames()) for home in lab.homes), 5, "the request at a home agent")
    found = [(packet, home) for home in lab.homes for packet in requests(home.frames())]
    assert len(found) == 1, f"{len(found)} copies arrived"
    return found[0]


def message(number=1, **options):
    """A request of the guide's mobile node."""
    return mobileip.request(user(number), 0xC2B9F5A012300000 + number, care_of=PDSN, **options)


def test_at01_a_virtual_address_hides_a_set_of_home_agents(lab):
    director = start(lab)
    assert register(lab, [user(1)]) == ["10.1.1.51"]
    assert requests_received(lab) == [1, 0]
    assert [real["conns"] for real in reals(director).values()] == [1, 0]


def test_at15_dispatched_changes_addresses_of_the_frame_and_the_ttl_only(lab):
    director = start(lab)
    frame = request_frame(lab, message(), ttl=64)
    packet, home = delivered(lab, frame)
    sent = decode(frame)
    assert packet.dst == home.mac and packet.src == lab.hosts["director"].mac("inside")
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (PDSN, lab.vip, 63)
    assert (packet[IP].id, packet[IP].flags, packet[IP].tos) == (sent[IP].id, sent[IP].flags, sent[IP].tos)
    assert bytes(packet[UDP])[:packet[UDP].len] == bytes(sent[UDP])
    assert checksums_right(packet)
    assert verdicts(director)["slb_dispatched"] == 1


def test_at15_dispatched_vector_byte_for_byte(lab):
    start(lab)
    frame = bytes(Ether(src=lab.pdsn.mac, dst=lab.hosts["director"].mac("outside")))[:12] + b"\x08\x00" + PACKETS["PKT-01"]
    packet, home = delivered(lab, frame)
    assert bytes(packet)[14:14 + len(PACKETS["PKT-03"])] == PACKETS["PKT-03"]


def test_at16_directed_rewrites_the_destination(directed):
    director = start(directed)
    packet, home = delivered(directed, request_frame(directed, message(), ttl=64))
    # The router between them takes another one off the TTL.
    assert (packet[IP].src, packet[IP].dst, packet[IP].ttl) == (PDSN, home.address, 62)
    assert (packet[UDP].sport, packet[UDP].dport) == (434, 434)
    assert payload(packet) == message() and checksums_right(packet)
    assert verdicts(director)["slb_directed"] == 1


def test_at16_directed_vector_byte_for_byte(directed):
    start(directed)
    header = bytes(Ether(src=directed.pdsn.mac, dst=directed.hosts["director"].mac("outside")))[:12] + b"\x08\x00"
    packet, home = delivered(directed, header + PACKETS["PKT-01"])
    assert home.address == "10.1.1.51"
    got, want = bytes(packet)[14:14 + len(PACKETS["PKT-02"])], PACKETS["PKT-02"]
    # Beyond the router: TTL 62, and an IP checksum that goes with it.
    assert got[:8] + got[12:] == want[:8] + want[12:]
    assert got[8] == want[8] - 1 and checksums_right(packet)


def test_at16_udp_checksum_zero_stays_zero_and_a_wrong_one_stays_wrong(directed):
    start(directed)
    packet, _ = delivered(directed, request_frame(directed, message(1), checksum=0))
    assert packet[UDP].chksum == 0 and packet[IP].dst == "10.1.1.51"
    right = decode(request_frame(directed, message(2)))[UDP].chksum
    packet, _ = delivered(directed, request_frame(directed, message(2), checksum=right ^ 0x0101))
    assert not checksums_right(packet) and payload(packet) == message(2)


def test_at16_a_checksum_that_comes_out_as_zero_is_sent_as_ffff(directed):
    """Two bytes of the request are chosen so that the sum over the rewritten packet is all ones."""
    start(directed)
    target = "10.1.1.51"

    def rewritten(low):
        body = message(7)[:20] + low.to_bytes(2, "big") + message(7)[22:]
        packet = IP(bytes(IP(src=PDSN, dst=target) / UDP(sport=434, dport=434) / body))
        return body, packet[UDP].chksum
    _, checksum = rewritten(0)
    body, checksum = next(pair for pair in (rewritten((checksum + off) & 0xFFFF) for off in (0, 1, -1))
                          if pair[1] in (0, 0xFFFF))
    packet, home = delivered(directed, request_frame(directed, body))
    assert home.address == target and packet[UDP].chksum == 0xFFFF


def test_at17_directed_reaches_a_home_agent_behind_a_router(directed):
    director = start(directed)
    answers = register(directed, [user(number) for number in range(1, 9)])
    assert sorted(answers) == ["10.1.1.51"] * 4 + ["10.1.1.52"] * 4
    assert "not directly connected" not in director.log()


def test_at17_dispatched_in_the_same_topology_warns(directed):
    text = (system_config(directed) + farm({address: [] for address in directed.reals}) + vserver(directed.vip)
            + management())
    director = directed.director(text)
    wait_until(lambda: "10.1.1.51 is not directly connected; dispatched mode needs layer 2 adjacency" in director.log(),
               5, "the warning")
    directed.pdsn.ask("register", to=directed.vip, users=[user(1)])
    wait_until(lambda: verdicts(director)["no_real"] == 1, 5, "no_real")


def test_at14_the_reply_bypasses_the_director(labs):
    lab = labs(bypass=True)
    director = start(lab)
    answers = register(lab, [user(number) for number in range(1, 5)])
    assert set(answers) == set(lab.reals)
    totals = stable_verdicts(director)
    assert totals["slb_dispatched"] == 4 and totals["routed"] == 0
    replies = [packet for packet in map(decode, lab.pdsn.frames()) if UDP in packet]
    assert not replies, "a reply came by way of the director"


def test_a_reply_that_passes_the_director_is_routed_unchanged(lab):
    director = start(lab)
    lab.pdsn.send(request_frame(lab, message()))
    replies = wait_until(lambda: requests(lab.pdsn.frames()), 5, "the reply")
    reply = replies[0]
    want = mobileip.reply(message(), home="10.9.0.1", agent="10.1.1.51")
    assert payload(reply) == want
    assert (reply[IP].src, reply[IP].dst, reply[IP].ttl) == ("10.1.1.51", PDSN, 63)
    assert (reply[UDP].sport, reply[UDP].dport) == (434, 434) and checksums_right(reply)
    assert verdicts(director)["routed"] == 1 and len(replies) == 1


def test_at18_a_deregistration_goes_to_the_home_agent_itself(lab):
    director = start(lab)
    register(lab, [user(1)])
    before = stable_verdicts(director)
    assert register(lab, [user(1)], to="10.1.1.51", lifetime=0) == ["10.1.1.51"]
    after = stable_verdicts(director)
    assert after["slb_dispatched"] == before["slb_dispatched"] == 1
    assert after["routed"] == before["routed"] + 2
    assert [real["conns"] for real in reals(director).values()] == [1, 0]


@pytest.mark.parametrize("mode", ["dispatched", "directed"])
def test_at19_both_wildcards_in_the_home_agent_field_are_balanced(labs, mode):
    lab = labs(mode)
    start(lab)
    for number, field in enumerate(["0.0.0.0", "255.255.255.255"], 1):
        sent = message(number, agent=field)
        packet, home = delivered(lab, request_frame(lab, sent))
        assert payload(packet) == sent
        assert mobile_ip(packet).haaddr == field
        assert home.address == f"10.1.1.5{number}"


def test_tshark_agrees_about_what_arrives(directed):
    start(directed)
    register(directed, [user(number) for number in range(1, 7)])
    frames = [bytes(packet) for home in directed.homes for packet in requests(home.frames())]
    fields = ("ip.dst", "ip.checksum.status", "udp.checksum.status", "mip.type", "mip.nai", "mip.haaddr")
    seen = tshark(frames, directed.folder, *fields)
    assert sorted(row["mip.nai"][0] for row in seen) == sorted(user(number) for number in range(1, 7))
    for row in seen:
        assert row["ip.checksum.status"] == row["udp.checksum.status"] == ["1"], row
        assert row["mip.type"] == ["1"] and row["mip.haaddr"] == ["0.0.0.0"]
        assert row["ip.dst"][0] in directed.reals


def test_ip_options_and_an_odd_source_port_survive(lab):
    start(lab)
    frame = request_frame(lab, message(), port=40123, options=[IPOption_RR(length=7, pointer=4, routers=["0.0.0.0"])])
    packet, _ = delivered(lab, frame)
    assert packet[UDP].sport == 40123 and packet[IP].ihl == 7
    assert packet[IP].options[0].routers == ["0.0.0.0"] and checksums_right(packet)


def test_one_arm_in_and_out_of_the_same_port(labs):
    lab = labs(one_arm=True)
    director = start(lab)
    answers = register(lab, [user(number) for number in range(1, 5)])
    assert set(answers) == set(lab.reals)
    assert verdicts(director)["slb_dispatched"] == 4


def test_vlan_in_and_out(labs):
    lab = labs(vlans=(20, 15))
    director = start(lab)
    assert register(lab, [user(1)]) == ["10.1.1.51"]
    frames = [(inwards, bytes.fromhex(frame)) for inwards, frame in lab.trunk.ask("frames")]

    def seen(inwards, kind):
        packets = [decode(frame) for way, frame in frames if way == inwards]
        return [(packet[Dot1Q].vlan, packet.src, packet.dst) for packet in packets
                if UDP in packet and packet[UDP].payload and bytes(packet[UDP].payload)[0] == kind]
    mac, home = lab.hosts["director"].mac("inside"), lab.homes[0].mac
    assert seen(False, 1) == [(20, lab.pdsn.mac, mac)]
    assert seen(True, 1) == [(15, mac, home)]
    assert seen(False, 3) == [(15, home, mac)]
    assert seen(True, 3) == [(20, mac, lab.pdsn.mac)]
    assert verdicts(director)["slb_dispatched"] == verdicts(director)["routed"] == 1


def test_vlan_that_no_interface_has_is_dropped_by_name(labs):
    lab = labs(vlans=(20, 15))
    director = start(lab)
    tagged = decode(request_frame(lab, message(), wire="inside"))
    frame = bytes(tagged)[:12] + bytes.fromhex("81000063") + bytes(tagged)[12:]
    lab.pdsn.send(frame)  # the switch puts it behind VLAN 20: a tag in a tag
    wait_until(lambda: sum(verdicts(director)[name] for name in ("unknown_vlan", "unknown_ethertype")) == 1, 5)
    assert requests_received(lab) == [0, 0]


@pytest.mark.parametrize("tag, verdict", [("88a8", "unknown_ethertype"), ("8100", "slb_dispatched")])
def test_only_802_1q_tags_are_vlans_of_ours(labs, tag, verdict):
    lab = labs(vlans=(20, 15))
    director = start(lab)
    register(lab, [user(1)])
    before = verdicts(director)
    frame = request_frame(lab, message(), wire="inside")
    frame = frame[:12] + bytes.fromhex(tag + "0014") + frame[12:]

    def send():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as trunk:
            trunk.bind(("trunk", 0))
            trunk.send(frame)
    inside(lab.hosts["switch"].namespace, send)
    wait_until(lambda: verdicts(director)[verdict] == before[verdict] + 1, 5, verdict)
    wait_until(lambda: sum(requests_received(lab)) == (2 if tag == "8100" else 1), 5, "the request, or none")


def test_two_workers_share_the_sessions(lab):
    director = start(lab, workers=2)
    users = [user(number) for number in range(1, 21)]
    register(lab, users)
    first = {reply["nai"]: reply["from"] for reply in lab.pdsn.ask("replies")}
    again = register(lab, users)
    second = {reply["nai"]: reply["from"] for reply in lab.pdsn.ask("replies")[-len(again):]}
    assert first == second
    assert [real["conns"] for real in reals(director).values()] == [10, 10]
