"""A TCP flow inside survives a change of address, and switches between two uplinks and back, on the same tether; prints the gaps."""
# timeout: 120
from lib import *
from veil import Flow, Guardian, Node

net = Net()
srv, b, r, a = (net.machine(n) for n in ("srv", "b", "r", "a"))
net.switch([srv, b, r], "10.9.0")
net.cable(r, a, "10.1.0.1/24", "10.1.0.2/24", a_if="lan1", b_if="eth0")
net.cable(r, a, "10.2.0.1/24", "10.2.0.2/24", a_if="lan2", b_if="eth1")
r.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
for m in (srv, b):
    m.ip("route", "add", "default", "via", "10.9.0.3")
# As network managers do, or the kernel would go on sending into a dead interface.
a.run(["sysctl", "-qw", *(f"net.ipv4.conf.{i}.ignore_routes_with_linkdown=1" for i in ("all", "eth0", "eth1"))])


def routes():
    a.ip("route", "replace", "default", "via", "10.1.0.1", "dev", "eth0", "metric", "100")
    a.ip("route", "replace", "default", "via", "10.2.0.1", "dev", "eth1", "metric", "200")


routes()
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)

def begin():
    na.reaches(nb.ip4)
    globals().update(flow=Flow(a, b, nb.ip4))


UPLINKS = {"10.1.0": ("eth0", "lan1"), "10.2.0": ("eth1", "lan2")}


def at():
    """The address that the tether runs from."""
    return na.links()[0]["tether"]["local"].rsplit(":", 1)[0]


def moves(what, away):
    """Runs it; afterwards the same flow runs over the same tether, from another address."""
    created = na.daemon.log_text().count("tether_created")

    def move():
        what()
        wait_until(lambda: not at().startswith(away), 10, f"the tether runs from elsewhere than {away}")

    check_in_time(flow.over(move), 3, "no gap as long as silence is borne")
    check(na.daemon.log_text().count("tether_created") == created, f"it is the tether of before, from {at()}")


def by_the_first_uplink():
    a.ip("link", "set", "eth0", "up")
    r.ip("link", "set", "lan1", "up")
    routes()
    wait_until(lambda: at().startswith("10.1.0"), 20, "the tether runs by the first uplink")


def another_address():
    old = at()
    subnet, host = old.rsplit(".", 1)

    def change():
        a.ip("address", "del", f"{old}/24", "dev", UPLINKS[subnet][0])
        a.ip("address", "add", f"{subnet}.{int(host) + 7}/24", "dev", UPLINKS[subnet][0])
        routes()

    moves(change, old)


def the_first_uplink_goes_down():
    by_the_first_uplink()
    moves(lambda: a.ip("link", "set", "eth0", "down"), "10.1.0")


def it_comes_back():
    """The pair that works is left for the one that is preferred, though nothing is wrong with it."""

    def up():
        a.ip("link", "set", "eth0", "up")
        routes()

    a.ip("link", "set", "eth0", "down")
    wait_until(lambda: at().startswith("10.2.0"), 20, "the tether runs by the second uplink")
    moves(up, "10.2.0")


def the_uplink_in_use_loses_its_cable():
    by_the_first_uplink()
    moves(lambda: r.ip("link", "set", "lan1", "down"), "10.1.0")


def each_move_in_time():
    begin()
    for scene in (another_address, the_first_uplink_goes_down, it_comes_back, the_uplink_in_use_loses_its_cable):
        log("- ", scene.__name__)
        in_time(scene)


def an_uplink_that_is_not_to_be_used():
    by_the_first_uplink()
    na.stop()
    na.run_words = ["--not-over", "wg0,eth0"]
    na.start()
    na.reaches(nb.ip4)
    check(at().startswith("10.2.0"), "with --not-over the tether runs by the other")
    na.stop()
    na.run_words = ["--not-over", "*"]
    na.start()
    check("Unreachable" in a.run(["ping", "-n", "-c", "3", nb.ip4], ok=False).stdout, "with none left b is unreachable, not a hang")
    check(na.daemon.log_text().count('"no_interface"') == 1, "and the log tells once where to look")


main(each_move_in_time, an_uplink_that_is_not_to_be_used)
