"""Parts that scenarios of pktgen have in common: one foreign agent in front of the director, two home agents behind it."""

FOREIGN_AGENT = """[[agent]]
address = "15.1.1.61"
mac = "02:00:0f:01:01:3d"
[target]
address = "10.1.1.10"
gateway = "15.1.1.1"
"""

AUTHENTICATION = """[authentication]
spi = 0x100
key_ascii = "1234567812345678"
"""


def home_agents(interface):
    """Two home agents on an interface, which know the key of `AUTHENTICATION`."""
    return f"""[port]
device = "net_af_packet{interface.removeprefix('eth')},iface={interface}"
hugepages = "off"
[[home_agent]]
name = "ha1"
address = "10.1.1.51"
[[home_agent]]
name = "ha2"
address = "10.1.1.52"
pool = "10.8.0.0/16"
[respond]
virtual = ["10.1.1.10"]
{AUTHENTICATION}"""
