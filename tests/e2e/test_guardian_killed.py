"""Guardian is killed under load, again and again: nothing that it acknowledged is lost."""
# timeout: 900
import random
import threading

from guardian_load import Ledger
from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
ROUNDS = 200 if os.environ.get("VN_LONG") else 20
rig = Rig("--public", "127.0.0.1")
REALM = rig.info["realm"]["id"]
random.seed(ROUNDS)
ledger = Ledger()


def everything(path, admin):
    items, after = [], ""
    while True:
        status, page = rig.get(f"{path}limit=1000{after}", admin)
        check(status == 200, f"GET {path}: {status}")
        items += page["items"]
        if "next" not in page:
            return items
        after = "&after=" + page["next"]


def one_round(number):
    admin = rig.admin()
    org = rig.get("/orgs", admin)[1]["items"][0]["id"]
    stop = threading.Event()
    before = len(ledger.events)
    threads = [threading.Thread(target=ledger.load, args=(rig, stop, admin, org, f"r{number}-{i}")) for i in range(4)]
    for t in threads:
        t.start()
    time.sleep(random.uniform(0.05, 0.4))
    rig.daemon.kill()
    stop.set()
    for t in threads:
        t.join()
    rig.start()
    admin = rig.admin()
    found = {n["tag"]: n["ip4"] for n in everything(f"/conflux?realm={REALM}&", admin)}
    names = {t["name"] for t in everything(f"/orgs/{org}/teams?", admin)}
    wrong = ledger.wrong(found, names)
    check(wrong == [], f"round {number}: {len(ledger.events) - before} more requests acknowledged, none lost: {wrong}")
    check(len(set(found.values())) == len(found), "no address twice")


def killed_under_load():
    for number in range(ROUNDS):
        one_round(number)
    nodes, teams = ledger.count("node"), ledger.count("team")
    check(nodes > ROUNDS and teams > ROUNDS / 2, f"there was load: {nodes} nodes, {teams} teams")


main(killed_under_load)
