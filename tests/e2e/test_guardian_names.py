"""Every text that a request to Guardian may hold, in every route, as its own document lists them: with what moves a cursor, climbs
folders, ends a statement of SQL or a line of a log. It is refused, or is text like any other."""
# timeout: 300
import itertools
import re
import socket
import sqlite3
import urllib.parse

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1")
root = rig.admin()
PASSWORD = "a password that is long"
NOTHING = "A" * 22
CONTROL = ["a\nb", "a\x1b[2Jb", "a\x00b", "a\x7fb", "a\u009bb"]
MEANT = ["../../etc/passwd", "..", "x'; DROP TABLE user; --", "\" OR \"\"=\"", "%00", "%2e%2e%2f", "$(reboot)", "{{7*7}}", "x" * 2000,
         "a" + "ä" * 500]
# Where any character may stand: nobody sees it again.
SECRET = {"password", "old", "new", "token", "refresh_token", "nonce", "sig_pk", "session_ek", "nkey", "csr", "sig", "nkey_sig",
          "jwt", "flow", "state", "code", "iss", "client_secret"}
numbers = itertools.count()
home = rig.info["realm"]["id"]
org = done(rig.get("/orgs", root))["items"][0]["id"]
ann = done(rig.post("/users", {"user": "ann", "password": PASSWORD}, root), 201)["id"]
team = done(rig.post(f"/orgs/{org}/teams", {"name": "ops"}, root), 201)["id"]
node = rig.register(tag="box")
things = {"realms": home, "orgs": org, "users": ann, "teams": team, "conflux": node["conflux_id"],
          "veil": done(rig.get("/veil", root))["items"][0]["id"], "invitations": NOTHING, "auth": NOTHING}
callers = None
# A value that is right by its member's name; for the rest a label will do.
RIGHT = {"password": PASSWORD, "old": PASSWORD, "new": PASSWORD + ".", "scopes": ["read"], "realm": home, "user": "ann", "suite": "default",
         "ipv4": "10.99.0.0/16", "access": "taints", "relay": "all", "org": org, "role": "member", "command": "health",
         "countries": ["DE"], "unknown_country": "admit", "issuer": "https://i", "audience": "a", "jwks_url": "https://i/k",
         "algorithms": ["RS256"], "url": "https://i", "redirect_uri": "http://127.0.0.1:1/", "owner": ann, "ip": "10.77.1.1",
         "portal": ["192.168.9.0/24"], "public_ip": "192.0.2.1"}
document = rig.get("/openapi.json")[1]
operations = [(method.upper(), path, o) for path, methods in document["paths"].items() for method, o in methods.items()]
tried = {"refused": 0, "taken": 0}
wrong = []


def schema(s):
    return document["components"]["schemas"][s["$ref"].rsplit("/", 1)[1]] if "$ref" in s else s


class Callers:
    """Of each kind as many as it takes, since one asks so often at most."""

    def __init__(self):
        self.turn = 0
        self.roots = [self.superuser(n) for n in range(12)]
        self.nodes = [node["conflux_token"], *(rig.register(tag=f"n{n}")["conflux_token"] for n in range(8))]

    def superuser(self, n):
        who = {"user": f"root-{n}", "password": PASSWORD}
        done(rig.post("/users", {**who, "superuser": True}, root), 201)
        return done(rig.post("/auth/login", who))["access_token"]

    def ask(self, o, method, path, body=None):
        scheme = next((name for s in o["security"] for name in s), None)
        tokens = {None: [None], "registration": [rig.info["registration_token"]], "conflux": self.nodes}.get(scheme, self.roots)
        for _ in range(100):
            conn = http.client.HTTPSConnection("127.0.0.1", rig.info["https_port"], context=ssl._create_unverified_context(),
                                               timeout=30, source_address=(f"127.0.0.{2 + self.turn % 200}", 0))
            result = rig.request(method, path, body, tokens[self.turn % len(tokens)], conn)
            conn.close()
            if result[0] != 429:
                return result
            self.turn += 1
        raise Failed(f"{method} {path}: nobody is left who may ask")


def is_text(s):
    """Whether it is one or a list of them."""
    kinds = [s, *s.get("anyOf", []), *s.get("oneOf", [])]
    return any("string" in str(k.get("type")) or (k.get("type") == "array" and is_text(k["items"])) for k in kinds)


def right_body(members, required):
    body = {}
    for name in required:
        value = RIGHT.get(name, f"n{next(numbers)}")
        body[name] = value if members[name].get("type") != "integer" else 1
    return body


def real(path):
    kind = path.split("/")[1]
    return re.sub(r"\{\w+\}", NOTHING, path.replace("{id}", things.get(kind, NOTHING)))


def judge(what, bad, result, secret=False):
    status, answer = result
    if status >= 500 and status != 502:  # 502: a provider that there is not
        wrong.append(f"{what} with {bad[:40]!r}: {status} {answer}")
    if status < 300 and bad in CONTROL and not secret:
        wrong.append(f"{what} takes {bad!r}: {status} {answer}"[:200])
    tried["taken" if status < 300 else "refused"] += 1


def every_member_of_every_body():
    global callers
    callers = Callers()
    seen = 0
    for method, path, o in operations:
        if "requestBody" not in o:
            continue
        s = schema(next(iter(o["requestBody"]["content"].values()))["schema"])
        members = s["properties"]
        for name, member in members.items():
            if not is_text(member):
                continue
            seen += 1
            for bad in CONTROL + MEANT:
                body = right_body(members, s.get("required", []))
                is_list = member.get("type") == "array" or isinstance(RIGHT.get(name), list)
                body[name] = [bad] if is_list else bad
                judge(f"{method} {path}: {name}", bad, callers.ask(o, method, real(path), body), name in SECRET)
    check(seen > 60 and not wrong, f"{seen} texts of bodies: {tried}, wrong: {wrong or 'none'}")


def names_that_nobody_knows():
    """Of members and of queries: what is said of them is whole, wherever it was cut."""
    for bad in CONTROL + MEANT:
        for path in ("/realms", "/conflux/register"):
            o = next(o for m, p, o in operations if (m, p) == ("POST", path))
            result = callers.ask(o, "POST", path, {bad: 1})
            check_quietly(result[0] == 400 and re.search("remove it|no valid JSON", result[1]["detail"]), f"{path}: {bad[:40]!r}: {result}")
    long = done(rig.post("/conflux/register", {"teams": ["a" + "ä" * 50]}, rig.info["registration_token"]), 201)["warnings"]
    check(len(long) == 1 and "ää was ignored" in long[0], f"a long name is cut between characters: {long}")


def every_id_and_query():
    seen = 0
    for method, path, o in operations:
        for bad in CONTROL + MEANT:
            quoted = urllib.parse.quote(bad, safe="")
            if len(quoted) > 500:
                continue  # no such address is read at all
            if "{" in path and method != "DELETE" and "\0" not in bad and bad != "..":  # ends the connection; is another path
                seen += 1
                where = re.sub(r"\{\w+\}", lambda _: quoted, path)
                status, answer = callers.ask(o, method, where, {} if method == "POST" else None)
                check_quietly(400 <= status < 500, f"{method} {where}: {status} {answer}")
            for p in (p for p in o.get("parameters", []) if p["in"] == "query"):
                seen += 1
                others = "".join(f"{q['name']}={home}&" for q in o["parameters"] if q["in"] == "query" and q["required"] and q is not p)
                status, answer = callers.ask(o, method, f"{real(path)}?{others}{p['name']}={quoted}")
                check_quietly(status < 500, f"{method} {path}?{p['name']} with {bad[:40]!r}: {status} {answer}")
    check(seen > 300, f"{seen} ids and queries are refused, or find nothing")


def what_is_no_request():
    """libwebsockets ends it before Guardian hears of it, with 403 or without a word: nobody else notices."""
    other = rig.connection()
    for bad in (b"/%00", b"/a%00b", b"/%zz", b"/%", b"realms", b"http://x/health", b"/" + b"x" * 20000):
        with contextlib.closing(ssl._create_unverified_context().wrap_socket(
                socket.create_connection(("127.0.0.1", rig.info["https_port"]), timeout=10))) as s:
            s.sendall(b"GET " + bad + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            with contextlib.suppress(ConnectionError):
                while part := s.recv(4096):
                    answer += part
        check_quietly(not answer or b" 403 " in answer.split(b"\r\n")[0], f"{bad[:20]}: {answer[:200]}")
        check_quietly(rig.request("GET", "/health", None, None, other)[0] == 200, "a connection beside it lives")
    check(True, "what is no request ends, and nothing else")


def check_quietly(condition, text):
    if not condition:
        raise Failed(text)


def all_is_as_it_was():
    names = {u["user"] for u in done(rig.get("/users?limit=1000", root))["items"]}
    check({"admin", "ann"} <= names and all(re.fullmatch(r"[a-z0-9._@+-]{1,64}", n) for n in names), f"accounts: {len(names)}")
    check(done(rig.get(f"/realms/{home}", root))["name"] == "home" and done(rig.get(f"/conflux/{node['conflux_id']}", root))["tag"] == "box",
          "realm and node")
    with contextlib.closing(sqlite3.connect(f"file:{rig.dir / 'guardian.db'}?mode=ro", uri=True)) as db:
        check(db.execute("PRAGMA integrity_check").fetchone() == ("ok",) and db.execute("SELECT count(*) FROM user").fetchone()[0] >= 2,
              "the store is whole")
        text = "\n".join(db.iterdump())
    check(not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", text.replace("\\n", "")), "and has no control character in any text")
    for line in rig.daemon.log_text().splitlines():
        json.loads(line)  # nobody has ended a line
    check(sorted(p.name for p in rig.top.iterdir() if p.suffix != ".log") == ["state"], "nor made a file elsewhere")
    text = rig.cli("audit").stdout + rig.cli("user", "list").stdout + rig.cli("node", "list").stdout
    check("\x1b" not in text and "\x9b" not in text, "nothing moves an administrator's cursor")


main(every_member_of_every_body, names_that_nobody_knows, every_id_and_query, what_is_no_request, all_is_as_it_was)
