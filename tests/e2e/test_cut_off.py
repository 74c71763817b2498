"""A node whose network is gone ends when told to, though its connection to Master is full of what nobody takes."""
# timeout: 60 waits
import re

from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)


def unsent():
    """Bytes that wait in the socket to Master."""
    line = next(x for x in a.out(["ss", "-Htn"]).splitlines() if ":4222" in x)
    return int(line.split()[2])


def ends_when_told_to():
    na.reaches(nb.ip4)
    net._machines["switch"].ip("link", "set", "p2", "nomaster")  # a's cable is pulled, far away
    d = a.daemon(["ping", "-n", "-i", "0.2", nb.ip4], name="ping")
    wait_until(lambda: unsent() > 40000, 30, "what a asks of b piles up")
    began = time.time()
    check(na.daemon.stop(timeout=10) == 0, "a ends")
    check(seconds_since(began) < 5, "without waiting for the network")
    check("fwmark" not in a.ip("rule", "show"), "and leaves nothing behind")
    d.stop()


main(ends_when_told_to)
