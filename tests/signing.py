"""Signatures of images for tests, in the two forms that cosign writes."""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ink_infra_mcp.core.signing import SigningKey, signing_key

_IN_TOTO = "application/vnd.in-toto+json"


class Signer:
    """A new key of the kind that cosign makes."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def pem(self) -> str:
        """Return the public half, as cosign.pub holds it."""
        return self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def key(self) -> SigningKey:
        """Return the public half, as policy knows it."""
        return signing_key("cosign.pub", self.pem)

    def sign(self, message: bytes) -> bytes:
        """Return a signature."""
        return self._private.sign(message, ec.ECDSA(SHA256()))


def simple(digest: str) -> bytes:
    """Return what cosign signs of an image (specs/SIGNATURE_SPEC.md)."""
    critical = {
        "identity": {"docker-reference": "registry.example.com/ink/coolify"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": None}).encode()


def layer_of(payload: bytes, signature: bytes) -> dict[str, Any]:
    """Return the layer of a signature, as its manifest has it."""
    return {
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
        "digest": f"sha256:{hashlib.sha256(payload).hexdigest()}",
        "size": len(payload),
        "annotations": {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()},
    }


def statement(digest: str, *, of: str = "https://sigstore.dev/cosign/sign/v1") -> bytes:
    """Return what cosign 3 signs of an image (its cmd/cosign/cli/sign/sign.go)."""
    subject = {"digest": {"sha256": digest.removeprefix("sha256:")}, "annotations": {}}
    told: dict[str, Any] = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [subject],
        "predicateType": of,
        "predicate": {},
    }
    return json.dumps(told).encode()


def bundle(
    payload: bytes,
    by: Signer,
    *,
    kind: str = _IN_TOTO,
    times: int = 1,
    media: str = "application/vnd.dev.sigstore.bundle.v0.3+json",
) -> bytes:
    """Return the bundle of a statement (sigstore/protobuf-specs, sigstore_bundle.proto; DSSE's protocol.md)."""
    signature = by.sign(b" ".join((b"DSSEv1", *_counted(kind.encode()), *_counted(payload))))
    one = {"sig": base64.b64encode(signature).decode(), "keyid": ""}
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": kind,
        "signatures": [one] * times,
    }
    material = {"publicKey": {"hint": "x"}, "timestampVerificationData": {}}
    return json.dumps({"mediaType": media, "verificationMaterial": material, "dsseEnvelope": envelope}).encode()


def _counted(text: bytes) -> tuple[bytes, bytes]:
    return str(len(text)).encode(), text
