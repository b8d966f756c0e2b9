"""What is no registration request, or a broken one: every vector, mutations, and a million frames."""

import json
import pathlib
import random

import mobileip
import pytest
from frame_checks import IP, UDP, Ether, Raw, decode, payload, request_frame, requests, to_director, who_has
from netlab import PDSN, wait_until
from scapy.layers.inet import ICMP, TCP
from director import reals, register, requests_received, sessions, stable_verdicts, start, stats, user, verdicts

VECTORS = json.loads((pathlib.Path(__file__).parent / "vectors" / "mobile-ip.json").read_text())["requests"]


def vector_frame(lab, vector, identification):
    """A vector as a frame from the pdsn's side."""
    return request_frame(lab, bytes.fromhex(vector["payload_hex"]), source=vector["ip"]["src"],
                         port=vector["udp"]["sport"], identification=identification)


@pytest.mark.parametrize("mode", ["dispatched", "directed"])
def test_at33_every_vector_ends_as_the_specification_says(labs, mode):
    lab = labs(mode)
    director = start(lab, each=["weight 1", "reassign 255"])
    forwarded = []
    for number, vector in enumerate(VECTORS):
        before = stable_verdicts(director)
        lab.pdsn.send(vector_frame(lab, vector, number))
        expected = vector["expect_lb"]
        if expected["action"] == "forward":
            forwarded.append(vector)
            name = "slb_dispatched" if mode == "dispatched" else "slb_directed"
        else:
            name = expected["reason"].replace("-", "_")
        wait_until(lambda: verdicts(director)[name] == before[name] + 1, 3,
                   f"{vector['id']} ({vector['title']}) counted as {name}")
    arrived = [packet for home in lab.homes for packet in requests(home.frames())]
    assert sorted(payload(packet).hex() for packet in arrived) == sorted(
        vector["payload_hex"] for vector in forwarded), "payloads are untouched"
    where = {}
    for home in lab.homes:
        for packet in requests(home.frames()):
            where.setdefault(VECTORS[packet[IP].id]["expect_lb"].get("key"), set()).add(home.address)
    assert all(len(homes) == 1 for homes in where.values()), where


def test_at33_lengths_that_lie(lab):
    director = start(lab)
    good = mobileip.request(user(1), 1)
    base = decode(request_frame(lab, good))

    def changed(change):
        packet = IP(bytes(base[IP]))
        change(packet)
        return bytes(to_director(lab))[:12] + b"\x08\x00" + bytes(packet)

    def udp_longer(packet):
        packet[UDP].len = 8 + len(good) + 1

    def udp_shorter_than_its_header(packet):
        packet[UDP].len = 7

    def ip_longer(packet):
        packet.len = len(base[IP]) + 100
        del packet.chksum

    def header_too_short(packet):
        packet.ihl = 4

    def version_six(packet):
        packet.version = 6

    def bad_checksum(packet):
        packet.chksum ^= 0x5555
    cases = [(udp_longer, {"udp_length"}), (udp_shorter_than_its_header, {"udp_length"}),
             (ip_longer, {"truncated", "bad_ip_header"}), (header_too_short, {"bad_ip_header"}),
             (version_six, {"bad_ip_header"}), (bad_checksum, {"bad_ip_header"})]
    for change, names in cases:
        before = stable_verdicts(director)
        lab.pdsn.send(changed(change))
        wait_until(lambda: sum(verdicts(director)[name] - before[name] for name in names) == 1, 3,
                   f"{change.__name__} counted as {names}")
    assert requests_received(lab) == [0, 0]
    # Every cut of a good frame, with lengths as they were: none is forwarded.
    whole = bytes(base)
    before = stable_verdicts(director)["received"]
    lab.pdsn.send(*(whole[:cut] for cut in range(14, len(whole))))
    wait_until(lambda: verdicts(director)["received"] >= before + len(whole) - 14, 5, "every cut counted")
    assert requests_received(lab) == [0, 0] and sessions(director) == []


def test_at33_a_bad_length_inside_shortens_nothing(lab):
    """Trailing bytes behind the IP length (Ethernet padding) are not part of the message."""
    start(lab)
    frame = request_frame(lab, mobileip.request(user(1), 1)) + bytes(20)
    lab.pdsn.send(frame)
    packet = wait_until(lambda: requests(lab.homes[0].frames()), 5, "the request")[0]
    assert payload(packet) == mobileip.request(user(1), 1)


def test_at33_mutations_of_every_vector_add_up(lab):
    director = start(lab)
    dice = random.Random(5944)
    frames = []
    for vector in VECTORS:
        message = bytes.fromhex(vector["payload_hex"])
        for _ in range(40):
            changed = bytearray(message)
            for _ in range(dice.randrange(1, 4)):
                if changed:
                    changed[dice.randrange(len(changed))] = dice.randrange(256)
            frames.append(request_frame(lab, bytes(changed[:dice.randrange(len(changed) + 1)] or b"\0")))
    before = stable_verdicts(director)
    # No more at once than the port's ring holds while another program has the worker's CPU.
    for at in range(0, len(frames), 200):
        lab.pdsn.send(*frames[at:at + 200])
        sent = min(at + 200, len(frames))
        wait_until(lambda: verdicts(director)["received"] >= before["received"] + sent, 10, f"{sent} received")
    after = stable_verdicts(director)
    names = ["slb_dispatched", "too_short", "not_rrq", "ext_truncated", "ext_overrun", "nai_empty", "nai_duplicate",
             "no_identity", "no_real", "no_adjacency"]
    assert sum(after[name] - before[name] for name in names) == len(frames)
    assert after["slb_dispatched"] - before["slb_dispatched"] == sum(
        len(requests(home.frames())) for home in lab.homes)


def memory(director):
    """`show memory`: free buffers of every pool, by name."""
    return {pool["name"]: pool["free"] for pool in director.show_json("show memory")["pools"]}


def test_at32_a_million_random_and_malformed_frames(lab):
    director = start(lab, workers=2, sessions=65536, idle=4, each=["weight 1", "no reassign", "no faildetect inband"])
    register(lab, [user(number) for number in range(100)])
    stable_verdicts(director)
    free = memory(director)
    assert free
    dice = random.Random(434)
    ethernet = to_director(lab)
    good = [request_frame(lab, mobileip.request(user(dice.randrange(50_000)), number)) for number in range(60)]
    broken = [vector_frame(lab, vector, number) for number, vector in enumerate(VECTORS)]
    others = [bytes(ethernet / IP(src=PDSN, dst=destination, ttl=ttl) / inner)
              for destination in (lab.vip, "10.1.1.51", "15.1.1.1", "198.51.100.9", "224.0.0.5", "127.0.0.1")
              for ttl in (0, 1, 64) for inner in (TCP(dport=434), ICMP(), UDP(dport=9) / Raw(b"x"))]
    others += [who_has(lab, lab.vip), who_has(lab, "15.1.1.1"), bytes(Ether(dst=ethernet.dst, src=ethernet.src))]
    frames = [frame for pair in zip(good, broken * 2) for frame in (*pair, b"")] + others
    hexed = [frame.hex() for frame in frames]
    begin, sent = verdicts(director)["received"], 0
    while verdicts(director)["received"] - begin < 1_000_000:
        sent += lab.pdsn.ask("flood", frames=hexed, count=100_000, seed=sent, mutate=500)
        assert director.alive(), director.log()
        assert sent <= 8_000_000, "most frames are lost before the director sees them"
    totals = stable_verdicts(director, 30)
    assert totals["received"] == totals["sum"]
    assert totals["slb_dispatched"] > 10_000
    # Two shows are two moments, and sessions end between them: the counters are compared once all have ended.
    wait_until(lambda: sessions(director) == [], 30, "the sessions' end")
    counted = stats(director)
    assert counted["Connections Created"] == counted["Connections Destroyed"] > 10_000
    assert all(real["conns"] == 0 for real in reals(director).values())
    wait_until(lambda: all(memory(director)[pool] >= count - 64 for pool, count in free.items()), 10,
               f"buffers back in their pools: {free} at first, {memory(director)} now")
    assert register(lab, [user(900_001), user(900_002)])
