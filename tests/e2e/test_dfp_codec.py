"""The Python codec of DFP against the fixed vectors, which the Rust codec meets too: neither knows the other."""

import hashlib
import json
import math
import pathlib
import random
import struct

import dfp
import pytest

VECTORS = json.loads((pathlib.Path(__file__).parent / "vectors" / "dfp.json").read_text())["messages"]
# Sent by others, and read; sent by nobody here.
READ_ONLY = {"RX2", "RX6-0402"}
SOUND = [vector for vector in VECTORS if "security" not in vector]
REPORT = bytes.fromhex("010001010000001c0002001401b21100000100000a010133ffff0019")


def name(vector):
    return vector["id"]


@pytest.mark.parametrize("vector", VECTORS, ids=name)
def test_every_vector_decodes(vector):
    assert dfp.decode(bytes.fromhex(vector["hex"])) == vector["message"]


@pytest.mark.parametrize("vector", [vector for vector in SOUND if "password" in vector], ids=name)
def test_every_secured_vector_is_authentic(vector):
    data, password = bytes.fromhex(vector["hex"]), vector["password"]
    assert dfp.decode(data, password=password) == vector["message"]
    assert dfp.check_security(data, password) == vector.get("key_id", 0)
    with pytest.raises(dfp.Insecure, match="mismatch"):
        dfp.decode(data, password=password.swapcase())


@pytest.mark.parametrize("vector", [vector for vector in SOUND if vector["id"] not in READ_ONLY], ids=name)
def test_every_vector_encodes(vector):
    data = dfp.encode(vector["message"], password=vector.get("password"), key_id=vector.get("key_id", 0))
    assert data.hex() == vector["hex"]


def test_an_altered_message_is_no_longer_authentic():
    altered = next(vector for vector in VECTORS if vector.get("security") == "mismatch")
    with pytest.raises(dfp.Insecure, match="mismatch"):
        dfp.decode(bytes.fromhex(altered["hex"]), password=altered["password"])


@pytest.mark.parametrize("fill, expected", [
    (dfp.key_fill, "de14f97cbcdb82439c7a770e54628e95"),
    (lambda key: b"", "2ac947c22faa7b06710c55788dce0a4c"),
    (lambda key: bytes(64 - len(key)), "2c30a1ac929fe235cb0de65c58567517"),
])
def test_the_fills_of_the_key(fill, expected):
    message = dfp.encode(dfp.decode(REPORT), password="Cookies")
    assert dfp.digest(message, b"Cookies", fill).hex() == expected


@pytest.mark.parametrize("length", range(1, 65))
def test_the_fill_is_md5s_own(length):
    key = b"k" * length
    block = key + dfp.key_fill(key)
    assert len(block) == (64 if length < 56 else 128)
    # MD5 pads its input just so: its state after the block is that of the key alone.
    assert md5_state(block) == hashlib.md5(key).digest()


def md5_state(blocks):
    """RFC 1321's compression of whole blocks, without padding."""
    shifts = [7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    for start in range(0, len(blocks), 64):
        words = struct.unpack("<16I", blocks[start:start + 64])
        a, b, c, d = state
        for i in range(64):
            f, g = [((b & c) | (~b & d), i), ((d & b) | (~d & c), 5 * i + 1),
                    (b ^ c ^ d, 3 * i + 5), (c ^ (b | ~d), 7 * i)][i // 16]
            f = (f + a + int(abs(math.sin(i + 1)) * 2**32) + words[g % 16]) & 0xFFFFFFFF
            turned = (f << shifts[i] | f >> (32 - shifts[i])) & 0xFFFFFFFF
            a, d, c, b = d, c, b, (b + turned) & 0xFFFFFFFF
        state = [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d), strict=True)]
    return struct.pack("<4I", *state)


def test_a_change_notify_by_the_drafts_code_is_one_also_when_it_is_secured():
    data = dfp.frame(0x0402, password="Cookies")
    assert len(data) == 36
    assert dfp.decode(data, password="Cookies") == {"type": "bindid_change_notify"}
    assert dfp.decode(data) == {"type": "bindid_change_notify"}
    with pytest.raises(dfp.Insecure, match="mismatch"):
        dfp.decode(data, password="cookies")


@pytest.mark.parametrize("data", [
    "0200010100000008",
    "0100010100000009",
    "0101010100000008",
    "0100060100000008",
    "010001010000000b000200",
    "010001010000000c00020003",
    "010001010000000c00020014",
    "01000101000000140002000c01b2110000010000",
    "010003010000000c01010004",
    "010004010000000c02000004",
])
def test_what_no_sound_sender_sends_is_refused(data):
    with pytest.raises(dfp.Malformed):
        dfp.decode(bytes.fromhex(data))


def random_message(dice):
    """Any message."""
    def address():
        return ".".join(str(dice.randrange(256)) for _ in range(4))

    def load():
        hosts = [[address(), dice.randrange(65536), dice.randrange(65536)] for _ in range(dice.randrange(9))]
        return {"port": dice.randrange(65536), "protocol": dice.randrange(256), "hosts": hosts}

    kind = dice.choice(list(dfp.CODES))
    if kind in ("preference_information", "server_state"):
        return {"type": kind, "loads": [load() for _ in range(dice.randrange(5))]}
    if kind == "dfp_parameters":
        return {"type": kind, "keep_alive": dice.choice([None, 0, 3, dice.randrange(2**32)])}
    if kind == "bindid_report":
        entries = [[dice.randrange(65536), address(), address()] for _ in range(dice.randrange(9))]
        return {"type": kind, "server": address(), "port": dice.randrange(65536), "protocol": dice.randrange(256),
                "entries": entries}
    return {"type": kind}


def test_any_messages_in_any_pieces():
    dice = random.Random(1)
    for _ in range(300):
        password = dice.choice([None, "Cookies", "x" * 64])
        messages = [random_message(dice) for _ in range(dice.randrange(6))]
        stream = b"".join(dfp.encode(message, password=password) for message in messages)
        reader, frames = dfp.Reader(), []
        while stream:
            cut = dice.randrange(1, 60)
            frames += reader.feed(stream[:cut])
            stream = stream[cut:]
        assert [dfp.decode(frame, password=password) for frame in frames] == messages
        assert reader.buffer == b""


@pytest.mark.parametrize("password", [None, "Cookies"])
def test_a_scripted_manager_and_a_scripted_agent_understand_each_other(password):
    with dfp.Agent("127.0.0.1", password=password) as agent, \
            dfp.connect("127.0.0.1", agent.port, password=password) as manager, agent.accept() as served:
        served.send(dfp.report({"10.1.1.51": 25}))
        assert dfp.rows(manager.receive()) == {("10.1.1.51", dfp.UDP, 434, 65535): 25}
        # Two messages in one write; `expect` passes over the first.
        request = {"type": "bindid_request"}
        manager.send(b"".join(dfp.encode(message, password=password)
                              for message in ({"type": "dfp_parameters", "keep_alive": 30}, request)))
        assert served.expect("bindid_request") == request
        for byte in dfp.encode(dfp.END, password=password):
            served.send(bytes([byte]))
        assert manager.receive() == dfp.END
        manager.quiet(0.01)
        served.close(reset=True)
        manager.closed()
