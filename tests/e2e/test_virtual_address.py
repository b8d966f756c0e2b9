"""The virtual address as a host on the wire: ARP, echo, unreachable; and the director as a router."""

import socket

import mobileip
from frame_checks import (ICMP, IP, UDP, Ether, Raw, arps, decode, echo_replies, echo_request, payload, request_frame, requests,
                   to_director, who_has)
from netlab import OUTSIDE, PDSN, Director, inside, wait_until
from scapy.layers.inet import TCP, fragment
from director import (configuration, register, requests_received, stable_verdicts, start, user, verdicts,
                      wait_operational)


def fenced_echo(lab, destination, number, **options):
    """Pings once, then others until they are answered: whatever the first led to is there. Returns its replies."""
    lab.pdsn.send(echo_request(lab, destination, number, **options))
    for fence in range(number + 1, number + 4):
        lab.pdsn.send(echo_request(lab, destination, fence, **options))
        wait_until(lambda: echo_replies(lab.pdsn.frames(), fence), 5, f"reply {fence} of {destination}")
    return echo_replies(lab.pdsn.frames(), number)


def test_one_ping_of_a_virtual_address_gets_one_reply(lab):
    director = start(lab)
    replies = fenced_echo(lab, lab.vip, 1)
    assert len(replies) == 1
    reply = replies[0]
    assert (reply[IP].src, reply[IP].dst) == (lab.vip, PDSN) and bytes(reply[ICMP].payload) == b"homeward" * 4
    assert reply.src == lab.hosts["director"].mac("outside")
    assert verdicts(director)["echo_reply"] == 4
    for home in lab.homes:
        assert not [packet for packet in map(decode, home.frames()) if ICMP in packet]


def test_one_ping_of_an_interface_gets_one_reply(lab):
    start(lab)
    for number, address in ((1, OUTSIDE), (10, "10.1.1.1")):
        replies = fenced_echo(lab, address, number)
        assert len(replies) == 1 and replies[0][IP].src == address


def test_one_datagram_for_the_host_arrives_once(lab):
    start(lab)

    def listen():
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.bind((OUTSIDE, 5000))
        listener.settimeout(5)
        return listener
    with inside(lab.hosts["director"].namespace, listen) as listener:
        for text in (b"once", b"fence one", b"fence two"):
            lab.pdsn.send(to_director(lab) / IP(src=PDSN, dst=OUTSIDE) / UDP(sport=4000, dport=5000) / Raw(text))
        got = [listener.recvfrom(100) for _ in range(3)]
        assert [text for text, _ in got] == [b"once", b"fence one", b"fence two"]
        assert {source for _, source in got} == {(PDSN, 4000)}
        listener.sendto(b"answer", (PDSN, 4000))
    answers = wait_until(lambda: requests(lab.pdsn.frames(), port=4000), 5, "the answer of the host")
    assert len(answers) == 1 and payload(answers[0]) == b"answer"


def test_one_request_arrives_once(lab):
    director = start(lab)
    register(lab, [user(number) for number in range(1, 51)])
    assert sum(requests_received(lab)) == 50
    assert sum(len(requests(home.frames())) for home in lab.homes) == 50
    totals = stable_verdicts(director)
    assert totals["slb_dispatched"] == 50 and totals["own_frame"] == 0


def test_arp_for_a_virtual_address_only_while_it_serves(labs):
    lab = labs(one_arm=True)
    director = start(lab, ready=False, inservice=False)
    fence = "10.1.1.1"

    def ask():
        """Asks for the virtual address, then for the interface's; returns who said that it has the former."""
        lab.pdsn.ask("clear")
        lab.pdsn.send(who_has(lab, lab.vip), who_has(lab, fence), who_has(lab, fence))
        wait_until(lambda: len([arp for arp in arps(lab.pdsn.frames(), fence) if arp[0] == 2]) >= 2, 5, "the fence")
        return [arp for arp in arps(lab.pdsn.frames(), lab.vip) if arp[0] == 2]
    assert ask() == []
    lab.pdsn.ask("clear")
    director.configure("ip slb vserver MIPSLB", "inservice")
    mac = lab.hosts["director"].mac("inside")
    announced = wait_until(lambda: arps(lab.pdsn.frames(), lab.vip), 5, "the gratuitous ARP")
    assert announced[0] == (announced[0][0], mac, lab.vip, "ff:ff:ff:ff:ff:ff")
    assert ask() == [(2, mac, "10.1.1.61", lab.pdsn.mac)]
    director.configure("ip slb vserver MIPSLB", "no inservice")
    assert ask() == []


def test_a_virtual_address_out_of_service_is_silent(lab):
    director = start(lab)
    fenced_echo(lab, lab.vip, 1)
    director.configure("ip slb vserver MIPSLB", "no inservice")
    lab.pdsn.ask("clear")
    lab.pdsn.send(echo_request(lab, lab.vip, 20))
    assert len(fenced_echo(lab, OUTSIDE, 30)) == 1
    assert echo_replies(lab.pdsn.frames(), 20) == []


def test_port_unreachable_from_a_virtual_address(lab):
    start(lab)
    frame = request_frame(lab, b"nobody listens here", dport=435)
    lab.pdsn.send(frame)

    def errors():
        packets = [decode(frame) for frame in lab.pdsn.frames()]
        return [packet for packet in packets if ICMP in packet and packet[ICMP].type == 3]
    error = wait_until(errors, 5, "port unreachable")[0]
    assert (error[ICMP].code, error[IP].src, error[IP].dst) == (3, lab.vip, PDSN)
    quoted = bytes(error[ICMP].payload)
    assert quoted[:28] == frame[14:42]
    assert len(errors()) == 1


def test_a_tcp_connection_to_a_virtual_address_is_reset(lab):
    director = start(lab)
    segment = IP(src=PDSN, dst=lab.vip) / TCP(sport=40000, dport=434, flags="S", seq=1000)
    lab.pdsn.send(to_director(lab) / segment)
    packets = wait_until(lambda: [packet for packet in map(decode, lab.pdsn.frames()) if TCP in packet], 5, "a reset")
    assert len(packets) == 1
    reset = packets[0]
    assert (reset[IP].src, reset[TCP].sport, reset[TCP].dport) == (lab.vip, 434, 40000)
    assert (str(reset[TCP].flags), reset[TCP].ack) == ("RA", 1001)
    again = IP(bytes(reset[IP]))
    written = again.chksum, again[TCP].chksum
    del again.chksum, again[TCP].chksum
    fresh = IP(bytes(again))
    assert written == (fresh.chksum, fresh[TCP].chksum)
    assert verdicts(director)["tcp_reset"] == 1


def fragments(lab):
    """A request in five pieces."""
    whole = decode(request_frame(lab, mobileip.request("n" * 200 + "@x", 1)))
    whole[IP].flags = 0
    pieces = [to_director(lab) / piece for piece in fragment(whole[IP], fragsize=64)]
    assert len(pieces) == 5
    return pieces


def test_fragments_to_a_virtual_address_are_dropped_by_name(lab):
    """On net_pcap: the packet sockets of net_af_packet hand over reassembled datagrams only."""
    text = configuration(lab).replace("net_af_packet0,iface=outside", "net_pcap0,iface=outside,phy_mac=1")
    director = lab.director(text)
    wait_operational(director)
    lab.pdsn.send(*fragments(lab))
    wait_until(lambda: verdicts(director)["fragment"] == 5, 5, "fragments counted")
    register(lab, [user(1)])
    assert sum(requests_received(lab)) == 1


def test_net_af_packet_delivers_fragments_reassembled(lab):
    director = start(lab)
    lab.pdsn.send(*fragments(lab))
    wait_until(lambda: sum(requests_received(lab)) == 1, 5, "the request, whole")
    assert verdicts(director)["fragment"] == 0


def test_transit_is_routed_with_the_ttl_rules(lab):
    director = start(lab)
    home = lab.homes[0]
    lab.pdsn.send(echo_request(lab, home.address, 1, ttl=64))
    reply = wait_until(lambda: echo_replies(lab.pdsn.frames(), 1), 5, "the home agent's reply")
    assert len(reply) == 1 and reply[0][IP].src == home.address and reply[0][IP].ttl == 63
    arrived = [packet for packet in map(decode, home.frames()) if ICMP in packet]
    assert [packet[IP].ttl for packet in arrived] == [63]
    assert arrived[0].src == lab.hosts["director"].mac("inside") and arrived[0].dst == home.mac
    assert IP(bytes(arrived[0][IP])).chksum == IP(bytes(IP(src=PDSN, dst=home.address, ttl=63, id=1) /
                                                        arrived[0][ICMP])).chksum
    lab.pdsn.send(echo_request(lab, home.address, 2, ttl=1))

    def exceeded():
        packets = [decode(frame) for frame in lab.pdsn.frames()]
        return [packet for packet in packets if ICMP in packet and packet[ICMP].type == 11]
    error = wait_until(exceeded, 5, "time exceeded")[0]
    assert (error[ICMP].code, error[IP].src, error[IP].dst) == (0, OUTSIDE, PDSN)
    assert len([packet for packet in map(decode, home.frames()) if ICMP in packet]) == 1
    totals = stable_verdicts(director)
    assert totals["routed"] == 2 and totals["icmp_error"] == 1


def test_a_request_whose_ttl_is_used_up_is_not_forwarded(lab):
    director = start(lab)
    lab.pdsn.send(request_frame(lab, mobileip.request(user(1), 1), ttl=1))
    wait_until(lambda: verdicts(director)["icmp_error"] + verdicts(director)["ttl_expired"] == 1, 5, "a verdict")
    assert requests_received(lab) == [0, 0]


def test_no_route_is_answered_or_counted(lab):
    director = start(lab)
    lab.pdsn.send(echo_request(lab, "198.51.100.7", 1))
    wait_until(lambda: verdicts(director)["icmp_error"] + verdicts(director)["no_route"] == 1, 5, "a verdict")


def test_a_frame_with_our_own_source_is_dropped_by_name(lab):
    director = start(lab)
    frame = decode(request_frame(lab, mobileip.request(user(1), 1)))
    frame.src = frame.dst
    lab.pdsn.send(frame)
    wait_until(lambda: verdicts(director)["own_frame"] == 1, 5, "own_frame")
    assert requests_received(lab) == [0, 0]


def test_a_frame_for_another_station_is_dropped_by_name(lab):
    director = start(lab)
    frame = decode(request_frame(lab, mobileip.request(user(1), 1)))
    frame.dst = "02:00:00:00:00:99"
    lab.pdsn.send(Ether(bytes(frame)))
    wait_until(lambda: verdicts(director)["not_for_us"] == 1 or verdicts(director)["received"] > 0, 5)
    assert requests_received(lab) == [0, 0]


def test_a_device_with_an_address_is_refused(lab):
    lab.hosts["director"].ip("addr add 192.0.2.1/24 dev outside")
    director = Director(lab, configuration(lab)).launch()
    assert director.process.wait(20) not in (0, None)
    assert "outside" in director.log() and "address" in director.log()
