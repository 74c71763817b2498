"""A machine changes its address while traffic runs: streams and the control channel are there again soon."""
# timeout: 120 waits
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb, nc = Node(a, g), Node(b, g), Node(c, g)


def change(machine, old, new):
    # In this order, for the kernel drops the other addresses of a subnet with the first one.
    machine.ip("address", "del", f"10.9.0.{old}/24", "dev", "eth0")
    machine.ip("address", "add", f"10.9.0.{new}/24", "dev", "eth0")


def traffic_resumes():
    na.reaches(nb.ip4)
    there, back = Traffic(a, nb.ip4), Traffic(b, na.ip4)
    there.steady()
    back.steady()
    node = na.status()["node"]
    for old, new in ((2, 12), (12, 22)):
        began = time.time()
        change(a, old, new)
        # Less than silence takes to be noticed (3 s).
        there.back_within(2, f"from the machine that is 10.9.0.{new} now", since=began + 0.2)
        back.back_within(2, "and to it", since=began + 0.2)
        check(max(there.longest_gap(began - 1), back.longest_gap(began - 1)) < 2.5, "no longer gap than that")
        wait_until(lambda: na.status()["control"] == "up", 5, "the control channel is up")
        nc.reaches(na.ip4, within=5)
        check([x for x in na.links() if x["tag"] == "b"][0]["tether"]["local"].startswith(f"10.9.0.{new}"),
              "the tether runs from the new address")
    check(na.status()["node"] == node, "it is the same node")
    there.stop()
    back.stop()


def idle_node_is_found():
    """Nothing of it runs, so only the control channel can be lost; it is found at once."""
    wait_until(lambda: "control" in nb.status(), 5, "b runs")
    change(b, 3, 33)
    wait_until(lambda: "address changed" in nb.daemon.log_text(), 2, "b notices")
    wait_until(lambda: nb.status()["control"] == "up", 5, "its control channel is up again")
    nc.reaches(nb.ip4, within=5)


def commands_follow():
    """Guardian is asked over a kept connection, which the change makes useless."""
    nb.cli("taint", "add", "moved")
    change(b, 33, 43)
    began = time.time()
    nb.cli("taint", "remove", "moved")
    took = seconds_since(began)
    check(took < 5, f"a command that asks Guardian is done {took:.2f} s after the change")


def without_address_for_a_while():
    """Tethers that are offered meanwhile know nothing of the address that comes: they are made anew."""
    na.reaches(nb.ip4, within=15)
    nc.reaches(na.ip4, within=15)
    a.ip("address", "del", "10.9.0.22/24", "dev", "eth0")
    wait_until(lambda: na.status()["control"] == "down", 5, "a is cut off")
    time.sleep(5)  # the outage itself: what comes back is waited for by condition
    a.ip("address", "add", "10.9.0.2/24", "dev", "eth0")
    returned = time.monotonic()
    wait_until(lambda: na.status()["control"] == "up", 5, "the control channel is up again")
    na.reaches(nb.ip4, within=5)
    log(f"a reaches b {time.monotonic() - returned:.2f} s after it has an address")


main(traffic_resumes, idle_node_is_found, commands_follow, without_address_for_a_while)
