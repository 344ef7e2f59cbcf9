# SPDX-License-Identifier: Apache-2.0
"""nova-dhcpbridge: what dnsmasq runs at every change of a lease. It tells this host's nova-network.

It is started for every lease, and dnsmasq waits for it, so it imports only what it needs and gives up after 2 s.

    nova-dhcpbridge add|old|del MAC ADDRESS [NAME]     a lease was made, is still there, has ended
    nova-dhcpbridge init                               print the leases that are known, in dnsmasq's own format

The environment names the socket (NOVA_DHCPBRIDGE_SOCKET) and, as dnsmasq does, the interface.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

TIMEOUT = 2.0
_LIMIT = 4 * 1024 * 1024


def message(argv: list[str], env: dict[str, str]) -> dict[str, Any] | None:
    """What dnsmasq says, as one object; None for an event that is none of ours."""
    interface = env.get("DNSMASQ_INTERFACE") or env.get("NOVA_DHCPBRIDGE_INTERFACE", "")
    if argv[:1] == ["init"]:
        return {"event": "init", "interface": interface}
    if len(argv) < 3 or argv[0] not in ("add", "old", "del"):
        return None
    remaining = env.get("DNSMASQ_TIME_REMAINING", "0")
    name = argv[3] if len(argv) > 3 else env.get("DNSMASQ_SUPPLIED_HOSTNAME")
    return {"event": argv[0], "mac": argv[1], "address": argv[2], "interface": interface, "hostname": name,
            "remaining": int(remaining) if remaining.isdigit() else 0, "client_id": env.get("DNSMASQ_CLIENT_ID")}


def tell(path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Send a message and read the answer. Raises OSError or ValueError."""
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(TIMEOUT)
            # By way of the directory's descriptor, because a socket's own name must fit 108 bytes.
            sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
            sock.sendall(json.dumps(body).encode() + b"\n")
            data = b""
            while not data.endswith(b"\n") and len(data) < _LIMIT:
                chunk = sock.recv(65536)
                if not chunk:
                    break
                data += chunk
    finally:
        os.close(directory)
    answer = json.loads(data)
    if not isinstance(answer, dict):
        raise ValueError("the answer is not an object")
    return answer


def main(argv: list[str] | None = None) -> int:
    """0: told. 1: nova-network did not hear it; 2: called wrongly. ``init`` never fails: DHCP without memory is better
    than none, and dnsmasq would end."""
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if words else 2
    body = message(words, dict(os.environ))
    if body is None:
        return 0
    path = os.environ.get("NOVA_DHCPBRIDGE_SOCKET")
    if not path:
        print("nova-dhcpbridge: NOVA_DHCPBRIDGE_SOCKET is not set; dnsmasq is to be started by nova-network",
              file=sys.stderr)
        return 2
    try:
        answer = tell(path, body)
    except (OSError, ValueError) as e:
        print(f"nova-dhcpbridge: nova-network at {path} was not told of {' '.join(words)}: {e}", file=sys.stderr)
        return 0 if body["event"] == "init" else 1
    for line in answer.get("leases", []):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
