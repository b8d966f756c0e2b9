"""A mobile node whose end of the tunnel is a kernel's: its home address is on a TUN device in a namespace of its own, so any program
there is on the node."""

import fcntl
import os
import struct
import threading

from mobile_node import MobileNode
from netlab import Host, inside

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
OVERHEAD = {"ipip": 20, "gre": 24, "udp": 32}


class RoamingHost(MobileNode):
    """A node that is a host."""

    def __init__(self, lab, nai, how, **options):
        self.host = Host(lab, "roaming")
        self.mtu = 1500 - OVERHEAD[how]
        self.sources = set()

        def tun():
            device = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", b"home", IFF_TUN | IFF_NO_PI))
            return device
        self.device = inside(self.host.namespace, tun)
        super().__init__(lab, nai, how, **options)

    def attach(self):
        """Registers, and has the kernel use what it was given."""
        assert self.register()[0] == 0
        self.host.ip(f"link set home mtu {self.mtu} up")
        self.move()
        thread = threading.Thread(target=self.send_all, daemon=True)
        self.threads.append(thread)
        thread.start()

    def move(self):
        """Has the kernel use the home address of the last registration in place of the one before."""
        self.host.ip("addr flush dev home", f"addr add {self.home}/32 dev home", "route replace default dev home")

    def take(self, packet, source):
        """A packet to the node."""
        self.sources.add(source[0])
        os.write(self.device, packet)

    def send_all(self):
        """What the kernel sends goes into the tunnel."""
        while not self.ended:
            packet = os.read(self.device, 65535)
            if packet[0] >> 4 == 4 and not self.ended:
                self.send_inner(packet)

    def close(self):
        """Leaves."""
        self.ended = True
        # Something to read, so that the thread sees it.
        self.host.command("ping", "-c", "1", "-W", "0.1", "192.0.2.1")
        super().close()
        os.close(self.device)
