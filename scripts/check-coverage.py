#!/usr/bin/env python3
"""Lines and branches that the tests reach, by layer, against a floor each: check-coverage.py FILE.

FILE is what gcovr --json-summary wrote.

A floor is what was reached when it was written, less two points. What lies below it was lost, most likely by code that came
without tests; what lies well above it is a floor to raise. Branches count those of assert and of error paths of libraries too,
so they stay lower.
"""
import json
import sys

FLOORS = {  # layer: (percent of lines, percent of branches)
    "base": (96, 84),
    "conflux": (68, 52),
    "control": (92, 74),
    "core": (93, 78),
    "crypto": (93, 75),
    "guardian": (90, 67),
    "host": (87, 68),
    "lib": (93, 70),
    "loop": (89, 79),
    "router": (97, 95),
    "transport": (92, 76),
    "wire": (97, 82),
}


def percent(part, whole):
    return 100 * part / whole if whole else 100


def main(path):
    layers = {}
    for f in json.load(open(path))["files"]:
        name = f["filename"].split("/")
        if name[0] != "src" or len(name) < 3:
            continue
        sums = layers.setdefault(name[1], [0, 0, 0, 0])
        for i, key in enumerate(("line_covered", "line_total", "branch_covered", "branch_total")):
            sums[i] += f[key]
    bad = 0
    for layer in sorted(set(layers) | set(FLOORS)):
        a, b, c, d = layers.get(layer, (0, 1, 0, 1))
        lines, branches = percent(a, b), percent(c, d)
        low = [what for what, value, floor in zip(("lines", "branches"), (lines, branches), FLOORS.get(layer, (100, 100)))
               if value < floor]
        print(f"{layer:10} lines {lines:5.1f} % of {b:5}, branches {branches:5.1f} % of {d:5}"
              + (f"   below the floor: {', '.join(low)}" if low else ""))
        bad += len(low)
    return 1 if bad else 0


sys.exit(main(sys.argv[1]))
