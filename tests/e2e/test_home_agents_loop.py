"""The whole: ten thousand nodes register through a director with three home agents, whose weights follow their bindings; one home agent is
killed, and its nodes register elsewhere. Director and home agents are processes of their own, the nodes pktgen's."""

import json
import pathlib
import signal

import mobileip
from director import management, reals, start
from mobile_node import MobileNode
from netlab import Director, locate, wait_until

NODES, MAX_BINDING = 10_000, 8_000
AGENTS = {f"ha{number}": f"10.1.1.{50 + number}" for number in (1, 2, 3)}
POOLS = {name: f"10.9.{64 * at}" for at, name in enumerate(AGENTS)}


def home_agent(name):
    """Behind the director: the virtual address is on it, too, and it tells nodes its own."""
    address, pool = AGENTS[name], POOLS[name]
    return f"""hostname {name}
!
dataplane
 workers 1
 sessions 1024
 hugepages off
 poll adaptive
!
interface Loopback0
 ip address 10.1.1.10 255.255.255.255
!
interface Ethernet0
 device net_af_packet0,iface=inside
 ip address {address} 255.255.255.0
 no shutdown
!
ip route 0.0.0.0 0.0.0.0 10.1.1.1
!
router mobile
!
ip local pool NODES {pool}.1 {pool.rsplit('.', 1)[0]}.{int(pool.rsplit('.', 1)[1]) + 63}.250
!
ip mobile home-agent dynamic-address {address}
ip mobile home-agent max-binding {MAX_BINDING}
ip mobile virtual-network {pool}.0 255.255.192.0
ip mobile host nai @example.com address pool local NODES virtual-network {pool}.0 255.255.192.0
ip mobile secure host nai @example.com spi 100 key ascii {mobileip.KEY.decode()}
!
ip dfp agent ipmobile
 port 500
 inservice
!
""" + management()


SCENARIO = f"""seed = 1
[port]
device = "net_af_packet0,iface=eth0"
hugepages = "off"
[[agent]]
address = "15.1.1.61"
mac = "02:00:0f:01:01:3d"
gateway = "15.1.1.1"
[target]
address = "10.1.1.10"
[nodes]
nai = "node{{n:05}}@example.com"
count = {NODES}
[request]
lifetime = 1800
[traffic]
rate = 1000
retransmit_after = 1
retransmissions = 8
drain = 10
[authentication]
spi = 0x100
key_ascii = "{mobileip.KEY.decode()}"
"""


def everybody_registers(lab):
    """What pktgen says of it."""
    scenario = lab.folder / "nodes.toml"
    scenario.write_text(SCENARIO)
    done = lab.hosts["pdsn"].command(str(locate("PKTGEN", "pktgen")), "generate", str(scenario), "--json", "-", "--quiet", timeout=120)
    report = json.loads(done.stdout)
    assert report["nodes"]["registered"] == NODES and set(report["codes"]) == {"0"} and not report["wrong"], report
    return report


def bindings(agents):
    """How many each home agent has."""
    return {AGENTS[name]: agent.show_json("show ip mobile binding summary")["total"] for name, agent in agents.items()}


def memory():
    """Score of the machine's memory: sixteenths of seven eighths of it that are available."""
    sizes = dict(line.split(":") for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    available, total = (int(sizes[name].split()[0]) for name in ("MemAvailable", "MemTotal"))
    return min(16, available * 1000 // total * 16 // 875)


def until_weights_follow(director, agents):
    """Each real's weight is what the guide's equation makes of the home agent's bindings; its workers are all but idle."""
    def follow():
        scores = 16 + memory()
        wanted = {address: (MAX_BINDING - count) * scores * 25 // (MAX_BINDING * 32) for address, count in bindings(agents).items()}
        return {address: row["weight"] for address, row in reals(director).items() if address in wanted} == wanted
    wait_until(follow, 30, "weights by the equation")


def test_ten_thousand_nodes_three_home_agents_and_a_kill(labs):
    lab = labs(homes=0)
    for name in AGENTS:
        lab.add(name)
    correspondent = lab.add("correspondent")
    correspondent.ip("addr add 10.1.1.99/24 dev inside", *(f"route add {pool}.0/18 via {AGENTS[name]}" for name, pool in POOLS.items()))
    agents = {name: Director(lab, home_agent(name), name=name).start() for name in AGENTS}
    manager = "ip slb dfp\n" + "".join(f" agent {address} 500\n" for address in AGENTS.values()) + "!\n"
    director = start(lab, reals={address: [] for address in AGENTS.values()}, each=("faildetect numconns 4",), extra=manager)
    until_weights_follow(director, agents)

    everybody_registers(lab)
    counts = bindings(agents)
    assert sum(counts.values()) == NODES and min(counts.values()) > NODES // 4, counts
    until_weights_follow(director, agents)
    assert {address: row["conns"] for address, row in reals(director).items()} == counts, "the director's view is the home agents'"

    # A node of flesh and blood: it is reached at the address that its home agent gave it.
    node = MobileNode(lab, "walker@example.com", agent="10.1.1.10")
    assert node.register()[0] == 0
    ping = correspondent.command("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", node.home).stdout
    assert "3 received" in ping, ping
    assert {source for _, source in node.inner} == {node.end} <= {*AGENTS.values()}

    lost = next(name for name, address in AGENTS.items() if address == node.end)
    agents.pop(lost).process.send_signal(signal.SIGKILL)
    everybody_registers(lab)
    wait_until(lambda: reals(director)[AGENTS[lost]]["state"] != "OPERATIONAL", 10, "the director's notice")
    assert node.register()[0] == 129, "the address of another's pool"
    node.home = None
    assert node.register()[0] == 0 and node.end != AGENTS[lost]
    counts = bindings(agents)
    assert sum(counts.values()) == NODES + 1, counts
    until_weights_follow(director, agents)
    assert {address: row["conns"] for address, row in reals(director).items() if row["conns"]} == counts
    ping = correspondent.command("ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", node.home).stdout
    assert "3 received" in ping, ping
    node.close()
    for agent in agents.values():
        traffic = dict(agent.show_json("show ip mobile traffic")["traffic"]["counters"])
        assert traffic["Denied"] <= 1 and traffic["Accepted"] + traffic["Repeated replies"] >= NODES // 4
