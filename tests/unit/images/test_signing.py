# SPDX-License-Identifier: Apache-2.0
"""Signatures of image URLs and the keys they are made with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nova import concurrency, errors
from nova.images.signing import Keyring, UrlSigner

IMAGE = "6ab7ad70-8f7e-4686-9198-6d6865edbd86"


@pytest.fixture
def signer(tmp_path: Path) -> UrlSigner:
    return UrlSigner(Keyring(tmp_path / "keys"), ttl=60)


def test_a_signature_verifies_for_its_image_and_method_only(signer: UrlSigner) -> None:
    signed = signer.sign(IMAGE)
    signer.verify(IMAGE, **signed)
    with pytest.raises(errors.Forbidden):
        signer.verify(IMAGE.replace("6", "7"), **signed)
    with pytest.raises(errors.Forbidden):
        signer.verify(IMAGE, **signed, method="PUT")
    with pytest.raises(errors.Forbidden):
        signer.verify(IMAGE, str(int(signed["expires"]) + 1), signed["signature"])


@pytest.mark.parametrize("offset", [-1, 8 * 86400])
def test_neither_an_old_nor_an_endless_signature_is_good(signer: UrlSigner, offset: int) -> None:
    signed = signer.sign(IMAGE, expires=int(concurrency.time()) + offset)
    with pytest.raises(errors.Forbidden, match="expired"):
        signer.verify(IMAGE, **signed)


@pytest.mark.parametrize(("expires", "signature"), [("", ""), ("x", "y"), ("9" * 13, ""), ("²", ""), ("-1", ""),
                                                    ("99999999999", "é")])
def test_malformed_parameters_are_refused(signer: UrlSigner, expires: str, signature: str) -> None:
    with pytest.raises(errors.Forbidden):
        signer.verify(IMAGE, expires, signature)


def test_the_first_key_is_made_once_and_kept_secret(tmp_path: Path) -> None:
    first, second = Keyring(tmp_path / "keys"), Keyring(tmp_path / "keys")
    assert first.keys() == second.keys() and len(first.keys()[0]) == 32
    files = list((tmp_path / "keys").iterdir())
    assert [stat.S_IMODE(f.stat().st_mode) for f in files] == [0o600]


def test_keys_rotate_without_a_restart(tmp_path: Path) -> None:
    ring = Keyring(tmp_path)
    signer = UrlSigner(ring)
    old = signer.sign(IMAGE)
    (tmp_path / "0002.key").write_text("ab" * 32)
    new = signer.sign(IMAGE)
    assert new["signature"] != old["signature"]
    signer.verify(IMAGE, **old)
    signer.verify(IMAGE, **new)
    (tmp_path / "0001.key").unlink()
    signer.verify(IMAGE, **new)
    with pytest.raises(errors.Forbidden):
        signer.verify(IMAGE, **old)


@pytest.mark.parametrize("content", ["", "ab" * 31, "not hexadecimal", "zz" * 32])
def test_a_bad_key_names_its_option(tmp_path: Path, content: str) -> None:
    (tmp_path / "1.key").write_text(content)
    with pytest.raises(errors.ConfigError, match="signing_keys_dir"):
        Keyring(tmp_path).keys()
