"""Real members flood a node with queries that are right, each with a new descriptor: others get through, memory stays."""
# timeout: 120 alone
import subprocess

from guardian_rig import PROBE, b64
from lib import *
from veil import Guardian, Node, Traffic

if not PROBE.exists():
    skip("guardian_probe is not built")
MEMBERS, RATE, SECONDS = 4, 100, 10  # each is allowed 50 a second, and signs what it sends here: 2 ms on a slow machine

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb, nc = (Node(m, g) for m in (a, b, c))
flooders = []


def member(number):
    """A registration of its own, and a process that makes its queries and waits for a line."""
    node = Node(srv, g, tag=f"m{number}", start=False)
    token = json.loads((node.dir / "conflux.json").read_text())["conflux_token"]
    path = srv.dir / f"m{number}.token"
    path.write_text("vc1." + b64(json.dumps({"g": [g.info["guardian"]], "k": g.info["pin"], "c": token}).encode()))
    flooders.append(srv.daemon([PROBE, path, f"flood={nb.ip4},{RATE * SECONDS},{RATE}"], name=f"flood-{number}",
                               stdin=subprocess.PIPE))


def rss_kib(node):
    text = pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def members_prepare():
    for i in range(MEMBERS):
        member(i)
    for d in flooders:
        d.wait_log('"ready":true', timeout=30)
    check(True, f"{MEMBERS} members are ready to send {RATE} queries a second each")


def who_is_honest_gets_through():
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    memory, before, drops = rss_kib(nb), nb.status()["counters"], nb.drops()
    began = time.time()
    for d in flooders:
        d.process.stdin.write("\n")
        d.process.stdin.flush()
    wait_until(lambda: nb.drops().get("control_rate", 0) > drops.get("control_rate", 0), 8, "b drops what is above their rates")
    asked = time.time()
    times = c.ping(nb.ip4, wait=5)
    still = stood_still(asked)
    check(not any('"ended"' in d.log_text() for d in flooders), "the flood is not over yet")
    check(len(times) == 1 and times[0] < 2000 + still * 1000, f"who never spoke to b reaches it: {times} ms")
    for d in flooders:
        d.wait_log('"ended"', timeout=SECONDS + 20)
        check('"refused":0' in d.log_text(), "Master permitted what this member sent")
    after = nb.status()["counters"]
    cost = after["verified"] - before["verified"]
    log(f"figure: {cost} signatures verified for them in {time.time() - began:.1f} s, {after['messages_waited']} messages waited")
    check(cost > MEMBERS * 50, "their queries were right, and cost what they should")
    gap = traffic.longest_gap(began)
    check(gap < 1, f"established traffic went on: the longest gap between answers was {gap:.2f} s")
    grown = rss_kib(nb) - memory
    log(f"figure: memory of b {memory} KiB, grown by {grown} KiB")
    check(grown < 32 << 10, "its memory is bounded")
    check(len(a.ping(nb.ip4, wait=5)) == 1 and nb.daemon.running(), "and all is as before")


main(members_prepare, who_is_honest_gets_through)
