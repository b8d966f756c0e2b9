"""A home agent with a pdsn outside and a correspondent inside, whose way to the nodes it is."""

import mobileip
from director import management, resolve_neighbor, system_config

CONFIGURATION = f"""router mobile
!
ip local pool MIP 10.9.0.1 10.9.0.250
!
ip mobile home-agent lifetime 1800
ip mobile home-agent nat traversal
ip mobile virtual-network 10.9.0.0 255.255.0.0
ip mobile host nai @example.com address pool local MIP virtual-network 10.9.0.0 255.255.0.0
ip mobile secure host nai @example.com spi 100 key ascii {mobileip.KEY.decode()}
!
"""


def start(labs):
    """One in a laboratory of its own."""
    lab = labs(homes=1)
    agent = lab.director(system_config(lab) + CONFIGURATION + management())
    resolve_neighbor(lab, agent)
    return agent
