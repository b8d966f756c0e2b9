"""Mobile IP registration requests for TRex (stateless): the frames of `pktgen write-pcap bare-metal`, made by the field engine.

    start -f homeward_trex.py --port 0 -m 5mpps -t --director-mac 3c:fd:fe:00:00:01 --nodes 1000000

Each frame is another mobile node's, up to --nodes; then they come again. Written by the field engine: the digits of the NAI,
the lower half of the identification and the IPv4 identification (both count frames), source and care-of address (the foreign
agents in turn), checksums. Constant: the upper half of the identification. There is no authenticator, since the field engine
cannot compute one: home agents that want it get a capture file.

At most nine cores a port (t-rex-64 -c): the last digit advances by the number of cores. See docs/bare-metal.md.
"""

import argparse
import ipaddress
import struct

from trex_stl_lib.api import (IP, UDP, CTRexVmInsFixHwCs, Ether, STLPktBuilder, STLScVmRaw, STLStream, STLTXCont,
                              STLTXSingleBurst, STLVmFixChecksumHw, STLVmFixIpv4, STLVmFlowVar, STLVmWrFlowVar,
                              STLVmWrMaskFlowVar)

MOBILE_IP = 434
RRQ = 1
NAI_EXTENSION = 131
EXPERIMENTAL_EXTENSION = 255  # A receiver skips it (RFC 4064).
HEADERS = 14 + 20 + 8
# Offsets in the request (RFC 5944, 3.3).
CARE_OF, SERIAL, NAI = 12, 20, 26


def arguments(words):
    """What follows -t on the console, or the tunables of the Python client."""
    parser = argparse.ArgumentParser("homeward_trex.py", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--director-mac", help="Ethernet destination; TRex's configuration decides if absent")
    parser.add_argument("--agent-mac", help="Ethernet source; the port's own if absent")
    parser.add_argument("--virtual", type=ipaddress.IPv4Address, default="10.1.1.10", help="the virtual server")
    parser.add_argument("--agent", type=ipaddress.IPv4Address, default="15.1.1.51", help="the first foreign agent")
    parser.add_argument("--agents", type=int, default=16, help="how many, with consecutive addresses; RSS tells them apart")
    parser.add_argument("--nodes", type=int, default=1_000_000, help="a digit and zeros, such as 300000")
    parser.add_argument("--nai", default="mip-user{n:09}@ispxyz.com", help="{n:0WIDTH} is the node's number")
    parser.add_argument("--lifetime", type=int, default=1800, help="seconds")
    parser.add_argument("--flags", type=lambda text: int(text, 0), default=0x02, help="the request's octet of flags: T")
    parser.add_argument("--clock", type=lambda text: int(text, 0), default=0xc2b9f5a0,
                        help="upper half of the identification: NTP seconds")
    parser.add_argument("--source-port", type=int, default=MOBILE_IP)
    parser.add_argument("--size", type=int, default=118, help="bytes of a frame without FCS")
    parser.add_argument("--udp-checksum", action="store_true", help="by the NIC, with the IPv4 header's; else it is 0")
    parser.add_argument("--pps", type=float, default=1.0, help="for a multiplier on the console, such as -m 5mpps")
    parser.add_argument("--requests", type=int, default=0, help="stop after so many; 0: never")
    return parser.parse_args(words)


def number_of(pattern):
    """What is before the number in a NAI, its digits, and what is after."""
    before, brace, rest = pattern.partition("{n:0")
    width, end, after = rest.partition("}")
    if not brace or not end or not width.isdigit() or not 1 <= int(width) <= 9:
        raise ValueError("--nai needs one {n:0WIDTH} of 1 to 9 digits: a frame cannot change its length")
    return before, int(width), after


def odometer(nodes):
    """The highest value of each digit that turns, the last one first."""
    text = str(nodes)
    if nodes < 10 or text.strip("0") != text[0]:
        raise ValueError("--nodes is a digit and at least one zero, such as 300000")
    digits = [9] * (len(text) - 1)
    return digits if text[0] == "1" else [*digits, int(text[0]) - 1]


def message(options):
    """The first node's request, filled up to the frame's size."""
    before, width, after = number_of(options.nai)
    nai = f"{before}{0:0{width}}{after}".encode()
    request = struct.pack("!BBH4x4x4sII", RRQ, options.flags, options.lifetime, options.agent.packed, options.clock, 0)
    request += bytes([NAI_EXTENSION, len(nai)]) + nai
    rest = options.size - HEADERS - len(request)
    if rest < 0 or rest == 1 or rest > 257:
        raise ValueError(f"--size is {options.size - rest}, or 2 to 257 more")
    if rest:
        request += bytes([EXPERIMENTAL_EXTENSION, rest - 2]) + bytes(rest - 2)
    return request


def program(options):
    """What the field engine does for each frame."""
    before, width, _ = number_of(options.nai)
    tops = odometer(options.nodes)
    if len(tops) > width:
        raise ValueError(f"--nodes has more digits than --nai: {len(tops)} and {width}")
    if options.agents < 1 or options.nodes % options.agents:
        raise ValueError("--nodes is a multiple of --agents: a node has one foreign agent")
    names = [f"digit{place}" for place in range(len(tops))]
    steps = []
    # A digit that comes round moves the next one. Only the first of such a chain may be split among cores.
    for place, top in enumerate(tops):
        following = names[place + 1] if place + 1 < len(names) else None
        steps.append(STLVmFlowVar(name=names[place], min_value=0x30, max_value=0x30 + top, size=1, op="inc",
                                  next_var=following, split_to_cores=place == 0))
    first = int(options.agent)
    steps.append(STLVmFlowVar(name="agent", min_value=first, max_value=first + options.agents - 1, size=4, op="inc"))
    steps.append(STLVmFlowVar(name="serial", min_value=0, max_value=0xffff_ffff, size=4, op="inc"))
    last = HEADERS + NAI + len(before) + width - 1
    steps += [STLVmWrFlowVar(fv_name=name, pkt_offset=last - place) for place, name in enumerate(names)]
    steps.append(STLVmWrFlowVar(fv_name="agent", pkt_offset="IP.src"))
    steps.append(STLVmWrFlowVar(fv_name="agent", pkt_offset=HEADERS + CARE_OF))
    steps.append(STLVmWrFlowVar(fv_name="serial", pkt_offset=HEADERS + SERIAL))
    steps.append(STLVmWrMaskFlowVar(fv_name="serial", pkt_offset="IP.id", pkt_cast_size=2, mask=0xffff))
    if options.udp_checksum:
        steps.append(STLVmFixChecksumHw(l3_offset="IP", l4_offset="UDP", l4_type=CTRexVmInsFixHwCs.L4_TYPE_UDP))
    else:
        steps.append(STLVmFixIpv4(offset="IP"))
    return STLScVmRaw(steps)


class Registrations:
    """The profile."""

    def get_streams(self, direction=0, tunables=(), **_):
        """The requests, on the foreign agents' port only (the even ones)."""
        options = arguments(list(tunables))
        if direction:
            return []
        addresses = {"dst": options.director_mac, "src": options.agent_mac}
        ethernet = Ether(type=0x0800, **{name: mac for name, mac in addresses.items() if mac})
        datagram = UDP(sport=options.source_port, dport=MOBILE_IP, chksum=0) / message(options)
        ip = IP(src=str(options.agent), dst=str(options.virtual), id=0, flags="DF", ttl=64)
        mode = STLTXCont(pps=options.pps)
        if options.requests:
            mode = STLTXSingleBurst(pps=options.pps, total_pkts=options.requests)
        builder = STLPktBuilder(pkt=ethernet / ip / datagram, vm=program(options))
        return [STLStream(name="registrations", packet=builder, mode=mode)]


def register():
    """TRex asks for the profile here."""
    return Registrations()
