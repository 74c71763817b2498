"""Requests that change what Guardian stores, and a ledger of those that it acknowledged."""
import contextlib
import http.client
import json
import time

from lib import Failed


class Ledger:
    def __init__(self):
        self.events = []  # (ns of the monotonic clock, what, of which, value)

    def note(self, what, which, value=None):
        self.events.append((time.monotonic_ns(), what, which, value))

    def load(self, rig, stop, admin, org, name):
        """Asks one thing after the other until told to stop, or Guardian is gone."""
        conn = rig.connection()
        count = 0
        with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError):
            while not stop.is_set():
                tag = f"{name}-{count}"
                token = rig.info["registration_token"]
                status, answer = rig.request("POST", "/conflux/register", {"tag": tag}, token, conn)
                if status == 201:
                    self.note("node", tag, answer["ip4"])
                    if count % 5 == 4:
                        self.note("leaves", tag)  # whether it went is known only with the answer
                        if rig.request("DELETE", "/conflux/register", None, answer["conflux_token"], conn)[0] == 204:
                            self.note("left", tag)
                if count % 10 == 0 and rig.request("POST", f"/orgs/{org}/teams", {"name": tag}, admin, conn)[0] == 201:
                    self.note("team", tag)
                count += 1

    def log_in(self, rig, stop, name):
        """One session after the other, each with keys of its own."""
        with contextlib.suppress(OSError, http.client.HTTPException, json.JSONDecodeError, Failed):
            node = rig.register(tag=name)
            while not stop.is_set() and (done := rig.probe(node)[0])["ok"]:
                self.note("session", name, done["node"])

    def wrong(self, nodes, teams, sessions=None, until_ns=None):
        """What is not as it was acknowledged by then. nodes: tag → address; sessions: tag → node id, or None."""
        want, gone, named, logins = {}, set(), set(), {}
        for ns, what, which, value in self.events:
            if until_ns and ns >= until_ns:
                break
            if what == "node":
                want[which] = value
            elif what == "leaves":
                del want[which]
            elif what == "left":
                gone.add(which)
            elif what == "team":
                named.add(which)
            elif what == "session":
                logins.setdefault(which, []).append(value)
        found = [f"node {t} is lost" for t, ip4 in want.items() if nodes.get(t) != ip4]
        found += [f"node {t} is back" for t in gone & nodes.keys()]
        found += [f"team {t} is lost" for t in named - teams]
        for tag, ids in logins.items() if sessions is not None else ():
            if sessions.get(tag) in [None, *ids[:-1]]:  # a later one, of which nobody heard, may be there
                found.append(f"session {ids[-1]} of {tag} is lost")
        return found

    def count(self, what):
        return sum(e[1] == what for e in self.events)
