"""A TCP flow inside survives a change of address, and a switch between two uplinks, on the same tether; prints the gaps."""
# timeout: 120
from lib import *
from veil import Guardian, Node

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

# Numbers each millisecond; the other end checks that each comes once, in order, and notes the longest time without any.
SENDER = """
import socket, struct, sys, time
s = socket.create_connection((sys.argv[1], 7000)); n = 0
print("ready", flush=True)
while True:
    s.sendall(struct.pack(">Q", n) * 16); n += 1; time.sleep(0.002)
"""
RECEIVER = """
import socket, struct, sys, time
l = socket.create_server(("0.0.0.0", 7000)); print("ready", flush=True)
s, _ = l.accept(); f = s.makefile("rb"); n, last = 0, time.monotonic()
while True:
    block = f.read(128)
    if len(block) < 128: print("ended", flush=True); break
    assert block == struct.pack(">Q", n) * 16, (n, block[:8]); n += 1
    now = time.monotonic()
    if now - last > 0.05: print(f"gap {now - last:.3f}", flush=True)
    if n % 100 == 0: print(f"got {n}", flush=True)
    last = now
"""


def begin():
    na.reaches(nb.ip4)
    receiver = b.daemon([sys.executable, "-c", RECEIVER], name="receiver")
    receiver.wait_log("ready")
    sender = a.daemon([sys.executable, "-c", SENDER, nb.ip4], name="sender")
    sender.wait_log("ready")
    globals().update(receiver=receiver, sender=sender)
    flows_on()


def got():
    return int((re.findall(r"^got (\d+)$", receiver.log_text(), re.M) or [0])[-1])


def flows_on():
    before = got()
    wait_until(lambda: receiver.running() and got() > before + 300, 15, "the flow goes on")


UPLINKS = {"10.1.0": ("eth0", "lan1"), "10.2.0": ("eth1", "lan2")}


def at():
    """The address that the tether runs from."""
    return na.links()[0]["tether"]["local"].rsplit(":", 1)[0]


def moves(what, away):
    """Runs it; afterwards the same flow runs over the same tether, from another address."""
    created = na.daemon.log_text().count("tether_created")
    before = receiver.log_text()
    what()
    flows_on()
    wait_until(lambda: not at().startswith(away), 10, f"the tether runs from elsewhere than {away}")
    gaps = [float(x) for x in re.findall(r"^gap ([0-9.]+)", receiver.log_text()[len(before):], re.M)]
    check(na.daemon.log_text().count("tether_created") == created, f"it is the tether of before, from {at()}")
    check("ended" not in receiver.log_text() and sender.running(), "the TCP connection lives")
    log(f"longest gap: {max(gaps, default=0):.3f} s")
    check(max(gaps, default=0) < 3, "which is shorter than silence is borne")


def another_address():
    begin()
    old = at()
    subnet = old.rsplit(".", 1)[0]

    def change():
        a.ip("address", "del", f"{old}/24", "dev", UPLINKS[subnet][0])
        a.ip("address", "add", f"{subnet}.9/24", "dev", UPLINKS[subnet][0])
        routes()

    moves(change, old)


def the_uplink_in_use_goes_down():
    subnet = at().rsplit(".", 1)[0]
    moves(lambda: a.ip("link", "set", UPLINKS[subnet][0], "down"), subnet)
    a.ip("link", "set", UPLINKS[subnet][0], "up")
    routes()
    flows_on()


def the_uplink_in_use_loses_its_cable():
    subnet = at().rsplit(".", 1)[0]
    moves(lambda: r.ip("link", "set", UPLINKS[subnet][1], "down"), subnet)


main(another_address, the_uplink_in_use_goes_down, the_uplink_in_use_loses_its_cable)
