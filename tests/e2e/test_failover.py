"""A home agent that stays silent is noticed by the retries, left out, tried again, and taken back."""

import time

from netlab import wait_until
from director import detail, one_by_one, push, reals, register, requests_received, sessions, start, state, stats, user

A, B = "10.1.1.51", "10.1.1.52"


def at(moment, began):
    """Waits for a moment, in seconds since the test's own beginning."""
    wait_until(lambda: time.monotonic() - began >= moment, moment + 1)


def test_at07_a_session_lives_until_the_idle_time_after_its_last_request(lab):
    """One smoke in real time; the rule itself is proved with a fake clock."""
    director = start(lab, idle=4)
    register(lab, [user(1)])
    began = time.monotonic()
    at(3.0, began)
    register(lab, [user(1)])
    again = time.monotonic() - began
    at(again + 3.0, began)
    assert len(sessions(director)) == 1, "the second request started the time anew"
    wait_until(lambda: sessions(director) == [], 4, "the session's end")
    assert time.monotonic() - began - again >= 3.5
    assert stats(director)["Connections Destroyed"] == 1


def test_at09_and_at10_the_fifth_request_goes_elsewhere_and_the_first_home_agent_is_charged(lab):
    director = start(lab)
    lab.homes[0].ask("deaf", deaf=True)
    for number in range(1, 5):
        push(lab, [user(1)], number)
        assert requests_received(lab) == [number, 0]
    push(lab, [user(1)], 5)
    assert requests_received(lab) == [4, 1]
    assert detail(director, A)["failconn count"] == "1" and detail(director, B)["failconn count"] == "0"
    assert reals(director)[A]["conns"] == 0 and reals(director)[B]["conns"] == 1
    assert stats(director)["Connections Reassigned"] == 1
    register(lab, [user(1)] * 3)
    assert requests_received(lab) == [4, 4]
    assert detail(director, B)["failconn count"] == "0"


def test_at09_without_another_home_agent_the_node_stays_and_the_failure_counts_once(labs):
    lab = labs(homes=1)
    director = start(lab)
    lab.homes[0].ask("deaf", deaf=True)
    push(lab, [user(1)] * 5, 5)
    assert detail(director, A)["failconn count"] == "1"
    assert reals(director)[A]["conns"] == 1


def fail(lab, director, users, reassign=1):
    """Makes A fail: its nodes repeat themselves until they are moved."""
    lab.homes[0].ask("deaf", deaf=True)
    for nai in users:
        push(lab, [nai] * (reassign + 2), sum(requests_received(lab)) + reassign + 2)
    wait_until(lambda: state(director, A) == "FAILED", 3, f"FAILED: {director.show('show ip slb reals detail')}")


def test_at11_a_failed_home_agent_gets_nothing(lab):
    director = start(lab, each=["weight 2", "reassign 1", "faildetect numconns 2 numclients 2", "retry 3600"])
    fail(lab, director, [user(1), user(2)])
    assert detail(director, A)["server failures"] == "1"
    before = requests_received(lab)[0]
    assert one_by_one(lab, [user(number) for number in range(100, 120)]) == [B] * 20
    assert requests_received(lab)[0] == before


def test_at11_one_node_alone_cannot_fail_a_home_agent(lab):
    director = start(lab, each=["weight 1", "reassign 1", "faildetect numconns 2 numclients 2"])
    lab.homes[0].ask("deaf", deaf=True)
    lab.homes[1].ask("deaf", deaf=True)
    # A, moved to B, back to A, and so on: many failures, one client.
    push(lab, [user(1)] * 13, 13)
    assert {state(director, A), state(director, B)} == {"OPERATIONAL"}


def test_sessions_of_a_failed_home_agent_move_at_their_next_request(lab):
    director = start(lab, each=["weight 4", "reassign 1", "faildetect numconns 2 numclients 2", "retry 3600"])
    assert one_by_one(lab, [user(number) for number in range(1, 5)]) == [A] * 4
    lab.homes[0].ask("deaf", deaf=True)
    for number in (1, 2):
        push(lab, [user(number)] * 2, sum(requests_received(lab)) + 2)
    wait_until(lambda: state(director, A) == "FAILED", 3, "FAILED")
    failures = detail(director, A)["total conn failures"]
    assert one_by_one(lab, [user(3), user(4)]) == [B, B]
    assert detail(director, A)["total conn failures"] == failures, "a move is not a failure"
    assert reals(director)[A]["conns"] == 0


def test_at12_recovery_by_a_test_session(lab):
    director = start(lab, idle=4, each=["weight 1", "reassign 1", "faildetect numconns 2 numclients 2", "retry 2"])
    # Nodes alternate: 1 and 3 land on A.
    assert one_by_one(lab, [user(1), user(2), user(3)]) == [A, B, A]
    lab.homes[0].ask("deaf", deaf=True)
    failed_at = time.monotonic()
    for number in (1, 3):
        push(lab, [user(number)] * 2, sum(requests_received(lab)) + 2)
    wait_until(lambda: state(director, A) == "FAILED", 3, "FAILED")
    lab.homes[0].ask("deaf", deaf=False)
    wait_until(lambda: state(director, A) == "READY_TO_TEST", 5, "READY_TO_TEST")
    assert time.monotonic() - failed_at >= 1.8
    order = one_by_one(lab, [user(number) for number in range(10, 14)])
    assert order.count(A) == 1, "one test session, the others elsewhere"
    assert state(director, A) == "TESTING"
    wait_until(lambda: state(director, A) == "OPERATIONAL", 8, "OPERATIONAL after a quiet end")
    assert A in one_by_one(lab, [user(20), user(21)])


def test_at12_a_test_that_fails_starts_the_time_anew(lab):
    director = start(lab, each=["weight 1", "reassign 1", "faildetect numconns 1 numclients 1", "retry 2"])
    fail(lab, director, [user(1)])
    wait_until(lambda: state(director, A) == "READY_TO_TEST", 5, "READY_TO_TEST")
    nodes = iter(range(100, 110))
    while state(director, A) != "TESTING":
        push(lab, [nai := user(next(nodes))], sum(requests_received(lab)) + 1)
    push(lab, [nai] * 2, sum(requests_received(lab)) + 2)
    wait_until(lambda: state(director, A) == "FAILED", 3, "FAILED again")


def test_out_of_service_drains_and_moves(lab):
    director = start(lab, each=["weight 1"])
    assert one_by_one(lab, [user(1), user(2)]) == [A, B]
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "no inservice")
    assert state(director, A) == "OUTOFSERVICE"
    assert one_by_one(lab, [user(3), user(4)]) == [B, B]
    assert one_by_one(lab, [user(1)]) == [B], "its session moves at the next request"
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "inservice")
    wait_until(lambda: state(director, A) == "OPERATIONAL", 3, "OPERATIONAL")
    assert A in one_by_one(lab, [user(5), user(6)])


def test_failaction_purge_deletes_the_sessions_of_a_failed_home_agent(lab):
    director = start(lab, farm_lines=["failaction purge"],
                     each=["weight 6", "reassign 1", "faildetect numconns 2 numclients 2", "retry 3600"])
    assert one_by_one(lab, [user(number) for number in range(1, 6)]) == [A] * 5
    lab.homes[0].ask("deaf", deaf=True)
    for number in (1, 2):
        push(lab, [user(number)] * 2, sum(requests_received(lab)) + 2)
    wait_until(lambda: state(director, A) == "FAILED", 3, "FAILED")
    wait_until(lambda: [row[3] for row in sessions(director)] == [B, B], 3, "only the moved sessions left")
    assert reals(director)[A]["conns"] == 0


def test_a_neighbour_that_does_not_answer_arp_takes_no_sessions(lab):
    director = start(lab, ready=False, reals={A: [], "10.1.1.77": []})
    wait_until(lambda: state(director, A) == "OPERATIONAL", 10, "OPERATIONAL")
    wait_until(lambda: state(director, "10.1.1.77") == "ARP_FAILED", 10, "ARP_FAILED")
    assert one_by_one(lab, [user(number) for number in range(1, 12)]) == [A] * 11
