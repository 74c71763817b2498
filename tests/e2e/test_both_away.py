"""Guardian and Master both killed while traffic runs, and started again in either order."""
# timeout: 120
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
# No relays: c has no link but of its own packets.
na, nb, nc = (Node(m, g, run_words=["--idle", "3", "--no-relay"]) for m in (a, b, c))
traffic = None


def kill_both():
    """Without a link of c, so that its next packet needs Master."""
    wait_until(lambda: nc.links() == [], 15, "c has no links")
    pid = int((g.dir / "master/nats-server.pid").read_text())
    g.daemon.kill()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(n.status()["control"] == "down" for n in (na, nb, nc)), 5, "all lose the control channel")
    check(c.ping(na.ip4, wait=1) == [], "without Master there is no new link")


def control_up(limit, what):
    began = time.monotonic()
    wait_until(lambda: all(n.status()["control"] == "up" for n in (na, nb, nc)), limit, f"the control channel is up {what}")
    nc.reaches(na.ip4, within=5)
    log(f"a new link works {time.monotonic() - began:.2f} s {what}")


def guardian_starts_master():
    global traffic
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    began = time.time()
    kill_both()
    g.start()
    control_up(10, "after Guardian and with it Master")
    check(traffic.longest_gap(began) < 1, f"streams lived on: the longest gap was {traffic.longest_gap(began):.2f} s")


def master_first():
    began = time.time()
    kill_both()
    argv = ["nats-server", "-c", str(next((g.dir / "master").glob("*.conf")))]
    master = srv.daemon(argv, name="master")
    control_up(10, "after Master, without Guardian")
    g.start()
    check(master.running(), "Guardian takes over the Master that runs")
    check("master_adopted" in g.daemon.log_text(), "and says so")
    nb.stop()
    nb.start()
    traffic.back_within(10, "to a node that logged in afterwards")
    nc.reaches(nb.ip4)
    check(traffic.longest_gap(began) < 10, "traffic ran all the time but for that node's restart")
    traffic.stop()


main(guardian_starts_master, master_first)
