"""The loop of feedback: a home agent's bindings rise, its weight falls by the home agent's equation, and new nodes go
elsewhere. `homeward dfp-agent` on each home agent's host, the director's manager, registrations by both."""

import subprocess

from host_load import HostLoad
from netlab import locate, wait_until
from director import reals, register, start, user

A, B = "10.1.1.51", "10.1.1.52"
MAX_BINDING = 2000
MANAGER = f"ip slb dfp\n agent {A} 500\n agent {B} 500\n!\n"


def agents(lab):
    """A DFP agent on each home agent's host, which asks the home agent for its bindings; the hosts' loads."""
    made = []
    for number, home in enumerate(lab.homes, 1):
        host_load = HostLoad(lab.folder / f"ha{number}.load")
        words = [str(locate("HOMEWARD", "homeward")), "dfp-agent", "--listen", f"{home.address}:500", "--interval", "5",
                 "--weight-from", "bindings", f"cat {lab.folder}/ha{number}.bindings",
                 "--max-binding", str(MAX_BINDING)]
        with open(lab.folder / f"ha{number}.agent.log", "w", encoding="utf-8") as log:
            lab.processes.append(home.host.spawn(*host_load.words(*words), stdin=subprocess.DEVNULL, stderr=log))
        made.append(host_load)
    return made


def equation(lab, number, *, cpu=16, mem=16, most=25):
    """The guide's equation, from what the home agent itself counts."""
    bindings = min(lab.homes[number - 1].ask("bindings"), MAX_BINDING)
    return (MAX_BINDING - bindings) * (cpu + mem) * most // (MAX_BINDING * 32)


def until_weights(director, *weights):
    """Waits until the reals, in their order, have these weights."""
    def same():
        return [real["weight"] for real in reals(director).values()] == list(weights)
    wait_until(same, 20, f"weights {weights}")


def until_state(director, wanted):
    """Waits for a state of the first home agent."""
    wait_until(lambda: reals(director)[A]["state"] == wanted, 20, f"{A} {wanted}")


def direct(lab, users, bindings, **options):
    """Nodes register with the first home agent itself, past the virtual address, until it has so many bindings."""
    def asked():
        lab.pdsn.ask("register", to=A, users=users, gap=0.001, **options)
        return lab.homes[0].ask("bindings") == bindings
    wait_until(asked, 30, f"{bindings} bindings, {lab.homes[0].ask('bindings')} there")


def test_bindings_rise_the_weight_falls_and_new_nodes_go_elsewhere(labs):
    lab = labs()
    host_load = agents(lab)
    director = start(lab, each=(), extra=MANAGER)
    until_weights(director, 25, 25)

    assert register(lab, map(user, range(100))).count(A) == 50
    until_weights(director, 24, 24)

    others = [f"other{number}@ispxyz.com" for number in range(MAX_BINDING)]
    direct(lab, others[:900], 950)
    assert equation(lab, 1) == 13 and equation(lab, 2) == 24
    until_weights(director, 13, 24)
    share = register(lab, map(user, range(100, 174))).count(A)
    assert abs(share - 74 * 13 / 37) <= 3, share

    host_load[0].available(0.0)
    assert equation(lab, 1, mem=0) == 6
    until_weights(director, 6, equation(lab, 2))
    host_load[0].available(0.9)

    direct(lab, others[900:], MAX_BINDING + 50 + share)
    assert equation(lab, 1) == 0, "it is full"
    until_state(director, "DFP_THROTTLED")
    assert set(register(lab, map(user, range(174, 194)))) == {B}
    known = next(reply["nai"] for reply in lab.pdsn.ask("replies") if reply["from"] == A)
    assert known == user(int(known.removeprefix("mwts-mip-np-user").split("@")[0])), "one of the virtual address"
    assert register(lab, [known]) == [A], "a throttled home agent keeps its nodes"

    direct(lab, others[:1000], MAX_BINDING - 950 + share, lifetime=0)
    until_state(director, "OPERATIONAL")
    until_weights(director, equation(lab, 1), equation(lab, 2))
    assert A in register(lab, map(user, range(194, 214)))
