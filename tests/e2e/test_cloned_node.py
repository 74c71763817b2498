"""A copied state folder: the later start takes the node's place, the earlier ends and says why, and there is no war."""
# timeout: 180 waits
import json
import shutil
import time

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, twin, b = (net.machine(n) for n in ("srv", "a", "twin", "b"))
net.switch([srv, a, twin, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g, tag="web"), Node(b, g)
ids = []


class Copy(Node):
    """The same node on another machine: its settings and token, copied."""

    def __init__(self, machine, original):
        self.machine, self.tag, self.run_words, self.before = machine, original.tag, [], []
        self.dir = machine.dir / original.dir.name
        self.dir.mkdir(mode=0o700)
        shutil.copy2(original.dir / "conflux.json", self.dir)
        self.ip4 = self.ip6 = self.daemon = None


nt = Copy(twin, na)


def logins():
    """Guardian's lines about logins of that conflux."""
    lines = [json.loads(x) for x in g.daemon.log_text().splitlines() if '"session_login"' in x]
    return [x for x in lines if conflux in x["actor"]]


def ended(node, what):
    # at once by the revocation list; or Master ends its connection first, and it asks Guardian within half a minute
    wait_until(lambda: not node.daemon.running(), 45, what)
    check(node.daemon.process.returncode == 4, f"{what}, with the exit code that says that Guardian refused it")
    done = node.cli("status", ok=False)
    check(done.returncode == 3 and "another node logged in with its conflux token" in done.stdout,
          f"its status says: {done.stdout.strip()}")


def the_original_works():
    global conflux, traffic
    conflux = na.status()["conflux"]
    ids.append(na.status()["node"])
    nb.reaches(na.ip4)
    traffic = Traffic(b, na.ip4)
    traffic.steady()


def the_copy_takes_its_place():
    begun = time.time()
    nt.start()
    ids.append(nt.status()["node"])
    check(nt.ip4 == na.ip4, "the copy has the address")
    ended(na, "the original ends")
    traffic.back_within(3, "the address is the copy's", since=begun)
    check(twin.counter("veilnet", "rx_packets") > 0, "and the packets come there")
    check([x["node"] for x in nb.links()] == [ids[1]], "b has a link with it alone")
    entry = logins()[-1]
    check(entry["subject"] == ids[1] and entry["detail"] == f"supersedes node {ids[0]}", f"Guardian's audit: {entry}")


def there_is_no_war():
    before = len(logins())
    traffic.steady(100)  # 5 s: who would try again had tried by then
    check(len(logins()) == before == 2, "nobody logged in again")
    check(nt.daemon.running() and not na.daemon.running(), "the copy goes on alone")
    check(traffic.longest_gap(time.time() - 4) < 2, "traffic flows on")


def each_start_has_its_own_keys():
    """The original again, as its owner would: now the copy ends. No two starts ever have one id."""
    na.start()
    ids.append(na.status()["node"])
    ended(nt, "the copy ends")
    na.kill()
    na.start()
    ids.append(na.status()["node"])
    check(len(set(ids)) == 4, f"four starts, four node ids, so four keys: {ids}")
    on_disk = b"".join(p.read_bytes() for n in (na, nt) for p in n.dir.iterdir() if p.is_file())
    check(len(on_disk) < 6000, f"a state folder has no place for a key of 4,032 bytes: {len(on_disk)} bytes in two of them")
    traffic.back_within(3, "b follows")
    check([x["node"] for x in nb.links()] == [ids[3]], "to the one that lives")
    check([x["subject"] for x in logins()] == ids, "Guardian's audit names them all")


main(the_original_works, the_copy_takes_its_place, there_is_no_war, each_start_has_its_own_keys)
