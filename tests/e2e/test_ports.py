"""Ports whose wires are cut and whose peers stall: what is lost has a name, and everything goes on."""

import signal

import pytest
from netlab import wait_until
from director import check_invariants, configuration, one_by_one, reals, resolve_neighbor, start, user, verdicts, wait_operational
from test_virtio import Wires


def line_protocol(director, name):
    """Whether the interface's line is up."""
    return f"{name} is up, line protocol is up" in director.show("show interfaces")


@pytest.mark.parametrize("wire", ["inside", "outside"])
def test_a_wire_that_goes_down_and_comes_back(lab, wire):
    director = start(lab)
    # The far end of one, the director's own end of the other.
    host, port, name = {
        "inside": ("switch", "port1", "Ethernet1"), "outside": ("director", "outside", "Ethernet0")}[wire]
    far = lab.hosts[host]
    before = one_by_one(lab, map(user, range(10)))
    assert len(set(before)) == 2 and line_protocol(director, name)
    far.ip(f"link set {port} down")
    wait_until(lambda: not line_protocol(director, name), 5, f"{name} down")
    if wire == "inside":
        # The pdsn is still there: what it asks for cannot leave.
        lab.pdsn.ask("register", to=lab.vip, users=[user(number) for number in range(10)])
        wait_until(lambda: verdicts(director)["sum"] == verdicts(director)["received"] >= 20, 5, "verdicts of all")
        lost = {name: count for name, count in verdicts(director).items()
                if name in ("tx_down", "no_adjacency", "no_real", "tx_full")}
        assert sum(lost.values()) == 10, verdicts(director)
    assert director.alive()
    far.ip(f"link set {port} up")
    wait_until(lambda: line_protocol(director, name), 5, f"{name} up")
    wait_until(lambda: all(real["state"] == "OPERATIONAL" for real in reals(director).values()), 20, "reals")
    resolve_neighbor(lab, director)
    assert one_by_one(lab, map(user, range(10))) == before, "each node has its home agent again"
    check_invariants(director)


def test_a_link_that_comes_while_the_kernel_has_news(lab):
    switch = lab.hosts["switch"]
    switch.ip("link set port1 down")
    director = start(lab, ready=False)
    assert not line_protocol(director, "Ethernet1")
    switch.ip("link set port1 up")
    for number in range(30):
        lab.hosts["director"].ip(f"route add 198.51.100.{number}/32 via 15.1.1.60")
        director.show("show ip route")
    wait_until(lambda: line_protocol(director, "Ethernet1"), 5, "Ethernet1 up")
    wait_operational(director, 20)
    assert len(one_by_one(lab, map(user, range(10)))) == 10
    check_invariants(director)


def test_a_shadow_that_is_deleted_is_made_again(lab):
    director = start(lab)
    before = one_by_one(lab, map(user, range(10)))
    lab.hosts["director"].ip("link del Et1")
    wait_until(lambda: "shadow Et1 was deleted; it is made again" in director.log(), 2, "the log tells")
    wait_until(lambda: "inet 10.1.1.1/24" in lab.hosts["director"].command("ip", "-4", "addr", "show", "Et1").stdout, 2,
               "its address")
    wait_operational(director, 5)
    assert one_by_one(lab, map(user, range(10))) == before
    check_invariants(director)


def test_a_device_that_is_deleted_and_made_again_is_opened_again(lab):
    director = start(lab)
    switch, host = lab.hosts["switch"], lab.hosts["director"]
    before = one_by_one(lab, map(user, range(10)))
    host.ip("link del inside")
    down = "Ethernet1 is up, line protocol is down (kernel device inside is gone)"
    wait_until(lambda: down in director.show("show interfaces"), 5, down)
    assert 'Ethernet1: kernel device inside is gone: the port is down mnemonic="LINK-3-DEVICE"' in director.log()
    assert line_protocol(director, "Ethernet0") and director.alive()
    lab.wire(switch, "port1", host, "inside")
    switch.ip("link set port1 master br0")
    wait_until(lambda: line_protocol(director, "Ethernet1"), 10, "Ethernet1 up")
    assert 'Ethernet1: the device was opened again mnemonic="LINK-5-DEVICE"' in director.log()
    assert host.command("cat", "/proc/sys/net/ipv4/conf/inside/arp_ignore").stdout == "8\n"
    assert host.mac("Et1") == host.mac("inside"), "the shadow has the new device's address"
    wait_operational(director, 20)
    assert one_by_one(lab, map(user, range(10))) == before
    check_invariants(director)


def test_net_tap_is_given_the_kernel_device_that_it_makes(lab):
    host = lab.hosts["director"]
    director = lab.director(configuration(lab).replace("net_af_packet1,iface=inside", "net_tap1,iface=dtap0"))
    # A bridge joins it to the wire: neither it nor the device is to have the port's own address, or to answer for it.
    host.ip("link add br9 type bridge forward_delay 0", "link set inside master br9",
            "link set dtap0 address 02:00:5e:00:00:99", "link set dtap0 master br9", "link set br9 up", "link set dtap0 up")
    host.sysctl({"net.ipv4.conf.br9.arp_ignore": 8})
    wait_operational(director, 20)
    assert "Hardware is net_tap" in director.show("show interfaces Ethernet1")
    assert set(one_by_one(lab, map(user, range(10)))) == set(lab.reals)
    # Its driver tells of the link, and the director follows.
    host.ip("link set dtap0 down")
    wait_until(lambda: not line_protocol(director, "Ethernet1"), 5, "Ethernet1 down")
    host.ip("link set dtap0 up")
    wait_until(lambda: line_protocol(director, "Ethernet1"), 5, "Ethernet1 up")
    wait_operational(director, 20)
    assert len(one_by_one(lab, map(user, range(10)))) == 10
    check_invariants(director)


@pytest.mark.usefixtures("pages")
def test_a_peer_that_takes_nothing_fills_the_ring_and_is_served_again(labs):
    wires = Wires(labs, 2, each=["no reassign", "no faildetect inband"])
    seen = {}

    def stall():
        wires.homes.send_signal(signal.SIGSTOP)
        wait_until(lambda: verdicts(wires.director)["tx_full"] > 0, 20, "a full ring")
        seen.update(verdicts(wires.director))
        wires.homes.send_signal(signal.SIGCONT)

    done, nodes = wires.register(2000, rate=1000, during=stall)
    assert seen["tx_full"] > 0 and wires.director.alive()
    # Every node was answered in the end, by one home agent; what was lost has its name, and was asked for again.
    assert len(nodes) == 2000 and all(node["answered"] >= 1 and node["moved"] == 0 for node in nodes)
    totals = verdicts(wires.director)
    assert totals["received"] == totals["sum"] and done["requests"]["lost"] >= totals["tx_full"] >= seen["tx_full"]
