# SPDX-License-Identifier: Apache-2.0
"""Expressions from outside: what they find, what is refused, and that none can hold a process up."""

from __future__ import annotations

import pytest

from nova import errors
from nova.db import regex


@pytest.mark.parametrize(("text", "value", "found"), [
    ("server", "my-SERVER-1", True), ("^server", "my-server", False), ("^10[.]0", "192.168.0.1\n10.0.0.5", True),
    (r"\.5$", "10.0.0.5\n10.0.0.61", True), (r"^10\.0\.0\.6$", "10.0.0.61", False), ("a|b", "xbx", True),
    ("(?:ab){2}", "abab", True), ("[[:digit:]]+", "a1", True), ("a.c", "a\nc", False), ("", "anything", True),
    (r"\w+-\d{2,3}", "vm-12", True), ("[^a]", "aaa", False), ("é", "CAFÉ", True)])
def test_what_is_found(text: str, value: str, found: bool) -> None:
    assert regex.sqlite_match(value, text) is found


def test_nothing_is_found_in_nothing() -> None:
    assert regex.sqlite_match(None, "") is False


@pytest.mark.parametrize("text", [
    "(", "[", "*", "a**", "a++", "(?=a)", "(?<=a)b", "(?i)a", "(?P<n>a)", "(a)\\1", "\\bword", "\\p{L}", "\\Qa", "\\Aa",
    "a{256}", "a{1,999}", "{", "a{x}", "x" * 256, "\\", "(((a{100}){100}){100})"])
def test_what_is_refused(text: str) -> None:
    with pytest.raises(errors.Invalid):
        regex.compile(text)


@pytest.mark.parametrize("text", ["(a+)+$", "(a|aa)+$", "(a|b?a)+$", ".*.*.*.*.*.*=.*", "(.*a){20}x",
                                  "a*a*a*a*a*a*a*b"])
def test_no_expression_tries_for_ever(text: str) -> None:
    """With a search that tries one way after another, each of these would outlive the test."""
    assert regex.sqlite_match("a" * 250 + "!", text) is False
