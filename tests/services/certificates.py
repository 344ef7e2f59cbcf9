# SPDX-License-Identifier: Apache-2.0
"""Certificates of machines that show them to each other, by the names that QEMU looks for."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = datetime.timedelta(days=1)


def of_hosts(addresses: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """Address → files. One authority signs for all; a host has the same certificate at either end of a connection."""
    authority = ec.generate_private_key(ec.SECP256R1())
    root = _signed(_named("authority"), authority, _named("authority"), authority)
    made = {}
    for address in addresses:
        own = ec.generate_private_key(ec.SECP256R1())
        shown, key = _pem(_signed(_named(address), own, _named("authority"), authority, address)), _key(own)
        made[address] = {"ca-cert.pem": _pem(root), "server-cert.pem": shown, "server-key.pem": key,
                         "client-cert.pem": shown, "client-key.pem": key}
    return made


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _signed(subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name,
            signer: ec.EllipticCurvePrivateKey, address: str | None = None) -> x509.Certificate:
    now, root = datetime.datetime.now(datetime.UTC), address is None
    made = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
            .add_extension(x509.BasicConstraints(ca=root, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(
                digital_signature=not root, content_commitment=False, key_encipherment=False, data_encipherment=False,
                key_agreement=False, key_cert_sign=root, crl_sign=root, encipher_only=False, decipher_only=False),
                critical=True))
    if address is not None:
        made = made.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False
        ).add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return made.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())
