"""Guardian's HTTP API: what it does, and that every refusal names the fix."""
# timeout: 180 waits
import concurrent.futures
import os
import socket
import ssl
import threading

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
if not PROBE.exists():
    skip("guardian_probe is not built")
rig = Rig("--public", "127.0.0.1")
REG = rig.info["registration_token"]
REALM = rig.info["realm"]["id"]
slow = {}


def start_slow():
    """A client that drips its body: looked at in the end."""

    def drip():
        began = time.monotonic()
        context = ssl._create_unverified_context()
        with socket.create_connection(("127.0.0.1", rig.info["https_port"])) as raw, context.wrap_socket(raw) as s:
            s.sendall(b"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
            with contextlib.suppress(OSError):
                while time.monotonic() - began < 60:
                    s.sendall(b"a")
                    s.settimeout(0.2)
                    with contextlib.suppress(TimeoutError):
                        if s.recv(1) == b"":
                            break
        slow["after"] = time.monotonic() - began

    slow["thread"] = threading.Thread(target=drip, daemon=True)
    slow["thread"].start()


def init_again():
    done = rig.cli("init", ok=False)
    check(done.returncode != 0 and "veilnet-guardian run" in done.stdout, "init does not touch a Guardian that exists")
    other = rig.top / "other"
    done = run(["veilnet-guardian", "init", "--state-dir", other, "--listen",
                f"127.0.0.1:{rig.info['https_port']}"], ok=False)
    check(done.returncode != 0 and "in use" in done.stdout and "--listen" in done.stdout, "a taken port is named")
    check(not (other / "guardian.db").exists(), "and nothing is left behind")
    done = run(["veilnet-guardian", "run", "--state-dir", other], ok=False)
    check(done.returncode != 0 and "veilnet-guardian init" in done.stdout, "run without init says what to do")
    done = rig.cli("run", ok=False)
    check(done.returncode != 0 and "runs already" in done.stdout, "nor does a second Guardian run")


def http_shape():
    refused(rig.get("/nope"), 404)
    refused(rig.request("DELETE", "/health"), 405)
    refused(rig.request("PUT", "/health"), 405)
    refused(rig.request("POST", "/auth/login", b"x" * 4097), 413, "4096")
    refused(rig.request("POST", "/auth/login", b"x" * 900000), 413, "4096")  # before anything is kept of it
    refused(rig.request("POST", "/conflux/session/login", b"x" * 24577), 413, "24576")
    refused(rig.request("POST", "/auth/login", b"{}", headers={"Transfer-Encoding": "chunked"}), 411, "content-length")
    for body in (b"", b"nonsense", b'{"user":1', b"[]", b'"text"', b'{"user":"a","user":"b","password":"c"}', b"\xff\xfe",
                 b'{"user":"a\\u0000b","password":"c"}', b"[" * 4000):
        refused(rig.request("POST", "/auth/login", body), 400)
    refused(rig.post("/auth/login", {"user": "a"}), 400, "password")
    refused(rig.post("/auth/login", {"user": "a", "password": 1}), 400, "password", "string")
    refused(rig.post("/auth/login", {"user": "a", "password": "b", "otp": "1"}), 400, "otp")
    for query in ("nope=1", "realm=" + REALM + "&x", "a" * 600):
        refused(rig.get(f"/conflux?{query}", rig.admin()), 400)
    conn = rig.connection()
    for _ in range(3):
        check(rig.get("/health", conn=conn)[0] == 200, "a connection is used again")
    conn.close()
    # pieces of requests, and what is none
    for junk in (b"", b"\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01" * 50, b"GET /" + b"a" * 20000, b"POST /auth/login"):
        with socket.create_connection(("127.0.0.1", rig.info["https_port"])) as raw:
            with ssl._create_unverified_context().wrap_socket(raw) as s:
                s.sendall(junk)
    check(rig.get("/health")[0] == 200, "and it still answers")


def records_of(path, receive_bytes=None):
    """The pieces in which an answer was encrypted: one read of TLS has at most one record."""
    with socket.socket() as raw:
        if receive_bytes:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", rig.info["https_port"]))
        with ssl._create_unverified_context().wrap_socket(raw) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            pieces, whole = [], None
            while whole is None or sum(map(len, pieces)) < whole:
                pieces.append(s.read(65536))
                check(pieces[-1], f"{path}: the answer is whole")
                head = pieces[0].partition(b"\r\n\r\n")[0]
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                check(length, f"{path}: its length is in the first record")
                whole = len(head) + 4 + int(length[1])
            return pieces


def records():
    pieces = records_of("/health")
    check(len(pieces) == 1, f"a short answer is one record with its head: {[len(p) for p in pieces]}")
    for receive_bytes in (None, 2048):  # the second must wait for room
        pieces = records_of("/openapi.json", receive_bytes)
        lengths = [len(p) for p in pieces]
        check(len(lengths) > 2 and set(lengths[:-1]) == {16384}, f"a long answer is full records: {lengths}")
        document = json.loads(b"".join(pieces).partition(b"\r\n\r\n")[2])
        check(document["openapi"] == "3.1.0", "and all of it is there")


def tls():
    context = ssl._create_unverified_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection(("127.0.0.1", rig.info["https_port"])) as raw:
            context.wrap_socket(raw)
        raise Failed("TLS 1.2 was spoken")
    except ssl.SSLError:
        check(True, "only TLS 1.3 is spoken")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{rig.info['https_port']}"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
    if "ML-KEM" in run(["openssl", "list", "-kem-algorithms"], ok=False).stdout or "MLKEM" in done.stdout:
        check("X25519MLKEM768" in done.stdout, "with a post-quantum key exchange")


def users():
    refused(rig.post("/auth/login", {"user": "admin", "password": "wrong"}), 401)
    refused(rig.post("/auth/login", {"user": "nobody", "password": "wrong"}), 401)
    refused(rig.post("/auth/login", {"user": "admin' --", "password": "x"}), 401)
    admin = rig.admin()
    for method, path in (("GET", "/realms"), ("POST", "/realms"), ("GET", f"/conflux?realm={REALM}"),
                         ("POST", "/auth/registration-tokens"), ("DELETE", "/conflux/AAAAAAAAAAAAAAAAAAAAAA")):
        refused(rig.request(method, path), 401, "Bearer")
        refused(rig.request(method, path, token=REG), 401)
        refused(rig.request(method, path, token=admin[:-2]), 401)
        refused(rig.request(method, path, token="a.b.c"), 401)
    refused(rig.post("/conflux/register", {}, admin), 401, "registration token")
    refused(rig.get("/conflux/peers", REG), 401, "conflux token")
    check(len(rig.get("/realms", admin)[1]["items"]) == 1, "the administrator sees the realm")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        codes = [f.result()[0] for f in
                 [pool.submit(rig.post, "/auth/login", {"user": "admin", "password": "no"}) for _ in range(16)]]
    check(set(codes) <= {401, 429} and 401 in codes, f"many logins at once are bounded: {sorted(set(codes))}")


def bad_jwts():
    head, body, mac = REG.split(".")
    none = b64(b'{"alg":"none","typ":"JWT"}')
    for token in (f"{none}.{body}.", f"{none}.{body}.{mac}", f"{head}.{body}.", f"{head}.{body}", f"{head}..{mac}",
                  f"{head}.{body}.{mac}.{mac}", f"{head}.{body}.{mac[:-1]}", f"{head}.{body}.{mac}=",
                  b64(b'{"alg":"HS512","typ":"JWT"}') + f".{body}.{mac}", REG + "A", " " + REG, "A" * 3000,
                  head + "." + b64(unb64(body).replace(b'"reg"', b'"cfx"')) + "." + mac):
        refused(rig.post("/conflux/register", {}, token), 401)


def registration():
    a = rig.register(tag="alpha")
    check(a["ip4"] == "10.77.0.1" and a["taints"] == ["home"] and a["ip6"].startswith("fd"), f"{a['ip4']}, {a['ip6']}")
    check(a["realm"] == {"id": REALM, "name": "home", "suite": "default"} and a["warnings"] == [], "and its realm")
    b = rig.register(ip="10.77.9.9", taints=["db", "prod", "db"], teams=["ops"])
    check(b["ip4"] == "10.77.9.9" and b["taints"] == ["db", "prod"], "wishes are granted")
    check(b["tag"].startswith("node-") and "ops" in b["warnings"][0] and b["teams"] == [],
          "a tag is made up; teams that are not there are ignored loudly")
    refused(rig.post("/conflux/register", {"ip": "10.77.9.9"}, REG), 409, "10.77.9.9", b["tag"], "--ip")
    for ip in ("10.78.0.1", "10.77.0.0", "10.77.255.255", "fd00::1", "x", "10.77.0.300", ""):
        refused(rig.post("/conflux/register", {"ip": ip}, REG), 400, "10.77.0.0/16", "--ip")
    for tag in ("", "A", "-a", "a-", "a.b", "a" * 64, "ä", "a b"):
        refused(rig.post("/conflux/register", {"tag": tag}, REG), 400, "--tag")
    for taints in (["A"], [""], ["a" * 65], ["a,b"], [f"t{i}" for i in range(17)], ["a\0b"]):
        refused(rig.post("/conflux/register", {"taints": taints}, REG), 400)
    c = rig.register(tag="bare", taints=[])
    check(c["taints"] == [] and "taint add" in c["warnings"][0], "a node without taints is warned")
    check(rig.register(tag="next")["ip4"] == "10.77.0.3", "the lowest free address is next")
    check(rig.request("DELETE", "/conflux/register", token=a["conflux_token"])[0] == 204, "unregistered")
    refused(rig.get("/conflux/taints", a["conflux_token"]), 401, "register it again")
    check(rig.register(tag="again")["ip4"] == "10.77.0.1", "an address that no certificate names is free at once")
    e = rig.register(tag="logged-in")
    check(rig.probe(e)[0]["ok"], "one that a certificate names")
    rig.request("DELETE", "/conflux/register", token=e["conflux_token"])
    refused(rig.post("/conflux/register", {"ip": e["ip4"]}, REG), 409, "logged-in", "minutes", "--ip")


def tokens():
    admin = rig.admin()

    def make(**wish):
        status, t = rig.post("/auth/registration-tokens", {"realm": REALM, **wish}, admin)
        check(status == 201 and t["join_token"].startswith("vn1."), f"token {wish}")
        return t

    join = json.loads(unb64(rig.info["join_token"][4:]))
    check(join == {"g": [rig.info["guardian"]], "k": rig.info["pin"], "r": REG}, "a join token is what SPEC G2 says")

    once = make(uses=1, taints=["guest"], allowed_taints=["guest", "visitor"])
    refused(rig.post("/conflux/register", {"taints": ["prod"]}, once["token"]), 403, "prod", "guest", "visitor")
    refused(rig.post("/conflux/register", {"ip": "10.77.9.9"}, once["token"]), 409)
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        results = [f.result() for f in [pool.submit(rig.post, "/conflux/register", {}, once["token"])
                                        for _ in range(64)]]
    won = [r for r in results if r[0] == 201]
    check(len(won) == 1, "of 64 at once exactly one uses a one-off token; refusals before cost no use")
    for r in results:
        if r[0] != 201:
            refused(r, 401, "no uses left")
    check(won[0][1]["taints"] == ["guest"], "with the token's default taint")
    node = won[0][1]["conflux_token"]
    refused(rig.post("/conflux/taints", {"add": ["prod"]}, node), 403, "prod", "visitor")
    check(rig.post("/conflux/taints", {"add": ["visitor"], "remove": ["guest"]}, node)[1]["taints"] == ["visitor"],
          "later changes keep to what the token allowed")

    short = make(expires_in_s=1)
    wait_until(lambda: rig.post("/conflux/register", {}, short["token"])[0] == 401, 10, "it expires")
    refused(rig.post("/conflux/register", {}, short["token"]), 401, "expired", "new one")

    gone = make()
    check(rig.delete(f"/auth/registration-tokens/{gone['id']}", admin)[0] == 204, "revoked")
    refused(rig.post("/conflux/register", {}, gone["token"]), 401, "revoked")
    refused(rig.delete("/auth/registration-tokens/AAAAAAAAAAAAAAAAAAAAAA", admin), 404)

    items = {t["id"]: t for t in rig.get(f"/auth/registration-tokens?realm={REALM}", admin)[1]["items"]}
    check(items[once["id"]]["uses_left"] == 0 and items[gone["id"]]["revoked"] and "token" not in items[once["id"]],
          "the list shows all but the tokens themselves")
    for wish in ({"uses": 0}, {"expires_in_s": 0}, {"expires_in_s": 10**12}, {"taints": ["X"]}, {"uses": -1},
                 {"taints": ["a"], "allowed_taints": ["b"]}, {"allowed_taints": "all"}, {"realm": "x"}):
        refused(rig.post("/auth/registration-tokens", {"realm": REALM, **wish}, admin), 400)
    refused(rig.post("/auth/registration-tokens", {"realm": "A" * 22}, admin), 404)
    refused(rig.get("/auth/registration-tokens", admin), 400, "?realm=")
    refused(rig.get("/auth/registration-tokens?realm=x", admin), 400, "realm")


def sessions():
    n = rig.register(tag="s1", taints=["home", "db"])
    login, renew, add, same, peers, out, = rig.probe(n, "renew", "taint+web", "taint-nothing", "peers", "logout")
    check(login["ok"] and login["tag"] == "s1" and login["ip4"] == n["ip4"] and login["ip6"] == n["ip6"],
          "a login brings what was registered, verified as a node would")
    check(login["hours"] in (15, 16) and 11.9 < (login["expires"] - login["time"]) / 3.6e6 <= 12, "for twelve hours")
    check(renew["ok"] and renew["node"] == login["node"] and renew["statement"] > login["statement"], "renewal")
    check(add["taints"] == ["db", "home", "web"] and add["tags"] == 3 and add["statement"] > renew["statement"]
          and add["nats_jwt"], "a taint more: new statement, keys, permissions")
    check(same["statement"] > add["statement"] and same["taints"] == add["taints"], "each change has a higher number")
    check("next" in peers["peers"] and "bare" not in peers["peers"] and "s1" not in peers["peers"], "peers by policy")
    check(out["ok"], "logout")
    first, second = rig.probe(n)[0], rig.probe(n)[0]
    check(first["node"] != second["node"], "each start has its own identity")
    check(f"supersedes node {first['node']}" in rig.logs(), "and superseding is recorded")
    login, other, out = rig.probe(n, "other-keys", "logout")
    check(not other["ok"] and "keys of the last login" in other["detail"], "renewal needs the same keys")
    check(not out["ok"] and "another login" in out["detail"], "and nobody ends the session of another node id")
    refused(rig.post("/conflux/session/logout", {"node": "x"}, n["conflux_token"]), 400, "node")
    rig.probe(n)
    check(f"supersedes node {login['node']}" in rig.logs(), "which lives on until the next login")


def proofs():
    n = rig.register(tag="s2")
    token = n["conflux_token"]
    body = {"sig_pk": b64(os.urandom(1952)), "session_ek": b64(os.urandom(1216)), "csr": b64(b"x"),
            "nkey": "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4", "sig": b64(os.urandom(3309)),
            "nkey_sig": b64(os.urandom(64))}
    conn, other = rig.connection(), rig.connection()

    def nonce(conn):
        return rig.get("/conflux/session/nonce", token, conn)[1]["nonce"]

    def login(conn, fresh, changes=None):
        return rig.post("/conflux/session/login", {**body, "nonce": fresh, **(changes or {})}, token, conn)

    first = nonce(conn)
    refused(login(other, first), 403, "nonce")
    refused(login(conn, b64(bytes(32))), 403, "nonce")
    refused(login(conn, first), 403, "nonce")  # used up by the wrong attempt
    refused(login(conn, nonce(conn)), 403, "sig")
    for name, value, word in (("nonce", "AA", "nonce"), ("sig_pk", "AA", "sig_pk"), ("session_ek", "AA", "session_ek"),
                              ("nkey", "UAAA", "nkey"), ("nkey", "S" * 56, "nkey"), ("sig", "AA", "sig"),
                              ("nkey_sig", "", "nkey_sig"), ("csr", "!", "csr"), ("sig_pk", b64(bytes(2592)), "sig_pk")):
        refused(login(conn, nonce(conn), {name: value}), 400, word)
    old = nonce(conn)
    nonce(conn)
    refused(login(conn, old), 403, "nonce")
    conn.close()
    other.close()


def ephemeral_nodes():
    admin = rig.admin()
    status, made = rig.post("/auth/registration-tokens", {"realm": REALM, "taints": ["home"], "ephemeral": True}, admin)
    check(status == 201 and made["ephemeral"], "a token for nodes that come and go")
    node = rig.register(made["token"], tag="job")
    shown = rig.get(f"/conflux/{node['conflux_id']}", admin)[1]
    check(shown["ephemeral"], "its nodes are")
    login, out = rig.probe(node, "logout")
    check(login["ok"] and (login["expires"] - login["time"]) / 1000 <= 600, "their sessions are short")
    check(out["ok"], "logout")
    refused(rig.get(f"/conflux/{node['conflux_id']}", admin), 404)
    refused(rig.get("/conflux/taints", node["conflux_token"]), 401, "register it again")
    made = json.loads(rig.cli("token", "create", "--ephemeral", "--json").stdout)
    node = rig.register(made["token"], tag="job")
    check(rig.get(f"/conflux/{node['conflux_id']}", admin)[1]["ephemeral"], "token create --ephemeral")


def who_asks_too_often_waits():
    node, other = (rig.register(tag=f"eager-{i}")["conflux_token"] for i in range(2))
    conn = rig.connection()
    for i in range(400):
        conn.request("GET", "/conflux/session/nonce", headers={"Authorization": "Bearer " + node})
        reply = conn.getresponse()
        answer = json.loads(reply.read())
        if reply.status == 429:
            break
    check(reply.status == 429 and i > 50 and "Retry-After" in answer["detail"], f"after {i} requests it is to wait")
    wait = int(reply.headers["Retry-After"])
    check(1 <= wait <= 3, "and is told how long")
    check(rig.get("/conflux/session/nonce", other, conn)[0] == 200, "another node does not notice")
    wait_until(lambda: rig.get("/conflux/session/nonce", node, conn)[0] == 200, wait + 2, "then it may ask again")
    conn.close()


def administration():
    admin = rig.admin()
    status, realm = rig.post("/realms", {"name": "small", "ipv4": "172.20.0.0/29", "access": "teams"}, admin)
    check(status == 201 and realm["ipv4"] == "172.20.0.0/29" and realm["access"] == "teams", "a small realm")
    for wish, word in (({"name": "small"}, "small"),):
        refused(rig.post("/realms", wish, admin), 409, word)
    for wish, word in (({"name": "A"}, "a-z"), ({"name": "x", "ipv4": "8.8.8.0/24"}, "private"),
                       ({"name": "x", "ipv4": "10.0.0.1/8"}, "range"), ({"name": "x", "ipv4": "10.0.0.0/30"}, "/29"),
                       ({"name": "x", "suite": "rsa"}, "cnsa"), ({"name": "x", "access": "all"}, "taints"),
                       ({"name": "x", "session_lifetime_s": 99999999}, "seconds")):
        refused(rig.post("/realms", wish, admin), 400, word)
    token = rig.post("/auth/registration-tokens", {"realm": realm["id"]}, admin)[1]["token"]
    nodes = [rig.register(token, tag=f"n{i}") for i in range(6)]
    check([x["ip4"] for x in nodes] == [f"172.20.0.{i}" for i in range(1, 7)], "all its addresses are given")
    refused(rig.post("/conflux/register", {}, token), 409, "every address", "unregister")
    check(rig.probe(nodes[0], "peers")[1]["peers"] == [f"n{i}" for i in range(1, 6)], "teams: all nodes of one's user")
    refused(rig.delete(f"/realms/{realm['id']}", admin), 409, "nodes")
    listed = rig.get(f"/conflux?realm={realm['id']}", admin)[1]["items"]
    check([x["tag"] for x in listed] == [f"n{i}" for i in range(6)] and listed[0]["node_id"] and not listed[1]["node_id"],
          "nodes are listed")
    pages, after = [], ""
    while after is not None:
        page = rig.get(f"/conflux?realm={realm['id']}&limit=4{after}", admin)[1]
        pages.append([x["tag"] for x in page["items"]])
        after = "&after=" + page["next"] if "next" in page else None
    check(pages == [["n0", "n1", "n2", "n3"], ["n4", "n5"]], f"in pages: {pages}")
    for query in ("limit=0", "limit=1001", "limit=x", "limit=", "after=x", "after=" + "A" * 22):
        refused(rig.get(f"/conflux?realm={realm['id']}&{query}", admin), 400, query.split("=")[0])
    one = nodes[0]["conflux_id"]
    check(rig.get(f"/conflux/{one}", admin)[1]["tag"] == "n0", "one node")
    status, answer = rig.post(f"/conflux/{one}/taints", {"add": ["z"]}, admin)
    check(status == 200 and answer["taints"] == ["z"] and answer["node"] == "not online"
          and not set(answer) & {"identities", "statement"},
          "an administrator adds a taint, and gets no keys of the node")
    for x in nodes:
        check(rig.delete(f"/conflux/{x['conflux_id']}", admin)[0] == 204, "removed")
    refused(rig.get(f"/conflux/{one}", admin), 404)
    refused(rig.get("/conflux/peers", nodes[0]["conflux_token"]), 401, "register")
    check(rig.delete(f"/realms/{realm['id']}", admin)[0] == 204, "the realm is deleted")
    refused(rig.get(f"/realms/{realm['id']}", admin), 404)
    refused(rig.post("/conflux/register", {}, token), 401)


def dead_conflux_tokens():
    """Of nodes that were removed, revoked, or unregistered themselves: good for nothing."""
    admin = rig.admin()
    for way in ("removed", "revoked", "unregistered"):
        n = rig.register(tag=way)
        token, own = n["conflux_token"], f"/conflux/{n['conflux_id']}"
        check(rig.probe(n, "renew")[-1]["ok"], f"{way}: has a session first")
        status, _ = {"removed": lambda: rig.delete(own, admin), "revoked": lambda: rig.post(own + "/revoke", None, admin),
                     "unregistered": lambda: rig.delete("/conflux/register", token)}[way]()
        check(status == 204, f"{way}: {status}")
        for method, path, body in (("GET", "/conflux/taints", None), ("POST", "/conflux/taints", {"add": ["x"]}),
                                   ("GET", "/conflux/peers", None), ("GET", "/conflux/session/nonce", None),
                                   ("POST", "/conflux/session/login", {}), ("POST", "/conflux/session/renew", {}),
                                   ("POST", "/conflux/session/logout", {}), ("DELETE", "/conflux/register", None),
                                   ("POST", "/conflux/register", {})):
            result = rig.request(method, path, body, token)
            check(result[0] == 401 and "registration token" in result[1]["detail"], f"{way}: {method} {path}: {result}")


def command_line():
    made = json.loads(rig.cli("token", "create", "--taints", "a,b", "--uses", "2", "--expires", "1h", "--json").stdout)
    check(rig.register(made["token"], tag="cli")["taints"] == ["a", "b"], "token create on the host")
    noted = {words: "without taints" in rig.cli("token", "create", *words.split()).stdout for words in ("", "--taints a", "--needs-jwt")}
    check(noted == {"": True, "--taints a": False, "--needs-jwt": False}, f"a token without taints is noted: {noted}")
    check("uses 1" in rig.cli("token", "list").stdout and "cli" in rig.cli("node", "list").stdout, "lists")
    rights = json.loads(rig.cli("token", "create", "--portal", "192.168.1.0/24,2001:db8::/48", "--conduit", "--no-relay",
                                "--ephemeral", "--approval", "--needs-jwt", "--json").stdout)
    check(rights["rights"] == {"relay": False, "conduit": True, "portal": ["192.168.1.0/24", "2001:db8::/48"]}, f"rights: {rights}")
    shown = [line for line in rig.cli("token", "list").stdout.splitlines() if rights["id"] in line][0]
    for word in ("portal 192.168.1.0/24,2001:db8::/48", "conduit", "no-relay", "ephemeral", "approval", "needs-jwt"):
        check(word in shown, f"token list says {word}: {shown}")
    (listed,) = [t for t in json.loads(rig.cli("token", "list", "--json").stdout)["items"] if t["id"] == rights["id"]]
    check(listed == {k: v for k, v in rights.items() if k not in ("token", "join_token")}, f"all of it but its secret: {listed}")
    portal = rig.cli("token", "create", "--portal", "192.168.7.0/24", "--json").stdout
    node = rig.register(json.loads(portal)["token"], tag="gate")
    check(rig.get(f"/conflux/{node['conflux_id']}", rig.admin())[1]["rights"]["portal"] == ["192.168.7.0/24"], "nodes have them")
    rig.cli("user", "create", "outsider")
    for words, says in ((("--portal", "192.168.1.1/24"), "192.168.1.0/24"), (("--portal", "0.0.0.0/0"), "conduit"),
                        (("--portal", "10.77.4.0/24"), "realm's own"), (("--portal", ""), "comma list"),
                        (("--portal", ",".join(f"192.168.{i}.0/24" for i in range(99))), "at most"),
                        (("--owner", "nobody"), "--owner"), (("--owner", "outsider"), "org invite")):
        result = rig.cli("token", "create", *words, ok=False)
        check(result.returncode == 1 and says in result.stdout, f"{words}: says '{says}': {result.stdout}")
    check("taints a,c" in rig.cli("node", "taint", "cli", "--add", "c", "--remove", "b").stdout, "node taint")
    rig.cli("token", "revoke", made["id"])
    refused(rig.post("/conflux/register", {}, made["token"]), 401, "revoked")
    for words in (["token", "create", "--realm", "nope"], ["token", "create", "--uses", "0"], ["token"], ["nonsense"],
                  ["token", "create", "--expires", "soon"], ["node", "taint"], ["node", "taint", "nobody", "--add", "x"],
                  ["node", "taint", "cli", "--add", "X"], ["realm", "create", "--name", "home"]):
        check(rig.cli(*words, ok=False).returncode != 0, f"refused: {' '.join(words)}")
    done = run(["veilnet-guardian", "token", "list", "--state-dir", "/nonexistent"], ok=False)
    check(done.returncode != 0 and "--state-dir" in done.stdout, "no state: says so")


def own_certificate():
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         rig.top / "own.key", "-out", rig.top / "own.crt", "-days", "2", "-subj", "/CN=guardian.example", "-addext",
         "subjectAltName=DNS:guardian.example"])
    other = Rig("--public", "guardian.example:443", "--tls-cert", rig.top / "own.crt", "--tls-key", rig.top / "own.key")
    join = json.loads(unb64(other.info["join_token"][4:]))
    check(join["g"] == ["https://guardian.example:443"] and "k" not in join, "own certificate: no pin in the join token")
    context = ssl.create_default_context(cafile=rig.top / "own.crt")
    with socket.create_connection(("127.0.0.1", other.info["https_port"])) as raw:
        with context.wrap_socket(raw, server_hostname="guardian.example") as s:
            check(s.version() == "TLSv1.3", "and Guardian shows it")
    other.close()
    done = run(["veilnet-guardian", "init", "--state-dir", rig.top / "third", "--tls-cert", rig.top / "own.crt",
                "--tls-key", rig.dir / "https.key", "--listen", "127.0.0.1:0", "--master-port", "0"], ok=False)
    check(done.returncode != 0 and "not the key of that certificate" in done.stdout, "a key that does not fit is named")


def restart():
    n = rig.register(tag="kept")
    began = time.monotonic()
    check(rig.daemon.stop() == 0 and time.monotonic() - began < 3, "SIGTERM ends it at once, in order")
    rig.start()
    rig.daemon.kill()
    rig.start()
    check(rig.probe(n)[0]["ok"] and rig.register(tag="kept-2"), "a killed Guardian knows everything again")


def slow_clients():
    slow["thread"].join(60)
    check(10 < slow.get("after", 99) < 25, f"a dripping client was cut after {slow.get('after', 99):.1f} s")


def no_secrets_in_logs():
    text = rig.logs() + (rig.dir / "master/nats-server.log").read_text()
    for secret in (REG, REG.split(".")[2], rig.info["admin"]["password"], rig.info["join_token"], "eyJhbGci"):
        check(secret not in text, "a secret is in no log")


start_slow()
main(init_again, http_shape, records, tls, users, bad_jwts, registration, tokens, sessions, proofs, ephemeral_nodes, who_asks_too_often_waits,
     administration, dead_conflux_tokens, command_line,
     own_certificate, slow_clients, restart, no_secrets_in_logs)
