"""A wall clock that is wrong by ten minutes, or jumps: the node works on, and status says by how much."""
# timeout: 90
from lib import *
from veil import Guardian, Node, Traffic

PRELOAD = BIN / "libwallclock.so"
if not PRELOAD.exists():
    skip(f"{PRELOAD} is missing")

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
offset = net.dir / "offset"


def set_clock(seconds):
    """The wall clock of the node's daemon; all its other clocks stay right."""
    offset.with_suffix(".new").write_text(f"{seconds}\n")
    offset.with_suffix(".new").rename(offset)


set_clock(-600)


g = Guardian(srv, "10.9.0.1")
na, nc = Node(a, g), Node(c, g)
nb = Node(b, g, before=["env", f"LD_PRELOAD={PRELOAD}", f"VN_WALLCLOCK={offset}"], start=False)  # its daemon alone believes it


def clock_is(seconds):
    status = nb.status()
    check(abs(status["clock_offset_ms"] - seconds * 1000) < 5000, f"the node's clock is off by {seconds} s")
    hints = [h for h in status["hints"] if "clock" in h]
    check(hints and f"{abs(seconds)} s {'fast' if seconds > 0 else 'slow'}" in hints[0].replace("599 s", "600 s")
          .replace("601 s", "600 s"), f"status says so: {hints}")


def works(node):
    nb.reaches(node.ip4, within=5)
    node.reaches(nb.ip4, within=5)


def wrong_at_start():
    nb.start()
    clock_is(-600)
    works(na)


def changed_while_running():
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    for seconds in (600, -600):
        began = time.time()
        set_clock(seconds)
        clock_is(seconds)
        traffic.steady()
        check(traffic.longest_gap(began) < 1, "traffic went on")
    set_clock(600)
    nc.stop()
    nc.start()
    works(nc)
    traffic.stop()


def fast_at_start():
    nb.stop()
    nb.start()
    clock_is(600)
    works(na)
    nb.cli("taint", "add", "later")
    pid = int((g.dir / "master/nats-server.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: nb.status()["control"] == "down", 5, "Master is gone")
    wait_until(lambda: nb.status()["control"] == "up", 15, "and taken again when it is back")
    works(na)


def put_right():
    set_clock(0)
    check(not [h for h in nb.status()["hints"] if "clock" in h], "a clock that was set right is not mentioned")
    works(na)


main(wrong_at_start, changed_while_running, fast_at_start, put_right)
