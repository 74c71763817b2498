"""Master killed, restarted, unreachable while traffic runs: streams live on, control resumes, new links work."""
# timeout: 900 waits
from lib import *
from veil import Guardian, Node, Traffic

LONG = bool(os.environ.get("VN_LONG"))
if not LONG:
    scaled()  # an outage of 15 s is one of 12 minutes for all that is renewed and kept

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
# No relays: c has no link but of its own packets.
na, nb, nc = (Node(m, g, run_words=["--idle", "3", "--no-relay"]) for m in (a, b, c))
traffic = None


def master_pid():
    return int((g.dir / "master/nats-server.pid").read_text())


def control(state):
    return all(n.status()["control"] == state for n in (na, nb, nc))


def no_links_of_c():
    """Its links to the others end when idle, so that the next packet needs the control channel."""
    wait_until(lambda: nc.links() == [], 15, "c has no links")


def resumes(limit, began):
    """New links and the control channel are there within limit seconds of then."""
    wait_until(lambda: c.ping(na.ip4, wait=1), limit + 10, "c reaches a")
    check_in_time(seconds_since(began), limit, "a new link works after Master's return")
    wait_until(lambda: control("up"), 15, "the control channel is up everywhere")
    nb.reaches(nc.ip4, within=5)


def streams_lived(began):
    check_in_time(traffic.longest_gap(began), 1, "streams lived on: the longest gap")


def killed():
    global traffic
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    def scene(number):
        no_links_of_c()
        began, pid = time.time(), master_pid()
        os.kill(pid, number)
        wait_until(lambda: master_pid() != pid and g.health()["master"] == "up", 20, "Guardian starts it again")
        resumes(6, time.time())
        streams_lived(began)

    for number in (signal.SIGKILL, signal.SIGTERM):
        in_time(lambda: scene(number))


def unreachable():
    """Its machine is cut off without a word; nodes ask for new links meanwhile."""
    switch = net.machine_named("switch")

    def scene(seconds, limit):
        no_links_of_c()
        began = time.time()
        switch.ip("link", "set", "p1", "down")
        check(c.ping(na.ip4, count=3, interval=1, wait=1) == [], "without Master there is no new link")
        time.sleep(max(0, began + seconds - time.time()))
        hints = nc.status()["hints"]
        check(any("control channel is down" in h for h in hints), f"status says so: {hints}")
        streams_lived(began)
        switch.ip("link", "set", "p1", "up")
        resumes(limit, time.time())
        streams_lived(began)

    for seconds, limit in [(15, 9)] + [(600, 9)] * LONG:
        in_time(lambda: scene(seconds, limit))


def silent():
    """It hangs: connections stay, nothing is answered."""
    def scene():
        no_links_of_c()
        began, pid = time.time(), master_pid()
        os.kill(pid, signal.SIGSTOP)
        check(c.ping(na.ip4, wait=5) == [], "while it hangs there is no new link")
        os.kill(pid, signal.SIGCONT)
        resumes(6, time.time())
        streams_lived(began)

    in_time(scene)
    traffic.stop()


main(killed, unreachable, silent)
