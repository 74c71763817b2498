"""An identity provider as far as registering nodes needs one: keys, tokens, and an HTTPS server of its keys.

    idp = Provider(folder, "127.0.0.2")           # listens; idp.url, idp.ca
    token = idp.token(sub="ann", groups=["ops"])  # for the audience "net", good for ten minutes

python3 idp.py FOLDER ADDRESS PORT serves alone, until it is killed, with the keys of the folder.
"""
import base64
import collections
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import threading
import time


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def openssl(*words, data=None):
    return subprocess.run(["openssl", *[str(w) for w in words]], input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=True).stdout


class Key:
    """RSA, in a file that may be there already."""

    def __init__(self, folder, kid):
        self.kid = kid
        self.path = pathlib.Path(folder) / f"{kid}.pem"
        if not self.path.exists():
            openssl("genrsa", "-out", self.path, "2048")
        modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
        self.jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}

    def sign(self, claims, **header):
        head = {"alg": "RS256", "typ": "JWT", "kid": self.kid, **header}
        text = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        return text + "." + b64(openssl("dgst", "-sha256", "-sign", self.path, data=text.encode()))


class EcKey(Key):
    """P-256, for ES256."""

    def __init__(self, folder, kid):
        self.kid = kid
        self.path = pathlib.Path(folder) / f"{kid}.pem"
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)
        point = openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True, "kid": kid,
                    "x": b64(point[:32]), "y": b64(point[32:])}

    def sign(self, claims, **header):
        head = {"alg": "ES256", "typ": "JWT", "kid": self.kid, **header}
        text = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        der = openssl("dgst", "-sha256", "-sign", self.path, data=text.encode())
        r = der[4:4 + der[3]]  # SEQUENCE of two INTEGERs
        s = der[6 + der[3]:]
        return text + "." + b64(b"".join(int.from_bytes(n, "big").to_bytes(32, "big") for n in (r, s)))


def claims_of(issuer, **claims):
    now = int(time.time())
    return {"iss": issuer, "aud": "net", "iat": now, "exp": now + 600, "sub": "somebody", **claims}


class Provider:
    def __init__(self, folder, address, port=0, names=()):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.keys = [Key(self.folder, "first")]
        self.asked = collections.Counter()  # by path
        self.pages = {}  # path -> function of the handler
        self.ca, key = self.folder / "server.pem", self.folder / "server.key"
        if not self.ca.exists():
            sans = ",".join([f"IP:{address}", *(f"DNS:{n}" for n in names)])
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                    "/CN=idp", "-addext", f"subjectAltName={sans}", "-keyout", key, "-out", self.ca)
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked[self.path] += 1
                provider.pages.get(self.path, Handler.keys)(self)

            do_POST = do_GET

            def keys(self):
                self.reply(json.dumps({"keys": [k.jwk for k in provider.keys]}).encode())

            def reply(self, body, status=200, **headers):
                self.send_response(status)
                for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 64

            def handle_error(self, *_):  # a client that hangs up
                pass

        self.server = Server((address, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        # The handshake belongs to the connection's own thread.
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://{address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def claims(self, **claims):
        return claims_of(self.url, **claims)

    def token(self, **claims):
        return self.keys[0].sign(self.claims(**claims))


if __name__ == "__main__":
    Provider(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    print("idp_ready", flush=True)
    threading.Event().wait()
