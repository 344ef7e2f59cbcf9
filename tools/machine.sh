# shellcheck shell=bash
# Sourced by quickstart.sh and test.sh: root's rights, Debian packages, a virtual environment.

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

may_be_root() {
    [ "$(id -u)" = 0 ] || { command -v sudo > /dev/null && sudo -n true 2> /dev/null; }
}

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null)" = installed ] || echo "$package"
    done
}

# Installs what is missing of the named Debian packages. Daemons that come with them are not started: we start our own.
install_packages() {
    local missing policy=/usr/sbin/policy-rc.d ours='' status=0 log
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! may_be_root; then
        echo "these packages are missing, and only root can install them: "$missing >&2
        return 1
    fi
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
        as_root chmod +x "$policy"
        ours=yes
    fi
    log=$(mktemp)
    # shellcheck disable=SC2086
    { as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends -o DPkg::Lock::Timeout=300 $missing; } < /dev/null > "$log" 2>&1 || status=$?
    [ "$status" = 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    [ -z "$ours" ] || as_root rm -f "$policy"
    return "$status"
}

# make_venv DIRECTORY EXTRAS: a virtual environment with this checkout installed; nothing is done when nothing changed.
make_venv() {
    local venv=$1 extras=$2 stamp wanted
    stamp=$venv/.installed
    wanted=$(cat pyproject.toml setup.cfg setup.py | sha256sum; echo "$extras"; python3 --version)
    [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv" || return 1
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --upgrade pip || return 1
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -e ".${extras:+[$extras]}" || return 1
    echo "$wanted" > "$stamp"
}
