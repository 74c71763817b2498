#!/usr/bin/env python3
"""Our peer connection against headless Chromium: every kind of channel, both directions, both roles in DTLS.

timeout: 400 waits
"""
from webrtc_rig import *

need("chromium")


class Browser:
    """Chromium, spoken to by the DevTools protocol over a pair of pipes."""

    def __init__(self, machine):
        to_read, self.to = os.pipe()
        self.of, of_write = os.pipe()
        profile = machine.dir / "profile"
        argv = machine.command([
            "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", f"--user-data-dir={profile}", "--remote-debugging-pipe",
            # Addresses as they are, for nobody here resolves names of mDNS.
            "--disable-features=WebRtcHideLocalIpsWithMdns", "about:blank"])
        self.process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 3<&{to_read} 4>&{of_write}', "sh", *argv],
            pass_fds=(to_read, of_write), stdin=subprocess.DEVNULL,
            stdout=open(machine.dir / "chromium.log", "ab"), stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(machine.dir)}, start_new_session=True)
        machine.net.undo(self.end)
        os.close(to_read)
        os.close(of_write)
        self.number = 0
        self.answers = {}
        self.pages = {}  # by session
        self.news = threading.Condition()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        rest = b""
        while data := os.read(self.of, 1 << 20):
            *whole, rest = (rest + data).split(b"\0")
            for message in map(json.loads, whole):
                if message.get("method") == "Runtime.bindingCalled":
                    self.pages[message["sessionId"]].hear(json.loads(message["params"]["payload"]))
                elif "id" in message:
                    with self.news:
                        self.answers[message["id"]] = message
                        self.news.notify_all()

    def call(self, method, session=None, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        with self.news:
            if not self.news.wait_for(lambda: number in self.answers, 30):
                raise Failed(f"chromium does not answer {method}")
            answer = self.answers.pop(number)
        result = answer.get("result", {})
        if "error" in answer or "exceptionDetails" in result:
            raise Failed(f"chromium: {method}: {answer}")
        return result

    def end(self):
        with contextlib.suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)


class Page(Peer):
    def __init__(self, browser):
        super().__init__()
        self.name = "chromium"
        self.browser = browser
        target = browser.call("Target.createTarget", url=(INTEROP / "page.html").as_uri())["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.pages[self.session] = self
        # A page begins as about:blank. Secure contexts alone have SHA-256.
        ready = "location.protocol === 'file:' && isSecureContext && document.readyState === 'complete'"
        wait_until(lambda: self.evaluate(ready)["value"], 20, "the page is there")
        browser.call("Runtime.addBinding", self.session, name="tellTest")
        self.evaluate((INTEROP / "peer_core.js").read_text())
        self.evaluate("globalThis.obey = makePeer({RTCPeerConnection, subtle: crypto.subtle},"
                      " (o) => tellTest(JSON.stringify(o))); 0")

    def evaluate(self, text):
        return self.browser.call("Runtime.evaluate", self.session, expression=text, returnByValue=True)["result"]

    def order(self, o):
        self.evaluate(f"obey({json.dumps(o)}); 0")


browsers = {}


def chromium(machine):
    if machine.name not in browsers:
        browsers[machine.name] = Browser(machine)
    return Page(browsers[machine.name])


def against_chromium():
    all_cases(chromium)


main(against_chromium)
