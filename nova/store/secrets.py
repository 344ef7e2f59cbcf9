# SPDX-License-Identifier: Apache-2.0
"""Passwords and files that an operation carries to its host: sealed in its row, in clear only in memory and messages.

A sealed text belongs to its operation: in another row it does not open.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
from typing import Any

import orjson

from nova import errors
from nova.host.keyring import Keyring

LOG = logging.getLogger(__name__)
_NONCE = 12


class Sealer:
    """AES-256-GCM under keys derived from a keyring; the operation's uuid is authenticated with the text."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    @classmethod
    def from_conf(cls, conf: Any) -> Sealer:
        return cls(Keyring(conf.conductor.secrets_keys_dir, "[conductor]secrets_keys_dir"))

    def seal(self, operation_uuid: str, secrets: dict[str, Any]) -> str:
        nonce = os.urandom(_NONCE)
        text = _cipher(self._keyring.keys()[0]).encrypt(nonce, orjson.dumps(secrets), operation_uuid.encode())
        return base64.b64encode(nonce + text).decode("ascii")

    def open(self, operation_uuid: str, sealed: str) -> dict[str, Any]:
        """Raises ConfigError when no key of ours opens it."""
        from cryptography.exceptions import InvalidTag

        data = base64.b64decode(sealed)
        for key in self._keyring.keys():
            try:
                text = _cipher(key).decrypt(data[:_NONCE], data[_NONCE:], operation_uuid.encode())
            except InvalidTag:
                continue
            secrets: dict[str, Any] = orjson.loads(text)
            return secrets
        raise errors.ConfigError(f"The secrets of operation {operation_uuid} were sealed with a key that is not here: "
                                 "[conductor] secrets_keys_dir must hold the same keys on API nodes and conductors.")


def _cipher(key: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(hashlib.sha256(b"nova-operation-secrets\n" + key).digest())


def opened(sealer: Sealer | None, operation_uuid: str, sealed: str | None) -> dict[str, Any] | None:
    """The secrets of a row in clear. None when it has none, or none that this process can open: then the step that
    needs them says so."""
    if sealed is None:
        return None
    if sealer is None:
        LOG.error("operation %s has secrets, but this process was given no keys", operation_uuid)
        return None
    try:
        return sealer.open(operation_uuid, sealed)
    except errors.ConfigError as e:
        LOG.error("%s", e.message)
        return None
