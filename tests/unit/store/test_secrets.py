# SPDX-License-Identifier: Apache-2.0
"""Sealed secrets: opened by their operation with any key of the ring, by nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nova import errors
from nova.host.keyring import Keyring
from nova.store.secrets import Sealer, opened

SECRETS = {"admin_pass": "open sesame", "files": {"/etc/motd": "aGVsbG8="}}


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(Keyring(tmp_path / "keys"))


def test_there_and_back(sealer: Sealer) -> None:
    first, second = sealer.seal("op", SECRETS), sealer.seal("op", SECRETS)
    assert first != second and "sesame" not in first
    assert sealer.open("op", first) == sealer.open("op", second) == SECRETS


def test_another_operation_does_not_open_it(sealer: Sealer) -> None:
    with pytest.raises(errors.ConfigError, match="secrets_keys_dir must hold the same keys"):
        sealer.open("other", sealer.seal("op", SECRETS))


def test_keys_are_changed_one_after_the_other(sealer: Sealer, tmp_path: Path) -> None:
    sealed = sealer.seal("op", SECRETS)
    (tmp_path / "keys" / "0002.key").write_text("ab" * 32)
    both = Sealer(Keyring(tmp_path / "keys"))
    assert both.open("op", sealed) == SECRETS
    later = both.seal("op", SECRETS)
    (tmp_path / "keys" / "0001.key").unlink()
    only = Sealer(Keyring(tmp_path / "keys"))
    assert only.open("op", later) == SECRETS
    with pytest.raises(errors.ConfigError):
        only.open("op", sealed)


def test_what_cannot_be_opened_is_told_and_is_not_there(sealer: Sealer, tmp_path: Path,
                                                        caplog: pytest.LogCaptureFixture) -> None:
    sealed = sealer.seal("op", SECRETS)
    assert opened(sealer, "op", None) is None
    assert opened(sealer, "op", sealed) == SECRETS
    with caplog.at_level(logging.ERROR):
        assert opened(None, "op", sealed) is None
        assert opened(Sealer(Keyring(tmp_path / "others")), "op", sealed) is None
    assert [r.levelname for r in caplog.records] == ["ERROR", "ERROR"] and "sesame" not in caplog.text
