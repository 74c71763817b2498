"""A NATS server that does to messages what a test wants.

Who controls the Master holds its TLS key and need not check anybody. So does this one: it takes the certificate from
Guardian's state, listens in Master's place, believes every CONNECT, and hands each message to a rule before it is
delivered:

    rule(message, rng) -> [(seconds, message), ...]      what is delivered instead, and how much later

A message is (account, subject, payload). Accounts are kept apart, as the real one does; a rule may move messages between
them. Everything that nodes and Guardian publish is kept in `recorded`.
"""
import asyncio
import base64
import collections
import json
import os
import pathlib
import random
import signal
import socket
import ssl
import threading

from hostile import in_namespace
from lib import Failed
from veil import Guardian

Message = collections.namedtuple("Message", "account subject payload")
RECORDED_MAX = 20000

STUB = """#!/bin/sh
# In Master's place: says that it listens, and does nothing. evil_broker.py has the port.
trap "" HUP  # Guardian asks for its configuration to be read again
echo $$ > "{folder}/stub.pid"
echo '{{}}' > "{folder}/nats-server_$$.ports"
exec sleep 100000
"""


def straight(message, rng):
    return [(0, message)]


def matches(pattern, subject):
    want, have = pattern.split("."), subject.split(".")
    if want[-1] == ">":
        return len(have) >= len(want) and all(w in ("*", h) for w, h in zip(want[:-1], have))
    return len(want) == len(have) and all(w in ("*", h) for w, h in zip(want, have))


def account_of(jwt):
    """What a user JWT says its account is; nobody checks that it is signed."""
    try:
        body = jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return claims["nats"].get("issuer_account") or claims["iss"]
    except (IndexError, KeyError, ValueError):
        return ""


class Client:
    def __init__(self, broker, reader, writer):
        self.broker, self.reader, self.writer = broker, reader, writer
        self.account, self.echo = "", True
        self.subscriptions = {}  # sid: (pattern, queue)

    async def serve(self):
        info = {"server_id": "EVIL", "server_name": "evil", "version": "2.10.20", "proto": 1, "host": "0.0.0.0",
                "port": 4222, "headers": False, "max_payload": 1 << 20, "tls_required": True, "auth_required": True,
                "nonce": base64.urlsafe_b64encode(os.urandom(11)).decode().rstrip("=")}
        self.writer.write(b"INFO " + json.dumps(info).encode() + b" \r\n")
        await self.writer.start_tls(self.broker.context)
        while line := await self.reader.readline():
            word, _, rest = line.decode().strip().partition(" ")
            await self.command(word.upper(), rest.split(), rest)

    async def command(self, word, words, rest):
        if word == "CONNECT":
            options = json.loads(rest)
            self.account, self.echo = account_of(options.get("jwt", "")), options.get("echo", True)
        elif word == "PING":
            self.writer.write(b"PONG\r\n")
        elif word == "SUB":
            self.subscriptions[words[-1]] = (words[0], words[1] if len(words) == 3 else None)
        elif word == "UNSUB":
            self.subscriptions.pop(words[0], None)
        elif word in ("PUB", "HPUB"):
            size = int(words[-1])
            payload = (await self.reader.readexactly(size + 2))[:-2]
            if word == "HPUB":  # header and payload; ours have no headers
                payload = payload[int(words[-2]):]
            self.broker.published(Message(self.account, words[0], payload), self)

    def deliver(self, sid, message):
        self.writer.write(f"MSG {message.subject} {sid} {len(message.payload)}\r\n".encode() + message.payload + b"\r\n")


class EvilBroker:
    """Runs in a thread of the test; `rule` may be replaced at any time."""

    def __init__(self, guardian, seed=0):
        self.rule, self.rng = straight, random.Random(seed)
        self.recorded = collections.deque(maxlen=RECORDED_MAX)
        self.counts = collections.Counter()
        self.clients = set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = pathlib.Path(guardian.dir) / "master"
        self.context.load_cert_chain(folder / "server.crt", folder / "server.key")

        def listen():
            s = socket.create_server(("0.0.0.0", 4222), backlog=64)
            s.setblocking(False)
            return s

        self.socket = in_namespace(guardian.machine, listen)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.create_task(asyncio.start_server(self._accepted, sock=self.socket, limit=1 << 21))
        self.loop.run_forever()

    async def _accepted(self, reader, writer):
        client = Client(self, reader, writer)
        self.clients.add(client)
        try:
            await client.serve()
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError, ValueError) as e:
            self.counts[f"ended: {type(e).__name__}"] += 1
        finally:
            self.clients.discard(client)
            writer.close()

    def published(self, message, sender):
        self.recorded.append(message)
        self.counts["published"] += 1
        out = self.rule(message, self.rng)
        self.counts["withheld"] += not out
        for seconds, m in out:
            self.counts["changed"] += m != message
            self.counts["delayed"] += seconds > 0
            self.counts["repeated"] += m == message and m is not out[0][1]
            if seconds > 0:
                self.loop.call_later(seconds, self._deliver, m, sender)
            else:
                self._deliver(m, sender)

    def _deliver(self, message, sender=None):
        queues = collections.defaultdict(list)
        for c in self.clients:
            if c.account != message.account or (c is sender and not c.echo):
                continue
            for sid, (pattern, queue) in c.subscriptions.items():
                if not matches(pattern, message.subject):
                    continue
                if queue:
                    queues[pattern, queue].append((c, sid))
                else:
                    c.deliver(sid, message)
        for members in queues.values():
            c, sid = self.rng.choice(members)
            c.deliver(sid, message)

    def inject(self, messages):
        """Delivers these now, past the rule."""
        done = threading.Event()

        def now():
            for m in messages:
                self._deliver(m)
            done.set()

        self.loop.call_soon_threadsafe(now)
        if not done.wait(30):
            raise Failed("the broker is stuck")

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.socket.close()


class EvilGuardian(Guardian):
    """A Guardian whose Master is an EvilBroker: .broker."""

    def __init__(self, machine, address, seed=0):
        super().__init__(machine, address, start=False)
        folder = machine.dir / "stub"
        folder.mkdir()
        stub = folder / "nats-server"
        stub.write_text(STUB.format(folder=self.dir / "master"))
        stub.chmod(0o755)
        self.env["PATH"] = f"{folder}:{os.environ['PATH']}"
        machine.net.undo(self._end_stub)
        self.start()
        self.broker = EvilBroker(self, seed)
        machine.net.undo(self.broker.stop)

    def _end_stub(self):
        os.kill(int((self.dir / "master/stub.pid").read_text()), signal.SIGTERM)
