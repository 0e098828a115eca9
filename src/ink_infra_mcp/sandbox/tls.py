"""Throw-away certificates, so that HTTPS in the pretend world is real."""

import os
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=90)
_SKEW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key and its authority, each as PEM."""

    leaf: str
    key: str
    authority: str


def edge_tls(domains: Sequence[str], *, now: datetime | None = None) -> tuple[ssl.SSLContext, str]:
    """Return a server context with one certificate for `domains` (wildcards allowed), and its authority as PEM.

    Keys are made fresh and kept in memory only, apart from a moment in a private temporary file. The certificate
    begins an hour before `now` (default: the present) and lives 90 days.
    """
    made = certificate_for(domains, now=now)
    return _context(made), made.authority


def certificate_for(domains: Sequence[str], *, now: datetime | None = None) -> Certificate:
    """Return a fresh certificate for `domains`, by a fresh authority, as `edge_tls` serves one."""
    begins = (now or datetime.now(UTC)) - _SKEW
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Sandbox Authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), begins)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_name(domains[0]), authority_name, key.public_key(), begins)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(domain) for domain in domains]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(_pem(leaf), private.decode(), _pem(authority))


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:64])])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, begins: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + LIFE)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _context(made: Certificate) -> ssl.SSLContext:
    """The ssl module loads key and certificate from files only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    handle, path = tempfile.mkstemp(prefix="ink-sandbox-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(f"{made.key}{made.leaf}".encode())
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
