"""`ip verify unicast source`: what comes by an interface must have a source that routes back there."""

import mobileip
from director import register, requests_received, start, user, verdicts
from frame_checks import request_frame, to_director
from netlab import OUTSIDE, PDSN, wait_until
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

FAR = "198.51.100.66"
STRICT = "ip verify unicast source reachable-via rx"


def test_forged_sources_are_dropped_by_name_and_true_ones_pass_as_routes_say(lab):
    director = start(lab)
    home = lab.homes[0].address
    director.configure("interface Ethernet0", STRICT)
    register(lab, [user(number) for number in range(5)])
    sent = sum(requests_received(lab))
    dropped = 0

    def drop(*frames):
        nonlocal dropped
        dropped += len(frames)
        lab.pdsn.send(*frames)
        wait_until(lambda: verdicts(director)["rpf_failed"] == dropped, 5, f"{dropped} dropped by name")
        assert sum(requests_received(lab)) == sent

    def reach(source):
        nonlocal sent
        sent += 1
        lab.pdsn.send(request_frame(lab, mobileip.request(user(99), sent << 11), source=source))
        wait_until(lambda: sum(requests_received(lab)) == sent, 5, f"the request of {source}")
        assert verdicts(director)["rpf_failed"] == dropped
    forged = [request_frame(lab, mobileip.request(user(number), 77 << 11), source=source)
              for number, source in enumerate(("10.1.1.52", FAR, OUTSIDE, lab.vip))]
    datagrams = [to_director(lab) / IP(src="10.1.1.52", dst=to) / UDP(sport=1, dport=9) / Raw(b"forged")
                 for to in (home, OUTSIDE, "10.1.1.1")]
    drop(*forged, *map(bytes, datagrams))
    # Who asks for an address is the kernel's matter.
    punted = verdicts(director)["punted"]
    discover = Ether(src=lab.pdsn.mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") \
        / UDP(sport=68, dport=67) / Raw(bytes(240))
    lab.pdsn.send(bytes(discover))
    wait_until(lambda: verdicts(director)["punted"] > punted, 5, "the request for an address at the kernel")
    # A route makes the source a true one, the default route only where it is said.
    director.configure(f"ip route 198.51.100.0 255.255.255.0 {PDSN}")
    wait_until(lambda: "198.51.100.0" in director.show("show ip route"), 5, "the route")
    reach(FAR)
    director.configure(f"no ip route 198.51.100.0 255.255.255.0 {PDSN}", f"ip route 0.0.0.0 0.0.0.0 {PDSN}")
    wait_until(lambda: "198.51.100.0" not in director.show("show ip route"), 5, "no route")
    wait_until(lambda: "0.0.0.0/0" in director.show("show ip route"), 5, "the default route")
    drop(request_frame(lab, mobileip.request(user(50), 78 << 11), source=FAR))
    director.configure("interface Ethernet0", f"{STRICT} allow-default")
    reach(FAR)
    drop(forged[0])
    director.configure("interface Ethernet0", "ip verify unicast source reachable-via any")
    reach("10.1.1.99")
    text = director.show("show interfaces Ethernet0")
    assert f"  IP verify source reachable-via ANY\n   {dropped} verification drops\n" in text
    status, metrics = director.http("/metrics")
    assert status == 200 and f'homeward_interface_rpf_drops_total{{interface="Ethernet0"}} {dropped}.0' in metrics
    assert " ip verify unicast source reachable-via any\n" in director.show("show running-config")
    director.configure("interface Ethernet0", "no ip verify unicast source")
    reach(FAR)
    register(lab, [user(number) for number in range(5)])
    assert verdicts(director)["rpf_failed"] == dropped
