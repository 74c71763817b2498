#!/usr/bin/env python3
"""Checks that docs/threat-model.md claims nothing that no test shows: the last column of every table names tests that
exist, and the parts of them in parentheses. "–" says that a line is design, not shown.

    `test_NAME` (FUNCTION, …)   tests/e2e/test_NAME.py
    `KIND/NAME` (FUNCTION, …)   a CTest entry of that kind: unit, vectors, corpus
    `bench NAME` (FIELD)        bench/NAME
"""
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([^`]+)`(?: \(([^)]*)\))?")


def files_of(name):
    """The files that a test is made of; empty: there is no such test."""
    if name.startswith("test_"):
        return [*SOURCE.glob(f"tests/e2e/{name}.*")]
    if name.startswith("bench "):
        return [*SOURCE.glob(f"bench/{name[6:]}"), *SOURCE.glob(f"bench/bench_{name[6:]}.c")]
    kind, _, rest = name.partition("/")
    if kind == "corpus":
        return [*SOURCE.glob(f"fuzz/fuzz_{rest}.c")]
    return [*SOURCE.glob(f"tests/{kind}/test_{rest}.*")] if rest else []


def parts_of(path):
    """The functions of an e2e test that are called, the cases of a cmocka test, the fields that a bench prints."""
    text = path.read_text(errors="replace")
    if "bench" in path.relative_to(SOURCE).parts:
        return set("".join(names) for names in re.findall(r'add\("(\w+)"|printf\("(\w+) ', text))
    if path.suffix == ".py":
        return {name for name in re.findall(r"^def (\w+)\(\):", text, re.M) if len(re.findall(rf"\b{name}\b", text)) > 1}
    return set(re.findall(r"^(?:static )?void (?:test_)?(\w+)\(void \*\*", text, re.M))


def complaints(text):
    for number, line in enumerate(text.splitlines(), 1):
        cells = [c.strip() for c in line.strip().strip("|").split(" | ")]
        if not line.startswith("| ") or cells[0] in ("attacker", "failure", "flood of", "secret"):
            continue
        if cells[-1] == "–":
            continue
        names = NAMED.findall(cells[-1])
        if not names:
            yield f"line {number} names no test"
        for name, parts in names:
            files = files_of(name)
            if not files:
                yield f"line {number}: there is no test {name}"
            for part in filter(None, re.split(r", *", parts)):
                if files and not any(part in parts_of(f) for f in files):
                    yield f"line {number}: {name} has no {part}"


def self_test():
    good = "| x | y | `test_taints` (containment_is_enough), `unit/node_flood` (one_member) |"
    assert not list(complaints(good)), list(complaints(good))
    for bad in ("| x | y | `test_nothing` |", "| x | y | `unit/nothing` |", "| x | y | yes |", "| x | y |  |",
                "| x | y | `test_taints` (nothing) |", "| x | y | `test_taints` (home) |",
                "| x | y | `bench handshake` (veilnet) |", "| x | y | `unit/node_flood` (nothing) |"):
        assert len(list(complaints(bad))) == 1, bad


if sys.argv[1:] == ["--self-test"]:
    self_test()
    sys.exit(0)
found = list(complaints((SOURCE / "docs/threat-model.md").read_text()))
for text in found:
    print("docs/threat-model.md:", text)
sys.exit(1 if found else 0)
