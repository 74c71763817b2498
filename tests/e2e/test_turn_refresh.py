"""An allocation, its permissions and its channel outlive what the server would give them, as long as they are used."""
# timeout: 120 waits
from lib import *
from turn_rig import SECRET, Coturn
from veil import Guardian, Node, Traffic

need("nft", "turnserver", "openssl")
scaled()  # renewals come 48 times as fast; the server's lives are as short
net = Net()
srv, turn, a, b = (net.machine(n) for n in ("srv", "turn", "a", "b"))
net.switch([srv, turn, a, b], "10.9.0")
coturn = Coturn(turn, "10.9.0.2", options=["stale-nonce=2", "permission-lifetime=8", "channel-lifetime=10"])
secret = srv.dir / "turn.secret"
secret.write_text(SECRET)
g = Guardian(srv, "10.9.0.1", start=False)
g.start("--turn", "turn:10.9.0.2", "--turn-secret-file", secret)
na, nb = Node(a, g, run_words=["--candidates", "relay"]), Node(b, g, run_words=["--candidates", "relay"])


def what_is_used_stays():
    na.reaches(nb.ip4, within=15)
    traffic = Traffic(a, nb.ip4, interval=0.2)
    before = na.links()[0]["tether"]
    wait_until(lambda: coturn.count("refreshed, .*lifetime=600") >= 2, 30, "both allocations are refreshed")
    wait_until(lambda: coturn.count("lifetime updated: 10") >= 8, 30, "channels are renewed")
    traffic.steady()
    check(traffic.longest_gap() < 2, f"the longest gap was {traffic.longest_gap():.2f} s")
    after = na.links()[0]["tether"]
    check((after["local"], after["remote"]) == (before["local"], before["remote"]), "by the same allocations")


def what_is_not_used_is_given_back():
    na.stop(), nb.stop()
    wait_until(lambda: coturn.count("refreshed, .*lifetime=0") >= 2, 5, "both are given back")


main(what_is_used_stays, what_is_not_used_is_given_back)
