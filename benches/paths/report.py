"""The answers as tables for people."""


def number(value):
    """Thousands apart."""
    return f"{value:,.0f}".replace(",", " ")


def mark(run):
    """A star for a run that other programs disturbed."""
    return " \\*" if run["machine"]["disturbed"] else ""


def rate(run):
    """The rate that a search found."""
    return run["report"]["outcome"]["rate"]


def found(run):
    """The rate for a table; that of the first trial, as fast as the generator can, is only a lower bound."""
    trials = [step for step in run["report"]["steps"] if step["phase"] == "trial"]
    limited = trials and trials[0]["passed"]
    return ("≥ " if limited else "") + number(rate(run) or 0)


def loads(run):
    """Steps of a latency run."""
    return [step for step in run["report"]["steps"] if step["phase"] == "load"]


def rows(header, lines):
    """A table."""
    text = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join(text + [f"| {' | '.join(line)} |" for line in lines]) + "\n"


def latency(runs):
    """Percentiles by load and path."""
    lines = []
    for run in runs:
        for step in loads(run):
            took = step["latency"]
            shown = [f"{took[key]:.0f}" for key in ("p50", "p90", "p99", "p999", "max")] if took else ["-"] * 5
            lines.append([f"{step['load']:.0f} %", run["path"] + mark(run), number(step["offered"]), *shown,
                          number(step["frames"]["sent"] - step["frames"]["right"])])
    lines.sort(key=lambda line: int(line[0].split()[0]))
    return rows(("load", "forwarder", "frames/s", "p50 µs", "p90 µs", "p99 µs", "p99.9 µs", "max µs", "not delivered"), lines)


def waits(run):
    """How long the pinned threads were kept from their CPUs."""
    shares = run["machine"]["waits"]
    return ", ".join(f"{name} {share:.2%}" for name, share in shares.items()) + f", load {run['machine']['load']:.1f}"


def named(losses):
    """Counters and what is left."""
    words = [f"{name} {number(count)}" for name, count in losses["named"].items()]
    if losses["unattributed"]:
        words.append(f"unattributed {number(losses['unattributed'])}")
    return ", ".join(words) or "none"


def markdown(facts):
    """All that was measured, one table a question."""
    text = []
    if facts.get("virtio"):
        searches, steady = facts["virtio"]["search"], facts["virtio"].get("steady")
        text.append("Through `net_virtio_user` and `net_vhost`, highest rate:\n")
        text.append(rows(("forwarder", "frames/s", "loss", "threads waited for a CPU"), [
            [run["path"] + mark(run), found(run), f"{run['report']['outcome']['loss'] or 0:.1e}", waits(run)]
            for run in searches]))
        if steady:
            total = steady["report"]["total"]
            text.append(f"At 90 % of it for {steady['report']['seconds']:.0f} s:\n")
            text.append(rows(("forwarder", "frames", "lost", "share", "by counter", "threads waited for a CPU"), [
                [steady["path"] + mark(steady), number(total["sent"]), number(total["lost"]),
                 f"{total['lost'] / max(1, total['sent']):.1e}", named(steady["losses"]), waits(steady)]]))
        if facts["virtio"].get("latency"):
            text.append("Latency at the same loads:\n")
            text.append(latency(facts["virtio"]["latency"]))
    if facts.get("veth"):
        text.append("On veth, highest rate without loss, latency at half of it:\n")
        lines = []
        for entry in facts["veth"]:
            if "failed" in entry:
                lines.append([entry["path"], "-", "-", "-", "-", "-", entry["failed"].splitlines()[0]])
                continue
            search, took = entry["search"], entry.get("latency")
            step = loads(took)[0] if took else None
            shown = [f"{step['latency'][key]:.0f}" for key in ("p50", "p99", "p999", "max")] if step and step["latency"] else ["-"] * 4
            lines.append([entry["path"] + mark(search), found(search), *shown, waits(search)])
        text.append(rows(("forwarder", "frames/s", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "threads waited for a CPU"), lines))
    text.append("≥ the generator cannot send faster: the forwarder may be faster.\n")
    text.append("\\* a pinned thread was kept from its CPU for more than 0.5 % of the time by other programs.\n")
    return "\n".join(text)
