"""Both machines sleep, for longer than a tether bears silence, or by their clocks for hours: traffic is back within a second."""
# timeout: 120 waits
from lib import *
from veil import Guardian, Node, Traffic

PRELOAD = BIN / "libwallclock.so"
if not PRELOAD.exists():
    skip(f"{PRELOAD} is missing")

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
slept = net.dir / "slept"


def clock_says(seconds):
    """CLOCK_BOOTTIME of the daemons, which goes on in suspend; the monotonic clock, and with it the timers of the system, does not."""
    slept.with_suffix(".new").write_text(f"{seconds}\n")
    slept.with_suffix(".new").rename(slept)


clock_says(0)
g = Guardian(srv, "10.9.0.1")
words = ["env", f"LD_PRELOAD={PRELOAD}", f"VN_BOOTCLOCK={slept}"]
na, nb = Node(a, g, before=words), Node(b, g, before=words)


def sleep(what, between, limit=1):
    """Both stop at once, and go on at once, while echo requests go on. True if they still have the tether of before."""
    created = [n.daemon.log_text().count("tether_created") for n in (na, nb)]
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    for n in (na, nb):
        n.daemon.send(signal.SIGSTOP)
    wait_until(traffic.silent, 5, "both are asleep")
    between()
    for n in (na, nb):
        n.daemon.send(signal.SIGCONT)
    traffic.back_within(limit, what)
    for n in (na, nb):
        wait_until(lambda: n.status()["control"] == "up", 10, f"{n.tag} has its control channel")
    traffic.stop()
    return created == [n.daemon.log_text().count("tether_created") for n in (na, nb)]


def at_rest(*nodes, seconds=6):
    """A condition: their core threads, the programs' first, have made no turn for so long. /proc says it, and wakes nobody."""
    seen = {"turns": None, "since": 0}

    def look():
        turns = [pathlib.Path(f"/proc/{n.daemon.pid}/task/{n.daemon.pid}/status").read_text()
                 .partition("voluntary_ctxt_switches:")[2].split()[0] for n in nodes]
        if turns != seen["turns"]:
            seen.update(turns=turns, since=time.monotonic())
        return time.monotonic() - seen["since"] >= seconds

    return look


def nobody_talks():
    """Nothing comes and nobody sends: what came due while they slept is done by a clock that went on, or hours late."""
    wait_until(at_rest(na, nb), 60, "what a start leaves to do is done")
    clock_says(8 * 3600)  # and no SIGSTOP: SIGCONT interrupts a wait, which a suspend does not
    for n in (na, nb):
        wait_until(lambda: "session_renewed" in n.daemon.log_text(), 5, f"{n.tag} renews its certificate")


def stopped():
    na.reaches(nb.ip4)
    check(sleep("stopped for 17 s, when consent has expired", lambda: time.sleep(17)), "over the tether of before")


def suspended():
    """A few hours; then for longer than their certificates last, so that both renew them."""
    for hours, limit in ((11, 1), (24, 3)):
        stayed = sleep(f"suspended till {hours} h later", lambda: clock_says(hours * 3600), limit)
        check(na.status()["uptime_ms"] > hours * 3600000, "which they believe")
        if hours == 11:
            check(stayed, "over the tether of before")
    for n in (na, nb):
        wait_until(lambda: n.daemon.log_text().count("session_renewed") > 2, 10, f"{n.tag} has renewed its certificate")


main(nobody_talks, stopped, suspended)
