"""DFP messages as bytes, and a scripted agent or manager over TCP. Written from draft-eck-dfp-01 and the recorded frames
of Cisco's reference programs; shared with no Rust code.

A message is a dict with its `type` and the fields of that type:

    {"type": "preference_information", "loads": [{"port": 434, "protocol": 17, "hosts": [["10.1.1.51", 65535, 25]]}]}
    {"type": "server_state", "loads": [...]}
    {"type": "dfp_parameters", "keep_alive": 30}
    {"type": "bindid_request"}
    {"type": "bindid_report", "server": "1.1.1.1", "port": 80, "protocol": 6, "entries": [[0, "0.0.0.0", "0.0.0.0"]]}
    {"type": "bindid_change_notify"}

`netlab.inside(NAMESPACE, lambda: dfp.Agent(ADDRESS, PORT))` opens one in a network namespace.
"""

import hashlib
import socket
import struct
import time

VERSION = 1
TYPES = {
    0x0101: "preference_information",
    0x0201: "server_state",
    0x0301: "dfp_parameters",
    0x0401: "bindid_request",
    0x0402: "bindid_report",
    0x0403: "bindid_change_notify",
}
CODES = {name: code for code, name in TYPES.items()}
SECURITY, LOAD, KEEP_ALIVE, BINDID_TABLE = 0x0001, 0x0002, 0x0101, 0x0301
MD5 = 1
TCP, UDP = 6, 17
END = {"type": "bindid_report", "server": "0.0.0.0", "port": 0, "protocol": 0, "entries": []}


class Malformed(Exception):
    """The bytes are no DFP message."""


class Insecure(Exception):
    """The message does not come from who knows the password."""


def key_fill(key):
    """What RFC 1828 puts between a key and the data: MD5's own padding of the key."""
    zeros = (55 - len(key)) % 64
    return b"\x80" + bytes(zeros) + struct.pack("<Q", 8 * len(key))


def digest(message, key, fill=key_fill):
    """The MD5 Authentication Data of a secured message: key, fill, message with zeros for Key ID and digest, key."""
    blank = message[:16] + bytes(20) + message[36:]
    return hashlib.md5(key + fill(key) + blank + key).digest()


def tlv(kind, value):
    """A TLV; its length counts its header."""
    return struct.pack("!HH", kind, 4 + len(value)) + value


def frame(code, tlvs=b"", *, password=None, key_id=0):
    """A message of a type code with these TLVs, secured if there is a password."""
    if password is None:
        return struct.pack("!BBHI", VERSION, 0, code, 8 + len(tlvs)) + tlvs
    head = struct.pack("!BBHI", VERSION, 0, code, 36 + len(tlvs))
    blank = head + tlv(SECURITY, struct.pack("!II", MD5, key_id) + bytes(16)) + tlvs
    return blank[:20] + digest(blank, password.encode("ascii")) + blank[36:]


def load_tlv(load):
    """A Load TLV."""
    hosts = b"".join(socket.inet_aton(host) + struct.pack("!HH", bind_id, weight)
                     for host, bind_id, weight in load["hosts"])
    return tlv(LOAD, struct.pack("!HBBHH", load["port"], load["protocol"], 0, len(load["hosts"]), 0) + hosts)


def encode(message, *, password=None, key_id=0):
    """The bytes of a message."""
    kind = message["type"]
    tlvs = b""
    if kind in ("preference_information", "server_state"):
        tlvs = b"".join(map(load_tlv, message["loads"]))
    elif kind == "dfp_parameters" and message["keep_alive"] is not None:
        tlvs = tlv(KEEP_ALIVE, struct.pack("!I", message["keep_alive"]))
    elif kind == "bindid_report":
        entries = b"".join(struct.pack("!HH", bind_id, 0) + socket.inet_aton(client) + socket.inet_aton(mask)
                           for bind_id, client, mask in message["entries"])
        tlvs = tlv(BINDID_TABLE, socket.inet_aton(message["server"]) + struct.pack(
            "!HBBHH", message["port"], message["protocol"], 0, len(message["entries"]), 0) + entries)
    return frame(CODES[kind], tlvs, password=password, key_id=key_id)


def split(body):
    """The TLVs of a message's body: (type, value)."""
    found = []
    while body:
        if len(body) < 4:
            raise Malformed(f"{len(body)} bytes left for a TLV")
        kind, length = struct.unpack_from("!HH", body)
        if not 4 <= length <= len(body):
            raise Malformed(f"TLV 0x{kind:04x} of length {length} in {len(body)} bytes")
        found.append((kind, body[4:length]))
        body = body[length:]
    return found


def parse_load(value):
    """A Load TLV's value."""
    if len(value) < 8:
        raise Malformed("short Load TLV")
    port, protocol, flags, count, reserved = struct.unpack_from("!HBBHH", value)
    if len(value) != 8 + 8 * count:
        raise Malformed(f"Load TLV for {count} hosts in {len(value)} bytes")
    if flags or reserved:
        raise Malformed("Flags or Reserved set")
    hosts = [[socket.inet_ntoa(host), bind_id, weight]
             for host, bind_id, weight in struct.iter_unpack("!4sHH", value[8:])]
    return {"port": port, "protocol": protocol, "hosts": hosts}


def parse_table(value):
    """A BindID Table TLV's value."""
    if len(value) < 12:
        raise Malformed("short BindID Table TLV")
    server, port, protocol, reserved, count, more = struct.unpack_from("!4sHBBHH", value)
    if len(value) != 12 + 12 * count:
        raise Malformed(f"BindID Table TLV for {count} entries in {len(value)} bytes")
    entries = []
    for bind_id, zero, client, mask in struct.iter_unpack("!HH4s4s", value[12:]):
        reserved |= zero
        entries.append([bind_id, socket.inet_ntoa(client), socket.inet_ntoa(mask)])
    if reserved or more:
        raise Malformed("Reserved set")
    return {"server": socket.inet_ntoa(server), "port": port, "protocol": protocol, "entries": entries}


def check_security(data, password):
    """The Key ID of a message that the password made."""
    if len(data) < 36 or struct.unpack_from("!H", data, 8) != (SECURITY,):
        raise Insecure("missing")
    length, algorithm, key_id = struct.unpack_from("!HII", data, 10)
    if (length, algorithm) != (28, MD5):
        raise Insecure("bad algorithm")
    if digest(data, password.encode("ascii")) != data[20:36]:
        raise Insecure("mismatch")
    return key_id


def secured(data):
    """True if the message begins with a Security TLV."""
    return len(data) >= 12 and struct.unpack_from("!H", data, 8) == (SECURITY,)


def decode(data, *, password=None):
    """The message of a frame. Stricter than a receiver must be: a sound sender sets no reserved bytes and sends nothing
    that has no meaning. A Security TLV is ignored without password."""
    version, reserved, code, length = struct.unpack_from("!BBHI", data)
    if version != VERSION or length != len(data):
        raise Malformed(f"version {version}, length {length} of {len(data)}")
    if reserved:
        raise Malformed("Reserved set")
    if code not in TYPES:
        raise Malformed(f"message type 0x{code:04x}")
    if password is not None:
        check_security(data, password)
    kind = TYPES[code]
    # Cisco's reference agent leaves the header of its one TLV zero.
    if kind == "bindid_report" and data[8:] == bytes(16):
        return dict(END)
    tlvs = split(data[8:])
    if tlvs and tlvs[0][0] == SECURITY:
        tlvs = tlvs[1:]
    # Both drafts print 0x0402 for Change Notify too. It has no table, and a report always has one.
    if kind == "bindid_report" and not tlvs:
        kind = "bindid_change_notify"
    return {"type": kind} | fields(kind, tlvs)


def fields(kind, tlvs):
    """What the TLVs of a message of a type say."""
    allowed = {"preference_information": LOAD, "server_state": LOAD, "dfp_parameters": KEEP_ALIVE,
               "bindid_report": BINDID_TABLE}.get(kind)
    for found, _ in tlvs:
        if found != allowed:
            raise Malformed(f"TLV 0x{found:04x} in {kind}")
    values = [value for _, value in tlvs]
    if allowed == LOAD:
        loads = [parse_load(value) for value in values]
        if sum(len(load["hosts"]) for load in loads) > 128:
            raise Malformed("more than 128 hosts")
        return {"loads": loads}
    if allowed == KEEP_ALIVE:
        if any(len(value) != 4 for value in values):
            raise Malformed("Keep-Alive TLV of another length than 8")
        return {"keep_alive": struct.unpack("!I", values[-1])[0] if values else None}
    if allowed == BINDID_TABLE:
        if len(values) != 1:
            raise Malformed(f"{len(values)} BindID Tables in a report")
        return parse_table(values[0])
    return {}


def report(weights, *, port=434, protocol=UDP, bind_id=65535):
    """Preference Information: the weights of hosts ({address: weight}); none for a hello."""
    hosts = [[host, bind_id, weight] for host, weight in weights.items()]
    loads = [{"port": port, "protocol": protocol, "hosts": hosts}] if hosts else []
    return {"type": "preference_information", "loads": loads}


def rows(message):
    """{(host, protocol, port, BindID): weight} of a Preference Information or Server State; the last one wins."""
    return {(host, load["protocol"], load["port"], bind_id): weight
            for load in message["loads"] for host, bind_id, weight in load["hosts"]}


class Reader:
    """Frames out of a stream, however it was cut."""

    def __init__(self):
        self.buffer = b""

    def feed(self, data):
        """The frames that are whole now."""
        self.buffer += data
        frames = []
        while len(self.buffer) >= 8:
            version, _, _, length = struct.unpack_from("!BBHI", self.buffer)
            if version != VERSION or not 8 <= length <= 65600:
                raise Malformed(f"version {version}, length {length}")
            if len(self.buffer) < length:
                break
            frames.append(self.buffer[:length])
            self.buffer = self.buffer[length:]
        return frames


class Peer:
    """One connection. With a password everything sent is secured and everything received must be."""

    def __init__(self, connection, password=None):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.password = password
        self.reader = Reader()
        self.waiting = []
        self.writes = []
        self.frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message, **security):
        """Sends a message: a dict is encoded with the peer's password unless `password=` says otherwise."""
        if isinstance(message, dict):
            message = encode(message, **({"password": self.password} | security))
        self.socket.sendall(message)

    def receive(self, deadline=5.0):
        """The next message, decoded; fails at the deadline and at the end of the connection. `frames` keeps the bytes of
        all, `writes` what each read gave."""
        end = time.monotonic() + deadline
        while not self.waiting:
            data = self.read(end - time.monotonic())
            if not data:
                raise EOFError("the connection ended")
            self.writes.append(data)
            self.waiting += self.reader.feed(data)
        self.frames.append(self.waiting.pop(0))
        return decode(self.frames[-1], password=self.password)

    def expect(self, kind, deadline=5.0):
        """The next message of a type; others before it are passed over."""
        end = time.monotonic() + deadline
        while True:
            message = self.receive(end - time.monotonic())
            if message["type"] == kind:
                return message

    def quiet(self, duration):
        """Fails if anything arrives within a time."""
        try:
            message = self.receive(duration)
        except TimeoutError:
            return
        raise AssertionError(f"unexpected {message}")

    def closed(self, deadline=5.0):
        """Waits until the other end has closed or reset; what arrives before is dropped."""
        end = time.monotonic() + deadline
        try:
            while self.read(end - time.monotonic()):
                pass
        except ConnectionResetError:
            pass

    def close(self, *, reset=False):
        """Closes in order, or with a reset."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def read(self, left):
        """Some bytes within the time left; none at the end of the connection."""
        if left <= 0:
            raise TimeoutError("nothing arrived in time")
        self.socket.settimeout(left)
        return self.socket.recv(65536)


class Agent:
    """The listening end: `accept` gives the connection of the next manager."""

    def __init__(self, address, port=0, *, password=None):
        self.password = password
        self.listener = socket.create_server((address, port), backlog=16)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self, deadline=5.0):
        """The next connection."""
        self.listener.settimeout(deadline)
        return Peer(self.listener.accept()[0], self.password)


def connect(address, port, *, password=None, deadline=5.0, source=None):
    """The connecting end: a manager's connection to an agent."""
    return Peer(socket.create_connection((address, port), deadline, source and (source, 0)), password)
