#!/usr/bin/env python3
"""./dev demo --once: every step passes, in at most 40 lines, and nothing is left behind.

timeout: 240

Once in a realm of the default suite, once in a cnsa realm.
"""
from lib import *

need_root()
DEMO = SOURCE / "scripts/demo"
if not DEMO.exists():
    skip("scripts/demo does not exist yet")
need("veilnet-guardian", "veilnet-conflux")


def state():
    """What a demo could leave behind: namespaces, interfaces, processes of ours."""
    namespaces = {line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines()}
    interfaces = set(re.findall(r"^\d+: ([^:@]+)", run(["ip", "-o", "link"]).stdout, re.M))
    processes = set()
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            name = comm.read_text().strip()
            if name.startswith(("veilnet-", "nats-server")):
                processes.add(f"{name} {comm.parent.name}")
    return namespaces | interfaces | processes


def demo(*options):
    before = state()
    done = run([DEMO, "--once", *options], ok=False, timeout=110,
               env={**os.environ, "VN_BUILD": str(BUILD), "VN_BIN": str(BIN)})
    print(done.stdout, flush=True)
    lines = done.stdout.splitlines()
    check(done.returncode == 0, f"the demo {' '.join(options)} passed")
    check("✗" not in done.stdout and done.stdout.count("✓") >= 5, "every step has its mark")
    check(len(lines) <= 40, f"at most 40 lines: {len(lines)}")
    wait_until(lambda: not state() - before, 5, f"nothing is left behind: {state() - before}")


def test_default_suite():
    demo()


def test_cnsa_suite():
    demo("--suite", "cnsa")


main(test_default_suite, test_cnsa_suite)
