"""The disk of a state folder is full, or read-only: the errors name the fix, nothing breaks, all recovers."""
# timeout: 120
import sqlite3

from lib import *
from veil import Guardian, Node, Traffic

need("mount", "umount")

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")


def small_disk(path, size):
    path.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", path])
    net.undo(lambda: run(["umount", "-l", path], ok=False))


def fill(path):
    with contextlib.suppress(OSError), open(path / "fill", "ab", buffering=0) as f:
        while f.write(b"x" * 4096) == 4096:
            pass


def empty(path):
    (path / "fill").unlink()


def read_only(path, yes):
    run(["mount", "-o", "remount,ro" if yes else "remount,rw", path])


guardian_disk, node_disk = srv.dir / "guardian", b.dir / "conflux-b"
small_disk(guardian_disk, "4m")
small_disk(node_disk, "256k")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)


def fails_to_start(node, *words):
    d = node.machine.daemon(["veilnet-conflux", "--state-dir", node.dir, "run"], name="fails")
    wait_until(lambda: not d.running(), 10, "the daemon gives up")
    text = d.log_text()
    log(f"it says: {text.strip()}")
    check(d.process.returncode != 0 and all(w in text for w in words), f"and names {' and '.join(words)}")


def node_runs_on():
    nb.reaches(na.ip4)
    fill(node_disk)
    check(len(b.ping(na.ip4, count=3, wait=5)) == 3, "a full disk does not touch a running node")
    nb.cli("taint", "add", "full")
    check(nb.status()["state"] == "online", "commands work")
    nb.stop()
    check("fwmark" not in b.ip("rule", "show"), "and it undoes its host changes")


def node_does_not_start():
    fill(node_disk)
    fails_to_start(nb, "No space left on device", str(node_disk), "free some space")
    check("fwmark" not in b.ip("rule", "show"), "and nothing was changed on the host")
    empty(node_disk)
    nb.start()
    nb.reaches(na.ip4)
    nb.stop()
    read_only(node_disk, True)
    fails_to_start(nb, "Read-only file system", str(node_disk), "make it writable")
    read_only(node_disk, False)
    nb.start()
    nb.reaches(na.ip4)


def guardian_says_so():
    fill(guardian_disk)
    done = g.cli("token", "create", ok=False)
    log(f"it says: {done.stdout.strip()}")
    check(done.returncode != 0 and "free some space" in done.stdout, "a token cannot be made, and why")
    check(g.health()["status"] == "ok", "Guardian lives")
    nb.stop()
    nb.start(wait=False)
    status = wait_until(lambda: s if (s := nb.status())["guardian_error"] else None, 10, "a login fails")
    check("disk" in status["guardian_error"] and status["state"] == "joining", f"the node says: {status['hints']}")
    empty(guardian_disk)
    nb.wait_online(12)
    nb.reaches(na.ip4)
    g.token()
    with contextlib.closing(sqlite3.connect(guardian_disk / "guardian.db")) as db:
        whole = db.execute("pragma integrity_check").fetchall()
    check(whole == [("ok",)], "the store is whole")
    g.daemon.kill()
    g.start()
    nb.stop()
    nb.start()
    nb.reaches(na.ip4)


def guardian_on_a_read_only_disk():
    """Traffic runs while neither Guardian nor Master can be started."""
    traffic = Traffic(b, na.ip4)
    traffic.steady()
    g.cli("stop", "--with-master")
    wait_until(lambda: not g.daemon.running(), 10, "Guardian has ended")
    read_only(guardian_disk, True)
    for words in (["run"], ["token", "create"]):
        done = g.cli(*words, ok=False)
        log(f"it says: {done.stdout.strip()}")
        check(done.returncode != 0 and "make it writable" in done.stdout, f"{' '.join(words)} fails, and names the fix")
    traffic.steady()
    read_only(guardian_disk, False)
    g.start()
    wait_until(lambda: nb.status()["control"] == "up", 15, "the control channel is up again")
    nb.stop()
    nb.start()
    traffic.back_within(10, "to and from a node that was started since")
    traffic.stop()


main(node_runs_on, node_does_not_start, guardian_says_so, guardian_on_a_read_only_disk)
