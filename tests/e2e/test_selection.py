"""Which home agent: weighted round robin in turns, stickiness, limits, backup."""

from netlab import wait_until
from director import (configuration, farm, management, one_by_one, push, reals, register, requests_received, sessions,
                      start, state, stats, system_config, user, verdicts, vserver, wait_operational)

A, B, C = "10.1.1.51", "10.1.1.52", "10.1.1.53"


def test_at02_weights_3_1_2_give_aaabcc(labs):
    lab = labs(homes=3)
    start(lab, reals={A: ["weight 3"], B: ["weight 1"], C: ["weight 2"]})
    order = one_by_one(lab, [user(number) for number in range(1, 13)])
    assert order == [A, A, A, B, C, C] * 2


def test_at02_whole_cycles_split_exactly_with_two_workers(labs):
    lab = labs(homes=3)
    director = start(lab, reals={A: ["weight 3"], B: ["weight 1"], C: ["weight 2"]}, workers=2)
    for cycle in range(1, 6):
        register(lab, [user(1000 * cycle + number) for number in range(60)])
        assert [real["conns"] for real in reals(director).values()] == [30 * cycle, 10 * cycle, 20 * cycle]


def test_at02_a_new_weight_acts_at_once_within_the_turn(lab):
    director = start(lab, reals={A: ["weight 3"], B: ["weight 1"]})
    assert one_by_one(lab, [user(1), user(2)]) == [A, A]
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "weight 2")
    assert one_by_one(lab, [user(number) for number in range(3, 9)]) == [B, A, A, B, A, A]


def test_at03_equal_weights_alternate(lab):
    director = start(lab)
    assert one_by_one(lab, [user(number) for number in range(1, 5)]) == [A, B, A, B]
    assert {address: real["conns"] for address, real in reals(director).items()} == {A: 2, B: 2}
    rows = sessions(director)
    assert sorted(row[3] for row in rows) == [A, A, B, B]
    assert {row[4] for row in rows} == {"IPMOBILE_ESTAB"} and {row[2] for row in rows} == {"15.1.1.51"}


def test_at06_the_same_node_goes_to_the_same_home_agent(lab):
    start(lab)
    others = iter(range(100, 200))
    seen = []
    for _ in range(3):
        seen += one_by_one(lab, [user(1)])
        one_by_one(lab, [user(next(others)), user(next(others)), user(next(others))])
    assert len(set(seen)) == 1 and len(seen) == 3


def test_lookup_by_nai_says_where_and_why(lab):
    director = start(lab)
    register(lab, [user(1), user(2)])
    text = director.show(f"show ip slb sessions ipmobile nai {user(2)}")
    assert f"NAI {user(2)}" in text and f"goes to {B} (HAFARM)" in text
    text = director.show(f"show ip slb sessions ipmobile nai {user(3)}")
    assert f"a request would go to {A} (HAFARM)" in text


def test_at31_a_power_cycled_node_gets_one_binding(lab):
    """Five requests are four retries: `reassign 4` keeps them where they are."""
    director = start(lab, each=["reassign 4"])
    assert register(lab, [user(1)] * 5) == [A] * 5
    assert [home.ask("bindings") for home in lab.homes] == [1, 0]
    assert stats(director)["Connections Created"] == 1


def test_at35_maxconns(lab):
    director = start(lab, reals={A: ["maxconns 2", "weight 3"], B: []}, idle=4)
    assert one_by_one(lab, [user(1), user(2), user(3)]) == [A, A, B]
    assert state(director, A) == "MAXCONNS"
    assert one_by_one(lab, [user(1)]) == [A], "a session that is there stays"
    wait_until(lambda: state(director, A) == "OPERATIONAL", 8, "OPERATIONAL after the sessions' end")
    wait_until(lambda: reals(director)[A]["conns"] == 0, 3, "no sessions")


def test_at35_the_limit_holds_from_the_very_next_packet(lab):
    director = start(lab, reals={A: ["maxconns 5", "weight 50"], B: ["weight 50"]}, workers=2)
    register(lab, [user(number) for number in range(100)])
    assert {address: real["conns"] for address, real in reals(director).items()} == {A: 5, B: 95}


def test_at29_backup_farm(labs):
    lab = labs(homes=3)
    text = (system_config(lab) + farm({A: [], B: []}, each=["reassign 1", "faildetect numconns 1 numclients 1", "retry 2"])
            + farm({C: []}, name="BACKUP") + vserver(lab.vip, farms="HAFARM backup BACKUP", idle=4) + management())
    director = lab.director(text)
    wait_operational(director)
    for home in lab.homes[:2]:
        home.ask("deaf", deaf=True)
    # Each real fails after one node had to be moved away from it: three requests a real, for two nodes.
    for number in (1, 2):
        push(lab, [user(number)] * 3, sum(requests_received(lab)) + 3)
    wait_until(lambda: {state(director, A), state(director, B)} == {"FAILED"}, 3, "both primaries FAILED")
    assert one_by_one(lab, [user(50), user(51)]) == [C, C]
    for home in lab.homes[:2]:
        home.ask("deaf", deaf=False)
    wait_until(lambda: state(director, A) == "READY_TO_TEST", 6, "READY_TO_TEST")
    fresh = iter(range(60, 100))
    assert one_by_one(lab, [user(next(fresh))])[0] in (A, B)
    wait_until(lambda: state(director, A) == "OPERATIONAL" or state(director, B) == "OPERATIONAL", 10, "a primary back")
    assert one_by_one(lab, [user(next(fresh))])[0] in (A, B)


def test_no_real_at_all_is_counted_and_never_answered(lab):
    director = start(lab)
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "no inservice", f"real {B}", "no inservice")
    lab.pdsn.ask("register", to=lab.vip, users=[user(1)])
    wait_until(lambda: verdicts(director)["no_real"] == 1, 5, "no_real")
    assert requests_received(lab) == [0, 0] and lab.pdsn.ask("replies") == []
    assert stats(director)["Failed Real Assignments"] == 1


def test_clients_may_be_excluded(lab):
    director = start(lab, server_lines=["client 15.1.1.0 255.255.255.0 exclude"])
    lab.pdsn.ask("register", to=lab.vip, users=[user(1)])
    wait_until(lambda: verdicts(director)["received"] > 0 and sessions(director) == [], 5)
    assert requests_received(lab) == [0, 0]


def test_a_director_without_servers_serves_none(lab):
    director = lab.director(configuration(lab, inservice=False))
    usable_or_idle = {"OPERATIONAL", "OUTOFSERVICE", "ARP_FAILED"}
    assert {real["state"] for real in reals(director).values()} <= usable_or_idle
    lab.pdsn.ask("register", to=lab.vip, users=[user(1)])
    wait_until(lambda: verdicts(director)["slb_dispatched"] == 0 and verdicts(director)["received"] > 0, 5)
    assert requests_received(lab) == [0, 0]
