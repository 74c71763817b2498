# The stages of ./dev test, sourced by it. Each stage prints what went wrong and adds to the counts;
# a stage that only checks counts as one test.

passed=0 failed=0 skipped=0
broken= # presets that did not build
fetching= stealing= # processes: one gets npm's packages, one takes the cores away
stages=(format layers banned asan corpus tidy tsan release models e2e bench clean)
slow_stages=(coverage fuzz)

count() { # count PASSED FAILED SKIPPED
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

check() { # check COMMAND...: one test, its output shown only when it fails
    local out
    if out=$("$@" 2>&1); then
        count 1 0 0
    else
        printf '%s\n' "$out" | tail -n 60
        count 0 1 0
    fi
}

# built PRESET [TARGET]: a build that fails is a failed test, one that works is none.
built() {
    local out
    if [[ " $broken " == *" $1 "* ]]; then
        echo "build/$1 does not build, as said above"
    else
        out=$(build_preset "$@" 2>&1) && return
        broken+=" $1"
        printf '%s\n' "$out" | tail -n 60
    fi
    count 0 1 0
    return 1
}

# ctest_counted PRESET [CTEST ARGUMENT...]
ctest_counted() {
    local preset=$1 xml=$here/build/$1.ctest.xml log=$here/build/$1.ctest.log
    shift
    rm -f "$xml"
    # A leak is an error; so is undefined behaviour, wherever it happens. Three run at a time on two
    # cores, for some wait (transport_tether for 37 s).
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:allocator_may_return_null=1 \
        UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
        ctest --test-dir "$here/build/$preset" -j3 --output-on-failure --no-tests=ignore \
        --output-junit "$xml" "$@" >"$log" 2>&1 || true
    if [ ! -s "$xml" ]; then
        tail -n 40 "$log"
        count 0 1 0
        return
    fi
    local p f s
    read -r p f s < <(python3 - "$xml" <<'END'
import sys, xml.etree.ElementTree as et
cases = et.parse(sys.argv[1]).getroot().findall("testcase")
status = [c.get("status") for c in cases]
print(status.count("run"), sum(s in ("fail", "notrun") and c.find("skipped") is None
                               for s, c in zip(status, cases)),
      sum(c.find("skipped") is not None for c in cases))
END
    )
    count "$p" "$f" "$s"
    [ "$f" = 0 ] || grep -vE '^ *[0-9]+/[0-9]+ Test.*Passed|^ *Start ' "$log" | tail -n 120
}

stage_format() { check "$here/scripts/check-format.sh"; }

stage_layers() {
    check "$here/scripts/check-threats.py" --self-test
    check "$here/scripts/check-threats.py"
    check "$here/scripts/check-layers.py" --self-test
    check "$here/scripts/check-layers.py"
}

stage_banned() { check "$here/scripts/check-banned.sh"; }

stage_unit() { # not in the list: what --fast runs
    built asan || return 0
    ctest_counted asan -LE corpus
}

stage_asan() {
    built asan || return 0
    ctest_counted asan -LE corpus
}

stage_corpus() {
    built asan || return 0
    ctest_counted asan -L corpus
}

stage_release() {
    built release || return 0
    # Once more as it ships: optimised, and with assertions compiled out.
    ctest_counted release -L unit
    check "$here/scripts/check-binaries.sh" "$here/build/release"
}

stage_e2e() {
    [ -x "$here/tests/e2e/run" ] || return 0
    local log=$here/build/e2e.log
    built release || return 0
    built scaled programs || return 0
    [ -z "$fetching" ] || wait "$fetching" || true # what is missing, its tests say
    fetching=
    VN_BUILD=$here/build/release VN_BIN=$here/build/release/bin VN_LONG=$long \
        VN_SCALED=$here/build/scaled/bin \
        "$here/tests/e2e/run" 2>&1 | tee "$log" | sed -u 's/^/   /' || true
    count "$(grep -c '^ok .*' "$log" | cat)" 0 0
    local s
    s=$(grep -c '^ok .*# SKIP' "$log" || true)
    count "-$s" "$(grep -c '^not ok ' "$log" || true)" "$s"
}

# What models/run prints is what was shown, and how far. It shows first that faults are found.
stage_models() {
    local log=$here/build/models.log
    mkdir -p "$here/build"
    {
        VN_LONG=$long "$here/models/run" --self-test first && VN_LONG=$long "$here/models/run"
    } 2>&1 | tee "$log" | sed -u 's/^/   /' || true
    count "$(grep -c '^ok ' "$log" || true)" "$(grep -c '^not ok ' "$log" || true)" 0
    check test "$(grep -c '^1[.][.]' "$log")" = 2 # both came to their end
}

stage_bench() {
    local b
    built release || return 0
    for b in "$here"/bench/*; do
        [ -f "$b" ] && [ -x "$b" ] || continue
        VN_BUILD=$here/build/release VN_BIN=$here/build/release/bin check timeout 120 "$b" --smoke
    done
}

# Building and testing leave nothing in the tree that git would see.
stage_clean() {
    local now
    now=$(git -C "$here" status --porcelain)
    if [ "$now" = "$tree_before" ]; then
        count 1 0 0
    else
        echo "the tests changed the work tree:"
        diff <(printf '%s\n' "$tree_before") <(printf '%s\n' "$now") || true
        count 0 1 0
    fi
}

# What the end-to-end tests have from npm comes while others compile: the network is slow, and needs
# no processor.
fetch() {
    mkdir -p "$here/build"
    VN_BUILD=$here/build/release python3 -B "$here/tests/e2e/npm.py" >"$here/build/npm.log" 2>&1 &
    fetching=$!
}

# What a busy host does to a virtual machine. Timings do not count beside it.
steal_time() {
    built release steal || die "--steal needs build/release/bin/steal"
    "$here/build/release/bin/steal" 50 60 &
    stealing=$!
}

end_helpers() {
    local p
    for p in $fetching $stealing; do
        kill "$p" 2>/dev/null || true
    done
}

# Clang's warnings, and its thread sanitizer on everything that runs in CTest.
# Everything is built by clang with all warnings; what has a second thread also runs.
stage_tsan() {
    built tsan || return 0
    ctest_counted tsan \
        -R '^unit/(threads|loop|mailbox|nats|guardian_api|guardian_natsjwt|local_api|tun_tcp|worker_host)$'
}

# Without clang's analyzer; the build gives it compile_commands.json and the generated headers.
stage_tidy() {
    built asan || return 0
    check bash -o pipefail -c "git -C '$here' ls-files 'src/*.c' | sed 's|^|$here/|' |
        xargs -r -P2 -n4 clang-tidy-19 --quiet -p '$here/build/asan' 2>/dev/null |
        { grep -v '^\[[0-9/]*\] Processing file' || true; }"
}

# What the tests reach, with floors by layer. Some of the daemons' code runs end to end only.
covered_e2e=(two_nodes taints registration revocation guardian_api guardian_master guardian_people guardian_roles guardian_audit
    guardian_openapi guardian_oauth guardian_oidc teams admin generations relay turn netcheck)
stage_coverage() {
    local b=$here/build/coverage
    built coverage || return 0
    find "$b" -name '*.gcda' -delete
    ctest_counted coverage
    VN_BUILD=$b VN_BIN=$b/bin check "$here/tests/e2e/run" "${covered_e2e[@]}"
    gcovr --root "$here" --filter "$here/src/" --object-directory "$b" --txt "$b.txt" \
        --json-summary "$b.json" --gcov-ignore-parse-errors=negative_hits.warn_once_per_file \
        >/dev/null 2>&1 || true
    "$here/scripts/check-coverage.py" "$b.json" | sed 's/^/   /' || true
    check "$here/scripts/check-coverage.py" "$b.json"
}

# A minute for each fuzz target, from its corpus.
stage_fuzz() {
    local target
    built fuzz || return 0
    for target in "$here"/build/fuzz/fuzz/fuzz_*; do
        [ -x "$target" ] || continue
        local scratch
        scratch=$(mktemp -d)
        check "$target" -max_total_time=60 -print_final_stats=0 -verbosity=0 \
            -artifact_prefix="$here/build/fuzz/" "$scratch" \
            "$here/fuzz/corpus/$(basename "$target" | sed 's/^fuzz_//')"
        rm -rf "$scratch"
    done
}

cmd_test() {
    local chosen=() stage started all_started status steal=
    long=
    while [ $# -gt 0 ]; do
        case $1 in
        --list)
            printf '%s\n' "${stages[@]}" "${slow_stages[@]/%/ (with --long)}"
            return 0
            ;;
        --fast) chosen=(unit) ;;
        --long) long=1 ;;
        --steal) steal=1 ;;
        *)
            declare -F "stage_$1" >/dev/null || die "no stage '$1'; ./dev test --list names them"
            chosen+=("$1")
            ;;
        esac
        shift
    done
    [ ${#chosen[@]} -gt 0 ] || chosen=("${stages[@]}" ${long:+"${slow_stages[@]}"})
    all_started=$SECONDS
    need_packages run build test
    tree_before=$(git -C "$here" status --porcelain)
    say "   packages: $((SECONDS - all_started)) s"
    trap end_helpers EXIT
    [ -z "$steal" ] || steal_time
    [[ " ${chosen[*]} " != *" e2e "* ]] || fetch
    for stage in "${chosen[@]}"; do
        started=$SECONDS
        local p=$passed f=$failed s=$skipped
        echo "== $stage"
        "stage_$stage"
        status=ok
        [ "$failed" = "$f" ] || status=FAILED
        echo "   $stage: $status, $((passed - p)) passed, $((failed - f)) failed," \
            "$((skipped - s)) skipped, $((SECONDS - started)) s"
    done
    give_back
    echo "total $((SECONDS - all_started)) s"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
}
