"""What is no longer needed is in no memory: processes are searched for every key they had, and for tokens and passwords.

Each search also finds what must be there, or it would prove nothing. VN_LONG adds what takes minutes: a KEM step, and the
receiver's old epochs.
"""
# timeout: 400 waits
import base64
import shutil
import sqlite3

import keylog
from keylog import memory_holds, search
from lib import *
from veil import Guardian, Node, Traffic

LONG = bool(os.environ.get("VN_LONG"))
need("ping", "memsearch")
if not keylog.PRELOAD.exists():
    skip(f"{keylog.PRELOAD} is missing")

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")


class WatchedNode(Node):
    """A node that writes its keys where the test can read them."""

    def start(self, timeout=20, wait=True):
        self.keys_path = self.machine.dir / "keys"
        self.daemon = self.machine.daemon(["veilnet-conflux", "--state-dir", self.dir, "run", "--verbose"],
                                          name=f"conflux-{self.tag}", env=keylog.environment(self.keys_path))
        if wait:
            self.wait_online(timeout)

    def keys(self):
        return keylog.Keys(self.keys_path)

    def events(self, name):
        return self.daemon.log_text().count(f'"{name}"')


replaced = set()  # identity keys of a generation before


def signature(token):
    """The secret part of a token: what stands before it says what it is for."""
    return token.rsplit(".", 1)[1].encode()


def jwt_of(join):
    return json.loads(base64.urlsafe_b64decode(join[4:] + "=="))["r"]


TURN_PASSWORD = "turn-password-north-tree"
password_path = srv.dir / "turn.password"
password_path.write_text(TURN_PASSWORD + "\n")
password_path.chmod(0o600)

g = Guardian(srv, "10.9.0.1", start=False)

# Nobody is there; a direct pair is found first.
g.run_with("--turn", "turn:10.9.0.99", "--turn-user", "veil", "--turn-password-file", password_path)
other_join = g.token("--uses", "1")
na, nb = WatchedNode(a, g), WatchedNode(b, g)
CONFLUX_TOKENS = [json.loads((n.dir / "conflux.json").read_text())["conflux_token"] for n in (na, nb)]
TEXTS = {"administrator's password": g.info["admin_password"].encode(), "registration token": signature(jwt_of(g.join)),
         "second registration token": signature(jwt_of(other_join)),
         "TURN password": TURN_PASSWORD.encode(),
         **{f"conflux token {i}": signature(t) for i, t in enumerate(CONFLUX_TOKENS)}}


# A token of somebody's identity provider, which counts nowhere here.
JWT = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (
    b'{"alg":"RS256","kid":"a"}', b'{"iss":"https://idp.example","aud":"net","exp":4000000000}', b"canary-of-a-signature" * 12))
refused = c.run(["veilnet-conflux", "--state-dir", c.dir / "jwt", "register", "-t", g.join, "--jwt", JWT], ok=False)
check(refused.returncode == 4 and "issuer" in refused.stdout, "a JWT of nobody is refused")
TEXTS["JWT"] = signature(JWT)


def past_and_present(node, peer):
    """Chain and lane keys: (of past epochs of the stream that node sends, present ones of both streams)."""
    keys, theirs = node.keys(), peer.keys()
    past, present = [], []
    for chain in keys.chains():
        steps = [ck for ck in chain[1:] if ck in theirs.all("ck")]
        # The source steps first.
        if steps and keys.since("ck", steps[0]) < theirs.since("ck", steps[0]):
            past += chain[:-1]
            past += [lane for ck in chain[:-1] for lane in keys.lanes.get(ck, ())]
        present.append(chain[-1])
        present += keys.lanes.get(chain[-1], ())
    return past, present


def transient(keys):
    return {kind: keys.all(kind) for kind in ("ss", "prk", "once", "psk", "master")}


def while_streams_live():
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4)
    for n in (na, nb):
        wait_until(lambda n=n: n.events("epoch_began") >= 1 and n.events("epoch_seen") >= 1, 30, f"{n.tag} made a step")
    traffic.steady()
    for n, peer in ((na, nb), (nb, na)):
        past, present = past_and_present(n, peer)
        check(len(past) >= 2 and len(present) >= 4, f"{n.tag} sends under its second key at least")
        keys = n.keys()
        memory_holds(n.daemon.pid, {**transient(keys), "past keys": past},
                     {"present keys": present, **{k: keys.all(k) for k in ("k_ctl", "dtls", "identity", "nkey", "EC")},
                      "K_t": keys.all("K_t"), "hour mac": keys.all("hour mac")[:2]},
                     f"{n.tag}, streams open")
    if LONG:
        after_a_kem_step()
    traffic.stop()


def after_a_kem_step():
    """A minute after the step nothing of what was before it is left, at either end."""
    before = {n: n.keys() for n in (na, nb)}
    steps = {n: len(n.keys().all("k_ctl")) for n in (na, nb)}
    for n in (na, nb):
        wait_until(lambda n=n: len(n.keys().all("k_ctl")) >= steps[n] + 4, 180, f"{n.tag} saw two KEM steps", 1)
    for n in (na, nb):
        old = {kind: before[n].all(kind) for kind in ("ck", "lane", "k_ctl")}
        memory_holds(n.daemon.pid, {**transient(n.keys()), **old}, {"k_ctl": n.keys().all("k_ctl")[-4:]},
                     f"{n.tag}, after a KEM step", within=90)


def after_a_change_of_keys():
    """Those of the generation before are wiped when they count no more."""
    kinds = ("hour", "hour mac", "K_t")
    old = {n: {k: n.keys().all(k) for k in kinds} for n in (na, nb)}
    replaced.update(v for n in old for v in old[n]["K_t"])
    for n in (na, nb):
        check(all(old[n].values()), f"{n.tag} had keys of an hour and of identities")
        memory_holds(n.daemon.pid, {}, {"hour": old[n]["hour"][:1]}, f"{n.tag}, before the change")
    g.cli("realm", "rekey", "--within", "2s", "--identities")
    wait_until(lambda: '"key_change_ended"' in g.daemon.log_text(), 30, "Guardian ended the change")
    na.reaches(nb.ip4)
    for n in (na, nb):
        memory_holds(n.daemon.pid, old[n], {"identity": n.keys().all("identity")}, f"{n.tag}, keys of another generation")


def after_a_taint_was_removed():
    """The streams close, and the removed node forgets its identity key."""
    na.cli("taint", "remove", "home")
    wait_until(lambda: not na.links() and not nb.links(), 10, "a and b have no link")
    for n in (na, nb):
        keys = n.keys()
        shared = [v for v in keys.all("K_t") if v in na.keys().all("K_t") and v in nb.keys().all("K_t")
                  and v not in replaced]
        check(len(shared) >= 1, f"{n.tag} had the identity key of the common taint")
        gone = {**transient(keys), **{k: keys.all(k) for k in ("ck", "lane", "k_ctl", "dtls")}}
        alive = {k: keys.all(k) for k in ("identity", "nkey")}
        (gone if n is na else alive)["K_t"] = shared[:1]
        memory_holds(n.daemon.pid, gone, alive, f"{n.tag}, streams closed")


def after_the_turn_server_was_changed():
    """Nodes keep a TURN server's password as long as Guardian names that server."""
    held = {"TURN password": [TURN_PASSWORD.encode()]}
    for n in (na, nb):
        memory_holds(n.daemon.pid, {}, held, f"{n.tag}, with a TURN server")
    new = srv.dir / "turn.secret"
    new.write_text("turn-secret-south-tree")
    new.chmod(0o600)
    g.run_with("--turn", "turn:10.9.0.99", "--turn-secret-file", new)
    for n in (na, nb):
        renew(n)
        memory_holds(n.daemon.pid, {**held, "TURN secret": [new.read_bytes()]}, {"identity": n.keys().all("identity")},
                     f"{n.tag}, with another TURN user")
    memory_holds(g.daemon.pid, held, {"TURN secret": [new.read_bytes()]}, "Guardian, with another TURN user")
    TEXTS["TURN secret"] = new.read_bytes()


def renew(n):
    renewed = n.events("session_renewed")
    os.kill(int((g.dir / "master/nats-server.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: n.events("session_renewed") > renewed, 30, f"{n.tag} renewed its session")
    n.wait_online()


def after_renewals():
    """Two renewals later the KEM keys announced first are gone, and the shares of the connections that ended."""
    early = nb.keys()
    for _ in range(2):
        renew(nb)
    late = nb.keys()
    # A session key, then one announced key after the other; three values each.
    announced, now = early.all("kem")[3:6], late.all("kem")
    check(len(now) >= 3 * 4, f"b made {len(now) // 3} KEM keys")
    memory_holds(nb.daemon.pid, {**transient(late), "first announced": announced, "shares": early.all("share")},
                 {"session key": now[:3]}, "b, renewed twice")
    # It may renew once more, and a login that fails makes one for nothing: not always the last two that were made by then.

    def two_announced():
        made = nb.keys().all("kem")
        found = search(nb.daemon.pid, made)
        return [made[i] for i in range(3, len(made), 3) if all(v in found for v in made[i:i + 3])][1:]

    wait_until(two_announced, 10, "it holds two keys that are announced")


def guardian_forgets_what_it_was_told():
    store = sqlite3.connect(f"file:{next(g.dir.glob('*.db'))}?mode=ro", uri=True)
    seeds = store.execute("SELECT command_seed, affinity_root, hour_root FROM realm").fetchone()
    store.close()
    check(len(g.api("GET", "/realms")["items"]) == 1, "the administrator used the API")
    told = {k: [v] for k, v in TEXTS.items() if k != "TURN secret"}  # that it needs
    memory_holds(g.daemon.pid, told, {"seeds and roots": list(seeds)}, "Guardian")


def a_node_forgets_the_token_it_came_with():
    """register -d goes on as the node, in the process that was given the token, in argv or in the environment."""
    token = signature(jwt_of(other_join))
    d = c.daemon(["veilnet-conflux", "--state-dir", c.dir / "state", "register", "-d", "-t", other_join, "--tag", "c"],
                 name="conflux-c")
    d.wait_log('"node_online"', 20)
    own = json.loads((c.dir / "state/conflux.json").read_text())["conflux_token"]
    for what in ("cmdline", "environ"):
        text = pathlib.Path(f"/proc/{d.pid}/{what}").read_bytes()
        check(token not in text and other_join.encode() not in text, f"{what} does not show the token")
    memory_holds(d.pid, {"registration token": [token, other_join.encode()[64:]]}, {"conflux token": [signature(own)]},
                 "c, which registered")


def nothing_on_disk():
    """Nodes keep their conflux token and settings; Guardian keeps hashes of tokens and passwords."""
    for folder in (na.dir, nb.dir, c.dir / "state", g.dir):
        for path in [folder, *folder.rglob("*")]:
            if not path.is_socket() and not path.is_symlink():
                check_mode(path)
    files = [p for p in [*net.dir.rglob("*")] if p.is_file() and not p.name.startswith(("keys", "turn."))]
    for path in files:
        text = path.read_bytes()
        for name, value in TEXTS.items():
            kept = path.name == "conflux.json" and name.startswith("conflux token") or \
                g.dir in path.parents and name == "TURN secret"  # who has it names servers' users
            if value in text and not kept:
                raise Failed(f"{path} holds the {name}")
    secrets = [v for n in (na, nb) for k, vs in n.keys().by_kind.items() if k != "share" for _, v in vs]
    for path in files:
        text = path.read_bytes()
        for v in secrets:
            check_absent(text, path, v)
    log(f"ok: {len(files)} files, logs among them, hold no token, password or key of {len(secrets)} but conflux.json its own")


def check_mode(path):
    if path.stat().st_mode & 0o077:
        raise Failed(f"{path} has mode {path.stat().st_mode & 0o777:o}")


def check_absent(text, path, value):
    forms = (value, value.hex().encode(), base64.b64encode(value).rstrip(b"="), base64.urlsafe_b64encode(value).rstrip(b"="))
    for form in forms:
        if form in text:
            raise Failed(f"{path} holds a key")


def nothing_is_said():
    """What commands print, right and wrong, and what the API answers."""
    said = [nb.cli(*w, ok=False).stdout for w in (["status"], ["status", "--json"], ["info"], ["peers", "--json"],
                                                  ["status", "--verbose"])]
    wrong = g.join[:-4] + "AAAA"
    said += [nb.cli("register", "-t", t, ok=False).stdout for t in (wrong, g.join + "x", jwt_of(g.join))]
    said += [nb.cli("up", "-t", CONFLUX_TOKENS[0][:-4] + "AAAA", ok=False).stdout]
    said += [g.cli(*w).stdout for w in (["token", "list", "--json"], ["node", "list", "--json"], ["realm", "list", "--json"])]
    realm = nb.status()["realm"]["id"]
    said += [json.dumps(g.api("GET", p)) for p in ("/realms", f"/conflux?realm={realm}", f"/auth/registration-tokens?realm={realm}")]
    for text in said:
        for name, value in TEXTS.items():
            check_absent(text.encode(), "the answer " + text[:200], value[:-4])
    log(f"ok: {len(said)} answers hold no token and no password")


def a_crash_leaves_nothing():
    for d in (na.daemon, g.daemon):
        limits = pathlib.Path(f"/proc/{d.pid}/limits").read_text()
        check(re.search(r"^Max core file size +0 +0 ", limits, re.M), f"{d.name} may not write a core file")
        os.kill(d.pid, signal.SIGSEGV)
        _, status = os.waitpid(d.process.pid, 0)
        check(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV and not os.WCOREDUMP(status),
              f"{d.name} crashed and dumped no core")


main(while_streams_live, after_a_change_of_keys, after_the_turn_server_was_changed, after_a_taint_was_removed, after_renewals,
     guardian_forgets_what_it_was_told, a_node_forgets_the_token_it_came_with, nothing_is_said, a_crash_leaves_nothing,
     nothing_on_disk)
