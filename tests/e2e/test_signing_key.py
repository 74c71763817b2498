"""More than 5,000 users revoked: their account gets a new signing key, the list begins anew, and no node notices."""
# timeout: 120 waits
import os
import sqlite3

from guardian_rig import unb64
from hostile import become_hostile
from lib import *
from veil import Guardian, Node, Traffic

scaled()
net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)
REVOKED = 5100


def account():
    """What Master has of the realm's account. ValueError while it is being written."""
    for path in (g.dir / "master" / "jwt").rglob("*.jwt"):
        claims = json.loads(unb64((path.read_text() + ".").split(".")[1]))
        if claims["name"] != "SYS":
            return claims["nats"]
    raise Failed("Master has no account")


def revoke_many():
    """Entries as Guardian makes them; the last one is not published yet."""
    now = int(time.time() * 1000)
    with sqlite3.connect(g.dir / "guardian.db", timeout=30) as db:
        (realm,) = db.execute("SELECT id FROM realm").fetchone()
        db.executemany("INSERT INTO revocation (realm, number, kind, node, serial, minimum, until, nkey, published) "
                       "VALUES (?, ?, 1, ?, ?, 0, ?, ?, ?)",
                       [(realm, now - 10 * REVOKED + i, os.urandom(16), os.urandom(16), now + 3600_000, os.urandom(32),
                         i + 1 < REVOKED) for i in range(REVOKED)])
    db.close()


def event(name):
    return f'"{name}"' in g.daemon.log_text()


def nobody_notices():
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    (old,) = account()["signing_keys"]
    outsider = become_hostile(g)  # with a JWT under the old key, which Guardian does not renew
    began = time.time()
    started = [n.status()["counters"]["handshakes_started"] for n in (na, nb)]
    revoke_many()
    wait_until(lambda: len(account().get("revocations", {})) == REVOKED, 20, "Master is told of all of them")
    wait_until(lambda: event("signing_key_announced") and len(account()["signing_keys"]) == 2, 20, "and of a second key")
    wait_until(lambda: event("signing_key_used") and account()["signing_keys"][0] != old, 20, "which becomes the first")
    outsider.flush()
    wait_until(lambda: event("signing_key_ended") and len(account()["signing_keys"]) == 1, 60, "the old one ends")
    now = account()
    check(now["signing_keys"] != [old] and not now.get("revocations"), "and with it every revocation of a JWT under it")

    def ended():
        try:
            outsider.flush(1)
        except (Failed, OSError):
            return True
        return False

    wait_until(ended, 10, "Master has ended the connection that was under the old key")
    for n in (na, nb):
        states = [json.loads(x) for x in n.daemon.log_text().splitlines() if '"control_state"' in x]
        # That Master was slow to answer is no fault of the new key; the channel is up again at once.
        away = [x for x in states if x["state"] != "up" and "Master was slow" not in x["detail"]]
        check(states[-1]["state"] == "up" and not away, f"{n.tag}: its control channel was never away {away}")
    check(traffic.longest_gap(began) < 1, f"the longest gap in its traffic was {traffic.longest_gap(began):.2f} s")
    check([n.status()["counters"]["handshakes_started"] for n in (na, nb)] == started, "by the same streams")
    traffic.stop()


def afterwards():
    out = g.cli("node", "query", "a").stdout
    check("a" in out, "Guardian's own connection is under the new key too")
    g.cli("node", "revoke", "b")
    wait_until(lambda: len(account().get("revocations", {})) == 1, 10, "who is revoked now is named")
    wait_until(lambda: not nb.daemon.running(), 20, "and cut")
    g.daemon.stop()
    g.end_master()
    g.start()
    na.wait_online(30)
    check(len(account()["signing_keys"]) == 1, "and so it stays after a restart of both")


main(nobody_notices, afterwards)
