"""Every verb of veilnet-guardian, as `help` and the verbs themselves name them: done right once, and with wrong input, which
gets one sentence that says what to do, ends with 1 or 2, and changes nothing."""
# timeout: 180
import concurrent.futures
import itertools

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1", "--session-lifetime", "1h")
ALL = bool(os.environ.get("VN_LONG"))
ID = "A" * 22
CLEAR, RAW, LONG = "\x1b[2J\x9bx", b"\xff\xfe", "x" * 5000  # what moves a cursor; no UTF-8; more than a request may have

# Wrong values of a kind, and what a sentence about it holds. All are tried under VN_LONG, else one a line, by turns.
WRONG = {
    "user": (["nobody", "", CLEAR, RAW, LONG, "../x", "x';--"], "user list"),
    "invited": (["nobody", "", RAW, LONG], "accounts|UTF-8|at most"),
    "realm": (["nowhere", "", CLEAR, RAW, LONG, "../x", "x';--"], "realm list"),
    "org": (["none", "", CLEAR, RAW, LONG], "org list"),
    "team": (["none", "", CLEAR, RAW, LONG], "team list"),
    "teams": (["none", "", "ops,none", CLEAR, RAW], "team list|comma list|UTF-8"),
    "node": (["none", "", CLEAR, RAW, LONG, ID], "node list"),
    "nodes": (["none", "", "box,", CLEAR, RAW, "box,none"], "node list|comma list|UTF-8"),
    "users": (["nobody", "", ",ann", RAW], "user list|comma list|UTF-8"),
    "issuer": (["none", "", CLEAR, RAW, LONG], "issuer list"),
    "provider": (["none", "", CLEAR, RAW, LONG], "oidc list"),
    "id": (["none", "", CLEAR, RAW, LONG], "22 characters|token revoke ID"),
    "gone": ([ID], "no such"),
    "name": (["", CLEAR, RAW, LONG, "A B", "../x"], "characters|at most|UTF-8"),
    "text": ([CLEAR, RAW, LONG], "control|printable|UTF-8|at most"),
    "switch": (["maybe", "", RAW], "on or off"),
    "duration": (["soon", "", "-1h", RAW, LONG, "1h2"], "duration|--within|is empty"),
    "life": (["1s", "99d"], "60 to 43200"),
    "number": (["many", "", "-1", RAW, "99999999999999999999"], "number|is empty"),
    "one of": (["king", "", CLEAR], "must be|some of|scopes|comma list"),
    "words": (["", "a,,b", ",", RAW], "comma list|UTF-8"),
    "taints": (["A B", CLEAR, RAW, "a,,b"], "comma list|UTF-8|a-z|labels|did not do it"),
    "networks": (["", "x", "192.168.1.1/24", "10.77.4.0/24", RAW], "comma list|192.168.1.0/24|realm's own|UTF-8"),
    "countries": (["", "DEU", "d", CLEAR, RAW], "country|comma list|UTF-8"),
    "range": (["", "x", "8.8.8.0/24", RAW], "private"),
    "url": (["", "http://x/", "https://", "file:///etc/passwd", RAW, LONG], "https|printable|UTF-8|at most"),
    "rule": (["=", CLEAR, RAW, ""], "rule|comma list|UTF-8"),
    "file": (["/nonexistent", "/dev/zero", "/etc", ""], "cannot be read|no certificate|is no file|is empty"),
    "key": (["x", "", RAW], "43 characters"),
    "endpoint": (["x", "", "999.1.1.1:1", "1.2.3.4:99999"], "--listen|ADDR"),
    "addresses": (["x", "", "1.2.3.4,x", LONG], "list of at most|is empty"),
    "entry": (["", "http://x", "x:0", "0.0.0.0", "nats://x:4222", "[fe80::1]:4222", "x/y", CLEAR, RAW, LONG], "tls://HOST:PORT|UTF-8|at most"),
    "region": ([CLEAR, RAW, LONG, "A B", "../x"], "characters|at most|UTF-8"),
    "no entry": (["none", "", CLEAR, RAW, LONG, ID], "veil list"),
    "nothing": ([""], ""),
    "server": (["", "a b", "../x", CLEAR, RAW, LONG], ""),
    "machine": (["", "x y", "10.0.0.9:1", CLEAR, RAW, LONG], "address of its machine"),
    "machines": ([",", "10.0.0.9,", "http://x", "0.0.0.0", "[fe80::1]", "*", "x y", "::1:x:y", "x:0", CLEAR, RAW, LONG], ""),
    "folder": (["west", "./west", RAW], ""),
}

# One wrong thing in each line: {kind}, or what is missing or too much, with what the sentence then holds.
LINES = """
init --realm {name} | init --suite {one of} | init --ipv4 {range} | init --listen {endpoint} | init --master-port {port}
init --session-lifetime {duration} | init --session-lifetime {life} | init --tls-cert x: belong together
init --public :: HOST | init --tls-cert /nonexistent --tls-key /nonexistent: cannot read
run --stun {addresses} | run --geo {file} | run --audit-age {duration} | run --audit-entries {number}
run --turn x: at most 4 | run --turn turn:192.0.2.1: --turn-secret-file | run --turn-secret-file {file}
run --cluster-port {port} | run --cluster-port 0: 1 to 65535 | run --cluster-port {master}: another
run --gateway-port {port} | run --gateway-port {master}: another | run --cluster-port 9999 --gateway-port 9999: two ports
run --leaf-port {port} | run --leaf-port {master}: another | run --leaf-port 9999 --gateway-port 9999: two ports
run --provider-networks x: at most 8 | run --provider-ca {file}
stop now: argument now
token create --taints {taints} | token create --allow-taints {taints} | token create --uses {number} | token create --uses 0: 1 or more
token create --expires {duration} | token create --owner {user} | token create --owner bob: org invite | token create --portal {networks}
token create --realm {realm} | token list --realm {realm} | token revoke {id} | token revoke {gone} | token revoke: ID
api-token create {name} --user admin --scopes read | api-token create t --user {user} --scopes read | api-token create t --scopes read: --user
api-token create t --user admin --scopes {one of} | api-token create t --user admin --scopes {words} | api-token create t --user admin: --scopes
api-token create t --user admin --scopes read --expires {duration} | api-token create t --user admin --scopes read --realm {realm}
api-token create t --user bob --scopes read: password
api-token list --user {user} | api-token list: --user | api-token revoke {id} --user admin | api-token revoke {gone} --user admin
api-token revoke --user admin: ID
realm create --name {name} | realm create: --name | realm create --name home: exists | realm create --name r --suite {one of}
realm create --name r --ipv4 {range} | realm create --name r --access {one of} | realm create --name r --relay {one of}
realm create --name r --session-lifetime {duration} | realm create --name r --session-lifetime {life} | realm create --name r --org {org}
realm list home: argument home | realm show {realm} | realm show: realm show NAME | realm rekey --realm {realm} | realm rekey --within {duration}
realm change {realm} --relay all | realm change home: --access | realm change home --name {name} | realm change home --access {one of}
realm change home --relay {one of} | realm change home --session-lifetime {duration} | realm change home --session-lifetime {life}
realm change home --approval {switch} | realm change home --countries {countries} | realm change home --unknown-country {one of}
realm change home --show-country {switch} | realm teams {realm} | realm teams home --add {teams} | realm teams home --remove {teams}
realm delete {realm} | realm delete home: nodes
node list --realm {realm} | node waiting --realm {realm} | node waiting box: no name | node show {node} | node show: TAG
node show box --realm {realm} | node approve {node} | node deny {node} | node deny box: approved | node teams {node}
node teams box --add {teams} | node teams box --add ops: owner | node rights {node} | node rights box --relay {switch}
node rights box --conduit {switch} | node rights box --portal {networks} | node command --all: node command NAME
node command dance --all: no such command | node command info: by one of | node command info --taint {taints} | node command info --team {team}
node command info --nodes {nodes} | node command info --all --taint x: by one of | node command info --all --add x: takes no
node command taint --all --add {words} | node command sessions --all --offset {number} | node command info --all --realm {realm}
node query {node} | node query box: no session | node sessions {node} | node sessions box: no session | node health {node}
node health box: no session | node routes {node} | node routes box: no session | node scopes {node} | node scopes box --add {teams}
node scopes box --add ops: owner | node taint {node} --add x | node taint box: --add | node taint box --add {taints}
node quarantine {node} | node quarantine box --peers {nodes} | node quarantine box --peers box: itself
node quarantine box --scopes {users} | node quarantine box --taints {taints} | node release {node} | node release box --peers {nodes}
node release box --scopes {users} | node release box --taints {taints} | node invalidate {node} | node invalidate box: no session
node shutdown {node} | node shutdown box: no session | node revoke {node} | node revoke: TAG
user create {name} | user create: NAME | user create ann: ann | user create c --display-name {text} | user list ann: no name
user show {user} | user show: NAME | user change {user} --superuser on | user change ann: --superuser | user change ann --superuser {switch}
user change ann --display-name {text} | user change admin --superuser off: last superuser | user password {user}
user disable {user} | user disable admin: last superuser | user enable {user} | user delete {user} | user delete admin: nodes
user identities {user} | user unlink {id} --user ann | user unlink {gone} --user ann | user unlink {gone}: --user
org create {name} | org create home: exists | org list home: no name | org rename {org} --name x | org rename home --name {name}
org rename home: --name | org delete {org} | org delete home: realms | org members --org {org} | org add --user {user} | org add: --user
org add --user ann --role {one of} | org add --user ann --org {org} | org remove --user {user} | org remove --user bob: member
org invite --user {invited} | org invite --user ann: member | org invite: --user | org invite --user bob --role {one of}
org invitations --org {org}
team create {name} | team create ops: exists | team create t --org {org} | team list --org {org} | team rename {team} --name x
team rename ops --name {name} | team rename ops: --name | team delete {team} | team members {team} | team add {team} --user ann
team add ops --user {user} | team add ops --user bob: invite | team remove {team} --user ann | team remove ops --user {user}
issuer create {name} --issuer x --audience y --jwks-url https://x/y | issuer create i --audience y --jwks-url https://x/y: --issuer
issuer create i --issuer x --jwks-url https://x/y: --audience | issuer create i --issuer x --audience y: --jwks-url
issuer create i --issuer {text} --audience y --jwks-url https://x/y | issuer create i --issuer x --audience {text} --jwks-url https://x/y
issuer create i --issuer x --audience y --jwks-url {url} | issuer create i --issuer x --audience y --jwks-url https://x/y --algorithms {one of}
issuer create i --issuer x --audience y --jwks-url https://x/y --required {rule}
issuer create i --issuer x --audience y --jwks-url https://x/y --taints {rule} | issuer list --realm {realm} | issuer delete {issuer}
oidc create {name} --issuer https://x/y --client-id z | oidc create p --client-id z: --issuer | oidc create p --issuer https://x/y: --client-id
oidc create p --issuer {url} --client-id z | oidc create p --issuer https://x/y --client-id {text}
oidc create p --issuer https://x/y --client-id z --sign-up {switch} | oidc list x: no name | oidc delete {provider}
oidc create p --issuer https://x/y --client-id z --client-secret-file {file}
veil create {entry} | veil create 10.0.0.1 --region {region} | veil create 10.0.0.1 --enabled {switch} | veil create: NAME
veil create 127.0.0.1:{master}: there is an entry point | veil list x: no name | veil regions x: no name | veil change {no entry} --enabled on
veil change 127.0.0.1:{master}: --enabled | veil change 127.0.0.1:{master} --url {entry} | veil change 127.0.0.1:{master} --region {region}
veil change 127.0.0.1:{master} --enabled off: enable another | veil delete {no entry} | veil delete 127.0.0.1:{master}: enable another
veil delete: URL
master config {server} --address 10.0.0.9 --to /tmp/west: no other one | master config veilnet-master --address 10.0.0.9 --to /tmp/west: not veilnet-master | master config --address 10.0.0.9 --to /tmp/west: config NAME
master config west --address {machines} --to /tmp/west: without ports | master config west --to /tmp/west: --address
master config west --address 10.0.0.9 --to {nothing}: --to FOLDER | master config west --address 10.0.0.9: --to FOLDER
master config west --address 10.0.0.9 --to /tmp/west --at {folder}: whole path
master config west --address 10.0.0.9 --to /tmp/west --port {port} | master config west --address 10.0.0.9 --to /tmp/west --cluster-port {port}
master config west --address 10.0.0.9 --to /tmp/west --cluster-port 4222: two ports
master config west --address 10.0.0.9 --to /tmp/west --peers {machines}: HOST | master config west --address 10.0.0.9 --to /tmp/west --listen {machine}
master config west --address 10.0.0.9 --to /tmp/west --region {server}: --region
master config west --address 10.0.0.9 --to /tmp/west --region east --gateway-port {port}
master config west --address 10.0.0.9 --to /tmp/west --region east --gateway-port 6222: four ports
master config west --address 10.0.0.9 --to /tmp/west --leaf-port {port} | master config west --address 10.0.0.9 --to /tmp/west --leaf-port 7222: four ports
master config west --address 10.0.0.9 --to /tmp/west --leaf home: run --leaf-port | master config west --address 10.0.0.9 --to /tmp/west --leaf {realm}
master config west --address 10.0.0.9 --to /tmp/west --leaf home,home: twice | master config west --address 10.0.0.9 --to /tmp/west --leaf home --region east: neither
master config west --address 10.0.0.9 --to /tmp/west: run --cluster-port
master config west --address 10.0.0.9 --to /tmp/west --region east: run --gateway-port
login: --oidc | login --oidc none: provider | login --oidc idp --guardian {url} | login --oidc idp --guardian https://[::1]:1 --pin {key}
login --oidc idp --guardian https://127.0.0.1:1: reach | login --oidc idp --link: belong together
login --oidc idp --link --user ann --password-file {file}
audit --realm {realm} | audit --since {duration}
"""
WRONG["port"] = (["x", "", "99999", "-1"], "port")
LINES = LINES.replace("{master}", str(rig.info["master_port"]))


# What each verb does when nothing is wrong, in order; those that show or make something say it as JSON, too.
RIGHT = """
user create ann --display-name Ann | user create bob | user list | user show ann | user change ann --display-name Anna | user password bob
user disable bob | user enable bob | user identities ann | org create other | org list | org rename other --name more | org delete more
org invite --user ann | org invitations | org add --user ann --role admin | org members | team create ops | team create net | team list
team rename net --name dev | team add ops --user ann | team members ops | team remove ops --user ann
realm create --name lab --ipv4 10.9.0.0/16 | realm list | realm show lab | realm change lab --countries DE,FR --approval on
realm change lab --countries * | realm teams home --add dev | realm teams home --remove dev | team delete dev | realm rekey --realm lab
realm delete lab | token create --taints web --owner ann --uses 2 --portal 192.168.7.0/24 | token list
api-token create robot --user admin --scopes read,write | api-token list --user admin
issuer create corp --issuer https://i --audience a --jwks-url https://i/k --required a=b | issuer list
veil create tls://[fd00::1]:4222 --region west --enabled off | veil list | veil change [fd00::1] --region east | veil regions
oidc create idp --issuer https://i --client-id c | oidc list | login --oidc idp --guardian https://127.0.0.1:1
node list | node waiting | node show box | node teams box | node rights box --portal 192.168.9.0/24 | node rights box --portal none
node approve box | node command info --all | node taint box --add web | node quarantine box --scopes ann | node release box --scopes ann
audit --since 1h | version | help
"""
FAIL = {"login": 1, "node command": 1}  # of RIGHT: nobody is there, and says so


def lines(text):
    return [line.strip() for part in text.strip().splitlines() for line in part.split(" | ")]


def guardian(*words, folder=None, **kwargs):
    if folder is None:
        words = (*words, "--state-dir", rig.dir) if words[0] not in ("help", "version") else words
    return subprocess.run(["veilnet-guardian", *words], capture_output=True, timeout=20, stdin=subprocess.DEVNULL, check=False,
                          **kwargs)


def together(calls):
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        wrong = [str(done.exception()) for done in [pool.submit(*c) for c in calls] if done.exception()]
    if wrong:
        raise Failed("\n".join(wrong))


def refused(words, says, code=None, **kwargs):
    done = guardian(*words, **kwargs)
    shown = [w if len(w) < 60 else f"{len(w)} bytes" for w in words]
    try:
        said = done.stderr.decode()
    except UnicodeDecodeError:
        raise Failed(f"{shown}: what it says is no UTF-8") from None
    if done.returncode not in ((code,) if code else (1, 2)):
        raise Failed(f"{shown}: exit {done.returncode} {said}")
    if not re.fullmatch(r"veilnet-guardian: [^\x00-\x1f\x7f-\x9f]{8,1400}\n", said):
        raise Failed(f"{shown}: no sentence: {said!r}")
    if not re.search(says, said):
        raise Failed(f"{shown}: does not say '{says}': {said}")
    if done.stdout:
        raise Failed(f"{shown}: also on standard output: {done.stdout!r}")


def all_verbs():
    """By help, and by what each says when it is not told what to do."""
    text = guardian("help").stdout.decode()
    asked = guardian("token", "create", "--help")
    check(asked.returncode == 0 and asked.stdout.decode() == text, "a verb that is asked for help gives all of it")
    sections = dict(re.findall(r"^  ([a-z-]+) (.*?)(?=^  [a-z]|\nEvery)", text, re.M | re.S))
    found = set()
    for verb, section in sections.items():
        asks = re.search(r"say what to do: \S+ (.*); see", guardian(verb).stderr.decode()) if verb not in TOP else None
        subs = asks[1].split(" | ") if asks else []
        missing = [s for s in subs if not re.search(rf"\b{s}\b", section)]
        check(not missing, f"help names the {len(subs)} verbs of {verb}")
        found |= {f"{verb} {s}" for s in subs} or {verb}
    return found


def verb_of(line):
    words = line.split(": ")[0].split()
    return words[0] if words[0] in TOP else " ".join(words[:2])


TOP = ("init", "run", "stop", "audit", "login", "version", "help")
VERBS = all_verbs()
NO_JSON = {"run", "stop", "login", "version", "help", "token revoke"}


def the_table_is_whole():
    tried = {verb_of(line) for line in lines(LINES)}
    check(tried == VERBS, f"wrong input for each of {len(VERBS)} verbs: {tried ^ VERBS or 'all'}")
    told = (SOURCE / "docs/operations.md").read_text()
    silent = {verb for verb in VERBS - {"help", "version"} if not re.search(rf"(`|veilnet-guardian ){verb}\b", told)}
    check(not silent, f"docs/operations.md tells of them: {silent or 'all'}")


def right():
    for line in lines(RIGHT):
        words, verb = line.split(), verb_of(line)
        done = guardian(*words, *([] if verb in NO_JSON else ["--json"]))
        if done.returncode != FAIL.get(verb, 0):
            raise Failed(f"{line}: exit {done.returncode}: {done.stderr.decode()}")
        if verb == "audit":
            check(all(json.loads(entry)["action"] for entry in done.stdout.splitlines()), "audit: an entry a line")
        elif verb not in NO_JSON and done.stdout:
            json.loads(done.stdout)
        if verb not in NO_JSON and ("list" in line or "show" in line):
            check(done.stdout and guardian(*words).stdout, f"{line} shows something, as text too")
    log(f"ok: {len(lines(RIGHT))} commands did what they should")


def state():
    """What is there, as the lists say."""
    lists = ("user list", "org list", "team list", "org members", "org invitations", "realm list", "realm show home", "token list",
             "api-token list --user admin", "issuer list", "oidc list", "veil list", "node list", "node show box", "user show ann")
    return [guardian(*line.split(), "--json").stdout for line in lists]


def cases():
    """(words, what to say) of all lines; of the values of a kind all, or the next one."""
    turns = {kind: itertools.cycle(values) for kind, (values, _) in WRONG.items()}
    for line in lines(LINES):
        line, _, says = line.partition(": ") if ": " in line else (line, None, None)
        kind = re.search(r"\{(.*?)\}", line)
        json_too = [] if verb_of(line) in NO_JSON | {"init"} else ["--json"]
        if not kind:
            yield [*line.split(), *json_too], says
            continue
        values, hint = WRONG[kind[1]]
        for value in values if ALL else [next(turns[kind[1]])]:
            words = line.replace(kind[0], "\0").split()
            yield [*(value if w == "\0" else w for w in words), *json_too], says or hint


def wrong():
    before = state()
    there = [c for c in cases() if c[0][0] not in ("init", "run")]
    together([(refused, words, says) for words, says in there])
    together([(refused, [*verb.split(), "--nonsense"], "unknown argument --nonsense.*help", 2) for verb in VERBS])
    refused(["nonsense"], "unknown verb.*help", 2)
    refused(["user", "nonsense"], "say what to do", 2)
    refused(["user", "show", "ann", "bob"], "one name at a time, not also bob", 2)
    refused(["user", "list", "--realm"], "a value is missing after --realm", 2, folder="")
    refused(["veil", "change", "10.0.0.1", "--enabled"], "--enabled is on or off", 2, folder="")
    check(state() == before, f"{len(there)} wrong commands changed nothing")
    check(rig.get("/health")[0] == 200 and rig.daemon.running(), "and Guardian goes on")


def folders():
    """A folder that is none, is empty, or may not be entered."""
    for verb in ("run", "stop", "user list", "token list", "node taint box --add x", "audit", "login --oidc idp"):
        refused([*verb.split(), "--state-dir", "/nonexistent"], "name its folder with --state-dir", 1, folder="")
        refused([*verb.split(), "--state-dir", ""], "names no folder", 2, folder="")
        refused([*verb.split(), "--state-dir", "/" + LONG], "too long", 1, folder="")
    refused(["init"], "holds a Guardian already", 1)
    refused(["run"], "runs already", 1)
    new = rig.top / "new"
    for words, says in cases():
        if words[0] == "init":
            listen = [] if "--listen" in words else ["--listen", "127.0.0.1:0"]
            refused([*words, *listen, "--state-dir", str(new)], says, folder="")
    check(not (new / "guardian.db").exists() and not list(new.glob("*.new")), "a wrong init leaves no Guardian behind")
    try:
        guardian("version", user=65534)
    except (OSError, subprocess.SubprocessError):
        log("not tried as another user: the programs are where only root comes")
        return
    for verb in ("run", "stop", "user list", "token list"):
        refused(verb.split(), "run as root, or as its owner", 1, user=65534)
    refused(["init", "--public", "127.0.0.1"], "run as root, or choose another folder", 1, user=65534)


def away():
    """Of verbs that need a Guardian that runs; and of run, for which none may."""
    rig.daemon.stop()
    beside = {"token create", "token list", "token revoke", "realm create", "realm list", "realm rekey", "node list", "node taint",
              "audit", "version", "help", "login"}
    there = {"other": "home", "more": "home", "lab": "home", "net": "ops", "dev": "ops"}  # what has gone meanwhile
    asks = [[there.get(w, w) for w in line.split()] for line in lines(RIGHT) if verb_of(line) not in beside]
    together([(refused, words, "start it with veilnet-guardian run", 1) for words in asks])
    refused(["login", "--oidc", "idp"], "cannot reach", 1)
    for words, says in cases():
        if words[0] == "run":
            refused(words, says)
    check("Guardian was not running" in guardian("stop").stdout.decode(), "stop says that there was none")


def lost():
    """What cannot be written is not passed over."""
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(["veilnet-guardian", "token", "create", "--state-dir", rig.dir], stdout=full, stderr=subprocess.PIPE,
                              check=False)
    check(done.returncode == 1 and b"No space left" in done.stderr, f"a full disk: {done.stderr}")


the_table_is_whole()
rig.register(tag="box")
right()
wrong()
folders()
away()
lost()
