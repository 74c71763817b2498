#!/bin/sh
# Fails when a C file that git knows is not formatted as .clang-format says; --fix formats it.
# Pinned to clang-format 19, because versions differ in details.
set -eu
cd "$(dirname "$0")/.."
mode=--dry-run
[ "${1:-}" = --fix ] && mode=-i
# An untracked file counts as well, so that what is about to be committed is checked.
git ls-files -z --cached --others --exclude-standard '*.c' '*.h' |
    xargs -0 -r ls -1 2>/dev/null | tr '\n' '\0' |
    xargs -0 -r clang-format-19 "$mode" --Werror
