# SPDX-License-Identifier: Apache-2.0
"""Where stestr starts to look for tests: tempest's API tests, also those that tempest leaves out without Neutron.

Tempest can make networks for its projects with Neutron only and skips every class that asks for one. Here the project's
network is there already, so such a class asks for none. The old network resources of the Compute API are served too, so
the tests that are tagged with the network service run. No test is changed.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tempest.api
from tempest import config
from tempest.common import utils
from tempest.lib.common import fixed_network
from tempest.lib.services.compute import base_compute_client


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, pattern: str | None) -> unittest.TestSuite:
    """The hook of unittest's discovery."""
    place = Path(tempest.api.__file__).parents[1]
    found = unittest.TestSuite()
    for name in ("api/compute", "api/identity", "api/image", "serial_tests/api/compute"):
        found.addTests(loader.discover(str(place / name), top_level_dir=str(place.parent)))
    if not config.CONF.service_available.neutron:
        for test in _each(found):
            if getattr(type(test), "create_default_network", False):
                type(test).create_default_network = False
        utils.get_service_list = _with_network(utils.get_service_list)
        fixed_network.get_network_from_name = _at_the_oldest_version(fixed_network.get_network_from_name)
    return found


def _each(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _each(test)
        else:
            yield test


def _with_network(known: Callable[[], dict[str, bool]]) -> Callable[[], dict[str, bool]]:
    return lambda: known() | {"network": True}


def _at_the_oldest_version(find: Callable[..., Any]) -> Callable[..., Any]:
    """The project's network is looked up in the Compute API, which knows networks only at old microversions."""

    def found(*arguments: Any, **named: Any) -> Any:
        asked, base_compute_client.COMPUTE_MICROVERSION = base_compute_client.COMPUTE_MICROVERSION, None
        try:
            return find(*arguments, **named)
        finally:
            base_compute_client.COMPUTE_MICROVERSION = asked

    return found
