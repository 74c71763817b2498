"""1500 bytes inside on paths of 576 and 1280 outside, and when a path gets shorter under way."""
# timeout: 120
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


def path(mtu):
    for machine in (srv, a, b):
        machine.ip("link", "set", "eth0", "mtu", str(mtu))


def carries_full_packets(what):
    # 1,472 bytes of ICMP are a packet of 1,500, which must not be cut inside.
    full = ["ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1472", nb.ip4]
    wait_until(lambda: a.run(full, ok=False).returncode == 0, 10, f"a packet of 1500 passes: {what}")
    a.run(["curl", "-sf", "--max-time", "30", "-o", a.dir / "file", f"http://{nb.ip4}:8000/file"], timeout=40)
    check(hashlib.sha256((a.dir / "file").read_bytes()).digest() == hashlib.sha256(data).digest(),
          f"and a download is whole: {what}")


def serve():
    na.reaches(nb.ip4)
    folder = b.dir / "www"
    folder.mkdir()
    (folder / "file").write_bytes(data)
    b.daemon(["python3", "-m", "http.server", "--directory", folder, "8000"], name="http")
    wait_until(lambda: ":8000" in b.out(["ss", "-Hlnt"]), 5, "the server listens")


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


main(serve, every_path, shorter_under_way)
