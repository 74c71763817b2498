"""People sign in by OpenID Connect: against npm's oidc-provider, with new keys, away and wrong; what it takes to be somebody here.
"""
# timeout: 240
import socket
import sqlite3
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import guardian_rig
from guardian_rig import *
from idp import openssl
from keylog import memory_holds
from lib import *
from npm import INTEROP, modules

need("veilnet-guardian", "nats-server", "openssl", "node", "npm", "memsearch")
need_root()
at = modules()
top = pathlib.Path(tempfile.mkdtemp(prefix="vn-oidc-"))
atexit.register(shutil.rmtree, top, True)
hosts, cert, key = top / "hosts", top / "idp.pem", top / "idp.key"
hosts.write_text("127.0.0.2 idp.test\n")
openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=idp",
        "-addext", "subjectAltName=DNS:idp.test", "-keyout", key, "-out", cert)
with socket.create_server(("127.0.0.2", 0)) as free:
    PORT = free.getsockname()[1]
ISSUER = f"https://idp.test:{PORT}"
PASSWORD = "canary of a password"
SECRET = "canary-of-a-client-secret:with,%41-what/is+encoded"
WRAP = ("unshare", "--mount", "--propagation", "private", "sh", "-c", f"mount --bind {hosts} /etc/hosts && exec \"$@\"", "sh")
rig = Rig("--public", "127.0.0.1", run=("--provider-networks", "127.0.0.2/32", "--provider-ca", cert), wrap=WRAP)
root = rig.admin()
codes, flows, tokens = [], [], []


def done(result, status=200):
    answer = guardian_rig.done(result, status)
    if isinstance(answer, dict):
        flows.extend(v for k, v in answer.items() if k == "flow")
        tokens.extend(v for k, v in answer.items() if k == "access_token")
    return answer


class OidcProvider:
    def __init__(self):
        self.runs = 0
        self.start()

    def start(self):
        self.runs += 1
        self.daemon = Daemon(["node", INTEROP / "oidc_provider.mjs", at, cert, key, PORT, SECRET], f"provider-{self.runs}", top,
                             stdin=subprocess.PIPE)
        self.daemon.wait_log('"ready"', 30)
        return self

    def order(self, line):
        before = self.daemon.log_text().count('"done"')
        self.daemon.process.stdin.write(line + "\n")
        self.daemon.process.stdin.flush()
        wait_until(lambda: self.daemon.log_text().count('"done"') > before, 10, f"the provider did '{line}'")


class Browser:
    """Follows redirects within the provider and keeps its cookies; stops where it is sent elsewhere."""

    def __init__(self):
        context = ssl.create_default_context(cafile=cert)

        class Here(http.client.HTTPSConnection):
            def connect(self):
                self.sock = context.wrap_socket(socket.create_connection(("127.0.0.2", PORT), 10), server_hostname="idp.test")

        self.connect = lambda: Here("idp.test", PORT, timeout=20)
        self.cookies = {}

    def go(self, url):
        """Where it ends outside."""
        for _ in range(10):
            parts = urllib.parse.urlsplit(url)
            if parts.hostname != "idp.test":
                return url
            conn = self.connect()
            conn.request("GET", parts.path + ("?" + parts.query if parts.query else ""),
                         headers={"Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())})
            answer = conn.getresponse()
            text = answer.read().decode()
            for one in answer.headers.get_all("Set-Cookie") or []:
                name, value = one.split(";")[0].split("=", 1)
                self.cookies[name] = value
            conn.close()
            check(answer.status in (302, 303), f"the provider sends on: {answer.status} {text[:300]}")
            url = urllib.parse.urljoin(url, answer.headers["Location"])
        raise Failed("too many redirects")


def begin(provider="idp", redirect="http://127.0.0.1:4000/callback"):
    return rig.post("/auth/oidc/begin", {"provider": provider, "redirect_uri": redirect})


def answered(begun, who="ann"):
    """What the browser brings back."""
    query = urllib.parse.urlsplit(Browser().go(begun["url"] + "&login_hint=" + who)).query
    brought = dict(urllib.parse.parse_qsl(query))
    if "code" in brought:
        codes.append(brought["code"])
    return {"flow": begun["flow"], **{k: v for k, v in brought.items() if k in ("code", "state", "iss")}}


def finish(**body):
    return rig.post("/auth/oidc/finish", body)


def sign_in(who="ann"):
    return finish(**answered(done(begin()), who))


def profile(session):
    return done(rig.get("/auth/profile", session["access_token"]))


idp = OidcProvider()


def configured_by_a_superuser():
    secret = top / "secret"
    secret.write_text(SECRET + "\n")
    rig.cli("oidc", "create", "idp", "--issuer", ISSUER, "--client-id", "veilnet", "--client-secret-file", secret, "--sign-up",
            "on")
    (shown,) = done(rig.get("/oidc/providers", root))["items"]
    check(shown["has_secret"] and SECRET not in json.dumps(shown), "the secret is kept, and not shown")
    check(done(rig.get("/auth/oidc"))["items"] == [{"name": "idp", "issuer": ISSUER, "password": False}], "everybody sees the name")
    for wrong, word in (({"issuer": "http://idp.test"}, "https"), ({"issuer": "https://a/?b"}, "https"), ({"name": "A"}, "name"),
                        ({"client_id": ""}, "client_id"), ({"client_secret": "a b"}, "client_secret")):
        refused(rig.post("/oidc/providers", {"name": "x", "issuer": "https://x.test", "client_id": "x", **wrong}, root), 400, word)
    refused(rig.post("/oidc/providers", {"name": "idp", "issuer": ISSUER, "client_id": "x"}, root), 409)
    refused(begin("nobody"), 404)
    for uri in ("https://evil.example/", "http://127.0.0.1/", "http://127.0.0.1:80@evil.example/", "http://127.0.0.1:1x/",
                "http://localhost:80/", "javascript:alert(1)", "http://127.0.0.1:4000.evil.example/"):
        refused(begin(redirect=uri), 400, "127.0.0.1")


def a_person_signs_in():
    first = done(sign_in())
    me = profile(first)
    check(me["user"] == "ann@example.org" and me["display_name"] == "Ann" and not me["superuser"], f"an account: {me}")
    check(profile(done(sign_in()))["id"] == me["id"], "the next time it is the same")
    done(rig.post("/auth/logout", None, first["access_token"]), 204)
    check(rig.get("/auth/profile", first["access_token"])[0] == 401, "signed out is signed out")
    check(rig.post("/auth/refresh", {"refresh_token": first["refresh_token"]})[0] == 401, "for good")
    other = profile(done(sign_in("bob")))
    check(re.fullmatch(r"idp-[0-9a-f]{12}", other["user"]) and other["display_name"] == "",
          f"no verified address, no clean name: {other}")
    eve = profile(done(sign_in("eve")))
    check(eve["user"] != "admin" and not eve["superuser"], "who calls herself admin is somebody else")
    refused(rig.post("/auth/login", {"user": "ann@example.org", "password": ""}), 401)
    done(rig.post(f"/users/{other['id']}", {"disabled": True}, root))
    refused(sign_in("bob"), 403, "disabled")


def an_invitation_waits():
    """An account that was made for an address is given to who shows that address, once."""
    org = done(rig.get("/orgs", root))["items"][0]["id"]
    carol = done(rig.post("/users", {"user": "carol@example.org", "oidc": True}, root), 201)
    check("password" not in carol, "it has no password")
    done(rig.post(f"/orgs/{org}/invitations", {"user": "carol@example.org"}, root), 201)
    refused(rig.post("/users", {"user": "d@example.org", "oidc": True, "password": "a long password"}, root), 400, "password")
    idp.order("people carol " + json.dumps({"email": "Carol@Example.org", "email_verified": False}))
    check(profile(done(sign_in("carol")))["id"] != carol["id"], "an address that is not verified is nobody's")
    idp.order("people carol2 " + json.dumps({"email": "Carol@Example.org", "email_verified": True}))
    session = done(sign_in("carol2"))
    check(profile(session)["id"] == carol["id"], "the account that waited")
    (invited,) = done(rig.get("/invitations", session["access_token"]))["items"]
    done(rig.post(f"/invitations/{invited['id']}/accept", None, session["access_token"]))
    idp.order("people thief " + json.dumps({"email": "carol@example.org", "email_verified": True}))
    check(profile(done(sign_in("thief")))["id"] != carol["id"], "another subject of the same address is another person")
    done(rig.post("/users", {"user": "local@example.org", "password": "a long password"}, root), 201)
    idp.order("people local " + json.dumps({"email": "local@example.org", "email_verified": True}))
    check(profile(done(sign_in("local")))["user"] != "local@example.org", "an account with a password is not given away")


def flows_are_used_once_and_by_their_owner():
    one, two = done(begin()), done(begin())
    mine = answered(one)
    refused(finish(**{**mine, "flow": two["flow"]}), 401, "begin")  # another's answer; which ends that flow
    refused(finish(**answered(two)), 401, "begin")
    refused(finish(**{**mine, "flow": "A" * 43}), 401, "begin")
    done(finish(**mine))
    refused(finish(**mine), 401, "begin")
    third = done(begin())
    refused(finish(**{**answered(third), "code": "made-up"}), 401, "invalid_grant")
    fourth = done(begin())
    refused(finish(**{**answered(fourth), "iss": "https://other.test"}), 401, "issuer")
    check("code_challenge_method=S256" in one["url"] and "nonce=" in one["url"] and SECRET not in one["url"], "PKCE and nonce")
    check(one["flow"] not in one["url"], "the flow's secret is in no URL")


def new_keys():
    def forgotten():
        rig.daemon.stop()
        rig.start()

    forgotten()
    done(sign_in())
    idp.order("rotate")
    refused(sign_in(), 401, "key")  # asked for less than a minute ago: it is not asked for again by whoever comes
    forgotten()
    done(sign_in())
    idp.order("only")
    done(sign_in())


def link_begin(token, provider="idp"):
    return rig.post("/auth/identities/begin", {"provider": provider, "redirect_uri": "http://127.0.0.1:4000/callback"}, token)


def link_finish(token, begun, who):
    return rig.post("/auth/identities/finish", answered(begun, who), token)


def local_account(name):
    return done(rig.post("/users", {"user": name, "password": PASSWORD}, root), 201)["id"]


def local_sign_in(name):
    return done(rig.post("/auth/login", {"user": name, "password": PASSWORD}))["access_token"]


def an_account_is_linked_by_whose_it_is():
    lea, mia = local_account("lea"), local_account("mia")
    idp.order("people lea " + json.dumps({"email": "lea", "email_verified": True}))
    token, other = local_sign_in("lea"), local_sign_in("mia")
    refused(rig.post("/auth/identities/begin", {"provider": "idp", "redirect_uri": "http://127.0.0.1:1/"}), 401)
    refused(link_begin(token, "nobody"), 404)
    refused(link_begin(done(rig.post("/auth/tokens", {"name": "t", "scopes": ["write"]}, token), 201)["token"]), 403, "signs in")
    refused(rig.post("/auth/identities/password", {"provider": "idp", "email": "x", "password": "x"}, token), 409,
            "/auth/identities/begin")
    # what was begun to link is no sign-in, nor anybody else's link; and the other way round
    refused(finish(**answered(done(link_begin(token)), "lea")), 401, "begin")
    refused(link_finish(other, done(link_begin(token)), "lea"), 403, "begin")
    refused(link_finish(token, done(begin()), "lea"), 403, "begin")
    refused(rig.post("/auth/identities/finish", {**answered(done(link_begin(token)), "lea"), "code": "made-up"}, token), 403,
            "invalid_grant")
    refused(link_finish(token, done(link_begin(token)), "ann"), 409, "another account")
    check(done(rig.get("/auth/identities", token))["items"] == [], "so far it is linked to nothing")
    begun = done(link_begin(token))
    linked = done(link_finish(token, begun, "lea"))
    check((linked["provider"], linked["issuer"], linked["subject"]) == ("idp", ISSUER, "lea"), f"now it is: {linked}")
    check(done(link_finish(token, done(link_begin(token)), "lea"))["id"] == linked["id"], "once more changes nothing")
    refused(link_finish(other, done(link_begin(other)), "lea"), 409, "another account")
    by_provider = done(sign_in("lea"))
    check(profile(by_provider)["id"] == lea and local_sign_in("lea"), "both ways lead to one account")
    check(done(rig.get("/auth/identities", token))["items"] == [linked], "and it sees so")
    check(done(rig.get(f"/users/{lea}/identities", root))["items"] == [linked], "as administrators do")
    check("lea" in rig.cli("user", "identities", "lea").stdout, "on the command line, too")
    refused(rig.delete(f"/auth/identities/{linked['id']}", other), 404)
    done(rig.delete(f"/auth/identities/{linked['id']}", token), 204)
    check(rig.get("/auth/profile", by_provider["access_token"])[0] == 401 and rig.get("/auth/profile", token)[0] == 200,
          "the sign-ins by it end, and one's own does not")
    check(profile(done(sign_in("lea")))["id"] not in (lea, mia), "who comes by it is a stranger again, whatever they are called")
    ann = done(sign_in("ann"))["access_token"]
    (only,) = done(rig.get("/auth/identities", ann))["items"]
    refused(rig.delete(f"/auth/identities/{only['id']}", ann), 409, "no other way")
    result = rig.cli("user", "unlink", only["id"], "--user", "ann@example.org", ok=False)
    check(result.returncode == 1 and "no other way" in result.stdout, "nor does an administrator leave an account open to others")
    new = done(rig.post("/users", {"user": "new"}, root), 201)
    first = done(rig.post("/auth/login", {"user": "new", "password": new["password"]}))["access_token"]
    refused(link_begin(first), 403, "password first")


def linked_on_the_command_line():
    noa = local_account("noa")
    word = top / "password"
    word.write_text(PASSWORD + "\n")
    base = ["veilnet-guardian", "login", "--oidc", "idp", "--state-dir", rig.dir]
    link = Daemon([*base, "--link", "--user", "noa", "--password-file", word], "link", top)
    back = Browser().go(link.wait_log(r"^https://idp.test\S+", 20)[0] + "&login_hint=noa")
    codes.append(urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0])
    urllib.request.urlopen(back, timeout=20).read()
    wait_until(lambda: not link.running(), 10, "it ends")
    check("subject: noa" in link.log_text() and profile(done(sign_in("noa")))["id"] == noa, "the account is linked")
    (identity,) = json.loads(rig.cli("user", "identities", "noa", "--json").stdout)["items"]
    rig.cli("user", "unlink", identity["id"], "--user", "noa")
    check(json.loads(rig.cli("user", "identities", "noa", "--json").stdout)["items"] == [], "an administrator unlinks it")
    word.write_text("not the password that it is\n")
    for words, says in ((("--link",), "belong together"), (("--user", "noa"), "belong together"),
                        (("--link", "--user", "noa", "--password-file", top / "none"), "No such file"),
                        (("--link", "--user", "noa", "--password-file", word), "password is wrong")):
        result = run([*base, *words], ok=False, timeout=30)
        check(result.returncode != 0 and says in result.stdout, f"{words[:2]}: says '{says}': {result.stdout}")


def on_the_command_line():
    login = Daemon(["veilnet-guardian", "login", "--oidc", "idp", "--json", "--state-dir", rig.dir], "login", top)
    url = login.wait_log(r"^https://idp.test\S+", 20)[0]
    back = Browser().go(url)
    codes.append(urllib.parse.parse_qs(urllib.parse.urlsplit(back).query)["code"][0])
    port = urllib.parse.urlsplit(back).port
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/callback?code=x&state=forged", timeout=5)
        raise Failed("a forged redirect is taken")
    except urllib.error.HTTPError as e:
        check(e.code == 404, "a redirect of another sign-in is not taken")
    check("close this page" in urllib.request.urlopen(back, timeout=20).read().decode(), "the page says so")
    wait_until(lambda: not login.running(), 10, "it ends")
    answer = json.loads(re.search(r"\{.*\}", login.log_text(), re.S)[0])
    check(profile(answer)["user"] == "ann@example.org", "and prints the access token")


def a_provider_that_is_away_or_wrong():
    token = root
    idp.daemon.stop()
    rig.daemon.stop()
    rig.start()
    refused(begin(), 502, "idp", "cannot reach")
    check(rig.get("/auth/profile", token)[0] == 200, "who is signed in stays so")
    idp.start()
    wait_until(lambda: begin()[0] == 200, 15, "it is back", 1)
    begun = done(begin())
    brought = answered(begun)
    idp.daemon.stop()
    refused(finish(**brought), 502, "idp")
    idp.start()
    (shown,) = done(rig.get("/oidc/providers", root))["items"]
    done(rig.delete(f"/oidc/providers/{shown['id']}", root), 204)
    done(rig.post("/oidc/providers", {"name": "idp", "issuer": ISSUER, "client_id": "veilnet", "client_secret": "wrong"}, root), 201)
    refused(sign_in(), 502, "client id and secret")
    rig.cli("oidc", "delete", "idp")
    done(rig.post("/oidc/providers", {"name": "idp", "issuer": ISSUER, "client_id": "veilnet", "client_secret": SECRET}, root), 201)
    check(profile(done(sign_in()))["user"] == "ann@example.org", "accounts outlive the provider's entry")
    idp.order("people stranger " + json.dumps({"email": "stranger@example.org", "email_verified": True}))
    refused(sign_in("stranger"), 403, "administrator")  # without --sign-up nobody is made


def nothing_is_remembered():
    """What people and providers gave is in no memory any more; what a store keeps for its next use is."""
    signature = {t.rsplit(".", 1)[1].encode() for t in tokens}
    check(len(codes) > 10 and len(flows) > 10 and len(signature) > 10, "much was given")
    rig.request("GET", "/health", headers={"X-Pad": "x" * 2000})  # the HTTP library keeps the last head that it read
    memory_holds(rig.daemon.pid, {"password": [PASSWORD.encode()], "code": [c.encode() for c in codes],
                                  "flow": [f.encode() for f in flows], "access token": list(signature)},
                 {"provider": [ISSUER.encode()]}, "Guardian, after all these sign-ins")


def a_client_secret_ends_with_its_provider():
    """It is in no argv, what was made of it for a request is wiped, and no memory holds it when the provider's entry has gone."""
    secret, sent = SECRET.encode(), base64.b64encode(f"veilnet:{urllib.parse.quote(SECRET, safe='')}".encode())
    done(rig.get("/oidc/providers", root))  # reads it from the store
    check(secret not in pathlib.Path(f"/proc/{rig.daemon.pid}/cmdline").read_bytes(), "no argv has it")
    memory_holds(rig.daemon.pid, {"client secret as it is sent": [sent]}, {"client secret": [secret]}, "Guardian, with the provider")
    rig.cli("oidc", "delete", "idp")
    memory_holds(rig.daemon.pid, {"client secret": [secret], "as it is sent": [sent]}, {"provider": [ISSUER.encode()]},
                 "Guardian, without it")


def nothing_is_said():
    store = sqlite3.connect(f"file:{rig.dir / 'guardian.db'}?mode=ro", uri=True)
    text = "\n".join(line for line in store.iterdump() if "oidc_provider" not in line)
    store.close()
    check(len(codes) > 10 and rig.logs().count('"signed_in"') > 5, "much was said")
    for secret in (SECRET, PASSWORD, urllib.parse.quote(SECRET), *codes):
        check_silently(secret not in text + rig.logs(), "a secret or a code is in the store or the log")
    actions = {e["action"] for e in done(rig.get("/audit?limit=1000", root))["items"]}
    check({"provider_created", "provider_deleted", "user_linked", "user_unlinked", "signed_in"} <= actions, "the audit has the acts")


def check_silently(condition, text):
    if not condition:
        raise Failed(text)


main(configured_by_a_superuser, a_person_signs_in, an_invitation_waits, flows_are_used_once_and_by_their_owner, an_account_is_linked_by_whose_it_is,
     linked_on_the_command_line, new_keys, on_the_command_line, a_provider_that_is_away_or_wrong, nothing_is_remembered,
     a_client_secret_ends_with_its_provider, nothing_is_said)
