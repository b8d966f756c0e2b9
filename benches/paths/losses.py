"""Where lost frames went: each to a named counter, or to the place between two counters where it vanished."""


def attribute(report, forwarder, passed):
    """A run's lost frames by name. `forwarder` are the drops that it counts, `passed` what went through its ports."""
    lost = report["total"]["lost"]
    named = {f"generator.{port['role']}.missed": port["missed"] for port in report["ports"] if port["missed"]}
    # What came after it was given up had only been slow.
    if report["total"]["late"]:
        named["generator.late"] = report["total"]["late"]
    named.update(forwarder)
    rest = lost - sum(named.values())
    return {"lost": lost, "named": named, "unattributed": max(0, rest), "counters": counters(report, passed)}


def counters(report, passed):
    """Frames of all protocols at each counter along the path."""
    ports = {port["role"]: port for port in report["ports"]}
    seen = {"generator.port.sent": ports["port"]["sent"]}
    seen.update({f"forwarder.{name}": count for name, count in passed.items()})
    if "sink" in ports:
        seen["generator.sink.received"] = ports["sink"]["received"]
    return seen
