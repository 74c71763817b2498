"""A Guardian on the loopback with free ports, and an HTTPS client that shows each connection.

    rig = Rig()                                   # init and run
    status, answer = rig.post("/conflux/register", {"tag": "a"}, rig.info["registration_token"])
    lines = rig.probe(answer["conflux_token"], "renew", "nats")
"""
import atexit
import base64
import http.client
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import openapi
from idp import b64
from lib import BUILD, Daemon, Failed, check, run, wait_until

PROBE = BUILD / "tests/guardian_probe"


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def done(result, status=200):
    """The answer to a request, which must have gone well."""
    check(result[0] == status, f"{status}: {result}"[:300])
    return result[1]


def refused(result, status, *words):
    """It must have been refused with that status, and a detail that holds these words."""
    check(result[0] == status and set(result[1]) == {"title", "status", "detail"} and result[1]["status"] == status,
          f"refused with {status}: {result}")
    for word in words:
        check(word in result[1]["detail"], f"it says '{word}': {result[1]['detail']}")


class Rig:
    def __init__(self, *init, start=True, env=None, run=(), wrap=(), debug=True):
        """run: more options of run; wrap: what the daemon is started by; debug: with what is logged of requests."""
        self.env, self.run, self.wrap = env, ["--debug", *run] if debug else run, wrap
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="vn-guardian-"))
        atexit.register(self.close)
        self.dir = self.top / "state"
        self.daemon = None
        self.document = None
        self.runs = 0
        self.info = json.loads(self.cli("init", "--listen", "127.0.0.1:0", "--master-port", "0", "--json",
                                        *init).stdout)
        if start:
            self.start()

    def cli(self, *words, ok=True):
        return run(["veilnet-guardian", *words, "--state-dir", self.dir], ok=ok, timeout=60)

    def start(self):
        self.runs += 1
        self.daemon = Daemon([*self.wrap, "veilnet-guardian", "run", "--state-dir", self.dir, *self.run],
                             f"guardian-{self.runs}", self.top, env=self.env)
        wait_until(lambda: self.master_up(), 20, "Guardian and Master are up")
        self.document = openapi.Document(self.get("/openapi.json")[1])

    def master_up(self):
        if not self.daemon.running():
            raise SystemError(self.daemon.log_text()[-2000:])
        return self.get("/health")[1]["master"] == "up"

    def logs(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.top.glob("*.log")))

    def close(self):
        if self.daemon:
            self.daemon.stop()
        if (self.dir / "guardian.db").exists():
            subprocess.run(["veilnet-guardian", "stop", "--with-master", "--state-dir", self.dir],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        if not os.environ.get("VN_KEEP"):
            shutil.rmtree(self.top, ignore_errors=True)

    # --- HTTP ---

    def connection(self):
        context = ssl._create_unverified_context()  # what is tested here is behind TLS
        return http.client.HTTPSConnection("127.0.0.1", self.info["https_port"], timeout=30, context=context)

    def request(self, method, path, body=None, token=None, conn=None, headers=None):
        """(status, decoded answer). body: an object, or bytes as they are."""
        own = conn or self.connection()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        all_headers = dict(headers or {})
        if token:
            all_headers["Authorization"] = "Bearer " + token
        own.request(method, path, body, all_headers)
        response = own.getresponse()
        text = response.read()
        if not conn:
            own.close()
        is_json = response.headers.get_content_type().endswith("json")
        answer = (json.loads(text) if is_json else text.decode()) if text else None
        if self.document:  # every answer of every test
            self.document.check(method, path, response.status, response.headers["Content-Type"], answer)
        return response.status, answer

    def get(self, path, token=None, conn=None):
        return self.request("GET", path, None, token, conn)

    def post(self, path, body=None, token=None, conn=None):
        return self.request("POST", path, body, token, conn)

    def delete(self, path, token=None):
        return self.request("DELETE", path, None, token)

    def admin(self):
        status, answer = self.post("/auth/login", self.info["admin"])
        if status != 200:
            raise Failed(f"administrator's login: {status} {answer}")
        return answer["access_token"]

    def register(self, token=None, **wish):
        status, answer = self.post("/conflux/register", wish, token or self.info["registration_token"])
        if status != 201:
            raise Failed(f"register: {status} {answer}")
        return answer

    # --- a node ---

    def probe_argv(self, node, *steps):
        o = {"g": [self.info["guardian"]], "k": self.info["pin"], "c": node["conflux_token"]}
        if node["realm"]["suite"] == "cnsa":
            o["s"] = "cnsa"
        path = self.top / f"{node['conflux_id']}.token"
        path.write_text("vc1." + b64(json.dumps(o).encode()))
        return [PROBE, path, *steps]

    def probe(self, node, *steps):
        """What each step printed, by step."""
        out = run(self.probe_argv(node, *steps), timeout=60).stdout
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")]
