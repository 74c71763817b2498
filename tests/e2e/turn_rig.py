"""A coturn for end-to-end tests: Coturn(machine, "10.9.0.1", certificate=...)."""
import re

from lib import need, wait_until

SECRET = "the-secret-north"


class Coturn:
    def __init__(self, machine, address, port=3478, tls_port=443, user=None, options=(), name="coturn"):
        """user: "name:password" for long-term credentials; else time-limited ones of SECRET."""
        need("turnserver", "openssl")
        self.machine = machine
        self.cert, self.key = machine.dir / "turn.crt", machine.dir / "turn.key"
        if not self.cert.exists():
            machine.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                         "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=turn.test"])
        credentials = ["lt-cred-mech", f"user={user}"] if user else ["use-auth-secret", f"static-auth-secret={SECRET}"]
        conf = machine.dir / f"{name}.conf"
        conf.write_text("\n".join(
            [f"listening-ip={address}", f"relay-ip={address}", f"listening-port={port}",
             f"tls-listening-port={tls_port}", "realm=turn.test", "fingerprint", "no-cli", "no-dtls",
             f"cert={self.cert}", f"pkey={self.key}", "log-file=stdout", "verbose", "simple-log",
             f"userdb={machine.dir}/turndb", f"pidfile={machine.dir}/turn.pid", *credentials, *options]) + "\n")
        self.daemon = machine.daemon(["turnserver", "-c", conf], name=name)
        machine.wait_listening(port, udp=True)
        machine.wait_listening(tls_port)

    def count(self, pattern):
        return len(re.findall(pattern, self.daemon.log_text()))

    def allocations(self):
        """Of which transport the allocations so far were made: a list of such as UDP, TCP, TLS."""
        return re.findall(r"session \d+: (?:realm <turn.test> )?user <[^>]*>: incoming packet ALLOCATE processed, success",
                          self.daemon.log_text())
