"""B sends four downloads to a through relays whose links carry 20 Mbit/s each: together they carry more, whichever of its
two workers reads a flow. Where all ways have one link in common, b, with one worker, tries once, sees that nothing is
gained, and goes one way."""
# timeout: 700 alone: what else takes the cores makes rates go up and down by more than a trial asks
import json
import os

from lib import *
from veil import Guardian, Node

need("nft", "linkem")
net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
underlay = net.switch([srv, a], "10.9.0")
switch = net.machine_named("switch")
wires = {}
for i, m in enumerate((b, c, d), 7):
    wires[m.name] = net.emulated(m, switch, f"10.9.0.{i}/24", [], interface=f"eth{i}")
    switch.ip("link", "set", f"eth{i}", "master", "br0")
    underlay[m.name] = f"10.9.0.{i}"
g = Guardian(srv, "10.9.0.1")
nodes = {m.name: Node(m, g, run_words=["--idle", "60", "--verbose"]) for m in (a, b, c, d)}
na, nb, nc, nd = (nodes[n] for n in "abcd")
one_worker, two_workers = nb.run_words, [*nb.run_words, "--workers", "2"]
FLOWS = 4
NARROW = ("--rate-mbit", 20, "--queue-ms", 50, "--delay-ms", 2)
WIDE = ("--rate-mbit", 1000, "--queue-ms", 50, "--delay-ms", 2)


def route(node, tag):
    return [r for r in node.json("routes")["routes"] if r["tag"] == tag][0]


def spread():
    """The relays that carry flows from b to a beside the one in use."""
    return {w["tag"] for w in nb.json("explain", "a")["ways"] if w["flows"]}


def told(word):
    """How often b's log says that of a spread."""
    return len(re.findall(rf'"route_spread".*"{word}"', nb.daemon.log_text()))


def alone():
    """Mbit/s by one way, as b measured them before the spread that it keeps; none while it keeps none."""
    told = [json.loads(line) for line in re.findall(r'.*"route_spread".*', nb.daemon.log_text())]
    kept = told and told[-1]["to"] == "kept"
    return [e["kbps"] for e in told if e["to"] == "tried"][-1] / 1000 if kept else float("inf")


def sealed():
    return [w["frames_sealed"] for w in nb.status()["workers"]]


def downloads():
    return [a.daemon(["curl", "-sf", "-o", "/dev/null", f"http://{nb.ip4}:8000/file"], name=f"curl{i}") for i in range(FLOWS)]


def mbit(seconds):
    before, start = a.counter("veilnet", "rx_bytes"), time.monotonic()
    time.sleep(seconds)
    return (a.counter("veilnet", "rx_bytes") - before) * 8e-6 / (time.monotonic() - start)


def begin_anew(words):
    for n in (na, nb):
        n.stop()
        n.run_words = words
        n.start()


def downloads_from_both_workers():
    """The kernel chooses by port which of b's workers reads a flow."""
    for _ in range(10):
        curls, before = downloads(), sealed()
        wait_until(lambda: sum(sealed()) > sum(before) + 1000, 60, "they run")
        if all(n > m + 100 for n, m in zip(sealed(), before)):
            return curls
        for x in curls:
            x.stop()
    raise Failed(f"one worker of b reads all flows: {sealed()}")


def flows_share_two_relays():
    begin_anew(two_workers)
    folder = b.dir / "www"
    folder.mkdir()
    (folder / "file").touch()
    os.truncate(folder / "file", 64 << 30)  # of nothing: it is not written anywhere
    b.daemon(["python3", "-m", "http.server", "--bind", nb.ip4, "--directory", folder, "8000"], name="http")
    wait_until(lambda: f"{nb.ip4}:8000" in b.out(["ss", "-Hlnt"]), 5, "the server listens")
    cut(underlay, True, (a, b))
    for n in "cd":
        wires[n].set(*NARROW)
    curls = downloads_from_both_workers()
    wait_until(lambda: nb.relay("a", (nc, nd)) and len(route(nb, "a")["standbys"]) == 1, 60, "one relay carries them, one stands by")
    # A trial on a machine that is busy may gain nothing: the next one comes two minutes later, and one four minutes after that.
    wait_until(lambda: mbit(4) > 1.25 * alone(), 400, "together they carry more than one")
    before = sealed()
    log(f"by one: {alone():.1f} Mbit/s, together: {mbit(8):.1f}; frames of each worker: {[n - m for n, m in zip(sealed(), before)]}")
    check(spread() == {"c", "d"} - {nb.relay("a", (nc, nd)).tag}, "by both")
    check("some flows by " in nb.cli("routes").stdout, "routes says so")
    check(all(x.process.poll() is None for x in curls), "all four run")
    for x in curls:
        x.stop()
    wait_until(lambda: not spread(), 60, "without flows it ends")


def a_shared_link_is_left_alone():
    begin_anew(one_worker)
    for n in "cd":
        wires[n].set(*WIDE)
    wires["b"].set(*NARROW)
    before = told("no_gain")
    curls = downloads()
    wait_until(lambda: told("no_gain") > before, 100, "a trial gains nothing")
    tried = told("tried")
    check(not spread() and mbit(4) > 10, "flows go one way")
    check(all(x.process.poll() is None for x in curls), "all four run")
    check(told("tried") == tried, "and it is not tried again soon")


main(flows_share_two_relays, a_shared_link_is_left_alone)
