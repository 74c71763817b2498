#!/bin/sh
# Shows that each function of src/base/banned.h really fails to compile, and that others do not.
set -eu
cd "$(dirname "$0")/.."
cc=${CC:-gcc}
compile() { printf '%s\n' "$1" | $cc -std=gnu17 -D_GNU_SOURCE -include src/base/banned.h -fsyntax-only -x c - 2>&1; }
compile 'int main(void) { char b[8]; snprintf(b, sizeof(b), "%d", 1); return 0; }' >/dev/null || {
    echo "banned.h does not even let a harmless program compile"
    exit 1
}
n=0
for f in $(sed -n 's/^#define \([a-z]*\)(\.\.\.) vn_banned_.*/\1/p' src/base/banned.h); do
    if out=$(compile "int main(void) { (void)$f(0, 0, 0); return 0; }"); then
        echo "$f compiles although it is banned"
        exit 1
    fi
    case $out in
    *"vn_banned_$f"*) n=$((n + 1)) ;;
    *)
        echo "$f fails for another reason: $out"
        exit 1
        ;;
    esac
done
[ "$n" -gt 20 ] || { echo "only $n banned functions found"; exit 1; }
echo "$n functions banned"
