"""The power is cut at every moment of a loaded Guardian: what it acknowledged is on the disk."""
# timeout: 300
import contextlib
import http.client
import os
import random
import shutil
import sqlite3
import tempfile
import threading

from guardian_load import Ledger
from lib import *
from powercut import Disk

need("veilnet-guardian", "nats-server")
PRELOAD = BIN / "libdisklog.so"
ANSWERS = 1500 if os.environ.get("VN_LONG") else 150
seed = int(os.environ.get("VN_SEED", random.randrange(1 << 32)))
log(f"VN_SEED={seed}")
rng = random.Random(seed)

top = pathlib.Path(tempfile.mkdtemp(prefix="vn-power-"))
atexit.register(shutil.rmtree, top, ignore_errors=True)
disk_top = top / "disk"
disk_top.mkdir()
tempfile.tempdir = str(disk_top)  # where the rig makes its folder
os.environ |= {"LD_PRELOAD": str(PRELOAD), "VN_DISKLOG": str(top / "log"), "VN_DISKLOG_DIR": str(disk_top),
               "VN_DISKLOG_FAILS": str(top / "bad")}

from guardian_rig import *  # noqa: E402

ledger = Ledger()
rig = Rig("--public", "127.0.0.1", start=False)
ledger.note("init", "guardian")
tempfile.tempdir = None
rig.start()
admin = rig.admin()
org = rig.get("/orgs", admin)[1]["items"][0]["id"]


def stored(path):
    """What the store there holds, in the words of the ledger; None when there is none."""
    if not path.exists():
        return None
    with contextlib.closing(sqlite3.connect(path)) as db:
        whole = db.execute("PRAGMA integrity_check").fetchall()
        if whole != [("ok",)]:
            raise Failed(f"{path}: {whole}")
        if db.execute("PRAGMA user_version").fetchone() == (0,):
            return None
        nodes = {tag: ".".join(str(b) for b in ip4.to_bytes(4)) for tag, ip4 in db.execute("SELECT tag, ip4 FROM conflux")}
        sessions = {tag: node and b64(node) for tag, node in db.execute("SELECT tag, node FROM conflux")}
        teams = {name for name, in db.execute("SELECT name FROM team")}
        users = {name for name, in db.execute("SELECT name FROM user")}
        audit = {subject for subject, in db.execute("SELECT subject FROM audit WHERE action = 'conflux_registered'")}
        return nodes, sessions, teams, users, audit


def judge(disk, where, until_ns, rng=None, unit=512):
    """Fails when something is not on that disk that was acknowledged by then."""
    where.mkdir()
    made = disk.build(where, rng, unit)
    for path, content in made.items():
        if path in disk.whole and content not in disk.whole[path] and not path.endswith(".db"):
            raise Failed(f"{path} holds neither what it was nor what it is: {len(content)} bytes")
    held = stored(where / rig.dir.name / "guardian.db")
    done = [e for e in ledger.events if not until_ns or e[0] < until_ns]
    if done:
        if held is None:
            raise Failed("there is no store")
        nodes, sessions, teams, users, audit = held
        wrong = ledger.wrong(nodes, teams, sessions, until_ns)
        wrong += [f"{which} is not in the audit" for _, what, which, _ in done if what == "node" and which not in audit]
        wrong += [] if rig.info["admin"]["user"] in users else ["the administrator is lost"]
        if wrong:
            raise Failed(f"after {len(done)} answers: {wrong[:5]}, {len(wrong)} in all")
    return held


def load():
    stop = threading.Event()
    threads = [threading.Thread(target=ledger.load, args=(rig, stop, admin, org, f"n{i}")) for i in range(4)]
    threads += [threading.Thread(target=ledger.log_in, args=(rig, stop, f"s{i}")) for i in range(2)]
    for t in threads:
        t.start()
    wait_until(lambda: len(ledger.events) > ANSWERS and ledger.count("session") > 3, 60, "there was load")
    rig.daemon.kill()
    stop.set()
    for t in threads:
        t.join()
    check(True, f"acknowledged: {ledger.count('node')} nodes, {ledger.count('session')} logins, {ledger.count('team')} teams")


def nothing_acknowledged_is_lost():
    disk = Disk(top / "log", rig.top)
    cuts = torn = 0
    for ns in disk.cuts():
        variants = [{}] + [{"rng": rng, "unit": rng.choice((512, 4096))}] * (rng.random() < 0.5)
        for variant in variants:
            where = top / "cut"
            judge(disk, where, ns, **variant)
            shutil.rmtree(where)
            torn += bool(variant)
        cuts += 1
    fsyncs_per_answer = cuts / len(ledger.events)
    log(f"figure: {fsyncs_per_answer:.2f} fsyncs for each answer")
    check(cuts > 20, f"{cuts} cuts, and {torn} with some of the rest: all that was acknowledged is there")


def guardian_runs_on_such_a_disk():
    """Where the cut came at the end, with some of what was not synced."""
    disk = Disk(top / "log", rig.top)
    for _ in disk.cuts():
        pass
    rig.cli("stop", "--with-master")  # the power was cut for Master, too
    shutil.rmtree(rig.dir)
    held = judge(disk, top / "last", 0, rng, 512)
    shutil.move(top / "last" / rig.dir.name, rig.dir)
    rig.start()
    found = {n["tag"] for n in rig.get(f"/conflux?realm={rig.info['realm']['id']}&limit=1000", rig.admin())[1]["items"]}
    check(found == held[0].keys(), f"Guardian knows all {len(found)} nodes")
    answer = rig.register(tag="after")
    check(rig.probe(answer)[0]["ok"], "and new ones register and log in")


def a_failed_fsync_is_no_acknowledgement():
    (top / "bad").touch()
    status = None
    with contextlib.suppress(OSError, http.client.HTTPException):
        status, _ = rig.post("/conflux/register", {"tag": "unwritten"}, rig.info["registration_token"])
    check(status in (None, 500), f"nothing is acknowledged: {status or 'the connection ended'}")
    wait_until(lambda: not rig.daemon.running(), 10, "Guardian ends")
    check(rig.daemon.process.returncode == 1 and "dmesg" in rig.daemon.log_text(), "Guardian ends, since the kernel forgets what it could not write")
    (top / "bad").unlink()
    rig.start()
    check(rig.get("/health")[0] == 200, "started again it serves")


main(load, nothing_acknowledged_is_lost, guardian_runs_on_such_a_disk, a_failed_fsync_is_no_acknowledgement)
