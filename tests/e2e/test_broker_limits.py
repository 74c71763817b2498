"""What a node's JWT permits binds at Master, and thousands of revocations reach nodes and Master."""
# timeout: 120 waits
import os
import signal
import sqlite3

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
if not PROBE.exists():
    skip("guardian_probe is not built")
rig = Rig()
REVOKED = 4000
ENTRIES, PAUSE = 256, 0.2  # VN_REVOCATION_ENTRIES_MAX, VN_REVOCATION_PAUSE_MS


def account():
    """What Master has of the realm's account. ValueError while it is being written."""
    for path in (rig.dir / "master" / "jwt").rglob("*.jwt"):
        claims = json.loads(unb64((path.read_text() + ".").split(".")[1]))
        if claims["name"] != "SYS":
            return claims["nats"]
    raise Failed("Master has no account")


def limits():
    login, answer = rig.probe(rig.register(tag="limits"), "nats")
    check(login["ok"] and answer["subscriptions"] == 64, f"subscriptions of one node: {answer['subscriptions']}")
    check("maximum subscriptions" in answer["subscriptions_error"].lower(), f"then: {answer['subscriptions_error']}")
    check(answer["payload_24576"] is True and answer["payload_24577"] is False, "a message has 24,576 bytes at most")
    check(answer["others_key"] is False, "a JWT is of no use without its key")


def every_connection_of_a_revoked_node_ends():
    node = rig.register(tag="twice")
    admin = rig.admin()
    with subprocess.Popen([str(a) for a in rig.probe_argv(node, "hold-two")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as held:
        check(json.loads(held.stdout.readline())["ok"], "a node logs in")
        check(json.loads(held.stdout.readline())["connections"] == 2, "and connects twice")
        check(rig.post(f"/conflux/{node['conflux_id']}/revoke", None, admin)[0] == 204, "it is revoked")
        began = time.time()
        said = json.loads(held.stdout.readline())
        check(said["closed"] == 2 and seconds_since(began) < 5, f"both connections end: {said}")
        check(not said["again"], "and a third is refused")
        held.stdin.close()
        held.wait(10)


def figure(admin, name):
    (line,) = (w for w in rig.get("/metrics", admin)[1].splitlines() if w.startswith(f"veilnet_guardian_{name} "))
    return int(line.split()[1])


def lists_published(admin):
    return figure(admin, "revocation_lists_total")


def master_that_is_busy():
    """With many nodes connected it takes long over each word of an account: it is told no faster than it answers."""
    admin = rig.admin()
    nodes = [rig.register() for _ in range(6)]
    for node in nodes:
        check(rig.probe(node)[0]["ok"], "a node logs in")
    named = len(wait_until(account, 10, "Master has the account").get("revocations", {}))
    told = figure(admin, "account_messages_total")
    master = int((rig.dir / "master" / "nats-server.pid").read_text())
    os.kill(master, signal.SIGSTOP)
    try:
        for node in nodes:
            lists = lists_published(admin)
            check(rig.post(f"/conflux/{node['conflux_id']}/revoke", None, admin)[0] == 204, "a node is revoked")
            wait_until(lambda: lists_published(admin) > lists, 10, "nodes are told at once")
        check(figure(admin, "account_messages_total") <= told + 1, "one message at most waits for Master")
    finally:
        os.kill(master, signal.SIGCONT)
    wait_until(lambda: len(account().get("revocations", {})) == named + len(nodes), 10, "Master knows of all of them")
    check(figure(admin, "account_messages_total") <= told + 2, "by one message more")


def thousands_of_revocations():
    admin = rig.admin()
    before, began = lists_published(admin), time.monotonic()
    now = int(time.time() * 1000)
    until = now + 3600_000
    with sqlite3.connect(rig.dir / "guardian.db", timeout=30) as db:
        (realm,) = db.execute("SELECT id FROM realm").fetchone()
        db.executemany("INSERT INTO revocation (realm, number, kind, node, serial, minimum, until, nkey) "
                       "VALUES (?, ?, 1, ?, ?, 0, ?, ?)",
                       [(realm, now - 10 * REVOKED + i, os.urandom(16), os.urandom(16), until, os.urandom(32))
                        for i in range(REVOKED)])
    db.close()
    wait_until(lambda: len(account().get("revocations", {})) >= REVOKED, 30, "Master is told of all of them")
    wait_until(lambda: lists_published(admin) - before >= REVOKED // ENTRIES, 30, "and nodes")
    lists, took = lists_published(admin) - before, time.monotonic() - began
    check(lists <= took / PAUSE + 2, f"in {lists} lists over {took:.1f} s, as each goes to every node")
    (login,) = rig.probe(rig.register(tag="late"))
    check(login["ok"] and login["revoked"] >= REVOKED, f"a later login brings all: {login['revoked']} in {login['lists']} lists")
    check(rig.probe(rig.register(tag="later"), "nats")[1]["ok"], "and Master takes nodes")


main(limits, every_connection_of_a_revoked_node_ends, master_that_is_busy, thousands_of_revocations)
