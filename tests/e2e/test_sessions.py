"""Sessions of some seconds: renewed under traffic without a gap, and what happens to a node that cannot renew."""
# timeout: 120 waits
import sqlite3

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1", start=False)
LIFE = 12
with sqlite3.connect(g.dir / "guardian.db") as db:  # the least that `realm create` takes is a minute
    db.execute("UPDATE realm SET session_lifetime_s = ?", (LIFE,))
db.close()
g.start()
na, nb = Node(a, g), Node(b, g)


def renewals(node):
    return node.daemon.log_text().count('"session_renewed"')


def renewed_without_a_gap():
    na.reaches(nb.ip4)
    before = [renewals(n) for n in (na, nb)]
    count = LIFE * 50  # two lifetimes at an interval of 40 ms: four renewals and more
    started = [n.status()["counters"]["handshakes_started"] for n in (na, nb)]
    began = time.monotonic()
    times = a.ping(nb.ip4, count=count, interval=0.04, wait=5)
    lifetimes = (time.monotonic() - began) / LIFE
    made = [renewals(n) - x for n, x in zip((na, nb), before)]
    check(min(made) >= 3, f"both renewed under traffic: {made}")
    check(max(made) <= 3 * lifetimes + 2, f"and no more often than between a third and half of life: {made} in {lifetimes:.1f} lives")
    check(len(times) == count, f"{len(times)} of {count} pings answered")
    check(started == [n.status()["counters"]["handshakes_started"] for n in (na, nb)], "by the same streams")


def who_cannot_renew():
    """Guardian is away for longer than credentials live: they work until their end, and once more when it is back."""
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    g.daemon.kill()
    killed = time.time()
    wait_until(traffic.silent, LIFE + 10, "streams end with the credentials")
    lasted = traffic.answers()[-1] - killed
    check(LIFE / 2 - 2 <= lasted <= LIFE + 1, f"traffic went on for {lasted:.1f} s of a life of {LIFE} s")
    check(not any(x["stream"]["tx_state"] == "open" for n in (na, nb) for x in n.links()), "no stream is open at either end")
    status = na.cli("status").stdout
    check("Guardian" in status, "status names the cause: " + next(x for x in status.splitlines() if "Guardian" in x))
    # Master counts in whole seconds, and so may end the connection up to one before.
    wait_until(lambda: (x := na.status())["control"] != "up" and "credentials have ended" in x["control_reason"], 5,
               "Master has ended the connection, and status says why")
    wait_until(traffic.unreachable, 10, "packets are answered with host unreachable")
    back = time.time()
    g.start()
    traffic.back_within(15, "Guardian is back", back)


main(renewed_without_a_gap, who_cannot_renew)
