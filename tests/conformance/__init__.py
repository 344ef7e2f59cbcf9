# SPDX-License-Identifier: Apache-2.0
"""Conformance: the tests of tempest, unchanged, against a cloud of one process with the fake driver.

``python -m tests.conformance`` runs them, in an environment that has tempest (``requirements.txt``); the cloud may run
in another one.
"""
