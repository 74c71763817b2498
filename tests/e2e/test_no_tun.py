"""Without /dev/net/tun or the privilege: a clear error that names the fix."""
# timeout: 60
from lib import *
from veil import Guardian, Node

net = Net()
srv, a = (net.machine(n) for n in ("srv", "a"))
net.switch([srv, a], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na = Node(a, g, start=False)


def run_it(*before):
    return a.run([*before, "veilnet-conflux", "--state-dir", na.dir, "run"], ok=False, timeout=20)


def without_device():
    # a mount namespace of its own, in which the device is not there
    done = run_it("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net && exec "$@"', "sh")
    check(done.returncode != 0, f"it ends: {done.stdout.strip()[-300:]}")
    check("/dev/net/tun" in done.stdout and "modprobe tun" in done.stdout, "names device and fix")


def without_privilege():
    done = run_it("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
    check(done.returncode != 0, f"it ends: {done.stdout.strip()[-300:]}")
    check("CAP_NET_ADMIN" in done.stdout, "names the capability")


def and_with_both_it_runs():
    na.start()


main(without_device, without_privilege, and_with_both_it_runs)
