"""Requests that are lost, doubled and overtake each other: the counts of an independent client must come out right."""

from netlab import wait_until
from director import reals, start, stats, user, verdicts


def test_every_node_ends_at_exactly_one_home_agent(labs):
    lab = labs(relay={"seed": 2002, "loss": 150, "duplicate": 150, "reorder": 150})
    director = start(lab, each=["weight 3", "reassign 255"])
    users = [user(number) for number in range(200)]
    waiting = set(users)

    def round_done():
        """Those without an answer repeat themselves."""
        lab.pdsn.ask("register", to=lab.vip, users=sorted(waiting))
        wait_until(lambda: len(arrived()) >= len(waiting) // 2, 5, "half of the requests, at least")
        waiting.difference_update(reply["nai"] for reply in lab.pdsn.ask("replies"))
        return not waiting

    def arrived():
        return [name for home in lab.homes for name in home.ask("requests")]
    wait_until(round_done, 30, "an answer for everybody")
    served = [set(home.ask("requests")) for home in lab.homes]
    assert not served[0] & served[1], "a node was sent to two home agents"
    assert served[0] | served[1] == set(users)
    assert abs(len(served[0]) - len(served[1])) <= 3, "turns of three"
    assert {address: real["conns"] for address, real in reals(director).items()} == {
        home.address: len(names) for home, names in zip(lab.homes, served)}
    assert stats(director)["Connections Created"] == 200 and stats(director)["Connections Reassigned"] == 0
    assert verdicts(director)["slb_dispatched"] == len(arrived())
    spoiled = lab.relay.ask("done")
    assert min(spoiled[fate] for fate in ("lost", "duplicated", "reordered")) > 10, spoiled
