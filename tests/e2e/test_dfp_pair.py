"""Our agents and our manager together: two directors one above the other, and `homeward dfp-agent` below a director.

pdsn -- upper director -- switch -- lower director (10.1.1.2, one wire), home agents 1 and 2 of the lower, 3 of the upper.
The upper one's reals are the lower one's virtual address and home agent 3.
"""

import subprocess
import time

import pytest
from netlab import locate, wait_until
from director import (farm, interface, management, reals, requests_received, start, state, system_config, user, vserver,
                      wait_operational)

UPPER_VIP, LOWER = "10.1.1.11", "10.1.1.2"
PORT = 666
FULL = 65535


class Pair:
    """Both directors, connected. `password` is a line's end, as `old 0`."""

    def __init__(self, lab, *, timeout=0, password=None):
        self.lab = lab
        self.near, self.far = lab.reals[:2], lab.reals[2]
        lab.add("lower")
        own = f" password {password}\n" if password else ""
        self.lower = lab.director(
            "hostname lower\n!\ndataplane\n workers 1\n sessions 16384\n hugepages off\n!\n"
            + interface("Ethernet0", "device net_af_packet0,iface=inside", f"ip address {LOWER} 255.255.255.0")
            + "ip route 0.0.0.0 0.0.0.0 10.1.1.1\n!\n"
            + farm({address: [] for address in self.near}, each=["weight 1"]) + vserver(lab.vip, idle=300)
            + f"ip dfp agent slb\n port {PORT}\n interval 5\n{own} inservice\n!\n" + management(), name="lower")
        wait_until(lambda: {real["state"] for real in reals(self.lower).values()} == {"OPERATIONAL"}, 10,
                   "the lower director's reals")
        head = "ip slb dfp" + (f" password {password}" if password else "")
        self.upper = lab.director(
            system_config(lab) + farm({lab.vip: [], self.far: []}, lines=["nat server"], each=["weight 2"])
            + vserver(UPPER_VIP, idle=300)
            + f"{head}\n agent {LOWER} {PORT} {timeout} 0 1\n!\n" + management())
        wait_operational(self.upper)
        self.follows(FULL)

    def weight(self):
        """What the upper director makes of the lower one."""
        return reals(self.upper)[self.lab.vip]["weight"]

    def follows(self, weight, deadline=10):
        """Waits for it."""
        wait_until(lambda: self.weight() == weight, deadline, f"weight {weight}")

    def serve(self, *reals_in_service):
        """Puts just these home agents of the lower director in service."""
        lines = [line for address in self.near
                 for line in (f"real {address}", "inservice" if address in reals_in_service else "no inservice", "exit")]
        self.lower.configure("ip slb serverfarm HAFARM", *lines)

    def tell(self):
        """Takes the lower one's capacity and gives it back: two messages, each seen above before the next."""
        self.serve()
        self.follows(0)
        self.serve(*self.near)
        self.follows(FULL)

    def above(self):
        """What the upper one shows of the connection."""
        return self.upper.show_json(f"show ip slb dfp agent {LOWER} {PORT}")["agents"][0]

    def below(self):
        """What the lower one shows of its agent."""
        return self.lower.show_json("show ip dfp agent slb detail")["agents"][0]

    def errors(self):
        """What has been counted on both sides."""
        return {f"{side} {name}": count for side, facts in (("above", self.above()), ("below", self.below()))
                for name, count in facts["counters"].items() if count}

    def pending(self):
        """Whether a password waits: (above, below)."""
        return (self.upper.show_json("show ip slb dfp")["password"]["pending"], self.below()["password"]["pending"])


@pytest.fixture
def tall(labs):
    """A laboratory for two directors."""
    return labs(homes=3)


def test_the_upper_directors_weight_follows_the_lower_ones_capacity(tall):
    pair = Pair(tall)

    def ask(first, last):
        """New nodes, by who of (lower, upper's own home agent) got them."""
        before = requests_received(tall)
        for number in range(first, last):
            tall.pdsn.ask("register", to=UPPER_VIP, users=[user(number)])
        wait_until(lambda: sum(requests_received(tall)) == sum(before) + last - first, 5, "every request at a home agent")
        grown = [now - then for now, then in zip(requests_received(tall), before)]
        return sum(grown[:2]), grown[2], grown

    # Of a turn of 65535 the first twenty are all the lower one's, and it shares them.
    below, beside, grown = ask(0, 20)
    assert (below, beside) == (20, 0) and grown[:2] == [10, 10]
    pair.serve(pair.near[0])
    pair.follows(FULL // 2)
    assert ask(20, 30)[2] == [10, 0, 0]
    pair.serve()
    pair.follows(0)
    assert state(pair.upper, tall.vip) == "DFP_THROTTLED"
    assert ask(30, 40)[:2] == (0, 10)
    pair.serve(*pair.near)
    pair.follows(FULL)
    assert state(pair.upper, tall.vip) == "OPERATIONAL"
    assert pair.errors() == {}
    # Told by the upper one's Server State, the lower one's own weights stay what they are.
    assert {real["weight"] for real in reals(pair.lower).values()} == {1}


def test_a_lower_director_that_dies_leaves_its_static_weight_and_comes_back(tall):
    pair = Pair(tall, timeout=3)
    pair.lower.process.kill()
    pair.lower.process.wait()
    pair.follows(2)
    pair.lower.start()
    pair.follows(FULL, 20)
    pair.tell()


@pytest.mark.parametrize("first", ["manager", "agent"])
def test_a_password_changes_on_the_living_pair_in_either_order(tall, first):
    pair = Pair(tall, password="old 0")
    pair.tell()
    connected = pair.below()["managers"]

    def change(who, secret, seconds):
        if who == "manager":
            pair.upper.configure(f"ip slb dfp password {secret} {seconds}")
        else:
            pair.lower.configure("ip dfp agent slb", f"password {secret} {seconds}")

    second = "agent" if first == "manager" else "manager"
    began = time.monotonic()
    change(first, "new", 12)
    pair.tell()
    # Both end together, for each then takes the new password only.
    change(second, "new", round(12 - (time.monotonic() - began)))
    pair.tell()
    assert pair.pending() == (True, True), "too slow to tell"
    assert pair.errors() == {}
    wait_until(lambda: pair.pending() == (False, False), 15)
    pair.tell()
    assert pair.errors() == {}
    assert pair.below()["managers"] == connected, "one connection all the time"
    # One side alone: within the time both are heard, after it the other is refused, and no weight of it counts.
    change(first, "newer", 8)
    pair.tell()
    assert pair.errors() == {}
    wait_until(lambda: pair.pending() == (False, False), 15)
    if first == "manager":
        pair.serve()
        wait_until(lambda: pair.above()["counters"]["security_mismatch"], 5, "the old password is refused above")
        assert pair.weight() == FULL
    else:
        pair.upper.configure("ip slb dfp", f"agent {LOWER} {PORT} 40 0 1")
        wait_until(lambda: pair.below()["counters"]["security_mismatch"], 5, "the old password is refused below")
    # What was refused for want of the new password arrives with it.
    change(second, "newer", 0)
    if first == "agent":
        pair.serve()
    pair.follows(0)
    pair.serve(*pair.near)
    pair.follows(FULL)


class Standalone:
    """`homeward dfp-agent` on a home agent's host."""

    def __init__(self, lab, number, *arguments):
        self.lab, self.number = lab, number
        self.host = lab.hosts[f"ha{number}"]
        self.words = [str(locate("HOMEWARD", "homeward")), "dfp-agent", "--listen", f"0.0.0.0:{PORT}", "--interval", "5",
                      *arguments]
        self.process = None

    def run(self):
        """Starts it."""
        self.process = self.host.spawn(*self.words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        self.lab.processes.append(self.process)

    def die(self):
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


@pytest.mark.parametrize("wordless", [False, True], ids=["process", "host"])
def test_the_standalone_agents_weight_is_followed_and_static_while_it_is_away(lab, tmp_path, wordless):
    file = tmp_path / "weight"
    address = lab.reals[0]
    director = start(lab, each=["weight 2"], extra=f"ip slb dfp\n agent {address} {PORT} 6 0 1\n!\n")

    def follows(weight, deadline=10):
        wait_until(lambda: reals(director)[address]["weight"] == weight, deadline,
                   f"weight {weight}\n{director.show('show ip slb dfp detail')}")

    def wire(up):
        # The switch's first port is the director's.
        lab.hosts["switch"].ip(f"link set port2 {'up' if up else 'down'}")

    file.write_text("25\n")
    agent = Standalone(lab, 1, "--weight-from", "exec", f"cat {file}")
    agent.run()
    follows(25)
    for weight in (7, 0, 25):
        file.write_text(f"{weight}\n")
        follows(weight)
        assert state(director, address) == ("DFP_THROTTLED" if weight == 0 else "OPERATIONAL")
    if wordless:
        # Its kernel's last words reach nobody, as when the power goes.
        wire(up=False)
    agent.die()
    follows(2, 15)
    # Behind a wire that is cut its neighbour may be missed meanwhile, too.
    assert state(director, address) in (["OPERATIONAL", "ARP_FAILED"] if wordless else ["OPERATIONAL"])
    file.write_text("9\n")
    if wordless:
        wire(up=True)
    agent.run()
    follows(9, 40)
    file.write_text("3\n")
    follows(3)
    assert reals(director)[lab.reals[1]]["weight"] == 2
    counters = director.show_json(f"show ip slb dfp agent {address} {PORT}")["agents"][0]["counters"]
    assert not any(counters.values()), counters
