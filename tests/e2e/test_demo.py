#!/usr/bin/env python3
"""./dev demo --once: every step passes, in at most 40 lines, and nothing is left behind.

timeout: 240 alone

Once in a realm of the default suite, once in a cnsa realm, both at once.
"""
import concurrent.futures

from lib import *

need_root()
DEMO = SOURCE / "scripts/demo"
if not DEMO.exists():
    skip("scripts/demo does not exist yet")
need("veilnet-guardian", "veilnet-conflux")


MARK = f"VN_TEST_DEMO={PREFIX}"


def left():
    """What a demo could leave behind: namespaces and interfaces, processes that inherited MARK."""
    for line in run(["ip", "netns", "list"]).stdout.splitlines():
        owner = re.match(r"vn(\d+)-", line)
        if not (owner and pathlib.Path(f"/proc/{owner[1]}").exists()):  # of another test
            yield f"namespace {line.split()[0]}"
    for name in re.findall(r"^\d+: ([^:@]+)", run(["ip", "-o", "link"]).stdout, re.M):
        yield f"interface {name}"
    for environ in pathlib.Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if MARK in environ.read_text(errors="replace").split("\0"):
                yield f"process {environ.parent.name} {(environ.parent / 'comm').read_text()}"


def demo(options):
    done = run([DEMO, "--once", *options], ok=False, timeout=110,
               env={**os.environ, **dict([MARK.split("=")]), "VN_BUILD": str(BUILD), "VN_BIN": str(BIN)})
    print(done.stdout, flush=True)
    lines = done.stdout.splitlines()
    check(done.returncode == 0, f"the demo {' '.join(options)} passed")
    check("✗" not in done.stdout and done.stdout.count("✓") >= 5, "every step has its mark")
    seen = re.findall(r"^ +b's learner: (.*)", done.stdout, re.M)
    check(len(seen) == 4 and all("through c in use" in s for s in seen[1:3]) and all("direct in use" in s for s in (seen[0], seen[3])),
          f"it tells what the learner saw: {seen}")
    check(len(lines) <= 40, f"at most 40 lines: {len(lines)}")


def test_each_suite():
    before = set(left())
    with concurrent.futures.ThreadPoolExecutor() as both:
        list(both.map(demo, ([], ["--suite", "cnsa"])))
    with contextlib.suppress(Failed):
        wait_until(lambda: not set(left()) - before, 5, "nothing is left behind")
    check(not set(left()) - before, f"nothing is left behind {set(left()) - before or ''}")


main(test_each_suite)
