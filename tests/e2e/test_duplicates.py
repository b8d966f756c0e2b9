"""Addresses that two stations say they have: the virtual address, and a home agent's."""

from director import register, requests_received, start, user
from netlab import wait_until
from scapy.layers.l2 import ARP, Ether

STRANGER = "02:00:00:00:00:66"


def announce(peer, address, mac):
    """A gratuitous ARP request from a peer's wire."""
    peer.send(bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=address, pdst=address)))


def dotted(mac):
    """A hardware address as the director prints it."""
    digits = mac.replace(":", "")
    return ".".join(digits[at:at + 4] for at in (0, 4, 8))


def duplicates(director):
    """The lines that the log has of them."""
    lines = director.show("show logging").splitlines()
    return [line.split("%IP-4-DUPADDR: ")[1] for line in lines if "%IP-4-DUPADDR: " in line]


def test_two_stations_with_one_address_are_logged_and_counted_and_a_takeover_is_not(lab):
    director = start(lab)
    first, second = lab.homes
    # Somebody takes over the first home agent's address, as a standby does; then the virtual address is claimed.
    announce(second, first.address, STRANGER)
    announce(second, lab.vip, second.mac)
    ours = f"Duplicate address {lab.vip} on Ethernet1, sourced by {dotted(second.mac)}"
    wait_until(lambda: duplicates(director), 5, "a line of the virtual address")
    assert duplicates(director)[0] == ours, "the takeover is none"
    # The home agent is still there; it says so when the director asks for it, or of its own accord.
    announce(first, first.address, first.mac)
    both = f"Duplicate address {first.address} on Ethernet1, sourced by {dotted(first.mac)} and {dotted(STRANGER)}"
    wait_until(lambda: duplicates(director) == [ours, both], 5, "a line of the home agent's address")
    rows = [line.split() for line in director.show("show ip arp duplicates").splitlines()[1:]]
    mac = dotted(lab.hosts["director"].mac("inside"))
    assert [row[:4] for row in rows] == [[lab.vip, "us", dotted(second.mac), mac],
                                         [first.address, "neighbour", dotted(first.mac), dotted(STRANGER)]]
    times = sum(int(row[4]) for row in rows)
    status, metrics = director.http("/metrics")
    assert status == 200 and f'homeward_duplicate_addresses_total{{interface="Ethernet1"}} {times}.0' in metrics
    assert "duplicate-address" in director.show("show health")
    # One line in half a minute, however often it is said; and requests arrive.
    for _ in range(50):
        announce(second, lab.vip, second.mac)
    register(lab, [user(number) for number in range(20)])
    assert sum(requests_received(lab)) == 20 and duplicates(director) == [ours, both]
