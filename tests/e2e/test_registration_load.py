"""The tool that loads a home agent with registrations."""

import json
import subprocess
import sys

from netlab import ROOT


def test_every_request_is_handed_over_by_ring_and_answered_on_its_port(tmp_path):
    report = tmp_path / "load.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/registration-load"), "--bindings", "5000", "--rate", "2000", "--seconds", "2",
         "--output", str(report)],
        capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads(report.read_text())
    assert facts["bindings"] == 5000 and facts["counters"]["Accepted"] == facts["verdicts"]["registration"] == 9000
