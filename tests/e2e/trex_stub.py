"""A stub of trex_stl_lib.api: the packet builder's checks, and a field engine that says which frames a core would send.

What it does is written after TRex's documentation: variables advance before each frame, so that the first has the first value;
a stream on several cores advances its variables by their number, each core from a place of its own; a variable with `next_var`
moves the next one when it comes round.
"""

import struct
import types

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

SIZES = {1: "!B", 2: "!H", 4: "!I", 8: "!Q"}
# Bytes of variables that a program may have.
ROOM = 64


class STLError(Exception):
    """TRex would refuse."""


def check(right, why):
    if not right:
        raise STLError(why)


class Variable:
    """A counter of a stream, on one core."""

    def __init__(self, name, min_value=0, max_value=255, size=4, step=1, op="inc", init_value=None, next_var=None,
                 split_to_cores=True):
        check(isinstance(name, str) and size in SIZES and op == "inc" and step > 0, f"{name}: size, op or step")
        check(all(isinstance(value, int) for value in (min_value, max_value)), f"{name}: not a number")
        check(0 <= min_value <= max_value < 1 << 8 * size, f"{name}: range")
        self.name, self.low, self.high, self.size, self.step = name, min_value, max_value, size, step
        self.first = min_value if init_value is None else init_value
        check(min_value <= self.first <= max_value, f"{name}: first value")
        self.next_var, self.split = next_var, split_to_cores

    @property
    def span(self):
        return self.high - self.low + 1

    def moved(self, value, by):
        return self.low + (value - self.low + by) % self.span

    def on(self, core, cores):
        """State of this variable before the first frame: value and step."""
        first, step = self.first, self.step % self.span
        if self.split:
            first, step = self.moved(first, core * step), self.step * cores % self.span
        return [self.moved(first, -step), step]

    def advance(self, state):
        """Whether it came round."""
        value, step = state
        state[0] = self.moved(value, step)
        return self.high - value < step


class Write:
    """A variable into the packet."""

    def __init__(self, fv_name, pkt_offset, offset_fixup=0, add_val=0, is_big=True):
        self.name, self.offset, self.fixup, self.add, self.big = fv_name, pkt_offset, offset_fixup, add_val, is_big

    def run(self, frame, variables, values, offset):
        size, value = variables[self.name].size, values[self.name]
        bound(frame, offset, size)
        word = (value + self.add) % (1 << 8 * size)
        frame[offset:offset + size] = word.to_bytes(size, "big" if self.big else "little")


class WriteMask:
    """Some bits of a variable into the packet."""

    def __init__(self, fv_name, pkt_offset, pkt_cast_size=1, mask=0xff, shift=0, add_value=0, offset_fixup=0, is_big=True):
        check(pkt_cast_size in (1, 2, 4) and is_big, "cast size or order")
        self.name, self.offset, self.fixup = fv_name, pkt_offset, offset_fixup
        self.cast, self.mask, self.shift, self.add = pkt_cast_size, mask, shift, add_value

    def run(self, frame, variables, values, offset):
        check(variables[self.name].size in (1, 2, 4), "size of a masked variable")
        bound(frame, offset, self.cast)
        value = values[self.name] + self.add
        value = value << self.shift if self.shift > 0 else value >> -self.shift
        old = int.from_bytes(frame[offset:offset + self.cast], "big")
        new = (old & ~self.mask | value & self.mask) & ((1 << 8 * self.cast) - 1)
        frame[offset:offset + self.cast] = new.to_bytes(self.cast, "big")


class FixIpv4:
    """The header's checksum, in software."""

    def __init__(self, offset):
        self.offset, self.fixup = offset, 0

    def run(self, frame, _variables, _values, offset):
        header = offset + 4 * (frame[offset] & 15)
        frame[offset + 10:offset + 12] = bytes(2)
        struct.pack_into("!H", frame, offset + 10, checksum(frame[offset:header]))


class FixHardware:
    """Both checksums, in the NIC."""

    def __init__(self, l3_offset, l4_offset, l4_type):
        check(l4_type == Layer4.L4_TYPE_UDP, "only UDP here")
        self.offset, self.l4, self.fixup = l3_offset, l4_offset, 0

    def run(self, frame, variables, values, offset):
        FixIpv4(offset).run(frame, variables, values, offset)
        at = offset + 4 * (frame[offset] & 15)
        frame[at + 6:at + 8] = bytes(2)
        length = len(frame) - at
        pseudo = frame[offset + 12:offset + 20] + struct.pack("!HH", 17, length)
        struct.pack_into("!H", frame, at + 6, checksum(pseudo + frame[at:]) or 0xffff)


class Layer4:
    L4_TYPE_UDP, L4_TYPE_TCP, L4_TYPE_IP = 11, 13, 17


def bound(frame, offset, size):
    check(0 <= offset and offset + size <= len(frame), f"write at {offset}, behind the packet's end")


def checksum(data):
    data = bytes(data) + bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Program:
    """STLScVmRaw: a list of instructions."""

    def __init__(self, commands):
        self.commands = list(commands)
        self.variables = {command.name: command for command in self.commands if isinstance(command, Variable)}
        check(len(self.variables) == sum(isinstance(command, Variable) for command in self.commands), "a name twice")
        check(sum(variable.size for variable in self.variables.values()) <= ROOM, "too many variables")
        for place, command in enumerate(self.commands):
            if isinstance(command, Variable) and command.next_var:
                following = self.commands[place + 1:place + 2]
                right = following and isinstance(following[0], Variable) and following[0].name == command.next_var
                check(right, f"{command.next_var} does not follow {command.name}")
                check(not following[0].split, f"{command.next_var} moves on demand, so it cannot be split")
            if isinstance(command, (Write, WriteMask)):
                check(command.name in self.variables, f"no variable {command.name}")


class Builder:
    """STLPktBuilder: a packet, and where in it the instructions point."""

    def __init__(self, pkt, vm):
        check(isinstance(pkt, Packet) and isinstance(vm, Program), "packet or program")
        self.packet, self.vm = pkt, vm
        self.bytes = bytes(pkt)
        for command in vm.commands:
            if not isinstance(command, Variable):
                command.at = self.where(command.offset) + command.fixup

    def where(self, place):
        """An offset in bytes, of a layer (`IP`) or of a field in it (`IP.src`)."""
        if isinstance(place, int):
            return place
        name, _, field = place.partition(".")
        layer = self.packet[{"IP": IP, "UDP": UDP}[name]]
        start = len(self.bytes) - len(bytes(layer))
        return start + {"": 0, "src": 12, "id": 4}[field]


class Stream:
    """STLStream."""

    def __init__(self, packet, mode, name=None):
        self.packet, self.mode, self.name = packet, mode, name

    def core(self, core, cores, frames):
        """The first frames that this one of the port's cores sends."""
        commands, variables = self.packet.vm.commands, self.packet.vm.variables
        states = {name: variable.on(core, cores) for name, variable in variables.items()}
        for _ in range(frames):
            asleep = None
            for name, variable in variables.items():
                # A chain stops at the first variable that did not come round.
                moves = name != asleep
                round_ = moves and variable.advance(states[name])
                asleep = variable.next_var if not round_ else None
            frame = bytearray(self.packet.bytes)
            values = {name: state[0] for name, state in states.items()}
            for command in commands:
                if not isinstance(command, Variable):
                    command.run(frame, variables, values, command.at)
            yield bytes(frame)

    def frames(self, count, cores=1):
        """The first frames of the stream, the cores' in turn."""
        each = [self.core(core, cores, -(-count // cores)) for core in range(cores)]
        return [frame for turn in zip(*each) for frame in turn][:count]


class Mode(types.SimpleNamespace):
    """How fast and how many."""


def module():
    """What `from trex_stl_lib.api import ...` finds."""
    api = types.ModuleType("trex_stl_lib.api")
    vars(api).update(
        Ether=Ether, IP=IP, UDP=UDP, Raw=Raw, STLError=STLError, CTRexVmInsFixHwCs=Layer4, STLVmFlowVar=Variable,
        STLVmWrFlowVar=Write, STLVmWrMaskFlowVar=WriteMask, STLVmFixIpv4=FixIpv4, STLVmFixChecksumHw=FixHardware,
        STLScVmRaw=Program, STLPktBuilder=Builder, STLStream=Stream,
        STLTXCont=lambda pps: Mode(pps=pps, total_pkts=None),
        STLTXSingleBurst=lambda pps, total_pkts: Mode(pps=pps, total_pkts=total_pkts))
    return api
