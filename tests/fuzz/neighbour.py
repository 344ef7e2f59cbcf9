# SPDX-License-Identifier: Apache-2.0
"""A client that does what clients do, in a process of its own, and measures how long it waits for each answer."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.api.compute.world import KEY
from tests.fuzz.client import Http, Site

ROOT = Path(__file__).parents[2]
#: Seconds between two rounds: some hundred requests a minute, as a busy client sends them.
PAUSE = 0.05


@dataclasses.dataclass
class Seen:
    """What it measured: seconds by request, and the answers that should have been others."""

    seconds: dict[str, list[float]]
    wrong: list[str]

    def at(self, share: float) -> float:
        """Milliseconds within which that share of all requests were answered."""
        found = sorted(second for seconds in self.seconds.values() for second in seconds)
        return found[math.ceil(len(found) * share) - 1] * 1000

    def told(self) -> str:
        return f"p50 {self.at(0.5):.0f} ms, p99 {self.at(0.99):.0f} ms"


class Neighbour:
    """Runs for ``seconds`` from its making."""

    def __init__(self, site: Site, seconds: float) -> None:
        words = json.dumps({"port": site.port, "token": site.tokens["neighbour"], "server": site.home,
                            "seconds": seconds})
        self._process = subprocess.Popen([sys.executable, "-m", "tests.fuzz.neighbour"], cwd=ROOT, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(words)
        self._process.stdin.close()
        self._process.stdin = None

    def seen(self, timeout: float) -> Seen:
        """What it saw, as soon as it has ended."""
        try:
            said, _ = self._process.communicate(timeout=timeout)
        finally:
            self._process.kill()
        return Seen(**json.loads(said))


def watch(port: int, token: str, server: str, seconds: float) -> Seen:
    """Ask, round after round."""
    api, seen, until = Http(port, {"demo": token}), Seen({}, []), time.monotonic() + seconds
    key = {"keypair": {"name": "neighbour", "public_key": KEY}}
    round_: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/servers/detail", None), ("GET", f"/servers/{server}", None), ("GET", "/flavors/detail", None),
        ("POST", "/os-keypairs", key), ("GET", "/limits", None), ("DELETE", "/os-keypairs/neighbour", None))
    while time.monotonic() < until and not seen.wrong:
        for method, path, body in round_:
            began = time.monotonic()
            answer = api(method, path, body)
            seen.seconds.setdefault(f"{method} {path}", []).append(time.monotonic() - began)
            if answer.status >= 300:
                seen.wrong.append(f"{method} {path}: {answer}")
        time.sleep(PAUSE)
    api.close()
    return seen


if __name__ == "__main__":
    json.dump(dataclasses.asdict(watch(**json.load(sys.stdin))), sys.stdout)
