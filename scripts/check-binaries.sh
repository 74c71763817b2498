#!/bin/sh
# Checks what is shipped: check-binaries.sh BUILD_DIR.
#   - hardened: position independent, RELRO and immediate binding, no executable stack, no run path
#   - small: veilnet-conflux is at most 5 MB stripped (SPEC section 8)
#   - at the pace of the protocol: without the factor of test builds (VN_TIME_SCALE)
#   - sealed: not the build that shows what sealing costs (VN_UNSEALED)
#   - complete: every library it needs comes from a package that packages/run.txt brings
#   - in order: of the functions that cmake/hot.ld names, nine of ten stand together
set -eu
here=$(dirname "$(readlink -f "$0")")/..
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
DESTDIR=$stage cmake --install "$1" --prefix /usr --strip >/dev/null
status=0
bad() {
    echo "$*"
    status=1
}
# What run.txt brings, dependencies included.
sed -e 's/#.*//' -e 's/\[.*//' "$here/packages/run.txt" | xargs apt-cache depends --recurse \
    --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances 2>/dev/null |
    grep '^[a-z0-9]' | sort -u >"$stage/brought"
found=0
for f in "$stage"/usr/bin/* "$stage"/usr/lib/*/*.so*; do
    [ -f "$f" ] && [ ! -L "$f" ] || continue
    name=$(basename "$f")
    found=$((found + 1))
    header=$(readelf -hldW "$f")
    case $header in *'Type: '*DYN*) ;; *) bad "$name: not position independent" ;; esac
    case $header in *GNU_RELRO*) ;; *) bad "$name: no RELRO" ;; esac
    case $header in *NOW*) ;; *) bad "$name: not bound at start (-z now)" ;; esac
    case $header in *RPATH* | *RUNPATH*) bad "$name: has a run path" ;; esac
    echo "$header" | grep -q 'GNU_STACK.* RWE ' && bad "$name: executable stack"
    readelf -sW --dyn-syms "$f" | grep -q __stack_chk_fail || bad "$name: no stack protector"
    grep -q time_scale "$f" && bad "$name: its timers are scaled: a test build"
    grep -q '+unsealed' "$f" && bad "$name: it seals nothing: a bench build"
    size=$(stat -c %s "$f")
    [ "$name" != veilnet-conflux ] || [ "$size" -le 5242880 ] ||
        bad "$name: $size bytes, at most 5 MB wanted"
    for lib in $(ldd "$f" | awk '$2 == "=>" { print $3 }'); do
        real=$(readlink -f "$lib")
        package=$(dpkg -S "$real" 2>/dev/null | head -n 1 | cut -d: -f1)
        [ -n "$package" ] || package=$(dpkg -S "*/$(basename "$real")" | head -n 1 | cut -d: -f1)
        grep -qx "$package" "$stage/brought" ||
            bad "$name needs $(basename "$lib") of $package, which packages/run.txt does not bring"
    done
    echo "$name: $size bytes"
done
[ $found -gt 0 ] || echo "nothing is installed yet"
nm -n "$1/bin/veilnet-conflux" | sed -n '/ hot_first$/,/ hot_last$/s/.* [tT] \([^.]*\).*/\1/p' |
    sort -u >"$stage/together"
grep -o '\.text\.[a-z0-9_]*' "$here/cmake/hot.ld" | cut -d. -f3 | sort -u >"$stage/named"
comm -13 "$stage/together" "$stage/named" >"$stage/gone"
[ $(($(wc -l <"$stage/gone") * 10)) -le "$(wc -l <"$stage/named")" ] ||
    bad "veilnet-conflux: cmake/hot.ld names what is not there: $(paste -sd ' ' "$stage/gone")"
exit $status
