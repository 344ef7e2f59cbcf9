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
    local missing policy=/usr/sbin/policy-rc.d status=0 log
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    if ! may_be_root; then
        echo "these packages are missing, and only root can install them: "$missing >&2
        return 1
    fi
    echo "         Debian packages:" $missing
    log=$(mktemp)
    (
        if [ ! -e "$policy" ]; then
            trap 'as_root rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" > /dev/null
            as_root chmod +x "$policy"
        fi
        # shellcheck disable=SC2086
        as_root apt-get update -q && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
            --no-install-recommends -o DPkg::Lock::Timeout=300 $missing
    ) < /dev/null > "$log" 2>&1 || status=$?
    [ "$status" = 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

# Puts pip into a virtual environment without the help of Debian's python3-venv, which only root can install.
fetch_pip() {
    local directory wheel status=0
    directory=$(mktemp -d)
    wheel=$("$1/bin/python" - "$directory" << 'END'
import hashlib, json, pathlib, sys, urllib.parse, urllib.request

INDEX = "https://pypi.org/pypi/pip/json"

def get(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except OSError as e:
        sys.exit(f"pip cannot be had from {url}: {e}\nLet root install python3-venv (apt-get install python3-venv).")

wheel = next(u for u in json.loads(get(INDEX))["urls"] if u["packagetype"] == "bdist_wheel")
content = get(urllib.parse.urljoin(INDEX, wheel["url"]))  # mirrors give relative ones
if hashlib.sha256(content).hexdigest() != wheel["digests"]["sha256"]:
    sys.exit("pip from pypi.org does not have the digest that is announced for it")
file = pathlib.Path(sys.argv[1], wheel["filename"])
file.write_bytes(content)
print(file)
END
    ) && "$1/bin/python" "$wheel/pip" install -qq "$wheel" || status=$?
    rm -rf "$directory"
    return "$status"
}

# make_venv DIRECTORY EXTRAS: a virtual environment with this checkout installed; nothing is done when nothing changed.
make_venv() {
    local venv=$1 extras=$2 stamp wanted
    stamp=$venv/.installed
    wanted=$(cat pyproject.toml setup.cfg setup.py | sha256sum; echo "$extras"; python3 --version)
    [ "$(cat "$stamp" 2> /dev/null)" != "$wanted" ] || return 0
    echo "         Python packages: into $venv"
    if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
        if python3 -c 'import ensurepip' 2> /dev/null; then
            python3 -m venv "$venv" || return 1
        else
            { python3 -m venv --without-pip "$venv" && fetch_pip "$venv"; } || return 1
        fi
    fi
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --upgrade pip || return 1
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -e ".${extras:+[$extras]}" || return 1
    echo "$wanted" > "$stamp"
}
