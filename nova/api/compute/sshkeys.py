# SPDX-License-Identifier: Apache-2.0
"""Public keys: fingerprints of given ones, and new pairs for clients of before microversion 2.92."""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from nova import errors

_COMMENT = "Generated-by-Nova"


def _colons(digest: bytes) -> str:
    return ":".join(f"{byte:02x}" for byte in digest)


def _invalid(reason: str) -> errors.Invalid:
    return errors.Invalid(f"Keypair data is invalid: {reason}")


def ssh_fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of a key in the form of authorized_keys. Raises :class:`errors.Invalid` for anything else."""
    parts = public_key.strip().split(None, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a weak kind of key is the user's choice
            serialization.load_ssh_public_key(" ".join(parts[:2]).encode())
        blob = base64.b64decode(parts[1], validate=True)
    except (ValueError, IndexError, binascii.Error, UnsupportedAlgorithm, UnicodeEncodeError) as e:
        raise _invalid("failed to generate fingerprint") from e
    return _colons(hashlib.md5(blob, usedforsecurity=False).digest())


def x509_fingerprint(certificate: str) -> str:
    """The SHA-1 fingerprint of a PEM certificate."""
    try:
        return _colons(x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()))  # noqa: S303
    except (ValueError, UnsupportedAlgorithm) as e:
        raise _invalid("failed to generate X509 fingerprint. Error message: not a PEM certificate") from e


def generate_ssh() -> tuple[str, str, str]:
    """A new RSA pair: private key (PEM), public key, fingerprint."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                serialization.NoEncryption()).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    public = f"{public} {_COMMENT}"
    return private, public, ssh_fingerprint(public)


def generate_x509(user_id: str, now: float) -> tuple[str, str, str]:
    """A new pair for WinRM: private key (PEM), certificate for client authentication, fingerprint."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, user_id[:64])])
    start = datetime.datetime.fromtimestamp(now, datetime.UTC)
    upn = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), _utf8_der(f"{user_id[:64]}@localhost"))
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([upn]), critical=False)
        .sign(key, hashes.SHA256()))
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption()).decode()
    public = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return private, public, x509_fingerprint(public)


def _utf8_der(text: str) -> bytes:
    """A UTF8String of less than 128 bytes in DER."""
    raw = text.encode()
    return bytes([0x0C, len(raw)]) + raw
