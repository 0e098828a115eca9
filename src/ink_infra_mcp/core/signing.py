"""Signatures of images as cosign makes them: what is under one, which key made it, and which image it is of.

Two forms are known: simple signing (cosign's specs/SIGNATURE_SPEC.md, and what podman and skopeo write), and an in-toto
statement in a DSSE envelope, which cosign 3 writes by default (its specs/BUNDLE_SPEC.md, cmd/cosign/cli/sign/sign.go).
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ink_infra_mcp.core.plan import Frozen

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

Form = Literal["simple", "statement"]
LONGEST_KEY = 16 * 1024
_IN_TOTO = "application/vnd.in-toto+json"
_RSA_BITS = frozenset({2048, 3072, 4096})
"""Those that cosign knows (sigstore's pkg/signature/algorithm_registry.go)."""


class SigningKey(Frozen):
    """A public key of policy: the name of its file, and its SubjectPublicKeyInfo as DER in base64."""

    name: str
    spki: str

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the key, in hex."""
        return hashlib.sha256(base64.b64decode(self.spki)).hexdigest()


@dataclass(frozen=True, slots=True)
class Signed:
    """What somebody signed: what it says, and the signature of that."""

    form: Form
    payload: bytes
    signature: bytes

    @property
    def message(self) -> bytes:
        """Return the bytes that the signature is of: DSSE signs the type together with the payload."""
        if self.form == "simple":
            return self.payload
        return b"DSSEv1 %d %s %d %s" % (len(_IN_TOTO), _IN_TOTO.encode(), len(self.payload), self.payload)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an image is signed: `by` which key; else `why` not. Without `known` that could not be seen."""

    by: SigningKey | None = None
    why: str = ""
    known: bool = True


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Image(_Model):
    digest: str = Field(alias="docker-manifest-digest")


class _Critical(_Model):
    type: Literal["cosign container image signature"]
    image: _Image


class _Simple(_Model):
    critical: _Critical


class _Subject(_Model):
    digest: dict[str, str]


class _Statement(_Model):
    """Another predicate by the same key (an SBOM, a provenance) says something of an image, and not that it is good."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    predicate_type: Literal["https://sigstore.dev/cosign/sign/v1"] = Field(alias="predicateType")
    subject: list[_Subject]


class Envelope(_Model):
    """A DSSE envelope (secure-systems-lab/dsse, envelope.md) of an in-toto statement, with one signature."""

    class Signature(_Model):
        """One signature, in base64."""

        sig: str

    payload: str
    payload_type: Literal["application/vnd.in-toto+json"] = Field(alias="payloadType")
    signatures: Annotated[list[Signature], Field(min_length=1, max_length=1)]


def signing_key(name: str, text: str) -> SigningKey:
    """Return the key in a PEM file, such as the cosign.pub of `cosign generate-key-pair`.

    Raises:
        ValueError: it is no single public key, or of a kind whose signatures are not understood; the words say which.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    if text.count("-----BEGIN ") != 1:
        raise ValueError("has to hold one public key, as PEM")
    try:
        key = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("holds no public key, as PEM") from None
    if not _is_understood(key):
        raise ValueError("holds no key of ECDSA (P-256, P-384, P-521), Ed25519 or RSA (2048, 3072 or 4096 bits)")
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(name=name, spki=base64.b64encode(der).decode())


def judge(signed: Signed, digest: str, keys: Sequence[SigningKey]) -> Verdict:
    """Return which of the keys vouches with this signature for the image of that digest (`sha256:...`), or why none.

    What is signed is read only after its signature is good.
    """
    made = [key for key in keys if is_made_by(signed, key)]
    if not made:
        return Verdict(why="by another key")
    claimed = _claimed(signed)
    if claimed is None:
        return Verdict(why="of another kind of statement")
    return Verdict(by=made[0]) if digest in claimed else Verdict(why="of another image")


def is_made_by(signed: Signed, key: SigningKey) -> bool:
    """Return whether the private half of the key made the signature."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    public = load_der_public_key(base64.b64decode(key.spki))
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signed.signature, signed.message, padding.PKCS1v15(), SHA256())
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signed.signature, signed.message)
        else:
            return isinstance(public, ec.EllipticCurvePublicKey) and _is_ecdsa(public, signed)
    except InvalidSignature:
        return False
    return True


def _is_ecdsa(public: "ec.EllipticCurvePublicKey", signed: Signed) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec

    for algorithm in _hashes(public.curve.name):
        try:
            public.verify(signed.signature, signed.message, ec.ECDSA(algorithm))
        except InvalidSignature:
            continue
        return True
    return False


def _hashes(curve: str) -> "Sequence[HashAlgorithm]":
    """Newer releases of cosign choose the hash by the curve, older ones take SHA-256 for all."""
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    own = {"secp384r1": [SHA384()], "secp521r1": [SHA512()]}
    return [*own.get(curve, []), SHA256()]


def _is_understood(key: "PublicKeyTypes") -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in ("secp256r1", "secp384r1", "secp521r1")
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey)


def _claimed(signed: Signed) -> frozenset[str] | None:
    """Return the digests that are vouched for; None where it says another thing than that they are good."""
    try:
        if signed.form == "simple":
            return frozenset({_Simple.model_validate_json(signed.payload).critical.image.digest})
        subjects = _Statement.model_validate_json(signed.payload).subject
    except ValidationError:
        return None
    return frozenset(f"sha256:{each.digest['sha256']}" for each in subjects if "sha256" in each.digest)
