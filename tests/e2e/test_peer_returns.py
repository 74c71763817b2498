"""A peer that is killed or suspended while traffic runs, and comes back: found again within a second."""
# timeout: 480 waits
from lib import *
from veil import Guardian, Node, Traffic

LONG = bool(os.environ.get("VN_LONG"))
if not LONG:
    scaled()  # 15 s of absence are 12 minutes for all that is renewed and kept
AWAY_S = 15

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)
traffic = None


def killed_and_back_at_once():
    global traffic
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    def scene():
        nb.kill()
        nb.start()
        traffic.back_within(1, "killed and started again")

    for _ in range(3):
        in_time(scene)


def killed_and_away():
    def scene():
        nb.kill()
        wait_until(traffic.silent, 5, "it falls silent")
        wait_until(traffic.unreachable, 10, "the sender is told")
        time.sleep(AWAY_S)
        nb.start()
        traffic.back_within(1, f"killed, away {AWAY_S} s")

    in_time(scene)


def suspended():
    def scene(seconds, limit):
        nb.daemon.send(signal.SIGSTOP)
        wait_until(traffic.silent, 5, "it falls silent")
        time.sleep(seconds)
        nb.daemon.send(signal.SIGCONT)
        traffic.back_within(limit, f"suspended for {seconds} s")

    for seconds, limit in [(AWAY_S, 1.5)] + [(300, 12)] * LONG:
        in_time(lambda: scene(seconds, limit))


def both_ways():
    traffic.stop()
    nb.reaches(na.ip4)
    na.reaches(nb.ip4)


main(killed_and_back_at_once, killed_and_away, suspended, both_ways)
