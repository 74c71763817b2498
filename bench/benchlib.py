"""What the benchmark programs share: where they ran, rounds, and one JSON object per figure."""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SOURCE / "tests/e2e"))


def _first_line(argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, cwd=SOURCE).stdout.splitlines()[0]
    except (OSError, IndexError):
        return "unknown"


def _cpu():
    match = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return match.group(1) if match else platform.machine()


PLACE = {
    "commit": _first_line(["git", "rev-parse", "--short", "HEAD"]),
    "compiler": _first_line(["gcc", "--version"]),
    "cpu": _cpu(),
    "cores": os.cpu_count(),
    "kernel": platform.release(),
}


def exact_cpu_ns(pid):
    """The process's CPU clock (clock_getcpuclockid(3)): exact where /proc/PID/stat counts ticks."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Bench:
    """Collects rounds per (metric, subject) and prints median and spread."""

    def __init__(self, name):
        self.name = name
        self.values = {}
        self.units = {}

    def add(self, metric, subject, value, unit):
        self.values.setdefault((metric, subject), []).append(value)
        self.units[metric] = unit

    def median(self, metric, subject):
        return statistics.median(self.values[(metric, subject)])

    def ratio(self, metric, subject, other):
        """Round by round, so that a drift of the machine cancels out."""
        pairs = zip(self.values[(metric, subject)], self.values[(metric, other)])
        self.values[(metric, f"{subject}/{other}")] = [a / b for a, b in pairs if b]

    def difference(self, metric, subject, other):
        """What the subject adds to the other, round by round."""
        pairs = zip(self.values[(metric, subject)], self.values[(metric, other)])
        self.units[f"{metric}_added"] = self.units[metric]
        self.values[(f"{metric}_added", subject)] = [a - b for a, b in pairs]

    def print(self, **parameters):
        for (metric, subject), values in self.values.items():
            unit = "ratio" if "/" in subject else self.units[metric]
            print(json.dumps({
                "bench": self.name, "metric": metric, "subject": subject,
                "value": float(f"{statistics.median(values):.5g}"), "unit": unit, "rounds": len(values),
                "spread": [float(f"{min(values):.5g}"), float(f"{max(values):.5g}")],
                **parameters, **PLACE}), flush=True)
