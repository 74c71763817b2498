"""A hostile broker: a user of a realm's NATS account who may read and write every subject.

No node can be one: Guardian lists a node's subjects in its JWT. The test takes the account's signing key and the
installation's CA key out of Guardian's own state and makes itself one, to show what nodes do with whatever a broker can
send them.
"""
import base64
import hashlib
import json
import os
import pathlib
import select
import socket
import sqlite3
import ssl
import subprocess
import time

from lib import Failed, run, wait_until


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def _base32(data):
    return base64.b32encode(data).rstrip(b"=").decode()


class Nkey:
    """An Ed25519 key as NATS names it; signs with the openssl program."""

    PREFIX = {"O": 14 << 3, "A": 0, "U": 20 << 3}

    def __init__(self, kind, folder, seed=None):
        self.kind = kind
        der = pathlib.Path(folder) / f"nkey-{kind}-{time.monotonic_ns()}.der"
        if seed is None:
            run(["openssl", "genpkey", "-algorithm", "ed25519", "-outform", "DER", "-out", der])
        else:
            der.write_bytes(bytes.fromhex("302e020100300506032b657004220420") + seed)
        self.path = der
        public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", der, "-pubout", "-outform", "DER"],
                                capture_output=True, check=True).stdout[-32:]
        raw = bytes([self.PREFIX[kind]]) + public
        self.public = _base32(raw + _crc16(raw).to_bytes(2, "little"))

    @classmethod
    def from_seed_text(cls, text, folder):
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
        kind = {0: "A", 14 << 3: "O", 20 << 3: "U"}[((raw[0] & 7) << 5) | (raw[1] >> 3)]
        return cls(kind, folder, raw[2:34])

    def sign(self, data):
        message = self.path.with_suffix(".msg")
        message.write_bytes(data)
        return subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", self.path,
                               "-in", message], capture_output=True, check=True).stdout


def user_jwt(user, signer, account_public, permissions):
    claims = {
        "jti": _base32(hashlib.sha256(user.public.encode()).digest()), "iat": int(time.time()) - 60,
        "iss": signer.public, "sub": user.public, "name": "hostile",
        "nats": {"pub": {"allow": permissions}, "sub": {"allow": permissions}, "subs": -1, "data": -1,
                 "payload": -1, "type": "user", "version": 2},
    }
    if signer.public != account_public:
        claims["nats"]["issuer_account"] = account_public
    text = b64url(b'{"typ":"JWT","alg":"ed25519-nkey"}') + "." + b64url(json.dumps(claims).encode())
    return text + "." + b64url(signer.sign(text.encode()))


class NatsClient:
    """As much of the NATS client protocol as the tests need, over TLS with a client certificate."""

    def __init__(self, address, port, ca, cert, key, jwt=None, nkey=None, leaf=False):
        """leaf: as a server that is one."""
        raw = socket.create_connection((address, port), timeout=10)
        info = self._line(raw)
        self.info = json.loads(info.split(" ", 1)[1])
        context = ssl.create_default_context(cafile=str(ca))
        context.check_hostname = False
        context.load_cert_chain(str(cert), str(key))
        self.sock = context.wrap_socket(raw)
        connect = {"verbose": False, "pedantic": False, "tls_required": True, "protocol": 1, **({} if leaf else {"lang": "python", "version": "0"}),
                   "headers": False, "no_responders": False}
        if jwt:
            connect |= {"jwt": jwt, "sig": b64url(nkey.sign(self.info["nonce"].encode()))}
        self.buffer = b""
        self.messages = []
        self.errors = []
        self._sid = 0
        self._pongs = 0
        self.sock.sendall(b"CONNECT " + json.dumps(connect).encode() + b"\r\n")
        self.flush()

    @staticmethod
    def _line(sock):
        data = b""
        while not data.endswith(b"\r\n"):
            byte = sock.recv(1)
            if not byte:
                raise Failed("the broker closed before INFO")
            data += byte
        return data.decode().strip()

    def subscribe(self, subject):
        self._sid += 1
        self.sock.sendall(f"SUB {subject} {self._sid}\r\n".encode())
        self.flush()

    def publish(self, subject, payload):
        self.sock.sendall(f"PUB {subject} {len(payload)}\r\n".encode() + payload + b"\r\n")

    def flush(self, timeout=10):
        """Until the broker has seen everything sent so far."""
        want = self._pongs + 1
        self.sock.sendall(b"PING\r\n")
        end = time.monotonic() + timeout
        while self._pongs < want:
            if time.monotonic() > end:
                raise Failed("the broker does not answer PING")
            self.poll(0.2)

    def poll(self, seconds=0.0):
        """Takes in what has arrived: into messages [(subject, payload)] and errors [text]."""
        if not self.sock.pending() and not select.select([self.sock], [], [], seconds)[0]:
            return
        data = self.sock.recv(1 << 16)
        if not data:
            raise Failed(f"the broker closed: {self.errors}")
        self.buffer += data
        while b"\r\n" in self.buffer:
            line, rest = self.buffer.split(b"\r\n", 1)
            word = line.split(b" ", 1)[0].upper()
            if word in (b"MSG", b"LMSG"):
                parts = line.decode().split()
                size = int(parts[-1])
                if len(rest) < size + 2:
                    return
                self.messages.append((parts[1], rest[:size]))
                rest = rest[size + 2:]
            elif word == b"PING":
                self.sock.sendall(b"PONG\r\n")
            elif word == b"PONG":
                self._pongs += 1
            elif word == b"-ERR":
                self.errors.append(line.decode())
            self.buffer = rest


def in_namespace(machine, make):
    """Calls make() with this thread in the machine's network."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{machine.ns}", os.O_RDONLY)
    os.setns(there, os.CLONE_NEWNET)
    try:
        return make()
    finally:
        os.setns(here, os.CLONE_NEWNET)
        os.close(here)
        os.close(there)


def become_hostile(guardian, subscribe=("a.>",)):
    """A client of the realm's account that may do anything, which only the holder of the account's key can make."""
    folder = guardian.machine.dir / f"hostile-{time.monotonic_ns()}"
    folder.mkdir()
    db = sqlite3.connect(f"file:{guardian.dir}/guardian.db?mode=ro", uri=True)
    account_seed, signing_seed = db.execute("SELECT nats_account_seed, nats_signing_seed FROM realm").fetchone()
    settings = dict(db.execute("SELECT name, value FROM setting"))
    db.close()
    account, signer = Nkey("A", folder, account_seed), Nkey("A", folder, signing_seed)
    user = Nkey("U", folder)
    for name in ("ca_key", "ca_cert"):
        (folder / name).write_bytes(bytes(settings[name]).rstrip(b"\0"))
    run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
         "/CN=hostile", "-keyout", folder / "key", "-out", folder / "csr"])
    run(["openssl", "x509", "-req", "-in", folder / "csr", "-CA", folder / "ca_cert", "-CAkey", folder / "ca_key",
         "-days", "1", "-out", folder / "cert"])
    jwt = user_jwt(user, signer, account.public, [">"])
    client = in_namespace(guardian.machine, lambda: NatsClient(guardian.address, 4222, folder / "ca_cert",
                                                               folder / "cert", folder / "key", jwt, user))
    for subject in subscribe:
        client.subscribe(subject)
    return client
