#!/usr/bin/env python3
"""Fails when an #include of src/ points against the arrows, and says why the arrow is there.

usage: check-layers.py [ROOT] | --self-test
"""
import pathlib
import re
import sys
import tempfile

# layer -> (layers it may include, why not the others)
ARROWS = {
    "base": ((), "base is what everything stands on; an arrow out of it would close a cycle"),
    "crypto": (("base",), "crypto wraps OpenSSL and knows neither messages nor nodes"),
    "wire": (("base", "crypto"),
             "wire turns bytes into messages for nodes and Guardian alike; it decides nothing"),
    "ports": (("base", "crypto", "wire"),
              "ports are the interfaces core is given, so they name only what core and its "
              "surroundings share"),
    "router": (("base",), "the router is pure, so that the simulator runs it unmodified [R7]"),
    "core": (("base", "crypto", "wire", "ports", "router"),
             "core is sans-IO: sockets, loops and clocks reach it through ports only"),
    "transport": (("base", "crypto", "wire", "ports"),
                  "transport implements ports and never includes core, so either can be replaced"),
    "control": (("base", "crypto", "wire", "ports"),
                "control implements ports and never includes core, so either can be replaced"),
    "host": (("base", "crypto", "wire", "ports"),
             "host implements ports and never includes core, so either can be replaced"),
    "loop": (("base",), "loop is libuv glue and mailboxes; it must not know what runs in it"),
    "lib": (("base", "crypto", "wire", "ports", "router", "core", "transport", "control", "host",
             "loop"),
            "lib puts a node together; programs stand above it"),
    "conflux": (("base", "crypto", "wire", "ports", "router", "core", "transport", "control",
                 "host", "loop", "lib"),
                "conflux is a program; it is not Guardian"),
    "guardian": (("base", "crypto", "wire", "ports", "control", "loop"),
                 "Guardian never routes and never sees traffic, so no core, transport or host"),
}

# pattern of a system header -> (where it may stand, why)
FOREIGN = (
    (r"openssl/", (r"crypto/", r"transport/dtls[^/]*$"),
     "one audited place speaks to OpenSSL; others use vn_tls_client and vn_tls_binding"),
    (r"(ipsec-mb|intel-ipsec-mb)", (r"crypto/",), "AEAD back ends are crypto's business"),
    (r"uv(/|\.h$)", (r"loop/", r"control/", r"transport/", r"host/", r"lib/", r"conflux/",
                     r"guardian/"),
     "base, crypto, wire, ports, router and core run without an event loop, in tests and in the "
     "simulator"),
    (r"usrsctp", (), "libusrsctp is a peer in tests; the product speaks SCTP itself (transport/sctp)"),
    (r"nats(/|\.h$)", (r"control/",), "only the control layer knows that Master is NATS"),
    (r"curl/", (r"control/http[^/]*$",), "one HTTP client for all: src/control/http"),
    (r"libwebsockets", (r"guardian/http[^/]*$", r"guardian/[^/]*ws[^/]*$"),
     "Guardian's other files see requests, not libwebsockets"),
    (r"sqlite3", (r"guardian/store[^/]*$",), "store.h is the only door to SQL"),
    (r"jose/", (r"crypto/", r"guardian/"), "JOSE is verified in crypto and by Guardian only"),
    (r"libmnl/", (r"host/",), "only host changes the machine's network"),
)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def check(root):
    problems = []
    src = root / "src"
    for path in sorted(src.rglob("*.[ch]")):
        inside = path.relative_to(src).as_posix()
        layer = inside.split("/")[0]
        if layer not in ARROWS:
            problems.append(f"src/{inside}: layer '{layer}' is not in DESIGN section 3")
            continue
        allowed, why = ARROWS[layer]
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, header = match.groups()
            where = f"src/{inside}:{number}"
            target = header.split("/")[0]
            if quote == '"' and header.startswith(".."):
                problems.append(f"{where}: \"{header}\": write the path from src/, so that the "
                                "layer shows")
            elif quote == '"' and "/" in header and target in ARROWS:
                if target != layer and target not in allowed:
                    problems.append(f"{where}: {layer} must not include {target}: {why}")
            for pattern, places, reason in FOREIGN:
                if re.match(pattern, header) and not any(re.match(p, inside) for p in places):
                    problems.append(f"{where}: <{header}> does not belong here: {reason}")
    for path in sorted(src.glob("ports/**/*.c")):
        problems.append(f"{path.relative_to(root)}: ports are headers only")
    return problems


def self_test():
    cases = (
        ("core/a.c", '#include "transport/udp.h"', "core must not include transport"),
        ("base/a.c", '#include "crypto/kem.h"', "base must not include crypto"),
        ("guardian/a.c", '#include "core/node.h"', "guardian must not include core"),
        ("control/a.c", "#include <openssl/ssl.h>", "does not belong here"),
        ("core/a.c", "#include <uv.h>", "does not belong here"),
        ("core/a.c", "  #  include <nats/nats.h>", "does not belong here"),
        ("ports/a.c", "", "headers only"),
        ("misc/a.c", "", "not in DESIGN"),
        ("core/a.c", '#include "../base/reader.h"', "write the path from src/"),
        ("core/a.c", '#include "base/reader.h"', None),
        ("transport/dtls.c", "#include <openssl/ssl.h>", None),
        ("crypto/kem.c", "#include <openssl/evp.h>", None),
        ("lib/a.c", '#include "core/node.h"', None),
        ("core/a.c", '#include "anchor.pb-c.h"', None),
    )
    failed = 0
    for name, text, expected in cases:
        with tempfile.TemporaryDirectory() as tmp:
            path = pathlib.Path(tmp, "src", name)
            path.parent.mkdir(parents=True)
            path.write_text(text + "\n")
            problems = check(pathlib.Path(tmp))
        good = not problems if expected is None else any(expected in p for p in problems)
        if not good:
            failed += 1
            print(f"self-test: {name}: {text!r}: got {problems}")
    print(f"self-test: {len(cases) - failed} passed, {failed} failed")
    return failed


def main():
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(1 if self_test() else 0)
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1]
    problems = check(root)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)


main()
