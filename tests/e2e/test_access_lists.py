"""Access lists, as a home agent asks them: whose care-of address and whose home address is permitted."""

import re

import home_agent
import pytest
from director import management, resolve_neighbor, system_config
from mobile_node import MobileNode

PROHIBITED = 129

LISTS = """access-list 10 remark foreign agents of the contract
access-list 10 permit 15.1.1.51
!
access-list 20 deny 10.9.0.2
access-list 20 permit 10.9.0.0 0.0.255.255
!
"""


@pytest.fixture
def agent(labs):
    """A home agent that asks lists."""
    lab = labs(homes=1)
    asking = home_agent.CONFIGURATION.replace("home-agent lifetime 1800", "home-agent care-of-access 10 lifetime 1800 roam-access 20")
    director = lab.director(system_config(lab) + LISTS + asking + management())
    resolve_neighbor(lab, director)
    return director


@pytest.fixture
def node(agent):
    """Makes nodes, which leave at the end."""
    made = []

    def make(name):
        made.append(MobileNode(agent.lab, f"{name}@example.com"))
        return made[-1]
    yield make
    for one in made:
        one.close()


def matches(agent, name):
    """How often each line of a list has decided, by its number."""
    [shown] = agent.show_json(f"show access-lists {name}")["access_lists"]
    return {line["sequence"]: line["matches"] for line in shown["lines"]}


def test_who_is_not_permitted_is_denied_and_counted(agent, node):
    first = node("one")
    assert first.register() == (0, 600, "10.9.0.1")
    assert first.register(care_of="15.1.1.52")[0] == PROHIBITED
    # Its address would be the next of the pool, which may not be away.
    assert node("two").register()[0] == PROHIBITED
    text = agent.show("show access-lists")
    assert re.search(r"Standard IP access list 10\n +20 permit +15.1.1.51 \(\d+ matches\)\n", text), text
    assert re.search(r"Standard IP access list 20\n +10 deny +10.9.0.2 \(\d+ match(es)?\)\n"
                     r" +20 permit +10.9.0.0, wildcard bits 0.0.255.255 \(\d+ match(es)?\)\n", text), text
    assert agent.show_json("show ip mobile binding")["total"] == 1


def test_a_change_counts_at_once_and_lines_that_stay_keep_their_counts(agent, node):
    mobile = node("one")
    assert mobile.register()[0] == 0
    before = matches(agent, "10")[20]
    agent.configure("ip access-list standard 10", "15 permit 15.1.1.52")
    assert matches(agent, "10") == {15: 0, 20: before}
    assert mobile.register(care_of="15.1.1.52")[0] == 0
    agent.configure("ip access-list standard 10", "no 15")
    assert mobile.register(care_of="15.1.1.52")[0] == PROHIBITED
    agent.shell("clear access-list counters 10")
    assert matches(agent, "10") == {20: 0}
    assert "access-list 10 remark foreign agents of the contract\naccess-list 10 permit 15.1.1.51\n" in agent.show("show running-config")


def test_a_list_in_use_stays(agent):
    refused = agent.shell("configure terminal", "no access-list 10")
    assert "IP Mobile: access list 10 does not exist" in refused.stdout + refused.stderr
    assert "access-list 10 permit 15.1.1.51" in agent.show("show running-config")
    agent.configure("no ip mobile home-agent care-of-access 10", "no access-list 10")
    assert "access-list 10" not in agent.show("show running-config")
