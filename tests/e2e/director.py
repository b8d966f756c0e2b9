"""What the tests say about a director: its configuration as text, its readings, and what must always hold."""

import re

from frame_checks import who_has
from netlab import PDSN, wait_until

FARM, SERVER = "HAFARM", "MIPSLB"


def system_config(lab, *, workers=1, sessions=16384, poll="adaptive"):
    """The part of the configuration below the load balancer, for this laboratory's wires."""
    text = f"""hostname director
!
dataplane
 workers {workers}
 sessions {sessions}
 hugepages off
 poll {poll}
!
"""
    inner = "10.2.1.1" if lab.mode == "directed" else "10.1.1.1"
    if lab.vlans:
        outer_vlan, inner_vlan = lab.vlans
        text += interface("Ethernet0", "device net_af_packet0,iface=inside")
        text += interface(f"Ethernet0.{outer_vlan}", f"encapsulation dot1q {outer_vlan}",
                          "ip address 15.1.1.1 255.255.255.0")
        text += interface(f"Ethernet0.{inner_vlan}", f"encapsulation dot1q {inner_vlan}",
                          f"ip address {inner} 255.255.255.0")
    else:
        wires = [("inside", inner)]
        if "outside" in lab.hosts["director"].command("ip", "link").stdout:
            wires.insert(0, ("outside", "15.1.1.1"))
        for number, (wire, address) in enumerate(wires):
            text += interface(f"Ethernet{number}", f"device net_af_packet{number},iface={wire}",
                              f"ip address {address} 255.255.255.0")
    if lab.mode == "directed":
        text += "ip route 10.1.1.0 255.255.255.0 10.2.1.2\n!\n"
    return text


def interface(name, *lines):
    """An interface block, up."""
    return "\n".join([f"interface {name}", *(f" {line}" for line in lines), " no shutdown", "!", ""])


def farm(reals, *, name=FARM, lines=(), each=()):
    """A farm: reals as {address: [line, ...]}, `each` for every real, all in service."""
    text = [f"ip slb serverfarm {name}", *(f" {line}" for line in lines)]
    for address, own in reals.items():
        text += [f" real {address}", *(f"  {line}" for line in (*each, *own)), "  inservice", " !"]
    return "\n".join(text[:-1] + ["!", ""]) if reals else "\n".join([*text, "!", ""])


def vserver(vip, *, name=SERVER, farms=FARM, idle=10, lines=(), inservice=True):
    """A virtual server for Mobile IP."""
    text = [f"ip slb vserver {name}", f" virtual {vip} udp 434 service ipmobile", f" serverfarm {farms}",
            f" idle ipmobile request {idle}", *(f" {line}" for line in lines)]
    return "\n".join([*text, *([" inservice"] if inservice else []), "!", ""])


def management(socket_mode=None):
    """Socket and HTTP."""
    mode = f" mode {socket_mode}" if socket_mode else ""
    return f"management\n socket @SOCKET@{mode}\n http 127.0.0.1:9434\n!\n"


def configuration(lab, *, reals=None, each=("weight 1",), farm_lines=(), server_lines=(), idle=300, inservice=True, before="", extra="",
                  socket_mode=None, **options):
    """One farm with all home agents (or `reals`), one virtual server."""
    if reals is None:
        reals = {address: [] for address in lab.reals}
    nat = ("nat server",) if lab.mode == "directed" else ()
    return (system_config(lab, **options) + before + farm(reals, lines=(*nat, *farm_lines), each=each)
            + vserver(lab.vip, idle=idle, lines=server_lines, inservice=inservice) + extra + management(socket_mode))


def start(lab, *, ready=True, **options):
    """Starts a director with `configuration` and waits until every real can take sessions."""
    director = lab.director(configuration(lab, **options))
    if ready:
        wait_operational(director)
    return director


def resolve_neighbor(lab, director):
    """Lets the director know the pdsn's hardware address: like any router it drops a packet that has to wait for ARP."""
    gateway, known = ("10.1.1.1", "10.1.1.61") if lab.pdsn.address == "10.1.1.61" else ("15.1.1.1", PDSN)
    lab.pdsn.send(who_has(lab, gateway, source=known))
    wait_until(lambda: known in director.show("show ip arp"), 5, f"{known} in show ip arp")


def wait_operational(director, deadline=10):
    """Waits until every real is OPERATIONAL and the pdsn known."""
    resolve_neighbor(director.lab, director)
    wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(director).values()), deadline,
               f"every real OPERATIONAL\n{director.show('show ip slb reals')}")


def table(text):
    """Rows below the dash rule, split into words."""
    lines = text.splitlines()
    rule = next(at for at, line in enumerate(lines) if re.fullmatch(r"-{5,}", line.strip()))
    return [line.split() for line in lines[rule + 1:] if line.strip()]


def reals(director):
    """`show ip slb reals` by address."""
    keys = ("farm", "weight", "state", "conns")
    rows = {row[0]: dict(zip(keys, row[1:])) for row in table(director.show("show ip slb reals"))}
    for row in rows.values():
        row["weight"], row["conns"] = int(row["weight"]), int(row["conns"])
    return rows


def state(director, address):
    """State of one real."""
    return reals(director)[address]["state"]


def detail(director, address):
    """`key = value` pairs of one real in `show ip slb reals detail`."""
    blocks = re.split(r"(?m)^(?=\d+\.\d+\.\d+\.\d+)", director.show("show ip slb reals detail"))
    block = next(block for block in blocks if block.startswith(f"{address},") or block.startswith(f"{address}:"))
    return {key.strip(): value for key, value in re.findall(r"([a-z_ ()]+?) = ([^,\n]+)", block)}


def sessions(director):
    """Rows of `show ip slb sessions ipmobile`: vserver, hash, client, real, state."""
    return table(director.show("show ip slb sessions ipmobile"))


def vservers(director):
    """`show ip slb vservers`: state by name."""
    return {row[0]: row[3] for row in table(director.show("show ip slb vservers"))}


def stats(director):
    """`show ip slb stats` by label."""
    pairs = re.findall(r"(?m)^\s*([A-Za-z ]+?):\s+(\d+)", director.show("show ip slb stats"))
    return {label: int(value) for label, value in pairs}


def verdicts(director):
    """Totals of `show dataplane` by verdict, `received` and their `sum`."""
    view = director.show_json("show dataplane")
    totals = Totals({row["verdict"]: row["packets"] for row in view["verdicts"]})
    totals["received"], totals["sum"] = view["received"], view["verdict_sum"]
    return totals


class Totals(dict):
    """Counters; one that is not printed is 0."""

    def __missing__(self, key):
        return 0


def stable_verdicts(director, deadline=10):
    """Verdicts once nothing moves: two readings alike."""
    last = verdicts(director)
    now = None

    def same():
        nonlocal last, now
        last, now = now or last, verdicts(director)
        return last == now
    wait_until(same, deadline, "still counters")
    return now


def check_invariants(director):
    """Received = verdicts; created = destroyed + live; conns = live."""
    def balanced():
        totals, counted = verdicts(director), stats(director)
        live = len(sessions(director))
        conns = sum(real["conns"] for real in reals(director).values())
        return (totals["received"] == totals["sum"]
                and counted["Connections Created"] == counted["Connections Destroyed"] + live and conns == live)
    try:
        wait_until(balanced, 5)
    except AssertionError:
        raise AssertionError("the counters do not balance:\n" + "".join(
            director.show(f"show {what}") for what in ("dataplane", "ip slb stats", "ip slb reals",
                                                       "ip slb sessions ipmobile"))) from None


def user(number):
    """The guide's NAI of a number."""
    return f"mwts-mip-np-user{number}@ispxyz.com"


def register(lab, users, *, to=None, answers=None, deadline=10, **options):
    """Registers NAIs in one go and waits for the answers; returns the home agents' addresses in order of arrival."""
    users = list(users)
    before = len(lab.pdsn.ask("replies"))
    lab.pdsn.ask("register", to=to or lab.vip, users=users, **options)
    want = before + (len(users) if answers is None else answers)
    wait_until(lambda: len(lab.pdsn.ask("replies")) >= want, deadline, f"{want - before} replies")
    return [reply["from"] for reply in lab.pdsn.ask("replies")[before:]]


def one_by_one(lab, users):
    """Registers NAIs, each after the answer to the one before; returns who answered."""
    return [register(lab, [nai])[0] for nai in users]


def requests_received(lab):
    """How many requests each home agent has received intact."""
    return [len(home.ask("requests")) for home in lab.homes]


def push(lab, users, at):
    """Sends requests that nobody answers and waits until home agents have received `at` in all."""
    lab.pdsn.ask("register", to=lab.vip, users=list(users))
    wait_until(lambda: sum(requests_received(lab)) >= at, 5,
               f"{at} requests at the home agents, {requests_received(lab)} there")
