"""Over paths that lose, reorder, repeat, delay, are narrow or swallow long packets: two nodes meet, downloads both ways are whole,
and of datagrams each comes once. Twelve such paths; with VN_LONG a grid of them."""
# timeout: 1200
import hashlib
import itertools
import os

from lib import *
from veil import Datagrams, Guardian, Node

need("linkem", "curl")
net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
underlay = net.switch([srv, a, b], "10.9.0")
wire = net.emulated(a, b, "10.8.0.1/24", "10.8.0.2/24", interface="far")
cut(underlay, True, (a, b))  # Guardian and Master are near, the other node is not
g = Guardian(srv, "10.9.0.1")
na, nb = nodes = [Node(m, g, run_words=["--idle", "1"]) for m in (a, b)]
SIZE = 1 << 18
CLEAN = {"delay-ms": 0, "rate-mbit": 0, "loss": 0, "dup": 0, "reorder": 0, "mtu": 0}
PATHS = [
    {"loss": 0.1, "delay-ms": 0.5}, {"loss": 1, "delay-ms": 10}, {"loss": 10, "delay-ms": 5}, {"loss": 3, "delay-ms": 75},
    {"delay-ms": 150}, {"reorder": 5, "delay-ms": 5}, {"dup": 10, "delay-ms": 1}, {"rate-mbit": 3, "delay-ms": 10},
    {"mtu": 576}, {"mtu": 1280, "loss": 1}, {"mtu": 1000, "rate-mbit": 20, "delay-ms": 25},
    {"loss": 2, "reorder": 2, "dup": 2, "delay-ms": 25, "rate-mbit": 20, "mtu": 1400},
]
GRID = [dict(zip(("loss", "delay-ms", "rate-mbit", "mtu", "reorder", "dup"), (*rest, bad, bad)))
        for *rest, bad in itertools.product((0, 0.1, 1, 10), (0.5, 20, 150), (0, 5), (0, 576, 1280), (0, 3))]
port = itertools.count(5100)


def serve():
    for n in nodes:
        folder = n.machine.dir / "www"
        folder.mkdir()
        (folder / "file").write_bytes(os.urandom(SIZE))
        n.machine.daemon(["python3", "-m", "http.server", "--directory", folder, "8000"], name=f"http-{n.tag}")
        n.machine.wait_listening(8000)


def downloads():
    """Both ways at once."""
    there = ((na, nb), (nb, na))
    curls = [here.machine.daemon(["curl", "-sf", "--max-time", "60", "-o", here.machine.dir / "file", f"http://{other.ip4}:8000/file"],
                                 name=f"curl-{here.tag}") for here, other in there]
    for curl, (here, other) in zip(curls, there):
        got = here.machine.dir / "file"
        if curl.process.wait(65) != 0 or hashlib.sha256(got.read_bytes()).digest() != hashlib.sha256(
                (other.machine.dir / "www/file").read_bytes()).digest():
            raise Failed(f"the download by {here.tag} is not whole")
        got.unlink()


def datagrams():
    """Bulk is sent again until it has come; none comes twice. What finds a queue full, while a stream has yet to learn how
    fast the path is or the machine is busy, is lost as on any path: from then on all come."""
    d = Datagrams(a, b, nb.ip4, next(port))
    d.flow(100)
    wait_until(lambda: d.longest_row() >= 300, 30, "300 datagrams come in a row")
    d.lost(300)
    d.stop()


def over(path):
    wait_until(lambda: na.links() == nb.links() == [], 20, "nothing is left of the path before")
    wire.set(*(str(w) for k, v in {**CLEAN, **path}.items() for w in (f"--{k}", v)))
    began = time.monotonic()
    na.reaches(nb.ip4, within=20)
    met = time.monotonic() - began
    downloads()
    if path.get("rate-mbit", 100) > 4:  # a thousand a second are 2 Mbit/s and more
        datagrams()
    told = ", ".join(f"{k} {v}" for k, v in path.items() if v)
    check(True, f"{told}: met after {met:.1f} s, all whole after {time.monotonic() - began:.1f} s")


def every_path():
    for path in GRID if os.environ.get("VN_LONG") else PATHS:
        over(path)


def the_path_was_bad():
    """The emulator did what it was told, to what the nodes sent."""
    if not os.environ.get("VN_LONG"):
        for way, seen in ((w, wire.counters()[w]) for w in ("ab", "ba")):
            log(way, seen)
            check(all(seen[k] > 0 for k in ("lost", "dropped_mtu")), f"{way}: packets were lost, and swallowed for their length")


main(serve, every_path, the_path_was_bad)
