#!/usr/bin/env python3
"""Peers of a director, for tests and the demo: a foreign agent (pdsn) and a home agent (ha).

Runs inside a network namespace: `peers.py pdsn --iface eth0 --address 15.1.1.51`. Takes one JSON object a line on
standard input (`{"do": "frames", ...}`) and answers each with one JSON line. Ends when standard input ends.
Every frame that arrives is kept as it was on the wire. Needs nothing but Python.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import select
import socket
import struct
import sys
import threading
import time

import mobileip

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_OTHERHOST, PACKET_OUTGOING = 263, 8, 3, 4
TP_STATUS_VLAN_VALID = 0x10
SO_RCVBUFFORCE = 33
KEEP = 200_000


class Tap:
    """All frames of an interface, both ways, as bytes; the VLAN tag that the kernel took out is put back."""

    def __init__(self, iface, ignore=(PACKET_OUTGOING,)):
        self.ignore = ignore
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        self.socket.bind((iface, ETH_P_ALL))

    def receive(self):
        """The next frame that came in, or None for one to ignore: sent by this host, or flooded to it."""
        frame, auxiliary, _, source = self.socket.recvmsg(65536, 128)
        if source[2] in self.ignore:
            return None
        for level, kind, data in auxiliary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
                if status & TP_STATUS_VLAN_VALID:
                    frame = frame[:12] + struct.pack("!HH", tpid or 0x8100, tci) + frame[12:]
        return frame


def udp_payload(frame):
    """(source, source port, destination, destination port, payload) of an untagged IPv4 UDP frame, or None."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 17:
        return None
    at = 14 + (frame[14] & 15) * 4
    if len(frame) < at + 8:
        return None
    sport, dport, length, _ = struct.unpack_from("!HHHH", frame, at)
    return (socket.inet_ntoa(frame[26:30]), sport, socket.inet_ntoa(frame[30:34]), dport, frame[at + 8:at + length])


class Peer:
    """What both kinds have: recorded frames, sending of frames as given, floods."""

    def __init__(self, iface, address):
        self.iface, self.address = iface, address
        self.tap = Tap(iface, (PACKET_OUTGOING, PACKET_OTHERHOST))
        self.frames = collections.deque(maxlen=KEEP)
        self.lock = threading.Lock()
        self.sockets = {self.tap.socket: self.on_tap}

    def bind(self, address, port, handler):
        """Opens a UDP socket, so that the kernel does not answer with port unreachable."""
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, port))
        self.sockets[udp] = handler
        return udp

    def on_tap(self, _):
        frame = self.tap.receive()
        if frame is not None:
            with self.lock:
                self.frames.append(frame)
            self.on_frame(frame)

    def on_frame(self, frame):
        """For the kinds."""

    def run(self):
        """Serves the sockets in a thread and the commands in this one."""
        threading.Thread(target=self.serve, daemon=True).start()
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            try:
                answer = getattr(self, "do_" + command.pop("do"))(**command)
            except Exception as error:  # the test wants to see it, whatever it is
                answer = {"error": repr(error)}
            print(json.dumps(answer), flush=True)

    def serve(self):
        poll = select.poll()
        by_number = {sock.fileno(): (sock, handler) for sock, handler in self.sockets.items()}
        for number in by_number:
            poll.register(number, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                sock, handler = by_number[number]
                handler(sock)

    def do_frames(self):
        """Every frame received so far, in hex."""
        with self.lock:
            return [frame.hex() for frame in self.frames]

    def do_clear(self):
        """Forgets the frames."""
        with self.lock:
            self.frames.clear()

    def do_send(self, frames):
        """Sends frames as they are (hex); returns how many."""
        for frame in frames:
            self.tap.socket.send(bytes.fromhex(frame))
        return len(frames)

    def do_flood(self, frames, count, seed, mutate):
        """Sends `count` frames: the given ones in turn, `mutate` of them in a thousand with random bytes changed.

        A frame of length 0 stands for wholly random bytes behind the first frame's Ethernet addresses.
        """
        dice = random.Random(seed)
        pool = [bytes.fromhex(frame) for frame in frames]
        addresses = pool[0][:12]
        send = self.tap.socket.send
        ether_types = [b"\x08\x00"] * 6 + [b"\x08\x06", b"\x81\x00", b"\x86\xdd"]
        for number in range(count):
            frame = pool[number % len(pool)]
            if not frame:
                frame = addresses + dice.choice(ether_types) + dice.randbytes(dice.randrange(0, 200))
            elif dice.randrange(1000) < mutate:
                changed = bytearray(frame)
                for _ in range(dice.randrange(1, 4)):
                    changed[dice.randrange(12, len(changed))] = dice.randrange(256)
                cut = dice.randrange(8) if len(changed) > 15 else 1
                frame = bytes(changed[:dice.randrange(14, len(changed))] if cut == 0 else changed)
            while True:
                try:
                    send(frame)
                    break
                except OSError:  # no buffers left: let the other side drain
                    time.sleep(0.001)
        return count


class Pdsn(Peer):
    """A foreign agent: registers mobile nodes at a virtual address and notes who answered."""

    def __init__(self, iface, address):
        super().__init__(iface, address)
        self.udp = self.bind(address, mobileip.PORT, self.on_reply)
        self.replies = []
        self.identification = (int(time.time()) + mobileip.NTP_EPOCH) << 32
        self.streaming = None

    def on_reply(self, sock):
        message, source = sock.recvfrom(4096)
        if len(message) < 20 or message[0] != mobileip.RRP:
            return
        nai = mobileip.find(message, mobileip.NAI)
        _, lifetime, identification = mobileip.fixed(message)
        with self.lock:
            self.replies.append({"from": source[0], "port": source[1], "code": message[1], "lifetime": lifetime,
                                 "agent": socket.inet_ntoa(message[8:12]), "identification": identification,
                                 "nai": nai.decode("latin-1") if nai else None})

    def do_register(self, to, users, agent="0.0.0.0", lifetime=1800, gap=0.0):
        """Sends one request for each NAI, in order; returns the identifications used."""
        sent = []
        for nai in users:
            self.identification += 1 << 11
            message = mobileip.request(nai, self.identification, agent=agent, care_of=self.address, lifetime=lifetime)
            self.udp.sendto(message, (to, mobileip.PORT))
            sent.append(self.identification)
            if gap:
                time.sleep(gap)
        return sent

    def do_stream(self, to, rate):
        """Begins to send requests, each of another node, so many a second."""
        self.streaming, sent = threading.Event(), []

        def stream():
            began = time.monotonic()
            for number in iter(lambda: len(sent), None):
                if self.streaming.wait(max(0, began + number / rate - time.monotonic())):
                    return
                self.identification += 1 << 11
                message = mobileip.request(f"node{self.identification >> 11:x}@example.com", self.identification,
                                           care_of=self.address)
                sent.append((time.monotonic(), self.identification))
                self.udp.sendto(message, (to, mobileip.PORT))
        self.stream, self.sent = threading.Thread(target=stream, daemon=True), sent
        self.stream.start()

    def do_end_stream(self):
        """Ends it; when each was sent, and its identification."""
        self.streaming.set()
        self.stream.join()
        return self.sent

    def do_replies(self):
        """Every reply so far."""
        with self.lock:
            return list(self.replies)

    def do_forget(self):
        """Forgets the replies."""
        with self.lock:
            self.replies.clear()


class HomeAgent(Peer):
    """A home agent that accepts everybody, until it is told to go deaf."""

    def __init__(self, iface, address, vip, status=None):
        super().__init__(iface, address)
        self.deaf = False
        self.hears = ()
        self.status = status and pathlib.Path(status)
        self.bindings = {}
        self.given = 0
        self.delivered = 0
        self.requests = []
        self.arrivals = []
        self.udp = self.answer = self.bind(address, mobileip.PORT, self.on_datagram)
        self.virtual = self.bind(vip, mobileip.PORT, self.on_datagram) if vip else None
        self.tell()

    def tell(self):
        """Writes the number of bindings to the status file, for whoever makes a weight of it."""
        if self.status:
            new = self.status.with_suffix(".new")
            new.write_text(f"{len(self.bindings)}\n")
            new.replace(self.status)

    def on_datagram(self, sock):
        """What the kernel let through: addresses and both checksums were right."""
        message, (source, port) = sock.recvfrom(4096)
        if len(message) < 24 or message[0] != mobileip.RRQ:
            return
        nai = mobileip.find(message, mobileip.NAI)
        name = nai.decode("latin-1") if nai is not None else socket.inet_ntoa(message[4:8])
        with self.lock:
            self.delivered += 1
            self.requests.append(name)
            self.arrivals.append((time.monotonic(), struct.unpack_from("!Q", message, 16)[0]))
            if self.deaf and name not in self.hears:
                return
            number = self.bind_node(name, struct.unpack_from("!H", message, 2)[0])
        home = socket.inet_ntoa(struct.pack("!I", 0x0A090000 + number))
        self.answer.sendto(mobileip.reply(message, home=home, agent=self.address), (source, port))

    def bind_node(self, name, lifetime):
        """Notes a binding, or forgets it for lifetime 0; returns the number of the node's home address."""
        known = len(self.bindings)
        if name not in self.bindings:
            self.given += 1
        number = self.bindings.get(name, self.given)
        if lifetime:
            self.bindings[name] = number
        else:
            self.bindings.pop(name, None)
        if len(self.bindings) != known:
            self.tell()
        return number

    def do_deaf(self, deaf, hears=()):
        """Stops answering all but these nodes, or starts again."""
        with self.lock:
            self.deaf, self.hears = deaf, hears

    def do_dynamic_address(self):
        """Answers from the virtual address, as `ip mobile home-agent dynamic-address` has it."""
        self.answer = self.virtual

    def do_requests(self):
        """NAIs of the requests that arrived intact, in order."""
        with self.lock:
            return list(self.requests)

    def do_arrivals(self):
        """When each of these arrived, and its identification; they are forgotten."""
        with self.lock:
            arrivals, self.arrivals = self.arrivals, []
            return arrivals

    def do_bindings(self):
        """How many mobile nodes are registered here."""
        with self.lock:
            return len(self.bindings)


class Trunk:
    """A switch's trunk port in user space, for kernels without VLANs: tags towards the trunk, untags away from it."""

    def __init__(self, trunk, ports):
        self.trunk = Tap(trunk)
        self.ports = {vlan: Tap(device) for vlan, device in ports.items()}
        self.frames = []

    def serve(self):
        taps = {tap.socket: (vlan, tap) for vlan, tap in [(None, self.trunk), *self.ports.items()]}
        while True:
            for ready in select.select(list(taps), [], [])[0]:
                vlan, tap = taps[ready]
                frame = tap.receive()
                if frame is not None:
                    self.relay(vlan, frame)

    def relay(self, vlan, frame):
        if vlan is not None:
            frame = frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]
            self.trunk.socket.send(frame)
        else:
            tag = struct.unpack_from("!H", frame, 14)[0] & 0xFFF if frame[12:14] == b"\x81\x00" else None
            if tag in self.ports:
                self.ports[tag].socket.send(frame[:12] + frame[16:])
        self.frames.append((vlan is None, frame.hex()))

    def run(self):
        """Relays in a thread, answers `frames` here."""
        threading.Thread(target=self.serve, daemon=True).start()
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(list(self.frames)), flush=True)


class Relay:
    """A bad wire: two interfaces, and between them seeded loss, duplication and reordering (shares of a thousand)."""

    def __init__(self, one, other, seed, loss, duplicate, reorder):
        self.taps = [Tap(one), Tap(other)]
        self.dice = random.Random(seed)
        self.loss, self.duplicate, self.reorder = loss, duplicate, reorder
        self.done = {"lost": 0, "duplicated": 0, "reordered": 0, "passed": 0}

    def serve(self):
        held = [None, None]
        while True:
            ready = select.select([tap.socket for tap in self.taps], [], [], 0.02)[0]
            for side, tap in enumerate(self.taps):
                if tap.socket in ready:
                    frame = tap.receive()
                    if frame is not None:
                        held[side] = self.relay(self.taps[1 - side].socket, frame, held[side])
                elif held[side] and not ready:
                    self.taps[1 - side].socket.send(held[side])
                    held[side] = None

    def relay(self, out, frame, held):
        """Passes a frame, or not, or twice; returns the one to hold back until another has overtaken it."""
        if frame[12:14] == b"\x08\x06":
            out.send(frame)
            return held
        fate = self.dice.randrange(1000)
        if fate < self.loss:
            self.done["lost"] += 1
            return held
        copies = 2 if fate < self.loss + self.duplicate else 1
        if copies == 1 and held is None and fate < self.loss + self.duplicate + self.reorder:
            self.done["reordered"] += 1
            return frame
        self.done["duplicated"] += copies - 1
        self.done["passed"] += copies
        for _ in range(copies):
            out.send(frame)
        if held:
            out.send(held)
            self.done["passed"] += 1
        return None

    def run(self):
        """Relays in a thread, answers what it did here."""
        threading.Thread(target=self.serve, daemon=True).start()
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            print(json.dumps(self.done), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["pdsn", "ha", "trunk", "relay"])
    parser.add_argument("--iface", required=True)
    parser.add_argument("--address")
    parser.add_argument("--vip")
    parser.add_argument("--status", help="file that has the number of a home agent's bindings")
    parser.add_argument("--port", action="append", default=[], metavar="VLAN=DEVICE")
    parser.add_argument("--other")
    parser.add_argument("--seed", type=int, default=1)
    for fate in ("loss", "duplicate", "reorder"):
        parser.add_argument(f"--{fate}", type=int, default=0, metavar="PERMILLE")
    arguments = parser.parse_args()
    if arguments.kind == "trunk":
        ports = dict(port.split("=") for port in arguments.port)
        peer = Trunk(arguments.iface, {int(vlan): device for vlan, device in ports.items()})
    elif arguments.kind == "relay":
        peer = Relay(arguments.iface, arguments.other, arguments.seed, arguments.loss, arguments.duplicate,
                     arguments.reorder)
    elif arguments.kind == "pdsn":
        peer = Pdsn(arguments.iface, arguments.address)
    else:
        peer = HomeAgent(arguments.iface, arguments.address, arguments.vip, arguments.status)
    peer.run()
    os._exit(0)


if __name__ == "__main__":
    main()
