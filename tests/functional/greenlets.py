# SPDX-License-Identifier: Apache-2.0
"""Runs the main stories under greenlets: ``python -m tests.functional.greenlets DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

from nova import concurrency

concurrency.use("greenlets")

from tests.functional import stories  # noqa: E402 - the backend comes first
from tests.functional.cloud import memory_cloud  # noqa: E402
from tests.functional.conftest import QUICK  # noqa: E402


def main(directory: Path) -> None:
    cloud = memory_cloud(directory, conf_options=QUICK, cells_count=2, hosts_count=4)
    cloud.start()
    try:
        cloud.wait_ready()
        print(concurrency.backend().name)
        for story in (stories.life, stories.failures):
            story(cloud)
            print(f"{story.__name__}:done")
    finally:
        cloud.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
