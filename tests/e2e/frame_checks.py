"""Frames built and judged by scapy and tshark: nothing here shares code with the director."""

import json
import subprocess

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.layers.mobileip import MobileIP, MobileIPRRQ
from scapy.packet import Raw
from scapy.utils import wrpcap

from netlab import PDSN


def to_director(lab, wire="outside"):
    """Ethernet header from the pdsn to the director's port."""
    return Ether(src=lab.pdsn.mac, dst=lab.hosts["director"].mac(wire))


def request_frame(lab, payload, *, source=PDSN, port=434, dport=434, ttl=64, identification=0x1234, checksum=None,
                  options=(), wire="outside"):
    """A frame with a Mobile IP message for the virtual address."""
    udp = UDP(sport=port, dport=dport) if checksum is None else UDP(sport=port, dport=dport, chksum=checksum)
    return bytes(to_director(lab, wire) / IP(src=source, dst=lab.vip, ttl=ttl, id=identification, flags="DF",
                                             options=list(options)) / udp / Raw(payload))


def decode(frame):
    """The frame as scapy sees it."""
    return Ether(frame)


def requests(frames, port=434):
    """Those frames that carry UDP to this port, decoded."""
    return [packet for packet in map(decode, frames) if UDP in packet and packet[UDP].dport == port]


def payload(packet):
    """UDP payload as bytes, as far as the UDP length says."""
    return bytes(packet[UDP].payload)[:packet[UDP].len - 8]


def checksums_right(packet):
    """IP and UDP checksums are what scapy computes; a UDP checksum of 0 means none."""
    fresh = packet[IP].copy()
    written = fresh.chksum, fresh[UDP].chksum
    del fresh.chksum, fresh[UDP].chksum
    again = IP(bytes(fresh))
    return written[0] == again.chksum and written[1] in (0, again[UDP].chksum)


def mobile_ip(packet):
    """The registration request as scapy reads it."""
    message = MobileIP(payload(packet))
    assert MobileIPRRQ in message, message.summary()
    return message[MobileIPRRQ]


def tshark(frames, folder, *fields):
    """What tshark reads in the given fields, with checksum verification on; one list of values a frame."""
    file = folder / "frames.pcap"
    wrpcap(str(file), [Ether(frame) for frame in frames])
    done = subprocess.run(["tshark", "-r", str(file), "-T", "json", "-o", "ip.check_checksum:TRUE", "-o",
                           "udp.check_checksum:TRUE", *(word for field in fields for word in ("-e", field))],
                          capture_output=True, text=True, check=True)
    return [{field: packet["_source"]["layers"].get(field) for field in fields} for packet in json.loads(done.stdout)]


def echo_request(lab, destination, number, *, ttl=64, wire="outside", source=PDSN):
    """An ICMP echo request by way of the director."""
    return bytes(to_director(lab, wire) / IP(src=source, dst=destination, ttl=ttl, id=number) /
                 ICMP(type=8, id=0x4857, seq=number) / Raw(b"homeward" * 4))


def echo_replies(frames, number):
    """Echo replies with this sequence number."""
    packets = [packet for packet in map(decode, frames) if ICMP in packet and packet[ICMP].type == 0]
    return [packet for packet in packets if packet[ICMP].seq == number]


def arps(frames, address):
    """ARP packets that say who has this address: (operation, hardware address, asked for, destination)."""
    packets = [packet for packet in map(decode, frames) if ARP in packet and packet[ARP].psrc == address]
    return [(packet[ARP].op, packet[ARP].hwsrc, packet[ARP].pdst, packet.dst) for packet in packets]


def who_has(lab, address, source="10.1.1.61"):
    """An ARP request from the pdsn."""
    mac = lab.pdsn.mac
    return bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mac, psrc=source, pdst=address))

