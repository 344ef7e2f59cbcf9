#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests: tools/test.sh            everything, in less than half an hour on two cores
#                 tools/test.sh long       everything at full length: all seeds, all crash cases, all of tempest
#                 tools/test.sh SUITE…     one or more of the suites below; "long" may come first
# What the machine lacks is installed: Debian packages where this runs as root, Python packages in .venv-test.
# NOVA_TEST_PYTHON names another interpreter that has everything already; NOVA_CONFORMANCE_PYTHON one with tempest.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
. tools/machine.sh

SUITES=(ruff mypy imports architecture unit contract functional simulation api fuzz crash integration conformance docs)
PACKAGES=(python3-venv python3-dev gcc pkg-config libvirt-dev libvirt-daemon-system libvirt-clients qemu-system-x86
    qemu-utils postgresql mariadb-server rabbitmq-server dnsmasq-base nftables iproute2 iputils-ping iputils-arping
    udhcpc procps systemd graphviz mtools dosfstools syslinux syslinux-common e2fsprogs openssh-client genisoimage
    ovmf swtpm swtpm-tools)
HARD_LIMIT=5400 # seconds, for the whole run
# Suites whose tests share nothing but the session's servers run in two workers, and so do those whose files do: the
# machines and the cloud that are made for one file are that worker's own.
PARALLEL=" unit contract simulation api architecture "
PARALLEL_FILES=" integration "
WAITING=" functional " # as the first, and its tests wait more than they work

usage() {
    sed -n '3,7s/^# \?//p' "$0"
    echo "suites: ${SUITES[*]}"
}

chosen=() whole_conformance=${NOVA_TEST_LONG:-}
for argument in "$@"; do
    case $argument in
    -h | --help) usage; exit 0 ;;
    long) whole_conformance=1; export NOVA_TEST_LONG=1 NOVA_TEST_SEEDS="${NOVA_TEST_SEEDS:-1250}" ;;
    *)
        case " ${SUITES[*]} " in
        *" $argument "*)
            chosen+=("$argument")
            [ "$argument" != conformance ] || whole_conformance=1
            ;;
        *) echo "test.sh: there is no suite '$argument'" >&2; usage >&2; exit 2 ;;
        esac
        ;;
    esac
done
[ ${#chosen[@]} -gt 0 ] || chosen=("${SUITES[@]}")

began=$SECONDS
names=() results=() times=() failed=0
printed=$(mktemp -d) || exit 2
trap 'rm -rf "$printed"' EXIT
export COLUMNS=${COLUMNS:-160} # so that the reasons in pytest's summary are not cut to nothing

prepare() {
    if [ "$(id -u)" = 0 ]; then
        install_packages "${PACKAGES[@]}" || return 1
    fi
    [ -z "${NOVA_TEST_PYTHON:-}" ] || return 0
    local extras=test,docs
    [ "$(id -u)" != 0 ] || extras=$extras,libvirt
    make_venv .venv-test "$extras"
}

run_pytest() {
    local suite=$1 arguments=()
    [[ $PARALLEL != *" $suite "* ]] || arguments+=(-n 2 --dist worksteal)
    [[ $WAITING != *" $suite "* ]] || arguments+=(-n 4 --dist worksteal)
    [[ $PARALLEL_FILES != *" $suite "* ]] || arguments+=(-n 2 --dist loadfile)
    [ "$(id -u)" = 0 ] || arguments+=(-m 'not root')
    # Where CI is set, pytest shows long values whole.
    env -u CI -u BUILD_NUMBER timeout --signal=TERM --kill-after=120 $((HARD_LIMIT - SECONDS + began)) \
        "$PYTHON" -m pytest -q "${arguments[@]}" "tests/$suite"
}

# Tempest and its libraries have an environment of their own. All of it runs when it is asked for by name, or at full length.
run_conformance() {
    local python=${NOVA_CONFORMANCE_PYTHON:-$PWD/.venv-conformance/bin/python} arguments=(--nova-python "$PYTHON")
    [ -n "$whole_conformance" ] || arguments+=(--smoke)
    [ -n "${NOVA_CONFORMANCE_PYTHON:-}" ] || make_venv .venv-conformance conformance || return 1
    timeout --signal=TERM --kill-after=120 $((HARD_LIMIT - SECONDS + began)) "$python" -m tests.conformance "${arguments[@]}"
}

run_suite() {
    case $1 in
    conformance) run_conformance ;;
    ruff) "$PYTHON" -m ruff check --output-format concise . ;;
    mypy) "$PYTHON" -m mypy ;;
    imports) "$(dirname "$PYTHON")/lint-imports" ;;
    docs) "$PYTHON" -m sphinx -W -q --keep-going -b html doc/source doc/build/html ;;
    *) run_pytest "$1" ;;
    esac
}

# The lines of a suite's output that say what failed; its last lines where none is known to.
what_failed() {
    local pattern="^(FAILED|ERROR|hole:|works, but|the cloud's log:) " found
    case $1 in
    ruff) pattern='^[^ ]+:[0-9]+:[0-9]+: ' ;;
    mypy) pattern=': error: ' ;;
    imports) pattern='BROKEN|->' ;;
    docs) pattern='(WARNING|ERROR|CRITICAL|error): ' ;;
    esac
    found=$(grep -aE -m 41 "$pattern" "$printed/$1" || grep -av '^ *$' "$printed/$1" | tail -n 5)
    sed 's/^/  /' <<< "$found" | cut -c 1-240 | head -n 40
    [ "$(wc -l <<< "$found")" -le 40 ] || echo "  and more"
}

report() {
    echo
    printf '%-14s %-8s %8s\n' suite result seconds
    local i
    for i in "${!names[@]}"; do
        printf '%-14s %-8s %8d\n' "${names[$i]}" "${results[$i]}" "${times[$i]}"
    done
    printf '%-14s %-8s %8d\n' all "$([ "$failed" = 0 ] && echo passed || echo FAILED)" $((SECONDS - began))
    for i in "${!names[@]}"; do
        [ "${results[$i]}" = passed ] || { echo; echo "failed in ${names[$i]}:"; what_failed "${names[$i]}"; }
    done
}

step() {
    local start=$SECONDS result=passed
    echo "== $1"
    "${@:2}" > >(tee "$printed/$1") 2>&1 || { result=FAILED; failed=1; }
    # A process that a suite left behind may hold its output open: it is not waited for.
    timeout 10 tail --pid=$! -f /dev/null
    names+=("$1") results+=("$result") times+=($((SECONDS - start)))
    [ "$result" = passed ]
}

trap 'report; exit 130' INT TERM
step installing prepare || { report; exit 1; }
PYTHON=${NOVA_TEST_PYTHON:-$PWD/.venv-test/bin/python}
# The data of test servers lie in memory where there is room; their durability settings are those of production.
if [ -z "${NOVA_TEST_DATA_DIR:-}" ] && [ "$(df --output=avail -k /dev/shm 2> /dev/null | tail -n 1)" -gt 4000000 ] 2> /dev/null; then
    export NOVA_TEST_DATA_DIR=/dev/shm
fi
for suite in "${chosen[@]}"; do
    step "$suite" run_suite "$suite"
done
report
exit "$failed"
