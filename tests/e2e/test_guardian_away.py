"""Guardian stopped while traffic runs: nobody notices; who starts meanwhile is up soon after its return."""
# timeout: 120 waits
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb, nc = (Node(m, g, run_words=["--no-relay"]) for m in (a, b, c))  # no link of c but of its own packets
traffic = None


def nobody_notices():
    global traffic
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    g.daemon.kill()
    check(nc.links() == [], "c had no link before")
    began = time.monotonic()
    nc.reaches(na.ip4, within=5)
    nb.reaches(nc.ip4, within=5)
    log(f"new links between joined nodes within {time.monotonic() - began:.2f} s")
    check(na.status()["control"] == "up" and nc.status()["control"] == "up", "the control channel is up")
    traffic.steady()
    check(traffic.longest_gap() < 1, f"the longest gap in the traffic was {traffic.longest_gap():.2f} s")


def restarted_meanwhile():
    nb.stop()
    nb.start(wait=False)
    status = wait_until(lambda: s if (s := nb.status())["guardian_error"] else None, 10, "status says what is wrong")
    check("cannot reach" in status["guardian_error"] and status["state"] == "joining", f"status names the cause: {status['hints']}")
    tries = lambda: [int(x) for x in re.findall(r'"login_failed".*"retry_ms":(\d+)', nb.daemon.log_text())]
    wait_until(lambda: len(tries()) >= 5, 40, "it keeps trying")
    check(max(tries()) <= 8750 and len(set(tries())) == len(tries()), f"with growing pauses and jitter: {tries()} ms")


def up_soon_after_its_return():
    g.start()
    returned = time.monotonic()
    nb.wait_online(10)
    log(f"online {time.monotonic() - returned:.2f} s after Guardian's return")
    traffic.back_within(10, "to the restarted node")
    traffic.stop()
    nb.reaches(nc.ip4)


main(nobody_notices, restarted_meanwhile, up_soon_after_its_return)
