"""A Guardian that is set up by whoever holds its token, and by nobody else; then the STUN and TURN servers that it names."""
# timeout: 60
import concurrent.futures
import stat

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
if not PROBE.exists():
    skip("guardian_probe is not built")
folder = pathlib.Path(tempfile.mkdtemp(prefix="vn-secret-"))
atexit.register(shutil.rmtree, folder, ignore_errors=True)
secret = folder / "secret"
secret.write_text("shared with coturn\n")
rig = Rig("--setup", "--public", "127.0.0.1",
          run=("--stun", "192.0.2.1", "--turn", "turn:192.0.2.2,turns:192.0.2.2", "--turn-secret-file", secret))
TOKEN = rig.info["setup_token"]
PASSWORD = "chosen by its owner"
left = rig.dir / "setup-token"


def open_to_no_stranger():
    check("admin" not in rig.info and "admin_password" not in rig.info, "init tells no password")
    check(left.read_text().strip() == TOKEN and stat.S_IMODE(left.stat().st_mode) == 0o600, "but a token, for root's eyes")
    check(rig.get("/setup") == (200, {"done": False}), "anybody sees that it waits")
    refused(rig.post("/auth/login", {"user": "admin", "password": PASSWORD}), 401)
    for wrong in ("", "vs1.", TOKEN[:-1], TOKEN + "A", "vs1." + "A" * 43, rig.info["registration_token"]):
        refused(rig.post("/setup", {"token": wrong, "password": PASSWORD}), 401, "setup-token")
    refused(rig.post("/setup", {"password": PASSWORD}), 400, "token")
    refused(rig.post("/setup", {"token": TOKEN, "password": "short"}), 400, "12")
    refused(rig.post("/setup", {"token": TOKEN, "password": PASSWORD, "display_name": "\x1b[2J"}), 400, "control")
    check(rig.get("/setup")[1]["done"] is False, "and it still waits")


def its_owner_sets_it_up_once():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:  # 4 at a time check passwords
        tries = list(pool.map(lambda i: rig.post("/setup", {"token": TOKEN, "password": f"{PASSWORD} {i}"}), range(4)))
    won = [(i, answer) for i, (status, answer) in enumerate(tries) if status == 200]
    check(len(won) == 1 and {status for status, _ in tries} == {200, 409}, f"one of four wins: {[s for s, _ in tries]}")
    number, answer = won[0]
    token = answer["access_token"]
    me = done(rig.get("/auth/profile", token))
    check(me["user"] == "admin" and me["superuser"] and me["orgs"][0]["role"] == "owner" and not answer["must_change_password"],
          f"who set it up is its owner, and signed in: {me}")
    check(rig.get("/setup")[1]["done"] is True and not left.exists(), "it is done, and the token gone")
    refused(rig.post("/setup", {"token": TOKEN, "password": PASSWORD}), 409, "/auth/login")
    done(rig.post("/auth/login", {"user": "admin", "password": f"{PASSWORD} {number}"}))
    actions = [e["action"] for e in done(rig.get("/audit", token))["items"]]
    check(actions.count("setup_done") == 1, f"audited: {actions}")
    check(not [line for line in rig.logs().splitlines() if TOKEN in line or PASSWORD in line], "neither is in a log")
    done(rig.post("/users", {"user": "ann", "password": PASSWORD}, token), 201)
    rig.info["admin"] = {"user": "admin", "password": f"{PASSWORD} {number}"}


def ice_servers():
    told = done(rig.get("/ice-servers", rig.admin()))["items"]
    check(told == [{"url": "stun:192.0.2.1:3478", "addresses": ["192.0.2.1"], "credentials": "none", "pinned": False},
                   {"url": "turn:192.0.2.2:3478?transport=udp", "addresses": ["192.0.2.2"], "credentials": "time-limited", "pinned": False},
                   {"url": "turns:192.0.2.2:5349?transport=tcp", "addresses": ["192.0.2.2"], "credentials": "time-limited", "pinned": False}],
          f"administrators see what is set, without secrets: {told}")
    node = rig.register(rig.info["registration_token"])
    token = node["conflux_token"]
    refused(rig.get("/conflux/ice-servers", token), 409, "no session")
    check(rig.probe(node, "renew")[-1]["ok"], "a node logs in")
    given = done(rig.get("/conflux/ice-servers", token))
    check([s["url"] for s in given["ice_servers"]] == [s["url"] for s in told], "it is given all of them")
    turn = given["ice_servers"][1]
    ends = int(turn["username"].split(":")[0]) * 1000
    check(turn["credential"] and 0 <= ends - given["expires_at"] <= 601000, "with credentials that end after its session")


main(open_to_no_stranger, its_owner_sets_it_up_once, ice_servers)
