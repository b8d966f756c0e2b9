"""A second mobile node and foreign agent, written from the RFCs apart from everything here, register with home agents: directly, and
through a director in both modes."""

import struct

import pytest
from netlab import OUTSIDE, VIP
from rfc5944_lab import AIR, OLD_KEY, fields, judge, peer_lab  # noqa: F401 - a fixture

MODES = [("direct", 1), ("dispatched", 2), ("directed", 2)]


@pytest.fixture(params=MODES, ids=[mode for mode, _ in MODES])
def lab(peer_lab, request):
    """Each way to a home agent, running."""
    return peer_lab(*request.param).run()


def life(node, commands=("register", "register", "deregister")):
    """What comes of the commands; every reply must have been valid at once."""
    outcomes = [node.do(command) for command in commands]
    assert not node.named("discarded"), node.events
    return outcomes


def check_replies(node):
    """What RFC 5944 asks of each accepting reply, beside what the node itself insists on."""
    accepted = [reply for reply in node.named("reply") if reply["code"] in (0, 1)]
    requests = {request["identification"]: bytes.fromhex(request["bytes"]) for request in node.named("request")}
    for reply in accepted:
        # With time stamps the whole identification comes back (5.7.1), and the lifetime is not longer than asked for (3.8.3).
        assert reply["identification"] == reply["sent"], reply
        assert reply["lifetime"] <= struct.unpack("!H", requests[reply["sent"]][2:4])[0], reply
        assert reply["nai"].encode() in requests[reply["sent"]]
    return accepted


def test_a_node_registers_again_and_ends(lab):
    node = lab.node()
    first, again, ended = life(node)
    assert (first["event"], again["event"], ended["event"]) == ("registered", "registered", "deregistered"), node.events
    assert first["home_address"] == again["home_address"] == ended["home_address"] and first["home_address"].startswith("10.9.")
    assert (first["code"], again["code"], ended["code"]) == (0, 0, 0)
    assert first["lifetime"] == 600 and ended["lifetime"] == 0
    assert first["home_agent"] == again["home_agent"] == ended["home_agent"]
    assert len(check_replies(node)) == 3
    files = judge(lab)
    # As tshark reads them, at the wire of the home agent that has the node.
    seen = [row for name, file in files.items() if name.startswith("ha") for row in fields(
        file, "mip.type == 1 || mip.type == 3", "mip.type", "mip.ident", "mip.code", "mip.life")]
    asked, answered = ([row for row in seen if row[0] == kind] for kind in "13")
    assert len(asked) == len({row[1] for row in asked}) == len(node.named("request"))
    assert [row[2] for row in answered] == ["0", "0", "0"] and [row[3] for row in answered] == ["600", "600", "0"]


def test_a_reply_comes_from_where_its_request_arrived(lab):
    """The source of a reply is the destination of its request (3.8.3.1): in directed mode that which the director wrote."""
    node = lab.node()
    life(node)
    sources = {tuple(reply["source"]) for reply in node.named("reply")}
    assert len(sources) == 1
    allowed = {"direct": {OUTSIDE}, "dispatched": {VIP}, "directed": set(lab.reals)}[lab.mode]
    assert sources <= {(address, 434) for address in allowed}, node.events


def test_a_clock_that_is_wrong_is_set_by_code_133(lab):
    node = lab.node("15.1.1.51", "--clock-skew", "-3600")
    (outcome,) = life(node, ["register"])
    refused, accepted = node.named("reply")
    assert refused["code"] == 133 and outcome["event"] == "registered", node.events
    # The low half is the request's, the high half the home agent's clock; an hour's difference is what was wrong.
    assert refused["identification"][8:] == refused["sent"][8:]
    assert abs(node.named("resynchronised")[0]["skew"]) < 5
    # Once set it stays so.
    life(node, ["register", "deregister"])
    assert [reply["code"] for reply in node.named("reply")] == [133, 0, 0, 0]
    check_replies(node)
    judge(lab)


def test_the_authentication_of_old_nodes(lab):
    """Keyed MD5, prefix and suffix (RFC 2002), with an SPI that tells hexadecimal from decimal."""
    node = lab.node("15.1.1.51", "--algorithm", "prefix-suffix", nai="joe@old.example.com", spi="1a0", key=f"hex:{OLD_KEY}")
    assert [outcome["event"] for outcome in life(node)] == ["registered", "registered", "deregistered"], node.events
    check_replies(node)
    judge(lab)


def test_who_does_not_know_the_key_is_denied(lab):
    node = lab.node(key="ascii:8765432187654321")
    node.process.stdin.write("register\n")
    node.process.stdin.flush()
    # The reply is signed with the key that the node does not have: it has to discard it.
    refused = node.until("discarded", "unanswered", "registered")
    assert refused["event"] == "discarded" and "wrong authenticator" in refused["why"], node.events
    assert bytes.fromhex(refused["bytes"])[1] == 131, node.events
    assert not any(lab.bindings().values())


def test_every_binding_ends_when_the_care_of_address_is_the_home_address(lab):
    node = lab.node()
    outcomes = life(node, ["register", "deregister-all", "register", "deregister"])
    assert [outcome["event"] for outcome in outcomes] == ["registered", "deregistered"] * 2, node.events
    check_replies(node)


@pytest.mark.parametrize("authenticated", [False, True], ids=["alone", "with an association"])
def test_a_foreign_agent_relays(lab, authenticated):
    agent, node = lab.visit(authenticated=authenticated)
    outcomes = life(node)
    assert [outcome["event"] for outcome in outcomes] == ["registered", "registered", "deregistered"], (node.events, agent.events)
    assert not agent.named("discarded"), agent.events
    handed = agent.named("handed back")
    assert [event["code"] for event in handed] == [0, 0, 0]
    # The foreign agent's authentication of a reply only where the two share a key.
    assert all((34 in event["extensions"]) == authenticated for event in handed)
    assert all(tuple(reply["source"]) == (AIR, 434) for reply in node.named("reply"))
    check_replies(node)
    judge(lab)


def test_several_nodes_have_a_home_each(lab, nodes=6):
    made = [lab.node(f"15.1.1.{101 + number}", nai=f"user{number}@example.com", role=f"node{number}") for number in range(nodes)]
    addresses = [node.do("register")["home_address"] for node in made]
    assert len(set(addresses)) == nodes
    # Who comes again comes to the same home agent, which knows it.
    assert [node.do("register")["home_address"] for node in made] == addresses
    # Each home agent has a pool of its own, and none is left out.
    assert {address.split(".")[2] for address in addresses} == {name[2:] for name in lab.agents}
    assert sum(lab.bindings().values()) == nodes and all(lab.bindings().values())
    assert all(node.do("deregister")["event"] == "deregistered" for node in made)
    assert not any(lab.bindings().values())
    for node in made:
        check_replies(node)
    judge(lab)
