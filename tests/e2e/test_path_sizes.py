"""1500 bytes inside on paths of 576 and 1280 outside, and when a path gets shorter under way; 9000 inside, at both ends or one."""
# timeout: 180
import hashlib
import os

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g, run_words=["--idle", "2"]), Node(b, g, run_words=["--idle", "2"])
data = os.urandom(1 << 20)


def path(mtu, between=1500):
    """between: of the switch. What is longer than that vanishes there, without a word."""
    for machine in (srv, a, b):
        machine.ip("link", "set", "eth0", "mtu", str(mtu))
    for port in ("p1", "p2", "p3"):
        net.machine_named("switch").ip("link", "set", port, "mtu", str(between))


def carries_full_packets(what, inside=1500):
    # A packet of that size, which must not be cut inside: 20 bytes are IPv4's header, 8 ICMP's.
    full = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(inside - 28), nb.ip4]
    wait_until(lambda: a.run(full, ok=False).returncode == 0, 30, f"a packet of {inside} passes: {what}")
    for here, there in ((a, nb), (b, na)):
        here.run(["curl", "-sf", "--max-time", "30", "-o", here.dir / "file", f"http://{there.ip4}:8000/file"], timeout=40)
        check(hashlib.sha256((here.dir / "file").read_bytes()).digest() == hashlib.sha256(data).digest(),
              f"and a download by {here.name} is whole: {what}")


def serve():
    na.reaches(nb.ip4)
    for machine in (a, b):
        folder = machine.dir / "www"
        folder.mkdir()
        (folder / "file").write_bytes(data)
        machine.daemon(["python3", "-m", "http.server", "--directory", folder, "8000"], name=f"http-{machine.name}")
        machine.wait_listening(8000)


def every_path():
    for mtu in (576, 1280):
        path(mtu)
        carries_full_packets(f"outside {mtu}")
        wait_until(lambda: na.links() == [] and nb.links() == [], 15, "the tether is gone")


def shorter_under_way():
    path(1500)
    na.reaches(nb.ip4)
    carries_full_packets("outside 1500")
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    path(1000)
    carries_full_packets("outside 1000 from now on")
    traffic.steady()
    traffic.stop()


def long_inside():
    """Interfaces of 9000 bytes at both ends or one, on links of 9000 with a switch that takes as much, or, unknown to both, less."""
    # TCP finds no such path's size by itself: Master's connections know it, for this is about tethers.
    srv.ip("route", "change", "10.9.0.0/24", "dev", "eth0", "mtu", "576")
    for machine in (a, b):
        machine.ip("route", "add", "10.9.0.1", "dev", "eth0", "mtu", "576")
    for at_b, switch in ((9000, (9000, 600)), (1500, (1500,))):
        path(9000, 9000)
        for node, mtu in ((na, 9000), (nb, at_b)):
            node.stop()
            node.run_words = ["--idle", "2", "--mtu", str(mtu)]
            node.start()
            check(f"mtu {mtu} " in node.machine.ip("link", "show", "veilnet"), f"{node.tag} has an interface of {mtu}")
        for between in switch:
            path(9000, between)
            carries_full_packets(f"a 9000, b {at_b}, between them {between}", inside=9000)
            wait_until(lambda: na.links() == [] and nb.links() == [], 15, "the tether is gone")


main(serve, every_path, shorter_under_way, long_inside)
