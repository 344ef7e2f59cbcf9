# SPDX-License-Identifier: Apache-2.0
"""The list of packages: those under ``nova`` and the migrations, which the wheel carries as ``nova.db._alembic``.

Everything else about the distribution stands in pyproject.toml and setup.cfg.
"""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["nova", "nova.*"]), "nova.db._alembic"])
