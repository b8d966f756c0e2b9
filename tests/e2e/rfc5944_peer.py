"""A mobile node or a foreign agent, written from RFC 5944, 2794, 3024, 2003, 2784 and 3519 alone: a second opinion on the home agent.

It shares no code with anything here and needs nothing but Python. Commands come as lines on stdin (`register`, `deregister`,
`deregister-all`, `stats`), every event is a line of JSON on stdout, and it ends with its stdin:

    printf 'register\\nderegister\\n' | python3 rfc5944_peer.py node --local 15.1.1.51 --home-agent 15.1.1.1 \\
        --nai joe@example.com --spi 100 --key ascii:1234567812345678
    python3 rfc5944_peer.py foreign-agent --address 15.1.1.52 --inside 192.168.7.1
"""

import argparse
import fcntl
import hashlib
import hmac
import json
import os
import queue
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

PORT = 434
REQUEST, REPLY, TUNNEL_DATA = 1, 3, 4
MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME, UDP_TUNNEL_REPLY, NAI, UDP_TUNNEL_REQUEST = 32, 33, 34, 44, 131, 144
CODE_ACCEPTED, CODE_ACCEPTED_ONE_BINDING, CODE_IDENTIFICATION_MISMATCH = 0, 1, 133
CO_LOCATED, GRE_WANTED, REVERSE_TUNNEL = 0x20, 0x08, 0x02
IN_IP, IN_GRE = 4, 47
GRE_PROTOCOL_IP = 0x0800
# What each encapsulation puts before a packet: RFC 2003, RFC 2784 without options, RFC 3519 over UDP.
OVERHEAD = {"ipip": 20, "gre": 24, "udp": 20 + 8 + 4}
NTP_EPOCH = 2208988800
LOW = 0xFFFFFFFF
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
IP_MTU_DISCOVER, IP_PMTUDISC_DO, SO_RCVBUFFORCE = 10, 2, 33


def say(event, **facts):
    """One line of JSON."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


class Invalid(Exception):
    """A message that RFC 5944 says to discard."""


class Association:
    """A mobility security association: the key of an SPI and what is done with it."""

    def __init__(self, spi, key, algorithm):
        kind, _, text = key.partition(":")
        self.spi, self.algorithm = spi, algorithm
        self.key = {"ascii": str.encode, "hex": bytes.fromhex}[kind](text)

    def authenticator(self, data):
        """Over the message up to and including the SPI of the extension (RFC 5944, 3.5.1)."""
        if self.algorithm == "hmac-md5":
            return hmac.new(self.key, data, hashlib.md5).digest()
        return hashlib.md5(self.key + data + self.key).digest()

    def sign(self, message, kind):
        """The message with the extension at its end."""
        covered = message + struct.pack("!BBI", kind, 4 + 16, self.spi)
        return covered + self.authenticator(covered)

    def check(self, message, extensions, kind):
        """Fails unless the message has exactly one such extension, of this SPI and right."""
        found = [extension for extension in extensions if extension[0] == kind]
        if len(found) != 1:
            raise Invalid(f"{len(found)} extensions of type {kind}")
        _, at, data = found[0]
        if len(data) < 4 or struct.unpack("!I", data[:4])[0] != self.spi:
            raise Invalid(f"extension {kind}: unknown SPI {data[:4].hex()}")
        if not hmac.compare_digest(self.authenticator(message[:at + 6]), data[4:]):
            raise Invalid(f"extension {kind}: wrong authenticator")


def extensions_of(message, fixed, known):
    """(type, offset, data) of each extension. One below 128 that is not known makes the message invalid, others are skipped."""
    found, at = [], fixed
    while at < len(message):
        if at + 2 > len(message) or at + 2 + message[at + 1] > len(message):
            raise Invalid(f"the extension at {at} is longer than the message")
        kind, length = message[at], message[at + 1]
        if kind < 128 and kind not in known:
            raise Invalid(f"extension {kind} cannot be skipped")
        found.append((kind, at, message[at + 2:at + 2 + length]))
        at += 2 + length
    return found


def parse_reply(message):
    """Fields of a registration reply and its extensions."""
    if len(message) < 20 or message[0] != REPLY:
        raise Invalid("not a registration reply")
    _, code, lifetime, home, agent, identification = struct.unpack("!BBH4s4sQ", message[:20])
    known = {MOBILE_HOME, MOBILE_FOREIGN, FOREIGN_HOME, UDP_TUNNEL_REPLY}
    return {"code": code, "lifetime": lifetime, "home_address": socket.inet_ntoa(home), "home_agent": socket.inet_ntoa(agent),
            "identification": identification}, extensions_of(message, 20, known)


class Node:
    """A mobile node: at a foreign agent, or with a care-of address of its own."""

    def __init__(self, options):
        self.options = options
        self.association = Association(int(options.spi, 16), options.key, options.algorithm)
        self.home_address, self.home_agent = options.home_address, options.home_agent
        self.care_of = options.care_of or options.local
        self.skew, self.last, self.bound = options.clock_skew, 0, False
        self.replies, self.counts = queue.Queue(), {"received": 0, "sent": 0, "stray": 0, "broken": 0}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((options.local, options.port))
        self.tun = self.raw = None
        if options.tun:
            self.open_tunnel()
        threading.Thread(target=self.pump, daemon=True).start()

    # Registration

    def identification(self):
        """A time of NTP by the clock that the home agent is thought to have, greater than any before."""
        now = (time.time_ns() + int(self.skew * 1e9)) * 2**32 // 10**9 + NTP_EPOCH * 2**32
        # RFC 5944 wants low bits of high quality: some of what is below the microsecond is random.
        self.last = max((now & ~0xFFF) | random.getrandbits(12), self.last + 1)
        return self.last

    def request(self, lifetime, care_of):
        """(identification, message): a request with the extensions in their order, the authentication last."""
        options = self.options
        flags = REVERSE_TUNNEL if options.reverse or options.encapsulation == "udp" else 0
        flags |= 0 if options.agent else CO_LOCATED
        flags |= GRE_WANTED if options.encapsulation == "gre" else 0
        identification = self.identification()
        message = struct.pack("!BBH4s4s4sQ", REQUEST, flags, lifetime, *map(socket.inet_aton, (
            self.home_address, options.home_agent, care_of)), identification)
        if options.nai:
            message += struct.pack("!BB", NAI, len(options.nai)) + options.nai.encode()
        if options.encapsulation == "udp":
            message += struct.pack("!BBBBBBH", UDP_TUNNEL_REQUEST, 6, 0, 0, 0x80 if options.force else 0, IN_IP, 0)
        return identification, self.association.sign(message, MOBILE_HOME)

    def valid_reply(self, message, identification):
        """Its fields, or Invalid (RFC 5944, 3.6.2.1)."""
        reply, extensions = parse_reply(message)
        self.association.check(message, extensions, MOBILE_HOME)
        if reply["identification"] & LOW != identification & LOW:
            raise Invalid(f"identification {reply['identification']:016x}, sent was {identification:016x}")
        reply["extensions"] = [kind for kind, _, _ in extensions]
        for kind, _, data in extensions:
            if kind == UDP_TUNNEL_REPLY:
                if len(data) != 6:
                    raise Invalid("a UDP tunnel reply of another length than 6")
                subtype, code, force, keepalive = struct.unpack("!BBHH", data)
                reply["udp_tunnel"] = {"subtype": subtype, "code": code, "force": force >> 15, "keepalive": keepalive}
            elif kind == NAI:
                reply["nai"] = data.decode()
        return reply

    def await_reply(self, identification, deadline):
        """The next valid reply to this request, with its bytes; None if none came."""
        while (left := deadline - time.monotonic()) > 0:
            try:
                message, source = self.replies.get(timeout=left)
            except queue.Empty:
                return None
            try:
                reply = self.valid_reply(message, identification)
            except Invalid as error:
                say("discarded", why=str(error), source=source, bytes=message.hex())
                continue
            say("reply", source=source, sent=f"{identification:016x}", bytes=message.hex(),
                **{**reply, "identification": f"{reply['identification']:016x}"})
            return reply
        return None

    def register(self, lifetime, care_of=None):
        """Asks until there is an answer that is final, each time with a fresh identification."""
        wait, resynchronised = 1.0, False
        for _ in range(5):
            identification, message = self.request(lifetime, care_of or self.care_of)
            self.socket.sendto(message, (self.options.agent or self.options.home_agent, PORT))
            say("request", identification=f"{identification:016x}", bytes=message.hex())
            reply = self.await_reply(identification, time.monotonic() + wait)
            if reply is None:
                wait *= 2
            elif reply["code"] == CODE_IDENTIFICATION_MISMATCH and not resynchronised:
                resynchronised = True
                self.skew += (reply["identification"] >> 32) - (identification >> 32)
                # Times of the other clock may lie before those that were sent by the wrong one.
                self.last = 0
                say("resynchronised", skew=self.skew)
            else:
                return self.conclude(reply, lifetime)
        return say("unanswered")

    def conclude(self, reply, lifetime):
        """What a final reply means."""
        facts = {key: reply[key] for key in ("code", "lifetime", "home_address", "home_agent")}
        if reply["code"] not in (CODE_ACCEPTED, CODE_ACCEPTED_ONE_BINDING):
            return say("denied", **facts)
        if not lifetime:
            self.bound = False
            return say("deregistered", **facts)
        self.home_address, self.home_agent, self.bound = reply["home_address"], reply["home_agent"], True
        if self.tun:
            self.configure_tunnel()
        return say("registered", **facts)

    # The tunnel

    def open_tunnel(self):
        """The device whose packets go into the tunnel, and the socket of the tunnel's protocol."""
        self.tun = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(self.tun, TUNSETIFF, struct.pack("16sH22x", self.options.tun.encode(), IFF_TUN | IFF_NO_PI))
        if self.options.encapsulation == "udp":
            outer = self.socket
        else:
            # The kernel puts fragments together and adds the outer header.
            self.raw = outer = socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                             IN_IP if self.options.encapsulation == "ipip" else IN_GRE)
            self.raw.bind((self.options.local, 0))
        # Room for a while in which a busy machine does not run this program.
        outer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        outer.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)

    def configure_tunnel(self):
        """The home address on the device, and all traffic by way of it but that of the tunnel itself."""
        device, mtu = self.options.tun, self.options.mtu - OVERHEAD[self.options.encapsulation]
        for agent in {self.home_agent, self.options.home_agent}:
            found = subprocess.run(["ip", "-j", "route", "get", agent], check=True, capture_output=True, text=True).stdout
            (way,) = json.loads(found)
            if "gateway" in way and way["dev"] != device:
                subprocess.run(["ip", "route", "replace", agent, "via", way["gateway"], "dev", way["dev"]], check=True)
        for line in (f"link set {device} up mtu {mtu}", f"addr replace {self.home_address}/32 dev {device}",
                     f"route replace default dev {device} src {self.home_address}"):
            subprocess.run(["ip", *line.split()], check=True)

    def pump(self):
        """Moves packets between the tunnel and the device; replies are put aside."""
        sources = [source for source in (self.socket, self.raw, self.tun) if source is not None]
        while True:
            for source in select.select(sources, [], [])[0]:
                try:
                    self.move(source)
                except OSError as error:
                    # As ICMP says: nobody there, too long, the device is down.
                    say("error", why=str(error))

    def move(self, source):
        """One packet."""
        if source == self.tun:
            packet = os.read(self.tun, 65535)
            if packet[0] >> 4 == 4 and self.bound:
                self.counts["sent"] += 1
                self.encapsulate(packet)
        elif source is self.socket:
            message, peer = self.socket.recvfrom(65535)
            if message[:1] == bytes([TUNNEL_DATA]):
                if peer != (self.home_agent, PORT) or not self.bound:
                    self.counts["stray"] += 1
                elif len(message) < 4 or message[1] != IN_IP:
                    self.counts["broken"] += 1
                else:
                    self.deliver(message[4:])
            else:
                self.replies.put((message, peer))
        else:
            packet, (peer, _) = self.raw.recvfrom(65535)
            packet = packet[(packet[0] & 15) * 4:]
            if peer != self.home_agent or not self.bound:
                self.counts["stray"] += 1
            elif self.options.encapsulation == "ipip":
                self.deliver(packet)
            elif len(packet) < 4 or struct.unpack("!HH", packet[:4]) != (0, GRE_PROTOCOL_IP):
                self.counts["broken"] += 1
            else:
                self.deliver(packet[4:])

    def encapsulate(self, packet):
        """Into the reverse tunnel (RFC 3024): from the care-of address to the home agent."""
        kind = self.options.encapsulation
        if kind == "udp":
            self.socket.sendto(struct.pack("!BBH", TUNNEL_DATA, IN_IP, 0) + packet, (self.home_agent, PORT))
        elif kind == "gre":
            self.raw.sendto(struct.pack("!HH", 0, GRE_PROTOCOL_IP) + packet, (self.home_agent, 0))
        else:
            self.raw.sendto(packet, (self.home_agent, 0))

    def deliver(self, packet):
        """What came by the tunnel."""
        if len(packet) < 20 or packet[0] >> 4 != 4 or packet[16:20] != socket.inet_aton(self.home_address):
            self.counts["broken"] += 1
            say("broken", bytes=packet[:64].hex())
            return
        self.counts["received"] += 1
        if self.tun:
            os.write(self.tun, packet)

    def run(self):
        """Commands until stdin ends."""
        say("ready", port=self.socket.getsockname()[1])
        for line in sys.stdin:
            command = line.strip()
            if command == "register":
                self.register(self.options.lifetime)
            elif command == "deregister":
                self.register(0)
            elif command == "deregister-all":
                # As at home: the care-of address is the home address, whatever bindings there are end.
                self.register(0, self.home_address)
            elif command == "stats":
                say("stats", **self.counts)
            else:
                say("unknown", command=command)


class ForeignAgent:
    """Relays registrations of nodes on its own link; its address is their care-of address."""

    def __init__(self, options):
        self.options, self.pending = options, {}
        self.association = Association(int(options.spi, 16), options.key, options.algorithm) if options.spi else None
        self.inside, self.outside = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.inside.bind((options.inside, PORT))
        self.outside.bind((options.address, PORT))

    def forward(self, message, node):
        """A request, to the home agent that it names (RFC 5944, 3.7.2)."""
        if len(message) < 24 or message[0] != REQUEST:
            raise Invalid("not a registration request")
        agent, care_of = map(socket.inet_ntoa, (message[8:12], message[12:16]))
        extensions = extensions_of(message, 24, {MOBILE_HOME, MOBILE_FOREIGN})
        if care_of not in (self.options.address, socket.inet_ntoa(message[4:8])):
            raise Invalid(f"care-of address {care_of}")
        names = [data for kind, _, data in extensions if kind == NAI]
        low = struct.unpack("!I", message[20:24])[0]
        self.pending[low] = (node, names, message[4:8])
        if self.association:
            message = self.association.sign(message, FOREIGN_HOME)
        self.outside.sendto(message, (agent, PORT))
        say("forwarded", node=node, home_agent=agent, bytes=message.hex())

    def hand_back(self, message, source):
        """A reply, to the node that it is for, without what is for us (3.7.3)."""
        reply, extensions = parse_reply(message)
        low = reply["identification"] & LOW
        if low not in self.pending:
            raise Invalid("a reply to no request")
        node, names, home = self.pending[low]
        # A node without a home address is known by its NAI alone (RFC 2794).
        if home != bytes(4) and home != socket.inet_aton(reply["home_address"]):
            raise Invalid(f"a reply for {reply['home_address']}")
        named = [data for kind, _, data in extensions if kind == NAI]
        if names and named != names:
            raise Invalid(f"a reply for {named}")
        if self.association:
            self.association.check(message, extensions, FOREIGN_HOME)
        del self.pending[low]
        ends = [at + 2 + len(data) for kind, at, data in extensions if kind == MOBILE_HOME]
        self.inside.sendto(message[:ends[0]] if ends else message, node)
        say("handed back", node=node, source=source, code=reply["code"], extensions=[kind for kind, _, _ in extensions],
            bytes=message.hex())

    def run(self):
        """Until stdin ends."""
        say("ready")
        while True:
            for source in select.select([self.inside, self.outside, sys.stdin], [], [])[0]:
                if source is sys.stdin:
                    return
                message, peer = source.recvfrom(65535)
                try:
                    (self.forward if source is self.inside else self.hand_back)(message, peer)
                except Invalid as error:
                    say("discarded", why=str(error), source=peer, bytes=message.hex())


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    roles = parser.add_subparsers(dest="role", required=True)
    node, agent = roles.add_parser("node"), roles.add_parser("foreign-agent")
    for role in (node, agent):
        role.add_argument("--spi", help="hexadecimal", required=role is node)
        role.add_argument("--key", help="ascii:TEXT or hex:DIGITS", required=role is node)
        role.add_argument("--algorithm", choices=("hmac-md5", "prefix-suffix"), default="hmac-md5")
    node.add_argument("--local", required=True, help="the address to send from")
    node.add_argument("--port", type=int, default=0, help="the port to send from")
    node.add_argument("--care-of", help="if it is not the local one: the foreign agent's, or that before a NAT")
    node.add_argument("--home-agent", required=True)
    node.add_argument("--agent", help="the foreign agent that requests go to")
    node.add_argument("--home-address", default="0.0.0.0")
    node.add_argument("--nai")
    node.add_argument("--lifetime", type=int, default=600)
    node.add_argument("--clock-skew", type=float, default=0.0, help="seconds that its clock is ahead")
    node.add_argument("--encapsulation", choices=tuple(OVERHEAD), default="ipip")
    node.add_argument("--force", action="store_true", help="UDP although there is no NAT")
    node.add_argument("--reverse", action="store_true", help="ask for a reverse tunnel")
    node.add_argument("--tun", help="the device for the home address; without one nothing is put into the tunnel")
    node.add_argument("--mtu", type=int, default=1500, help="of the path to the home agent")
    agent.add_argument("--address", required=True, help="the care-of address")
    agent.add_argument("--inside", required=True, help="the address that nodes send to")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = arguments()
    (Node if OPTIONS.role == "node" else ForeignAgent)(OPTIONS).run()
