#!/bin/sh
# Fails when a C file is not formatted as .clang-format says.
#   scripts/check-format.sh [--fix] [PATH...]     --fix formats; without a path, the whole tree
# Pinned to clang-format 19, because versions differ in details.
set -eu
cd "$(dirname "$0")/.."
mode=--dry-run
if [ "${1:-}" = --fix ]; then
    mode=-i
    shift
fi
[ $# -gt 0 ] || set -- .
# An untracked file counts as well, so that what is about to be committed is checked.
list=$(mktemp)
trap 'rm -f "$list"' EXIT
git ls-files --cached --others --exclude-standard -- "$@" | grep '\.[ch]$' |
    while read -r f; do [ -e "$f" ] && printf '%s\0' "$f"; done >"$list"
xargs -0 -r clang-format-19 "$mode" --Werror <"$list"
