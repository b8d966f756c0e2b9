"""The answers as tables for people."""

# Share of a load that must have been sent.
ENOUGH = 0.98


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


def busy(run):
    """Share of cycles in which the worker had packets in hand, amid the first trial."""
    share = run["machine"].get("busy_percent")
    return "-" if share is None else f"{share:.0f} %"


def named(losses):
    """Counters and what is left."""
    words = [f"{name} {number(count)}" for name, count in losses["named"].items()]
    if losses["unattributed"]:
        words.append(f"unattributed {number(losses['unattributed'])}")
    return ", ".join(words) or "none"


def searches(runs, wires):
    """Path by path: the search and, if there is one, the latency at half the rate."""
    half = {run["path"]: run for run in runs if run["wires"] == wires and run["question"] == "latency 50"}
    return [(run, half.get(run["path"])) for run in runs if run["wires"] == wires and run["question"] == "rate"]


def rates(runs, wires):
    """The highest rate of each path, with the latency at half of it on veth, where each has its own."""
    lines = []
    for run, half in searches(runs, wires):
        if "failed" in run:
            lines.append([run["path"], *["-"] * (7 if wires == "veth" else 3), run["failed"].splitlines()[0]])
            continue
        line = [run["path"] + mark(run), found(run), f"{run['report']['outcome']['loss'] or 0:.1e}", busy(run)]
        if wires == "veth":
            step = next(iter(loads(half)), None) if half and "failed" not in half else None
            # What was sent much slower than it should was no such load.
            took = step["latency"] if step and step["offered"] >= ENOUGH * step["target"] else None
            line += [f"{took[key]:.0f}" for key in ("p50", "p99", "p999", "max")] if took else ["-"] * 4
        lines.append([*line, waits(run)])
    more = ("p50 µs", "p99 µs", "p99.9 µs", "max µs") if wires == "veth" else ()
    return rows(("forwarder", "frames/s", "loss", "worker busy", *more, "threads waited for a CPU"), lines)


def steady(run):
    """A minute at 90 %."""
    total = run["report"]["total"]
    return rows(("forwarder", "frames", "lost", "share", "by counter", "threads waited for a CPU"), [
        [run["path"] + mark(run), number(total["sent"]), number(total["lost"]), f"{total['lost'] / max(1, total['sent']):.1e}",
         named(run["losses"]), waits(run)]])


def markdown(runs):
    """All that was measured, one table a question."""
    text = []
    through = [run for run in runs if run["wires"] == "virtio"]
    if through:
        text += ["Through `net_virtio_user` and `net_vhost`, highest rate:\n", rates(runs, "virtio")]
        minutes = [run for run in through if run["question"] == "steady" and "failed" not in run]
        for run in minutes:
            text += [f"At 90 % of it for {run['report']['seconds']:.0f} s, warm-up included:\n", steady(run)]
        timed = [run for run in through if run["question"].startswith("latency") and "failed" not in run]
        if timed:
            text += ["Latency at the same loads:\n", latency(timed)]
    if len(through) < len(runs):
        text += ["On veth, highest rate without loss, latency at half of it:\n", rates(runs, "veth")]
    text.append("≥ the generator cannot send faster: the forwarder may be faster.\n")
    text.append("\\* a pinned thread was kept from its CPU for more than 0.5 % of the time by other programs.\n")
    return "\n".join(text)
