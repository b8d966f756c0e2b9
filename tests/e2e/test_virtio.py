"""The core scenarios once more through virtio: the director's ports are `net_virtio_user`, and pktgen plays foreign agents and
home agents on `net_vhost` at the other ends. No kernel device is between them, and every process has huge pages."""

import json
import signal

import pytest
from netlab import wait_until
from director import detail, farm, interface, management, reals, state, stats, verdicts, vserver
from pktgen_scenarios import FOREIGN_AGENT
from test_pktgen import begin, result, tell

A, B, C = "10.1.1.51", "10.1.1.52", "10.1.1.53"

pytestmark = pytest.mark.usefixtures("pages")

HOME_AGENTS = """
[port]
device = "net_vhost0,iface=@FOLDER@/in.sock"
hugepages = "required"
memory_mb = 128
@HOMES@
[respond]
virtual = ["10.1.1.10"]
[authentication]
spi = 0x100
key_ascii = "1234567812345678"
"""

HOME = """
[[home_agent]]
name = "ha{number}"
address = "10.1.1.{host}"
mac = "02:00:0a:01:01:{host}"
deaf = {deaf}
"""

AGENTS = """
[port]
device = "net_vhost0,iface=@FOLDER@/out.sock"
hugepages = "required"
memory_mb = 128
""" + FOREIGN_AGENT + """[nodes]
nai = "mwts-mip-np-user{n}@ispxyz.com"
count = @COUNT@
[traffic]
rate = @RATE@
requests = @REQUESTS@
retransmit_after = 0.2
retransmissions = 60
drain = 10
resolve = 30
[authentication]
spi = 0x100
key_ascii = "1234567812345678"
"""


class Wires:
    """The two ends of pktgen and the director between them."""

    def __init__(self, labs, homes, *, deaf=(), each=(), weights=None, nat=False, idle=300):
        self.lab = lab = labs(homes=0)
        blocks = "".join(
            HOME.format(number=number, host=50 + number, deaf=str(number in deaf).lower())
            for number in range(1, homes + 1))
        self.control = lab.folder / "control"
        text = HOME_AGENTS.replace("@FOLDER@", str(lab.folder)).replace("@HOMES@", blocks)
        self.homes = begin(lab, lab.hosts["switch"], "respond", text, "--control", str(self.control))
        wait_until(self.control.exists, 20, "the home agents' control socket")
        weights = weights or {f"10.1.1.{50 + number}": 1 for number in range(1, homes + 1)}
        rules = farm({address: [f"weight {weight}"] for address, weight in weights.items()},
                     lines=("nat server",) if nat else (), each=each)
        self.text = f"""hostname director
!
dataplane
 workers 1
 sessions 16384
 hugepages required
 memory 128
 poll adaptive
!
""" + interface("Ethernet0", f"device net_virtio_user0,path={lab.folder}/out.sock",
                "ip address 15.1.1.1 255.255.255.0").replace(" no shutdown", " shutdown") \
            + interface("Ethernet1", f"device net_virtio_user1,path={lab.folder}/in.sock",
                        "ip address 10.1.1.1 255.255.255.0") \
            + rules + vserver("10.1.1.10", idle=idle) + management()
        self.director = None

    def register(self, nodes, *, requests=None, rate=200, during=None):
        """Registers every node from 1 on; the foreign agents' result, and each node's account. `during` runs meanwhile."""
        lab, told = self.lab, self.lab.folder / "ledger"
        text = AGENTS.replace("@FOLDER@", str(lab.folder)).replace("@COUNT@", str(nodes)) \
            .replace("@REQUESTS@", str(requests or nodes)).replace("@RATE@", str(rate))
        agents = begin(lab, lab.hosts["pdsn"], "generate", text, "--expect-all", "--ledger", str(told))
        # virtio-user connects to its peers, so they come first.
        wait_until((lab.folder / "out.sock").exists, 20, "the foreign agents' socket")
        self.director = lab.director(self.text)
        # Nothing is asked of it before every home agent's address is known, so the order of nodes is that of sessions.
        wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(self.director).values()), 10,
                   "every real OPERATIONAL")
        # Nor before the worker answers: the kernel announces the address some milliseconds earlier.
        done = lab.hosts["director"].command("sysctl", "-qw", "net.ipv4.conf.Et0.arp_notify=0")
        assert done.returncode == 0, done.stderr
        self.director.configure("interface Ethernet0", "no shutdown")
        if during:
            during()
        done = result(agents)
        return done, [json.loads(line) for line in told.read_text().splitlines()]

    def finish(self):
        """The home agents' own account, by address."""
        self.homes.send_signal(signal.SIGINT)
        return {agent["address"]: agent for agent in result(self.homes)["home_agents"]}


def test_each_node_has_one_home_agent_in_the_order_of_weights_and_keeps_it(labs):
    wires = Wires(labs, 3, weights={A: 3, B: 1, C: 2}, each=["reassign 4"])
    done, nodes = wires.register(24, requests=72)
    assert done["requests"]["answered"] == done["requests"]["sent"] == 72 and done["requests"]["lost"] == 0
    assert [node["home_agent"] for node in nodes] == [A, A, A, B, C, C] * 4
    assert all(node["moved"] == 0 and node["answered"] == 3 and node["wrong"] == 0 for node in nodes)
    assert {address: real["conns"] for address, real in reals(wires.director).items()} == {A: 12, B: 4, C: 8}
    assert verdicts(wires.director)["slb_dispatched"] == 72
    homes = wires.finish()
    # Dispatched keeps the virtual address; a request whose bytes had changed would not authenticate.
    assert [homes[address]["dispatched"] for address in (A, B, C)] == [36, 12, 24]
    assert all(home["directed"] == 0 and home["discarded"] == {} for home in homes.values())


def test_equal_weights_take_turns(labs):
    wires = Wires(labs, 2)
    _, nodes = wires.register(4)
    assert [node["home_agent"] for node in nodes] == [A, B, A, B]
    assert {address: real["conns"] for address, real in reals(wires.director).items()} == {A: 2, B: 2}
    homes = wires.finish()
    assert [homes[address]["dispatched"] for address in (A, B)] == [2, 2]


def test_the_fifth_request_of_a_node_goes_elsewhere_and_the_first_home_agent_is_charged(labs):
    wires = Wires(labs, 2, deaf=[1], each=["reassign 3"])
    done, nodes = wires.register(1)
    assert [(node["home_agent"], node["answered"]) for node in nodes] == [(B, 1)]
    assert done["requests"]["sent"] == 5 and done["requests"]["answered"] == 1
    director = wires.director
    assert [int(detail(director, address)["failconn count"]) for address in (A, B)] == [1, 0]
    assert {address: real["conns"] for address, real in reals(director).items()} == {A: 0, B: 1}
    assert stats(director)["Connections Reassigned"] == 1
    homes = wires.finish()
    assert (homes[A]["unheard"], homes[A]["dispatched"], homes[B]["dispatched"]) == (4, 0, 1)


def test_directed_requests_reach_the_reals_own_address(labs):
    wires = Wires(labs, 2, nat=True)
    done, nodes = wires.register(20)
    assert done["requests"]["answered"] == 20
    assert [node["home_agent"] for node in nodes] == [A, B] * 10
    assert verdicts(wires.director)["slb_directed"] == 20
    homes = wires.finish()
    assert all(home["directed"] == 10 and home["dispatched"] == 0 and home["discarded"] == {}
               for home in homes.values())


def test_nodes_leave_a_home_agent_that_does_not_answer_and_it_fails(labs):
    wires = Wires(labs, 2, deaf=[1], each=["reassign 1", "faildetect numconns 2 numclients 2", "retry 3600"])
    done, nodes = wires.register(30, rate=20)
    assert {node["home_agent"] for node in nodes} == {B} and done["requests"]["lost"] > 0
    director = wires.director
    assert (state(director, A), state(director, B)) == ("FAILED", "OPERATIONAL")
    assert {address: real["conns"] for address, real in reals(director).items()} == {A: 0, B: 30}
    assert int(detail(director, B)["failconn count"]) == 0, "the failure is the first real's"
    assert stats(director)["Connections Reassigned"] >= 2
    homes = wires.finish()
    # Once it had failed nothing more was sent there: 30 nodes, yet few requests that it did not hear.
    assert homes[A]["dispatched"] == 0 and 4 <= homes[A]["unheard"] <= 12
    assert homes[B]["dispatched"] >= 30


def test_a_home_agent_that_hears_again_is_tried_by_one_node_and_returns(labs):
    def recover():
        wait_until(lambda: state(wires.director, A) == "FAILED", 20, "FAILED")
        assert tell(wires.control, "hear ha1") == "ok"
        wait_until(lambda: state(wires.director, A) == "OPERATIONAL", 20, "OPERATIONAL")
    wires = Wires(labs, 2, deaf=[1], idle=4, each=["reassign 1", "faildetect numconns 2 numclients 2", "retry 2"])
    _, nodes = wires.register(200, rate=15, during=recover)
    assert len(nodes) == 200 and all(node["answered"] for node in nodes)
    assert wires.finish()[A]["dispatched"] > 0
