"""Guardian is killed under load, again and again: nothing that it acknowledged is lost."""
# timeout: 900
import random
import threading

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
ROUNDS = 200 if os.environ.get("VN_LONG") else 8
rig = Rig("--public", "127.0.0.1")
REALM = rig.info["realm"]["id"]
random.seed(ROUNDS)
nodes, removed, teams = {}, set(), set()  # what was acknowledged: tag → its address; tags; names


def load(stop, admin, org, name):
    """Asks one thing after the other until Guardian is gone."""
    conn = rig.connection()
    count = 0
    with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
        while not stop.is_set():
            tag = f"{name}-{count}"
            status, answer = rig.request("POST", "/conflux/register", {"tag": tag}, rig.info["registration_token"], conn)
            if status == 201:
                nodes[tag] = answer["ip4"]
                if count % 5 == 4:
                    removed.add(tag)  # whether it went is known only with the answer
                    if rig.request("DELETE", "/conflux/register", None, answer["conflux_token"], conn)[0] == 204:
                        del nodes[tag]
            if count % 10 == 0 and rig.request("POST", f"/orgs/{org}/teams", {"name": tag}, admin, conn)[0] == 201:
                teams.add(tag)
            count += 1


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
    before = len(nodes)
    threads = [threading.Thread(target=load, args=(stop, admin, org, f"r{number}-{i}")) for i in range(4)]
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
    lost = [tag for tag, ip4 in nodes.items() if found.get(tag) != ip4 and tag not in removed]
    gone = [tag for tag in removed if tag not in nodes and tag in found]
    check(lost == [] and gone == [], f"round {number}: {len(nodes) - before} more nodes acknowledged, none lost: {lost} {gone}")
    check(len(set(found.values())) == len(found), "no address twice")
    names = {t["name"] for t in everything(f"/orgs/{org}/teams?", admin)}
    check(teams <= names, f"{len(teams)} teams acknowledged, none lost: {teams - names}")


def killed_under_load():
    for number in range(ROUNDS):
        one_round(number)
    check(len(nodes) > ROUNDS and len(teams) > ROUNDS / 2, f"there was load: {len(nodes)} nodes, {len(teams)} teams")


main(killed_under_load)
