#!/usr/bin/env python3
"""A booted minbase Debian 13 that holds only git and a clone runs ./dev demo --once.

timeout: 1500 long alone

What is cloned is what is committed. VN_FRESH_COMMAND names another command than the demo, such as
"./dev test".
"""
import shlex

from booted import *

need_booted()
need("mmdebstrap", "git")
COMMAND = shlex.split(os.environ.get("VN_FRESH_COMMAND", "./dev demo --once"))
net = Net()
fresh = BootedMachine(net, "fresh")


def test_make():
    sources = [f for f in [pathlib.Path("/etc/apt/sources.list"),
                           *sorted(pathlib.Path("/etc/apt/sources.list.d").glob("*"))]
               if f.exists() and f.stat().st_size]
    # On disk, not in an overlay: the machine makes overlays of its own, and the kernel stacks two.
    net.undo(lambda: run(["rm", "-rf", fresh.root], ok=False, timeout=120))
    run(["mmdebstrap", "--quiet", "--variant=minbase", "--mode=root",
         "--aptopt=APT::Install-Recommends \"false\"", "--dpkgopt=force-unsafe-io",
         "--include=git,systemd-sysv", "trixie", fresh.root, *sources], timeout=300)
    clone = fresh.root / "root/veilnet"
    run(["git", "clone", "--quiet", "--no-hardlinks", SOURCE, clone], timeout=60)
    head = run(["git", "-C", clone, "log", "-1", "--format=%h %s"]).stdout.strip()
    check(True, f"a minbase Debian 13 with a clone of: {head}")


def test_boot():
    # The network of this machine, because packages come from there.
    fresh.boot(target=None, private_network=False,
               options=["--capability=all", "--resolv-conf=copy-host"], timeout=120)
    check(fresh.run(["test", "-e", "/usr/bin/cmake"], ok=False).returncode != 0,
          "nothing is prepared: there is no cmake")


def test_command():
    began = time.monotonic()
    done = fresh.run(["sh", "-c", "cd /root/veilnet && exec \"$@\"", "sh", *COMMAND], ok=False,
                     timeout=1300)
    print(done.stdout[-12000:], flush=True)
    check(done.returncode == 0, f"{' '.join(COMMAND)} passed in {time.monotonic() - began:.0f} s")


def test_nothing_left():
    left = fresh.out(["ip", "netns", "list"]).strip()
    check(left == "", f"no namespace is left behind {left}")


main(test_make, test_boot, test_command, test_nothing_left)
