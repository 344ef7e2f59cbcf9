#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From nothing to a running server: tools/quickstart.sh [--virt libvirt|fake] [--state-dir DIR] [--listen HOST:PORT]
#
# Makes a virtual environment, installs the package and what this Debian machine lacks, starts a cloud in one process,
# uploads a small guest image built from Debian packages, and boots a server through the REST API. With --virt libvirt
# (the default) that is a real virtual machine, which takes root or sudo; --virt fake needs neither root nor a hypervisor.
# It can be run again at any time: what is there is kept, and the server is booted anew. The clouds of the two
# drivers do not mix: the one that comes second has a state directory and a port (8775) of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/machine.sh

virt=libvirt state_dir='' listen=''
while [ $# -gt 0 ]; do
    case $1 in
    --virt) virt=${2:?} ;;
    --state-dir) state_dir=${2:?} ;;
    --listen) listen=${2:?} ;;
    -h | --help) sed -n '3,9s/^# \?//p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift 2
done
case $virt in
libvirt | fake) ;;
*) echo "quickstart.sh: --virt $virt: use libvirt or fake" >&2; exit 2 ;;
esac
if [ "$virt" = libvirt ] && [ "$(id -u)" != 0 ]; then
    echo "Real guests need root: going on through sudo (or use --virt fake)."
    exec sudo -- "$PWD/tools/quickstart.sh" --virt libvirt ${state_dir:+--state-dir "$state_dir"} \
        ${listen:+--listen "$listen"}
fi

if [ -z "$state_dir" ]; then
    state_dir=/var/lib/nova-standalone
    [ "$(id -u)" = 0 ] || state_dir=${XDG_STATE_HOME:-$HOME/.local/state}/nova-standalone
    if [ -e "$state_dir/options.json" ] && ! grep -q "\"virt\": *\"$virt\"" "$state_dir/options.json"; then
        state_dir=$state_dir-$virt listen=${listen:-127.0.0.1:8775}
    fi
fi

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }

packages() {
    local wanted=()
    if [ "$virt" = libvirt ]; then
        wanted+=(python3-dev gcc pkg-config libvirt-dev libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils
            dnsmasq-base nftables iproute2 procps genisoimage)
    fi
    if ! python3 -c 'import ensurepip' 2> /dev/null && may_be_root; then
        wanted+=(python3-venv)
    fi
    install_packages "${wanted[@]}"
}

# libvirt's daemon, by systemd where there is one.
start_libvirt() {
    virsh -q -c qemu:///system version > /dev/null 2>&1 && return
    if [ -d /run/systemd/system ]; then
        systemctl start virtlogd.socket libvirtd
    else
        setsid tools/libvirt-daemons < /dev/null > /dev/null 2>&1 &
    fi
    for _ in $(seq 60); do
        virsh -q -c qemu:///system version > /dev/null 2>&1 && return
        sleep 1
    done
    echo "quickstart.sh: libvirt does not answer at qemu:///system" >&2
    return 1
}

say "installing what this machine lacks"
packages
extras=''
[ "$virt" = fake ] || extras=libvirt
make_venv .venv "$extras"
arguments=(up --virt "$virt" --state-dir "$state_dir")
[ -z "$listen" ] || arguments+=(--listen "$listen")
image=''
installed=$SECONDS
if [ "$virt" = libvirt ]; then
    say "starting libvirt"
    start_libvirt
    image=/var/cache/nova-controller/guest.qcow2
    say "building a guest image from Debian packages"
    tools/guest-image "$image"
    arguments+=(--image "$image")
fi
say "starting the cloud"
.venv/bin/nova-standalone "${arguments[@]}"
say "booting a server"
.venv/bin/python tools/first-server --state-dir "$state_dir" ${image:+--image "$image"}
say "done; $((SECONDS - installed)) s of it after the packages were installed"
