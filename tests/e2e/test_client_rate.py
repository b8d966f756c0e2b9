"""`client-rate`: how many sessions a source begins in a second."""

import mobileip
from director import register, requests_received, sessions, start, stats, user, verdicts
from frame_checks import request_frame
from netlab import wait_until

OTHER = "198.51.100.66"


def flood(lab, director, users, source):
    """Requests in one go, at once at the director; the number of sessions that there are then."""
    def decided():
        totals = verdicts(director)
        return totals["slb_dispatched"] + totals["client_rate"]
    before = decided()
    lab.pdsn.send(*[request_frame(lab, mobileip.request(nai, number << 11), source=source)
                    for number, nai in enumerate(users)])
    wait_until(lambda: decided() == before + len(users), 10, "a verdict on each")
    return len(sessions(director))


def test_a_source_begins_so_many_sessions_a_second_and_others_and_known_ones_go_on(lab):
    director = start(lab, server_lines=("client-rate 20",))
    known = [user(number) for number in range(10)]
    homes = register(lab, known)
    many = flood(lab, director, [f"forged{number}@example.com" for number in range(100)], OTHER)
    # The flood may lie in two seconds.
    assert 30 <= many <= 50, many
    assert verdicts(director)["client_rate"] == 110 - many
    # The foreign agent has its own limit, and nodes with a session none.
    assert sorted(register(lab, known)) == sorted(homes)
    register(lab, [user(number) for number in range(20, 30)])
    text = director.show("show ip slb vservers detail")
    assert f"client rate = 20, client rate drops = {110 - many}" in text
    assert stats(director)["Client Rate Drops"] == 110 - many
    status, metrics = director.http("/metrics")
    assert status == 200 and f'counter="client_rate"}} {110 - many}.0' in metrics
    assert " client-rate 20\n" in director.show("show running-config")
    director.configure("ip slb vserver MIPSLB", "no client-rate")
    before = len(sessions(director))
    assert flood(lab, director, [f"more{number}@example.com" for number in range(100)], OTHER) == before + 100
    wait_until(lambda: sum(requests_received(lab)) == before + 100 + len(known), 5, "all that began, and the repeats")
