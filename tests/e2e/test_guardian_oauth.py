"""Nodes that register with a token of an identity provider: what their claims give them, what is refused, and what a provider
that is slow, large, elsewhere or not allowed does not do to Guardian.
"""
# timeout: 180 waits
import concurrent.futures
import socket
import sqlite3
import tempfile
import threading

from guardian_rig import *
from idp import EcKey, Key, Provider, b64
from keylog import memory_holds
from lib import *

need("veilnet-guardian", "nats-server", "openssl", "memsearch")
need_root()
top = pathlib.Path(tempfile.mkdtemp(prefix="vn-idp-"))
atexit.register(shutil.rmtree, top, True)
hosts = top / "hosts"
hosts.write_text("127.0.0.2 idp.test\n")
idp = Provider(top / "idp", "127.0.0.2", names=["idp.test"])
# Only this address may be asked, of all that are on this machine; the name means what the test wants it to.
rig = Rig("--public", "127.0.0.1", run=("--provider-networks", "127.0.0.2/32", "--provider-ca", idp.ca),
          wrap=("unshare", "--mount", "--propagation", "private", "sh", "-c",
                f"mount --bind {hosts} /etc/hosts && exec \"$@\"", "sh"))
root = rig.admin()
REALM = rig.info["realm"]["id"]
ISSUERS = f"/realms/{REALM}/issuers"
RULES = {"required": ["email_verified=true"], "scopes": ["groups"], "taints": ["staff", "db if groups=dba"],
         "teams": ["ops if groups=ops"]}
CANARY = "canary-of-a-claim"


def issuer(name, path="/keys", base=None, **more):
    return done(rig.post(ISSUERS, {"name": name, "issuer": more.pop("issuer", idp.url), "audience": more.pop("audience", name),
                                   "jwks_url": (base or idp.url) + path, **more}, root), 201)


def new_token(**wish):
    return done(rig.post("/auth/registration-tokens", {"realm": REALM, "taints": [], "allowed_taints": [], **wish}, root), 201)


def join(jwt, token=None, **wish):
    return rig.post("/conflux/register", {"jwt": jwt, **wish}, (token or plain)["token"])


def good(**claims):
    return idp.token(**{"email_verified": True, "groups": ["ops", "dba", "x y"], "note": CANARY, **claims})


plain = None


def configured_by_the_owner():
    global plain
    plain = new_token()
    run(["veilnet-guardian", "issuer", "create", "net", "--state-dir", rig.dir, "--issuer", idp.url, "--audience",
         "net", "--jwks-url", idp.url + "/keys", "--algorithms", "RS256,ES256", "--required", RULES["required"][0],
         "--scopes", "groups", "--taints", ",".join(RULES["taints"]), "--teams", RULES["teams"][0]])
    (made,) = done(rig.get(ISSUERS, root))["items"]
    check({k: made[k] for k in RULES} == RULES and made["algorithms"] == ["RS256", "ES256"], f"it is as it was made: {made}")
    refused(rig.post(ISSUERS, {k: v for k, v in made.items() if k not in ("id", "created_at")}, root), 409, "delete")
    for wrong, word in (({"jwks_url": "http://idp.test/keys"}, "https"), ({"jwks_url": "https://u@idp.test/keys"}, "https"),
                        ({"algorithms": ["none"]}, "algorithms"), ({"algorithms": ["RS256", "HS256"]}, "algorithms"),
                        ({"algorithms": []}, "algorithms"), ({"name": "No"}, "name"), ({"issuer": "a b"}, "issuer"),
                        ({"audience": ""}, "audience"), ({"taints": ["no good"]}, "taints"), ({"name": "x" * 17}, "name")):
        refused(rig.post(ISSUERS, {"name": "x", "issuer": "x", "audience": "x", "jwks_url": "https://idp.test/", **wrong},
                         root), 400, word)
    actions = [e["action"] for e in done(rig.get("/audit", root))["items"]]
    check("issuer_created" in actions, "it is in the audit")


def claims_become_identities():
    org = done(rig.get("/orgs", root))["items"][0]["id"]
    me = done(rig.get("/auth/profile", root))["id"]
    team = done(rig.post(f"/orgs/{org}/teams", {"name": "ops"}, root), 201)["id"]
    done(rig.post(f"/teams/{team}/members", {"user": me}, root), 204)
    node = done(join(good()), 201)
    check(node["scopes"] == ["net/groups=ops", "net/groups=dba", "net/groups=x y"], f"scopes: {node['scopes']}")
    check(node["taints"] == ["db", "staff"] and node["teams"] == [team], f"taints and team: {node}")
    shown = done(rig.get(f"/conflux/{node['conflux_id']}", root))
    check(shown["scopes"] == node["scopes"], "administrators see them")
    check(rig.probe(node)[0]["claims"] == node["scopes"], "the node gets their keys, and its statement has their tags")
    plain_one = done(join(good(groups="one")), 201)
    check(plain_one["scopes"] == ["net/groups=one"] and plain_one["taints"] == ["staff"], "other claims, other identities")
    check(done(rig.post("/conflux/register", {}, plain["token"]), 201)["scopes"] == [], "without a JWT: none")
    many = done(join(good(groups=[str(i) for i in range(9)])), 201)
    check(len(many["scopes"]) == 7 and any("scopes" in w for w in many["warnings"]), "too many are told")
    check(idp.asked["/keys"] == 1, "the keys were fetched once")


def named_by_the_registrant():
    named = {"issuer": idp.url, "audience": "net", "jwks_url": idp.url + "/keys"}
    done(join(good(), **named), 201)
    for name in named:
        refused(join(good(), **{**named, name: named[name] + "x"}), 403, "owner")
    refused(rig.post("/conflux/register", {"jwks_url": idp.url + "/evil"}, plain["token"]), 400, "--jwt")
    check("/evil" not in idp.asked and "/keysx" not in idp.asked, "what a registrant names is not fetched")


def a_token_that_needs_one():
    needs = new_token(needs_jwt=True)
    refused(rig.post("/conflux/register", {}, needs["token"]), 403, "--jwt")
    done(join(good(), needs), 201)
    check(done(rig.get(f"/auth/registration-tokens?realm={REALM}", root))["items"][-1]["needs_jwt"], "the list says so")
    once = new_token(uses=1, needs_jwt=True)
    refused(join("a.b.c", once), 401)
    refused(join(good(email_verified=False), once), 403, "email_verified=true")
    done(join(good(), once), 201)  # what was refused did not use it up


def tokens_that_do_not_count():
    now = int(time.time())
    key = idp.keys[0]
    other = Key(top, "first-of-another")
    forged = other.sign(idp.claims(email_verified=True), kid="first")
    whole = good()
    none = b64(b'{"alg":"none"}') + "." + whole.split(".")[1] + "."
    for what, jwt, status, word in (
            ("no token", "x", 401, "copied whole"), ("cut", whole[:-5], 401, ""), ("another key", forged, 401, "signature"),
            ("alg none", none, 401, "algorithm"),
            ("a hash for a signature", key.sign(idp.claims(), alg="HS256"), 401, "algorithm"),
            ("not allowed by this issuer", key.sign(idp.claims(), alg="PS256"), 401, "algorithm"),
            ("unknown key", key.sign(idp.claims(), kid="unknown"), 401, "key"),
            ("expired", good(exp=now - 61), 401, "expired"), ("early", good(nbf=now + 300), 401, "not valid yet"),
            ("no end", key.sign({"iss": idp.url, "aud": "net", "email_verified": True}), 401, "exp"),
            ("another audience", good(aud="elsewhere"), 403, "audience"), ("another issuer", good(iss="https://e.example"), 403, ""),
            ("too long", good(pad="x" * 8192), 401, "8192"), ("a claim missing", good(email_verified="yes"), 403, "email")):
        log(what)
        refused(join(jwt), status, word)
    check(int(re.search(r"jwts_refused_total (\d+)", rig.get("/metrics", root)[1])[1]) >= 12, "they are counted")
    refused(join("x" * 20000), 413)
    check(idp.asked["/keys"] == 1, "and none of them made Guardian ask again")


def keys_are_fetched_once_for_all():
    all_here = threading.Event()
    idp.pages["/many"] = lambda h: (all_here.wait(6), h.keys())
    issuer("many", "/many")
    tokens = [idp.token(aud="many") for _ in range(24)]
    before = descriptors()
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(join, t) for t in tokens]
        wait_until(lambda: descriptors() >= before + 24, 5, "24 wait for the answer")
        all_here.set()
        results = [a.result() for a in asked]
    check([r[0] for r in results] == [201] * 24, "24 at once are registered")
    check(idp.asked["/many"] == 1, f"by one fetch: {idp.asked['/many']}")
    unknown = [idp.keys[0].sign(idp.claims(aud="many"), kid=f"made-up-{i}") for i in range(10)]
    check([join(t)[0] for t in unknown] == [401] * 10 and idp.asked["/many"] == 1, "made-up keys do not make it ask")


def who_hangs_up_meanwhile():
    """A node that wants to be public goes before the provider answers: nobody can say where it came from."""
    asked, go_on = threading.Event(), threading.Event()
    idp.pages["/gone"] = lambda h: (asked.set(), go_on.wait(6), h.keys())
    issuer("gone", "/gone")
    before, conn = descriptors(), rig.connection()
    conn.request("POST", "/conflux/register", json.dumps({"jwt": idp.token(aud="gone"), "public_port": 3478}),
                 {"Authorization": "Bearer " + plain["token"]})
    check(asked.wait(5), "the provider is asked")
    with_both = descriptors()
    conn.close()
    wait_until(lambda: before <= descriptors() < with_both, 5, "Guardian sees that it is gone")
    go_on.set()
    done(join(idp.token(aud="gone")), 201)
    check(rig.daemon.running() and idp.asked["/gone"] == 1, "the next one is served as if nothing had been")


def descriptors():
    return len(list(pathlib.Path(f"/proc/{rig.daemon.pid}/fd").iterdir()))


def providers_that_misbehave():
    over = threading.Event()

    def slow(h):
        """Drips: each byte comes in time, and the whole never."""
        h.send_response(200)
        h.end_headers()
        while not over.wait(0.1):
            h.wfile.write(b" ")

    def huge(h):
        h.send_response(200)
        h.end_headers()
        for _ in range(100):
            h.wfile.write(b" " * 1048576)

    idp.pages.update({
        "/slow": slow, "/huge": huge, "/redirect": lambda h: h.reply(b"", 302, location="/keys"),
        "/elsewhere": lambda h: h.reply(b"", 302, location="https://127.0.0.1:1/"), "/html": lambda h: h.reply(b"<html>"),
        "/said": lambda h: h.reply(b"{}", content_length="104857600"), "/down": lambda h: h.reply(b"", 503)})
    before, began = rss(), time.monotonic()
    for name in ("slow", "huge", "said", "redirect", "elsewhere", "html", "down"):
        issuer(name, "/" + name)
    waiting = threading.Thread(target=lambda: refused(join(idp.token(aud="slow")), 502, "no answer in time"))
    waiting.start()
    for name, word in (("huge", "too large"), ("said", "too large"), ("redirect", "redirects are not followed"),
                       ("elsewhere", "redirects are not followed"), ("html", "no set of keys"), ("down", "503")):
        refused(join(idp.token(aud=name)), 502, word)
    done(join(good()), 201)
    check(waiting.is_alive() and time.monotonic() - began < 8, "nobody waits for the slow one but who asked for it")
    waiting.join()
    over.set()
    check(rss() - before < 8 << 20, f"memory stays bounded: {(rss() - before) >> 10} KB more")


def rss():
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{rig.daemon.pid}/status").read_text())[1]) << 10


def only_allowed_addresses():
    """Nobody else on this machine hears of it, by whatever name it is called."""
    connections = []
    listeners = []
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        s = socket.create_server((address, listeners[0].getsockname()[1] if listeners else 0), family=family)
        s.settimeout(0.2)
        listeners.append(s)
    port = listeners[0].getsockname()[1]
    addresses = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::]",
                 "10.0.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]", "[64:ff9b::7f00:1]",
                 "[2002:7f00:1::]"]
    for i in range(0, len(addresses), 4):  # a realm has 16 issuers at most
        group = [issuer(f"a{n}", base=f"https://{a}:{port}") for n, a in enumerate(addresses[i:i + 4])]
        for n, _ in enumerate(group):
            refused(join(idp.token(aud=f"a{n}")), 502, "not public", "--provider-networks")
        for one in group:
            done(rig.delete(f"{ISSUERS}/{one['id']}", root), 204)
    for s in listeners:
        try:
            connections.append(s.accept())
        except TimeoutError:
            pass
        s.close()
    check(not connections, "no connection came")


def a_name_that_means_another_address():
    issuer("dns", base=f"https://idp.test:{idp.port}")
    done(join(idp.token(aud="dns")), 201)
    quiet = socket.create_server(("127.0.0.1", idp.port))
    hosts.write_text("127.0.0.1 idp.test\n")
    # other keys of the same name, so that it has to ask
    issuer("dns-later", "/other", base=f"https://idp.test:{idp.port}")
    refused(join(idp.token(aud="dns-later")), 502, "not public")
    quiet.settimeout(0.2)
    try:
        quiet.accept()
        raise Failed("it connected to the other address")
    except TimeoutError:
        pass
    quiet.close()
    hosts.write_text("127.0.0.2 idp.test\n")
    wait_until(lambda: join(idp.token(aud="dns-later"))[0] == 201, 15, "once the name is right again, it is asked again", 1)


def of_supabase_shape():
    """Its paths, its key, its claims (of an access token of Supabase Auth with asymmetric signing keys)."""
    base, key, now = idp.url + "/auth/v1", EcKey(top, "supabase"), int(time.time())
    idp.pages["/auth/v1/.well-known/jwks.json"] = lambda h: h.reply(
        json.dumps({"keys": [key.jwk]}).encode(), cache_control="public, max-age=600")
    issuer("supabase", "/.well-known/jwks.json", base, issuer=base, audience="authenticated", algorithms=["ES256"],
           required=["role=authenticated", "is_anonymous=false"], scopes=["app_metadata.groups"],
           taints=["admin if app_metadata.role=admin"])
    claims = {"iss": base, "sub": "8ccaa7af-909f-44e7-84cb-67cdccb56be6", "aud": "authenticated", "exp": now + 3600, "iat": now,
              "email": "a@example.org", "phone": "", "role": "authenticated", "aal": "aal1", "amr": [{"method": "password",
              "timestamp": now}], "session_id": "b6f7e2c4-8e5c-4b57-a9c1-2d5e0a1f9b7d", "is_anonymous": False,
              "app_metadata": {"provider": "email", "providers": ["email"], "groups": ["dev"], "role": "admin"},
              "user_metadata": {"email_verified": True, "groups": ["root"]}}
    node = done(join(key.sign(claims)), 201)
    check(node["scopes"] == ["supabase/app_metadata.groups=dev"] and node["taints"] == ["admin"], f"its claims count: {node}")
    refused(join(key.sign({**claims, "is_anonymous": True})), 403, "is_anonymous")
    refused(join(key.sign({**claims, "role": "anon"})), 403, "role")
    refused(join(key.sign(claims, alg="HS256")), 401, "algorithm")  # as projects with the old shared secret sign


def people_of_supabase_shape():
    """Address and password of a person, as its clients send them; the account belongs to issuer and subject."""
    base, key, now = idp.url + "/auth/v1", EcKey(top, "supabase-people"), int(time.time())
    claims = {"iss": base, "sub": "u-1", "aud": "authenticated", "exp": now + 3600, "iat": now, "email": "a@example.org",
              "role": "authenticated", "is_anonymous": False, "user_metadata": {"email_verified": True, "name": "admin"}}
    password, seen = "canary-of-a-password", []

    def token(h):
        said = json.loads(h.rfile.read(int(h.headers["content-length"])))
        seen.append(said)
        if h.headers["apikey"] != "public-key":
            h.reply(b'{"message":"Invalid API key"}', 401)
        elif said["password"] != password:
            h.reply(b'{"error_code":"invalid_credentials"}', 400)
        else:
            h.reply(json.dumps({"access_token": key.sign(claims), "token_type": "bearer", "user": {"id": "u-1"}}).encode())

    idp.pages["/auth/v1/token?grant_type=password"] = token
    idp.pages["/auth/v1/.well-known/jwks.json"] = lambda h: h.reply(json.dumps({"keys": [key.jwk]}).encode())
    rig.daemon.stop()
    rig.start()  # keys of the test before are forgotten
    wish = {"name": "supa", "issuer": base, "client_id": "public-key", "supabase": True}
    made = done(rig.post("/oidc/providers", {**wish, "sign_up": True}, root), 201)
    check(done(rig.get("/auth/oidc"))["items"] == [{"name": "supa", "issuer": base, "password": True}], "it takes a password")

    def sign_in(text=password):
        return rig.post("/auth/oidc/password", {"provider": "supa", "email": "a@example.org", "password": text})

    def whose(session):
        return done(rig.get("/auth/profile", session["access_token"]))

    me = whose(done(sign_in()))
    check(me["user"].startswith("supa-") and me["display_name"] == "", f"named by nothing that users write themselves: {me}")
    check(whose(done(sign_in()))["id"] == me["id"], "the same person again")
    refused(sign_in("wrong"), 401, "password")
    claims["is_anonymous"] = True
    refused(sign_in(), 401, "is_anonymous")
    claims.update(is_anonymous=False, aud="anon")
    refused(sign_in(), 401, "audience")
    refused(rig.post("/auth/oidc/begin", {"provider": "supa", "redirect_uri": "http://127.0.0.1:1/"}), 409, "password")
    done(rig.delete(f"/oidc/providers/{made['id']}", root), 204)
    done(rig.post("/oidc/providers", {**wish, "client_id": "other-key"}, root), 201)
    refused(sign_in(), 502, "API key")
    check(len(seen) == 6 and password not in rig.logs(), "no log has the password")
    memory_holds(rig.daemon.pid, {"password": [password.encode()]}, {"provider": [base.encode()]}, "Guardian, afterwards")


def rotation_and_restart():
    done(join(good()), 201)
    idp.keys.insert(0, Key(top / "idp", "second"))
    refused(join(good()), 401, "key")  # the keys were fetched less than a minute ago
    rig.daemon.stop()
    rig.start()
    done(join(good()), 201)
    done(join(idp.keys[1].sign(idp.claims(email_verified=True))), 201)


def deleted():
    run(["veilnet-guardian", "issuer", "delete", "net", "--state-dir", rig.dir])
    refused(join(good()), 403, "owner")
    check(any(n["scopes"] for n in done(rig.get(f"/conflux?realm={REALM}", root))["items"]), "its nodes stay")
    check("net" not in rig.cli("issuer", "list").stdout.split(), "and the list shows it no more")


def nothing_is_kept():
    store = sqlite3.connect(f"file:{rig.dir / 'guardian.db'}?mode=ro", uri=True)
    text = "\n".join(store.iterdump()) + rig.logs()
    store.close()
    for secret in (CANARY, good().split(".")[1][:60]):
        check(secret not in text, "neither store nor log holds a JWT, or a claim that no rule names")


main(configured_by_the_owner, claims_become_identities, named_by_the_registrant, a_token_that_needs_one,
     tokens_that_do_not_count, keys_are_fetched_once_for_all, who_hangs_up_meanwhile, providers_that_misbehave,
     only_allowed_addresses, a_name_that_means_another_address, of_supabase_shape, people_of_supabase_shape,
     rotation_and_restart, deleted, nothing_is_kept)
