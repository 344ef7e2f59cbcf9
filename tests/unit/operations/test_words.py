# SPDX-License-Identifier: Apache-2.0
"""Names and addresses as acceptance makes them from what users write."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova import errors
from nova.operations.create import hostname_of
from nova.operations.details import short_v6

UUID = "0e0e0e0e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(("name", "host"), [
    ("web", "web"), ("Web Server 1", "web-server-1"), ("a_b.c", "a-b-c"), ("-x-", "x"), ("Größe", "groe"),
    ("été", "ete"), ("日本", f"Server-{UUID}"), ("", f"Server-{UUID}"), ("...", f"Server-{UUID}"), ("a" * 70, "a" * 63),
    ("<b>&\"'", "b"), ("a" * 62 + " b", "a" * 62)])
def test_a_host_name_is_made_of_a_name(name: str, host: str) -> None:
    assert hostname_of(name, UUID) == host


@given(st.text(max_size=255))
def test_whatever_the_name_the_host_name_is_one(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", hostname_of(name, UUID))


@pytest.mark.parametrize(("written", "kept"), [
    (None, None), ("", ""), ("::1", "::1"), ("2001:DB8:0:0:0:0:0:1", "2001:db8::1")])
def test_an_address_is_kept_short(written: str | None, kept: str | None) -> None:
    assert short_v6(written) == kept


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(errors.Invalid, match=r"1\.2\.3\.4 is not an IPv6 address"):
        short_v6("1.2.3.4")
