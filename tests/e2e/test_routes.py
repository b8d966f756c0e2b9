"""Routes of the kernel: who goes by which of several gateways, what an object changes, who takes a dead one's place; and ours."""

import signal

import pytest
from director import one_by_one, reals, register, start, user, verdicts, wait_operational
from frame_checks import IP, UDP, Raw, arps, decode, echo_request, requests, to_director
from netlab import Host, wait_until

NETWORK, FIRST, SECOND = "10.1.1.0/24", "10.2.1.2", "10.2.1.3"


@pytest.fixture(name="lab")
def two_gateways(labs):
    """Directed mode, six home agents behind two routers; the second one only forwards to them."""
    lab = labs("directed", 6)
    second = Host(lab, "second")
    second.sysctl({"net.ipv4.ip_forward": 1})
    lab.plug(second, "eth0")
    lab.plug(second, "homes", "router")
    second.ip(f"addr add {SECOND}/24 dev eth0", "addr add 10.1.1.2/24 dev homes")
    return lab


def gateway_of(lab, packet):
    """Which router sent a frame to a home agent: 1 or 2."""
    macs = {lab.hosts["router"].mac("br0"): 1, lab.hosts["second"].mac("homes"): 2}
    return macs[packet.src]


def ways(lab, users=range(6)):
    """Registers nodes at all home agents; by which router each home agent's requests came."""
    for home in lab.homes:
        home.ask("clear")
    one_by_one(lab, map(user, users))
    found = {}
    for home in lab.homes:
        # The switch may flood what is for another one.
        came = [packet for packet in requests(home.frames()) if packet[IP].dst == home.address]
        by = {gateway_of(lab, packet) for packet in came}
        assert len(by) == 1, f"{home.address} by {by}"
        found[home.address] = by.pop()
    return found


def shown(director):
    """Next hops of the home agents' network in `show ip route`: (gateway, weight)."""
    route = next(route for route in director.show_json("show ip route")["routes"] if route["prefix"] == NETWORK)
    return [(hop["gateway"], hop["weight"]) for hop in route["next_hops"]]


def test_home_agents_and_flows_share_two_gateways_and_a_dead_ones_go_by_the_other(lab):
    director = start(lab)
    host = lab.hosts["director"]
    assert set(ways(lab).values()) == {1}
    host.ip(f"route add {NETWORK} nexthop via {FIRST} weight 1 nexthop via {SECOND} weight 3")
    wait_until(lambda: shown(director) == [(FIRST, 1), (SECOND, 3)], 5, "both gateways")
    text = director.show("show ip route")
    assert (f"K     {NETWORK} [0/0] via {FIRST}, Ethernet1, weight 1\n"
            f"                  [0/0] via {SECOND}, Ethernet1, weight 3\n") in text, text
    wait_until(lambda: SECOND in director.show("show ip arp"), 5, "the second gateway resolved")
    before = ways(lab)
    assert set(before.values()) == {1, 2} and ways(lab) == before, "each real keeps its own"

    # Packets that are only routed choose by flow.
    home = lab.homes[0]

    def flows():
        home.ask("clear")
        for port in range(1000, 1080):
            lab.pdsn.send(to_director(lab) / IP(src=lab.pdsn.address, dst=home.address) / UDP(sport=port, dport=9)
                          / Raw(b"a flow of its own"))
        wait_until(lambda: len(requests(home.frames(), 9)) == 80, 5, "all flows")
        return {packet[UDP].sport: gateway_of(lab, packet) for packet in requests(home.frames(), 9)}
    taken = flows()
    assert 45 <= list(taken.values()).count(2) <= 75, "three quarters of 80"
    assert flows() == taken

    # A second is enough for this kernel to see that a gateway does not answer.
    host.sysctl({"net.ipv4.neigh.Et1.base_reachable_time_ms": 1000, "net.ipv4.neigh.Et1.delay_first_probe_time": 1,
                 "net.ipv4.neigh.Et1.retrans_time_ms": 200})
    lab.hosts["second"].ip("link set eth0 down")
    wait_until(lambda: SECOND not in resolved(director), 30, "the dead gateway failed")
    wait_until(lambda: set(ways(lab).values()) == {1}, 10, "all by the first")
    assert all(real["state"] == "OPERATIONAL" for real in reals(director).values())
    assert set(flows().values()) == {1}
    lab.hosts["second"].ip("link set eth0 up")
    wait_until(lambda: SECOND in resolved(director), 10, "the gateway is back")
    assert ways(lab) == before and flows() == taken


def resolved(director):
    """Neighbours that have a hardware address."""
    return [entry["address"] for entry in director.show_json("show ip arp")["arp"] if entry["mac"]]


def test_next_hop_objects_change_the_way(lab):
    director = start(lab)
    host = lab.hosts["director"]
    host.ip(f"nexthop add id 1 via {FIRST} dev Et1", f"nexthop add id 2 via {SECOND} dev Et1",
            "nexthop add id 10 group 1/2", f"route add {NETWORK} nhid 10")
    wait_until(lambda: shown(director) == [(FIRST, 1), (SECOND, 1)], 5, "both")
    wait_until(lambda: SECOND in resolved(director), 5, "the second gateway resolved")
    assert set(ways(lab).values()) == {1, 2}
    host.ip("nexthop replace id 10 group 2")
    wait_until(lambda: shown(director) == [(SECOND, 1)], 5, "the second alone")
    assert set(ways(lab).values()) == {2}
    host.ip("nexthop replace id 10 group 1/2")
    wait_until(lambda: len(shown(director)) == 2, 5, "both again")
    # The kernel says nothing of the route when a member goes, and when the object goes with the route.
    host.ip("nexthop del id 2")
    wait_until(lambda: shown(director) == [(FIRST, 1)], 5, "the first alone")
    assert set(ways(lab).values()) == {1}
    host.ip(f"nexthop replace id 1 via {SECOND} dev Et1")
    wait_until(lambda: shown(director) == [(SECOND, 1)], 5, "the same object leads to the second")
    assert set(ways(lab).values()) == {2}
    host.ip("nexthop del id 10")
    wait_until(lambda: "S     10.1.1.0/24 [1/0] via 10.2.1.2, Ethernet1\n" in director.show("show ip route"), 5,
               "the static route")
    wait_operational(director)
    assert set(ways(lab).values()) == {1}


def test_two_lines_of_one_distance_share_the_reals(lab):
    director = start(lab)
    director.configure(f"ip route 10.1.1.0 255.255.255.0 {SECOND}")
    wait_until(lambda: shown(director) == [(FIRST, 1), (SECOND, 1)], 5, "both lines")
    assert "S     10.1.1.0/24 [1/0] via 10.2.1.2, Ethernet1, weight 1\n" in director.show("show ip route")
    wait_until(lambda: SECOND in resolved(director), 5, "the second gateway resolved")
    assert set(ways(lab).values()) == {1, 2}
    director.configure(f"no ip route 10.1.1.0 255.255.255.0 {FIRST}")
    wait_until(lambda: shown(director) == [(SECOND, 1)], 5, "the second line")
    assert set(ways(lab).values()) == {2}


def test_lines_entered_live_and_a_reloaded_file_reach_the_kernel(labs):
    director = start(labs())
    host = director.host

    def held():
        routes = host.command("ip", "-4", "route", "show", "proto", "72").stdout
        return routes + host.command("ip", "-4", "addr", "show", "dev", "Et1").stdout
    director.configure("ip route 198.51.100.0 255.255.255.0 10.1.1.60", "interface Ethernet1",
                       "ip address 10.3.1.1 255.255.255.0 secondary")
    wait_until(lambda: "198.51.100.0/24" in held() and "10.3.1.1/24" in held(), 5, "what the shell said")
    text = director.file.read_text().replace("ip address 10.1.1.1 255.255.255.0", "ip address 10.1.1.1 255.255.255.0\n"
                                             " ip address 10.4.1.1 255.255.255.0 secondary")
    director.file.write_text(f"{text}ip route 203.0.113.0 255.255.255.0 10.1.1.60\n")
    director.signal(signal.SIGHUP)
    wait_until(lambda: "203.0.113.0/24" in held() and "10.4.1.1/24" in held(), 5, "what the file says")
    assert "198.51.100.0/24" not in held() and "10.3.1.1/24" not in held()


def test_an_ipv6_next_hop_is_refused_by_name(lab):
    director = start(lab)
    host = lab.hosts["director"]
    host.sysctl({"net.ipv6.conf.Et1.disable_ipv6": 0})
    host.ip("route add 198.51.100.0/24 via inet6 fe80::1 dev Et1")
    wait_until(lambda: "K     198.51.100.0/24 [0/0] via inet6 fe80::1, Ethernet1, unusable: IPv6 next hop\n"
               in director.show("show ip route"), 5, "the route, by name")
    lab.pdsn.send(echo_request(lab, "198.51.100.7", 1))
    wait_until(lambda: verdicts(director)["unusable_route"] == 1, 5, "a verdict")
    asked = [packet for home in lab.homes for packet in map(decode, home.frames())]
    assert not arps(lab.pdsn.frames(), "198.51.100.7") and not [p for p in asked if "198.51.100.7" in p.summary()]
    # A real there has no way, whatever else there is.
    director.configure("ip slb serverfarm HAFARM", "real 198.51.100.9", "inservice")
    wait_until(lambda: reals(director)["198.51.100.9"]["state"] == "ARP_FAILED", 5, "ARP_FAILED")
    assert len(register(lab, map(user, range(6)))) == 6
