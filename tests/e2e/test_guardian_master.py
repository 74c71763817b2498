"""The embedded Master: an unmodified nats-server under Guardian's configuration, its permissions, its life beside
Guardian's."""
# timeout: 180 waits
import os
import pathlib
import signal
import socket
import shutil
import ssl
import stat
import subprocess
import tempfile

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
if not PROBE.exists():
    skip("guardian_probe is not built")
rig = Rig()
master_dir = rig.dir / "master"


def master_pid():
    return int((master_dir / "nats-server.pid").read_text())


def alive(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def runs_apart():
    pid = master_pid()
    check(os.getsid(pid) == pid, "Master leads a session of its own")
    inside = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    check(not any("guardian" in pathlib.Path(x).name for x in inside), f"and holds no file of Guardian: {inside}")
    listening = run(["ss", "-Hltnp"]).stdout
    holders = [x for x in listening.splitlines() if f":{rig.info['https_port']} " in x]
    check(len(holders) == 1 and f"pid={pid}," not in holders[0], "nor its socket")


def nothing_readable():
    for path in [rig.dir, *rig.dir.rglob("*")]:
        mode = path.lstat().st_mode
        check(stat.S_IMODE(mode) & 0o077 == 0, f"{path.name}: {stat.filemode(mode)}")


def permissions():
    node = rig.register(tag="perm", taints=["home", "db"])
    login, answer = rig.probe(node, "nats")
    check(login["ok"], "login")
    allowed = ("inbox commands revocations hubs own_name own_tag own_ip4 own_ip6 own_group send ask_name offer_relay "
               "delivered payload_24576").split()
    forged = ("forged_sender forged_query forged_hub forged_command forged_revocation forged_guardian others_inbox "
              "all_inboxes everything others_commands others_name without_queue wrong_queue others_group nets system "
              "own_inbox_prefix payload_24577").split()
    for name in allowed:
        check(answer[name] is True, f"allowed: {name}")
    for name in forged:
        check(answer[name] is False, f"refused: {name}")


def many_identities():
    taints = [f"taint-{i:02d}-" + "x" * 40 for i in range(16)]
    login, answer = rig.probe(rig.register(tag="t" * 63, taints=taints), "nats")
    check(login["nats_jwt_bytes"] < 3500, f"a JWT with 16 taints fits CONNECT: {login['nats_jwt_bytes']} bytes")
    check(answer["ok"] and answer["own_group"], "and Master takes it")


def foreign_clients_refused():
    def greet(context):
        """What Master does with a TLS client: True when it talks on behind the handshake."""
        with socket.create_connection(("127.0.0.1", rig.info["master_port"]), timeout=5) as raw:
            check(b'"tls_required":true' in raw.recv(4096), "Master asks for TLS")
            with context.wrap_socket(raw) as s:
                s.sendall(b'CONNECT {"verbose":true}\r\nPING\r\n')
                return s.recv(100) != b""

    def refused(context):
        try:
            return not greet(context)
        except (ssl.SSLError, ConnectionError):
            return True

    check(refused(ssl._create_unverified_context()), "a client without our certificate is refused")
    old = ssl._create_unverified_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        greet(old)
        raise Failed("TLS 1.2 was spoken")
    except ssl.SSLError as e:
        check("version" in str(e).lower(), f"TLS 1.2 is refused: {e}")


def survives_guardian():
    node = rig.register(tag="held")
    with subprocess.Popen([str(a) for a in rig.probe_argv(node, "hold")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as held:
        check(json.loads(held.stdout.readline())["ok"], "a node logs in")
        check(json.loads(held.stdout.readline())["ok"], "and connects")
        pid = master_pid()
        rig.daemon.kill()
        check(alive(pid), "Master survives Guardian's SIGKILL")
        rig.start()
        check(master_pid() == pid and "master_adopted" in rig.logs(), "and is adopted at the next start")
        rig.daemon.stop()
        check(rig.daemon.process.returncode == 0, "Guardian ends well on SIGTERM")
        check(alive(pid), "Master survives that too")
        rig.start()
        check(held.poll() is None, "the node's connection never ended")
        held.stdin.close()
        check(held.wait(10) == 0, "until it hung up itself")


def told_at_once():
    admin = rig.admin()
    node = rig.register(tag="told", taints=["home"])
    with subprocess.Popen([str(a) for a in rig.probe_argv(node, "hold")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as held:
        login, hold = (json.loads(held.stdout.readline()) for _ in range(2))
        number = login["statement"]
        for change, want in (({"add": ["db"]}, ["db", "home"]), ({"remove": ["home"]}, ["db"]), ({"remove": ["db"]}, [])):
            began = time.monotonic()
            status, answer = rig.post(f"/conflux/{node['conflux_id']}/taints", change, admin)
            check(status == 200 and answer["taints"] == want and answer["node"] == "acknowledged",
                  f"an administrator's change: {change}")
            message = json.loads(held.stdout.readline())
            check(message["subject"] == f"a.adm.{hold['self']}" and message["taints"] == want
                  and message["nats_jwt"] and message["statement"] > number,
                  f"reaches the node sealed and signed, after {time.monotonic() - began:.2f} s, {message['bytes']} bytes")
            number = message["statement"]
        rig.post("/realms", {"name": "reload"}, admin)
        wait_until(lambda: "master_reloaded" in rig.logs(), 5, "Master's accounts change")
        rig.post(f"/conflux/{node['conflux_id']}/taints", {"add": ["still"]}, admin)
        check(json.loads(held.stdout.readline())["taints"] == ["still"], "which ends no connection")
        rig.cli("node", "taint", "told", "--add", "host", "--remove", "still")
        check(json.loads(held.stdout.readline())["taints"] == ["host"], "a change on the host reaches the node too")
        rig.daemon.stop()
        rig.cli("node", "taint", node["conflux_id"], "--add", "later")
        rig.start()
        check(json.loads(held.stdout.readline())["taints"] == ["host", "later"], "also one made while Guardian was away")
        held.stdin.close()
        check(held.wait(10) == 0, "the node ends well")


def comes_back():
    pid = master_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid) and alive(master_pid()) and rig.master_up(), 20, "Master is started anew")
    login, answer = rig.probe(rig.register(tag="after"), "nats")
    check(answer["ok"], "and takes nodes")


def later_realms():
    admin = rig.admin()
    status, realm = rig.post("/realms", {"name": "secret", "suite": "cnsa"}, admin)
    check(status == 201 and realm["suite"] == "cnsa" and realm["ipv4"] == "10.79.0.0/16", "a realm is made")
    status, token = rig.post("/auth/registration-tokens", {"realm": realm["id"], "taints": ["x"]}, admin)
    check(status == 201, "and a token for it")
    node = rig.register(token["token"], tag="c1")

    def connects(node):
        return lambda: rig.probe(node, "nats")[1]["ok"]

    wait_until(connects(node), 15, "Master learns of the new realm; its node logs in with cnsa keys and connects")
    rig.cli("realm", "create", "--name", "beside")
    token = json.loads(rig.cli("token", "create", "--realm", "beside", "--taints", "y", "--json").stdout)
    node = rig.register(token["token"], tag="c2")
    wait_until(connects(node), 15, "and of one made on the host beside the running Guardian")


def foreign_pid_file():
    rig.cli("stop", "--with-master")
    check(not rig.daemon.running(), "stop --with-master ends Guardian")
    other = subprocess.Popen(["sleep", "60"])
    (master_dir / "nats-server.pid").write_text(str(other.pid))
    done = rig.cli("stop", "--with-master")
    check("was not running" in done.stdout and other.poll() is None, "a stranger's process is left alone")
    rig.start()
    check(master_pid() != other.pid and other.poll() is None, "and not adopted")
    other.kill()
    other.wait()


def stop_both():
    pid = master_pid()
    done = rig.cli("stop")
    check("Master runs on" in done.stdout and alive(pid), "stop leaves Master")
    done = rig.cli("stop", "--with-master")
    check("Master stopped" in done.stdout and not alive(pid), "stop --with-master ends it")
    check("was not running" in rig.cli("stop", "--with-master").stdout, "twice does no harm")


def older_server():
    with tempfile.TemporaryDirectory() as old:
        fake = pathlib.Path(old, "nats-server")
        fake.write_text("#!/bin/bash\n"
                        "if grep -q min_version \"$2\"; then echo 'unknown field \"min_version\"' >&2; exit 1; fi\n"
                        f"exec -a nats-server {shutil.which('nats-server')} \"$@\"\n")
        fake.chmod(0o755)
        other = Rig(env={"PATH": f"{old}:{os.environ['PATH']}"})
        login, answer = other.probe(other.register(tag="o"), "nats")
        check(answer["ok"], "a nats-server that cannot be told its TLS version works too")
        other.close()


main(runs_apart, nothing_readable, permissions, many_identities, foreign_clients_refused, survives_guardian, told_at_once,
     comes_back,
     later_realms, foreign_pid_file, stop_both, older_server)
