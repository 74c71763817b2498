"""Floods of logins and of oversized bodies at Guardian: its memory is bounded, and a node joins within 2 s all the same."""
# timeout: 120 alone
import collections
import re
import socket
import ssl
import threading

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
PAUSE_S = 0.004  # between two requests of a flooder
BURST, BURST_PAUSE_S = 120, 0.4  # passwords at once, each on a connection of its own
HUGE, HUGE_PAUSE_S = 8, 0.05  # bodies of 32 MB at once, where they are taken: far more than may be kept
rig = Rig("--public", "127.0.0.1")
stolen = rig.register(tag="stolen")["conflux_token"]
answers = collections.Counter()


def status(name):
    text = pathlib.Path(f"/proc/{rig.daemon.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", text).group(1)) / 1024


def ask(path, body, token, conn):
    answers[rig.request("POST", path, body, token, conn)[0]] += 1


def passwords(n, conn):
    ask("/auth/login", {"user": f"somebody{n % 7}", "password": "a wrong one, and long enough"}, None, conn)


def sessions(n, conn):
    ask("/conflux/session/login", {"nonce": b64(bytes(32)), "sig_pk": b64(bytes(1952)), "session_ek": b64(bytes(1184)),
                                   "nkey": "U" * 56, "csr": b64(bytes(200)), "sig": b64(bytes(3309)),
                                   "nkey_sig": b64(bytes(64))}, stolen, conn)


def large(n, conn):
    ask(("/auth/login", "/conflux/register")[n % 2], b"[" * (5000, 60000, 1000000)[n % 3], None, conn)


def huge(n, conn):
    """Says 100 MB and sends as much of it as is taken."""
    time.sleep(HUGE_PAUSE_S)
    conn.putrequest("POST", "/conflux/session/login")
    conn.putheader("Content-Length", str(100 << 20))
    conn.endheaders()
    with contextlib.suppress(OSError):
        for _ in range(512):
            conn.send(bytes(1 << 16))
    answers[conn.getresponse().status] += 1


def bursts(stop):
    """More passwords than are checked in two seconds, again and again."""
    conns = [rig.connection() for _ in range(BURST)]
    n = 0
    while not stop.is_set():
        asked = []
        for conn in conns:
            n += 1
            with contextlib.suppress(OSError, http.client.HTTPException):
                conn.request("POST", "/auth/login", json.dumps({"user": f"somebody{n % 7}", "password": "a wrong one, and long enough"}))
                asked.append(conn)
        for conn in asked:
            try:
                answer = conn.getresponse()
                answer.read()
                answers[answer.status] += 1
            except (OSError, http.client.HTTPException):
                conn.close()
                answers["ended"] += 1
        stop.wait(BURST_PAUSE_S)
    for conn in conns:
        conn.close()


def flooder(stop, kind):
    conn, n = rig.connection(), 0
    while not stop.is_set():
        try:
            kind(n, conn)
        except (OSError, http.client.HTTPException):
            conn.close()  # and the next request makes another
            answers["ended"] += 1
        n += 1
        time.sleep(PAUSE_S)
    conn.close()


def half_requests(count):
    """Connections that never say all."""
    context = ssl._create_unverified_context()
    made = []
    for _ in range(count):
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", rig.info["https_port"]), timeout=10))
        s.sendall(b"POST /auth/login HTTP/1.1\r\nHost: g\r\nContent-Length: 4000\r\n\r\n{")
        made.append(s)
    return made


def join(n):
    began = time.time()
    done = rig.probe(rig.register(tag=f"join-{n}"))[0]
    took = seconds_since(began)
    if not done["ok"]:
        raise Failed(f"a node could not join: {done}")
    return took


def legitimate_joins():
    calm = join(0)
    rig.document = None  # the flooders need not check what they hear
    before = status("VmRSS")
    stop = threading.Event()
    idle = half_requests(100)
    kinds = [passwords, passwords, sessions, sessions, large, large] + [huge] * HUGE
    threads = [threading.Thread(target=flooder, args=(stop, k)) for k in kinds] + [threading.Thread(target=bursts, args=(stop,))]
    for t in threads:
        t.start()
    try:
        wait_until(lambda: answers.total() > 100 + BURST, 60, "the flood has begun")
        times = [join(n) for n in range(1, 11)]
    finally:
        stop.set()
        for t in threads:
            t.join()
        for s in idle:
            s.close()
    grown = status("VmHWM") - before
    log(f"figure: joins took {max(times):.2f} s at most, {calm:.2f} s before; memory {before:.0f} MB, grown by {grown:.0f} MB at most")
    log(f"what the flood heard: {dict(answers)}")
    check(max(times) < 2, f"ten nodes joined during the flood, the slowest in {max(times):.2f} s")
    check(grown < 160, f"{grown:.0f} MB: four passwords are checked at once (19 MB each), and no body over 32 KB is kept")
    check(answers[413] > 0 and answers[429] > 0 and sum(v for k, v in answers.items() if str(k) in ("400", "403")) > 0,
          "too large, too often, no proof: each was refused")
    check(answers[200] == 0 and answers[201] == 0, "nothing of the flood was let in")


def it_serves_as_before():
    check(rig.get("/health")[0] == 200 and join(99) < 2, "after the flood all is well")


main(legitimate_joins, it_serves_as_before)
