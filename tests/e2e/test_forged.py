"""Requests in others' names: what they reach, and what they do not."""

import mobileip
from netlab import wait_until
from director import detail, one_by_one, register, requests_received, sessions, start, stats, user
from frame_checks import request_frame

A, B, C = "10.1.1.51", "10.1.1.52", "10.1.1.53"
ATTACKER = "198.51.100.66"


def forge(lab, users, *, times=1, agent="0.0.0.0", lifetime=1800, source=ATTACKER):
    """Sends requests of these nodes, from an address that is not theirs; waits for them at the home agents."""
    frames = [request_frame(lab, mobileip.request(nai, number << 11, agent=agent, lifetime=lifetime), source=source)
              for number in range(times) for nai in users]
    wanted = sum(requests_received(lab))
    for at in range(0, len(frames), 100):  # what a port and a home agent take at once
        sent = frames[at:at + 100]
        lab.pdsn.send(*sent)
        wanted += len(sent)
        wait_until(lambda: sum(requests_received(lab)) == wanted, 10, "all of them at a home agent")


def victims(first, many):
    """Nodes of the attacker's making."""
    return [f"victim{number}@example.com" for number in range(first, first + many)]


def test_forty_forged_requests_fail_no_home_agent(labs):
    lab = labs(homes=3)
    director = start(lab)
    register(lab, [user(number) for number in range(30)])
    # Five each of eight nodes, aimed by the Home Agent field at the second.
    forge(lab, victims(0, 8), times=5, agent=B)
    shown = detail(director, B)
    assert shown["state"] == "OPERATIONAL" and shown["failconn count"] == "0"
    assert shown["disregarded failures"] == "8" and shown["total conn failures"] == "8"
    # Many more, where the predictor puts them: he is one source, and counts for no more than half of what it takes.
    wait_until(lambda: len(sessions(director)) == 38, 5, "every session")
    forge(lab, victims(100, 90), times=5)
    for address in (A, B, C):
        shown = detail(director, address)
        assert shown["state"] == "OPERATIONAL" and int(shown["failconn count"]) <= 4, shown
        assert int(shown["disregarded failures"]) > 0
    register(lab, [user(number) for number in range(100, 130)])


def test_a_forged_deregistration_ends_nothing_and_a_true_one_waits_for_second_thoughts(lab):
    director = start(lab)
    assert one_by_one(lab, [user(1), user(2)]) == [A, B]
    forge(lab, [user(2)], lifetime=0)
    assert [row[4] for row in sessions(director)] == ["IPMOBILE_ESTAB"] * 2
    assert "dereg = 1, dereg_refused = 1" in director.show("show ip slb vservers detail")
    register(lab, [user(2)], lifetime=0)
    assert {row[3]: row[4] for row in sessions(director)} == {A: "IPMOBILE_ESTAB", B: "IPMOBILE_DEREG"}
    assert one_by_one(lab, [user(2)]) == [B], "a new node's turn would be the first one's"
    assert [row[4] for row in sessions(director)] == ["IPMOBILE_ESTAB"] * 2
    register(lab, [user(2)], lifetime=0)
    wait_until(lambda: [row[3] for row in sessions(director)] == [A], 15, "its end")
    assert stats(director)["Connections Destroyed"] == 1


def test_forged_nodes_that_fill_the_table_give_way_to_new_ones_and_known_ones_stay(lab):
    director = start(lab, sessions=1024)
    known = [user(number) for number in range(100)]
    register(lab, known)
    before = register(lab, known)
    forge(lab, victims(0, 1600))
    assert stats(director)["Connections Evicted"] > 500
    assert stats(director)["Connections Created"] - stats(director)["Connections Destroyed"] <= 1024
    new = [user(number) for number in range(200, 300)]
    register(lab, new)
    register(lab, new)
    forge(lab, victims(5000, 800))
    there = {row[1] for row in sessions(director)}
    told = director.show(f"show ip slb sessions ipmobile nai {new[0]}")
    assert len(there) > 1000 and "goes to" in told
    assert sorted(register(lab, known)) == sorted(before), "each where it was"
    assert stats(director)["Connections Evicted"] > 1300
