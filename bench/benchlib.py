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
from lib import check, wait_until  # noqa: E402: found by the line above


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


def congestion_control():
    """That of TCP on this machine, and so of network namespaces made on it."""
    return pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()


def iperf(source, destination, address, interface, seconds, count=1, congestion=None):
    """TCP flows; every byte counted must have passed the tunnel's interface. Bytes received, and Gbit/s."""
    congestion = congestion or congestion_control()
    source.ping(address, wait=5)  # the tunnel is up: a flow is measured, not a set-up
    port = "5201"
    server = destination.daemon(["iperf3", "-s", "-1", "-p", port], name=f"iperf-{interface}")
    wait_until(lambda: f":{port}" in destination.out(["ss", "-Hlnt"]), 5, "iperf3 listens")
    before = destination.counter(interface, "rx_bytes")
    end = source.json(["iperf3", "-c", address, "-p", port, "-t", str(seconds), "-P", str(count), "-C", congestion,
                       "-J"], timeout=seconds + 20)["end"]
    server.process.wait(5)
    had = end["sender_tcp_congestion"]
    check(had == congestion, f"{interface}: the flows had {had}")
    end = end["sum_received"]
    received, passed = end["bytes"], destination.counter(interface, "rx_bytes") - before
    check(received > 0 and passed >= received, f"{interface}: {received} bytes received, {passed} passed")
    return received, received * 8 / end["seconds"] / 1e9


def start_wireguard(m):
    """Its interface is wg-<machine>; returns the daemon and its public key."""
    path = m.dir / "wg.key"
    path.touch(0o600)
    path.write_text(m.out(["wg", "genkey"]).strip())
    wg = f"wg-{m.name}"  # its control socket is a file, and files are shared
    d = m.daemon(["wireguard-go", "-f", wg], name=wg, env={"LOG_LEVEL": "error"})
    wait_until(lambda: m.run(["wg", "show", wg], ok=False).returncode == 0, 5, f"{wg} answers")
    m.run(["wg", "set", wg, "listen-port", "51820", "private-key", path])
    return d, m.out(["wg", "show", wg, "public-key"]).strip()


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

    def pings(self, metric, subject, machine, address, count=50, interval=0.02):
        """Idle round trips: the median of this round."""
        machine.ping(address, wait=5)
        times = machine.ping(address, count=count, interval=interval, wait=5)
        check(len(times) >= count * 0.9, f"{subject}: {len(times)} pings of {count} answered")
        self.add(metric, subject, statistics.median(times) * 1000, "us")

    def difference(self, metric, subject, other):
        """What the subject adds to the other, round by round."""
        pairs = zip(self.values[(metric, subject)], self.values[(metric, other)])
        self.units[f"{metric}_added"] = self.units[metric]
        self.values[(f"{metric}_added", subject)] = [a - b for a, b in pairs]

    def judge(self, *bounds, of=statistics.median):
        """What --check asks: each bound is (metric, subject, least, most), None where there is none. Says which
        figures, of all rounds, keep to theirs, names what was not measured, and fails when one is missed."""
        missed = 0
        for metric, subject, least, most in bounds:
            if (metric, subject) not in self.values:
                print(f"not measured: {metric} of {subject}", file=sys.stderr)
                continue
            got = of(self.values[(metric, subject)])
            kept = (least is None or got >= least) and (most is None or got <= most)
            missed += not kept
            asked = " and ".join(f"at {word} {bound:g}" for word, bound in (("least", least), ("most", most))
                                 if bound is not None)
            print(f"{'kept' if kept else 'MISSED'}: {metric} of {subject} is {got:.4g}, asked {asked}", file=sys.stderr)
        if missed:
            sys.exit(f"{missed} of {len(bounds)} figures missed")

    def print(self, **parameters):
        for (metric, subject), values in self.values.items():
            unit = "ratio" if "/" in subject else self.units[metric]
            print(json.dumps({
                "bench": self.name, "metric": metric, "subject": subject,
                "value": float(f"{statistics.median(values):.5g}"), "unit": unit, "rounds": len(values),
                "spread": [float(f"{min(values):.5g}"), float(f"{max(values):.5g}")],
                **parameters, **PLACE}), flush=True)
