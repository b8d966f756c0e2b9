"""A mobile node behind the pdsn, written from RFC 5944, 2003, 2784 and 3519: it registers by UDP, and its packets come and go in tunnels by
raw sockets; scapy reads and makes them."""

import hashlib
import hmac
import queue
import socket
import struct
import threading
import time

import mobileip
from netlab import inside

UDP_TUNNEL_REQUEST, UDP_TUNNEL_REPLY = 144, 44
D, G, T = 0x20, 0x08, 0x02
# In front of the inner packet, behind the IP header or in the datagram.
GRE = b"\0\0\x08\0"
TUNNEL_DATA = b"\x04\x04\0\0"


def identification():
    """Now, as NTP writes it."""
    return int((time.time() + mobileip.NTP_EPOCH) * 2**32)


class MobileNode:
    """One node with its care-of address at the pdsn; `how` is ipip, gre or udp."""

    def __init__(self, lab, nai, how="ipip", key=mobileip.KEY, agent="15.1.1.1"):
        self.nai, self.how, self.key, self.agent = nai, how, key, agent
        self.home, self.end, self.inner, self.ended = None, agent, [], False
        protocol = {"ipip": 4, "gre": 47, "udp": None}[how]

        def sockets():
            control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            control.bind((lab.pdsn.address, 0))
            tunnel = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol) if protocol else control
            return control, tunnel
        self.control, self.tunnel = inside(lab.pdsn.host.namespace, sockets)
        self.control.settimeout(0.2)
        self.tunnel.settimeout(0.2)
        self.replies = queue.SimpleQueue()
        self.latest = 0
        self.threads = [threading.Thread(target=self.listen, args=(one,), daemon=True) for one in {self.control, self.tunnel}]
        for thread in self.threads:
            thread.start()

    def request(self, lifetime=600, **options):
        """A request as it is sent."""
        before, flags, care_of = b"", T, "15.1.1.51"
        if self.how == "gre":
            flags |= G
        if self.how == "udp":
            # Behind a NAT, as its care-of address shows.
            flags, care_of = flags | D, "192.168.7.7"
            before = mobileip.extension(UDP_TUNNEL_REQUEST, bytes(6))
        options = {"agent": self.agent, "home": self.home or "0.0.0.0", "care_of": care_of, "flags": flags, "before": before,
                   "key": self.key, "lifetime": lifetime, **options}
        # Each is greater than the one before, however soon it follows.
        self.latest = max(identification(), self.latest + 1)
        return mobileip.request(self.nai, options.pop("identification", self.latest), **options)

    def register(self, lifetime=600, deadline=3, **options):
        """Sends a request: its reply (code, lifetime, home address), or None if there is none."""
        return self.send(self.request(lifetime, **options), deadline)

    def send(self, message, deadline=3):
        """Sends a message to the home agent: the reply to it, whose authenticator must be right."""
        while not self.replies.empty():
            self.replies.get()
        self.control.sendto(message, (self.agent, mobileip.PORT))
        try:
            reply, source = self.replies.get(timeout=deadline)
        except queue.Empty:
            return None
        end = socket.inet_ntoa(reply[8:12])
        assert source in ((self.agent, mobileip.PORT), (end, mobileip.PORT)), "from where it was asked, or from whom it names"
        kind, code, lifetime = struct.unpack_from("!BBH", reply)
        assert kind == mobileip.RRP
        at = reply.rindex(struct.pack("!BBI", mobileip.MN_HA_AUTH, 20, mobileip.SPI)) + 6
        assert reply[at:at + 16] == hmac.new(mobileip.KEY, reply[:at], hashlib.md5).digest()
        home = socket.inet_ntoa(reply[4:8])
        if code in (0, 1) and lifetime:
            self.home, self.end = home, end
        return code, lifetime, home

    def listen(self, one):
        """Takes replies and packets from the tunnel; answers pings."""
        while not self.ended:
            try:
                data, source = one.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                return
            if one is self.control and data[0] == mobileip.RRP:
                self.replies.put((data, source))
                continue
            if one is self.control and data[:4] != TUNNEL_DATA:
                continue
            packet = data[4:] if one is self.control else data[(data[0] & 15) * 4:]
            if self.how == "gre":
                assert packet[:4] == GRE
                packet = packet[4:]
            self.take(packet, source)

    def take(self, packet, source):
        """A packet to the node."""
        # A node that is a kernel's own needs none of this.
        from scapy.layers.inet import ICMP, IP  # noqa: PLC0415
        packet = IP(packet)
        self.inner.append((packet, source[0]))
        if ICMP in packet and packet[ICMP].type == 8:
            payload = bytes(packet[ICMP].payload)
            answer = ICMP(type=0, id=packet[ICMP].id, seq=packet[ICMP].seq) / payload
            self.send_inner(IP(src=packet.dst, dst=packet.src) / answer)

    def send_inner(self, packet):
        """A packet of the node, in its tunnel."""
        head = {"ipip": b"", "gre": GRE, "udp": TUNNEL_DATA}[self.how]
        port = mobileip.PORT if self.how == "udp" else 0
        self.tunnel.sendto(head + bytes(packet), (self.end, port))

    def close(self):
        """Leaves."""
        self.ended = True
        for thread in self.threads:
            thread.join()
        self.control.close()
        self.tunnel.close()
