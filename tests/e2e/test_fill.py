"""The tool that fills a running director's session table."""

import json
import subprocess
import sys

from netlab import ROOT


def test_a_table_is_filled_to_its_stated_capacity_over_the_wire(tmp_path):
    report = tmp_path / "fill.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/fill"), "--sessions", "100000", "--rate", "20000", "--output", str(report)],
        capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(report.read_text())
    assert facts["nodes_sent"] == 100_000 and facts["live"] == facts["created"] - facts["evicted"] > 99_900 and facts["counters_balance"]
