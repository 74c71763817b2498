"""A revocation that Guardian cannot publish waits, however long: Master is away for Guardian alone."""
# timeout: 120 long
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)
AWAY = 35  # longer than anything else waits for Master


def published_when_master_is_back():
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    srv.ip("address", "del", "127.0.0.1/8", "dev", "lo")  # by which Guardian reaches its Master
    g.cli("node", "revoke", "b")
    cut = time.time()
    wait_until(lambda: time.time() - cut > AWAY, AWAY + 5, "Guardian has tried for long")
    check(not traffic.silent(), "nobody has heard of it")
    srv.ip("address", "add", "127.0.0.1/8", "dev", "lo")
    back = time.time()
    wait_until(traffic.silent, 20, "b is cut")
    check(traffic.answers()[-1] - back < 8, f"Master back to cut: {traffic.answers()[-1] - back:.1f} s")
    wait_until(lambda: not nb.daemon.running(), 30, "b hears of it")
    check("revoked" in nb.daemon.log_text(), "and says why it ended")


main(published_when_master_is_back)
