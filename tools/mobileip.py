"""Mobile IPv4 messages as bytes: RFC 5944 sections 3.3 and 3.4, RFC 2794. Written from the RFCs, shared with no Rust code.

Used by the peers that play foreign agents and home agents around a director.
"""

import hashlib
import hmac
import socket
import struct

PORT = 434
# Seconds from 1900, where NTP begins, to 1970.
NTP_EPOCH = 2_208_988_800
RRQ, RRP = 1, 3
MN_HA_AUTH, NAI = 32, 131
SPI, KEY = 0x100, b"1234567812345678"


def address(text):
    """Four bytes of a dotted address."""
    return socket.inet_aton(text)


def extension(kind, data):
    """A short extension: type, length, data."""
    return struct.pack("!BB", kind, len(data)) + data


def authenticated(message, key=KEY, spi=SPI):
    """The message followed by a Mobile-Home Authentication extension (HMAC-MD5, RFC 5944 3.5.1)."""
    head = message + struct.pack("!BBI", MN_HA_AUTH, 20, spi)
    return head + hmac.new(key, head, hashlib.md5).digest()


def request(nai, identification, *, agent="0.0.0.0", home="0.0.0.0", care_of="0.0.0.0", lifetime=1800, flags=0x02,
            before=b"", key=KEY):
    """A registration request. `nai` may be None; `before` is put in front of the NAI; no key: not authenticated."""
    message = struct.pack("!BBH4s4s4sQ", RRQ, flags, lifetime, address(home), address(agent), address(care_of),
                          identification) + before
    if nai is not None:
        message += extension(NAI, nai.encode("latin-1"))
    return authenticated(message, key) if key else message


def reply(message, *, code=0, home, agent, key=KEY):
    """The registration reply to a request, with its identification and NAI."""
    _, lifetime, identification = fixed(message)
    out = struct.pack("!BBH4s4sQ", RRP, code, lifetime if code in (0, 1) else 0, address(home), address(agent),
                      identification)
    nai = find(message, NAI)
    if nai is not None:
        out += extension(NAI, nai)
    return authenticated(out, key) if key else out


def fixed(message):
    """(type, lifetime, identification) of a request or reply."""
    kind, _, lifetime = struct.unpack_from("!BBH", message)
    at = 16 if kind == RRQ else 12
    return kind, lifetime, struct.unpack_from("!Q", message, at)[0]


def find(message, wanted):
    """Data of the first short extension of a type, or None. Long extensions are stepped over by their shape."""
    at = 24 if message[0] == RRQ else 20
    while at < len(message):
        kind = message[at]
        if kind == 0:
            at += 1
            continue
        if at + 2 > len(message):
            return None
        if kind in (36, 37, 38, 40, 41, 42, 43, 47, 48, 50, 127):
            if at + 4 > len(message):
                return None
            at += 4 + struct.unpack_from("!H", message, at + 2)[0]
            continue
        data = message[at + 2:at + 2 + message[at + 1]]
        if kind == wanted:
            return data
        at += 2 + message[at + 1]
    return None
