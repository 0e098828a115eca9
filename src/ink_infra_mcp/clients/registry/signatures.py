"""The signatures of an image in its registry, wherever cosign puts them; a registry is believed in nothing.

They lie behind the tag `sha256-<digest>.sig`, or refer to the image (OCI 1.1), which registries list themselves
or, where they do not know how, behind the tag `sha256-<digest>` (distribution-spec, "Listing Referrers").
"""

import base64
import binascii
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ink_infra_mcp.clients.registry.asking import Answer, SilentError, Visit
from ink_infra_mcp.core.signing import Envelope, Signed, SigningKey, Verdict, judge

MOST = 64
"""How many signatures are looked at; cosign keeps all of one image in one manifest, the newest last."""
LONGEST_PAYLOAD = 64 * 1024
"""A payload has some hundred bytes, a bundle with a certificate and its entry in a log some thousand."""
LONGEST_LIST = 512 * 1024
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OF_DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
_SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
_BUNDLES = ("application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.sigstore.bundle+json;version=0.3")
_REFERRERS = frozenset(
    {
        *_BUNDLES,
        "application/vnd.dev.cosign.artifact.sig.v1+json",
        "application/vnd.oci.empty.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "",
    }
)
"""What a list may call a signature: whoever writes the list for a registry that cannot may take the config's type."""
_UNKNOWN_API = frozenset({301, 302, 303, 307, 308, 400, 404, 405, 406})
"""What registries say that do not list referrers (google/go-containerregistry, pkg/v1/remote/referrers.go)."""
_NOT_FOUND = 404
_SIGNATURE = "dev.cosignproject.cosign/signature"

M = TypeVar("M", bound=BaseModel)
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Layer(_Model):
    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: Annotated[int, Field(ge=0)]
    annotations: dict[str, str] | None = None


class _Manifest(_Model):
    layers: list[_Layer]


class _Referrer(_Model):
    media_type: Literal["application/vnd.oci.image.manifest.v1+json"] = Field(alias="mediaType")
    artifact_type: str = Field(default="", alias="artifactType")
    digest: Digest


class _Index(_Model):
    manifests: list[dict[str, object]]


class _Bundle(_Model):
    media_type: str = Field(alias="mediaType")
    envelope: Envelope = Field(alias="dsseEnvelope")


class Trouble(str):
    """Why a part of what there may be was not seen."""


Found = Signed | Trouble | None
"""A signature, why none could be seen, or what is none that is understood."""


@dataclass
class _Seen:
    """What was seen that is no good signature, and what could not be seen."""

    bad: Counter[str] = field(default_factory=Counter[str])
    troubles: list[str] = field(default_factory=list[str])

    def add(self, found: Found, verdict: Verdict) -> None:
        if isinstance(found, Trouble):
            self.troubles.append(found)
        else:
            self.bad[verdict.why] += 1

    @property
    def is_enough(self) -> bool:
        return self.bad.total() + len(self.troubles) >= MOST

    @property
    def verdict(self) -> Verdict:
        if self.troubles:
            return Verdict(why=self.troubles[0], known=False)
        told = ", ".join(f"{number} {why}" for why, number in sorted(self.bad.items()))
        if self.is_enough:
            return Verdict(why=f"none of the first {MOST} signatures is good: {told}")
        return Verdict(why=f"no signature is good: {told}" if told else "there is no signature of it")


async def signer_of(visit: Visit, digest: str, keys: Sequence[SigningKey]) -> Verdict:
    """Return which of the keys signed the image of that digest; where none did, what there is instead.

    Raises:
        RefusedError: the registry is at no address that we go to.
    """
    seen = _Seen()
    async for found in _all(visit, digest):
        verdict = judge(found, digest, keys) if isinstance(found, Signed) else Verdict(why="not understood")
        if verdict.by:
            return verdict
        seen.add(found, verdict)
        if seen.is_enough:
            break
    return seen.verdict


async def _all(visit: Visit, digest: str) -> AsyncGenerator[Found]:
    tag = digest.replace(":", "-")
    for listed in (_behind_tag(visit, f"{tag}.sig"), _referring(visit, digest, tag)):
        try:
            async for found in listed:
                yield found
        except SilentError as error:
            yield Trouble(error)


async def _behind_tag(visit: Visit, tag: str) -> AsyncGenerator[Found]:
    answer = await visit.ask("GET", f"manifests/{tag}", accept=f"{_MANIFEST}, {_OF_DOCKER}", limit=LONGEST_LIST)
    if answer.status == _NOT_FOUND:
        return
    if not answer.is_ok:
        yield _trouble(visit, answer)
        return
    async for found in _in_manifest(visit, answer.body):
        yield found


async def _referring(visit: Visit, digest: str, tag: str) -> AsyncGenerator[Found]:
    answer = await _list(visit, digest, tag)
    if answer.status == _NOT_FOUND:
        return
    listed = _read(answer.body, _Index) if answer.is_ok else None
    if listed is None:
        yield _trouble(visit, answer)
        return
    for named in reversed(list(_signatures_in(listed))):
        async for found in _in_referrer(visit, named.digest):
            yield found


async def _in_referrer(visit: Visit, digest: str) -> AsyncGenerator[Found]:
    shown = await visit.ask("GET", f"manifests/{digest}", accept=_MANIFEST, limit=LONGEST_LIST)
    if not shown.is_ok:
        yield _trouble(visit, shown)
        return
    async for found in _in_manifest(visit, shown.body if _is(shown.body, digest) else b""):
        yield found


async def _list(visit: Visit, digest: str, tag: str) -> Answer:
    answer = await visit.ask("GET", f"referrers/{digest}", accept=_INDEX, limit=LONGEST_LIST)
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if answer.status in _UNKNOWN_API or (answer.is_ok and kind != _INDEX):
        return await visit.ask("GET", f"manifests/{tag}", accept=_INDEX, limit=LONGEST_LIST)
    return answer


def _signatures_in(listed: _Index) -> Iterator[_Referrer]:
    """An SBOM, or what else refers to the image, is nothing that could be its signature."""
    for each in listed.manifests:
        try:
            named = _Referrer.model_validate(each)
        except ValidationError:
            continue
        if named.artifact_type in _REFERRERS:
            yield named


async def _in_manifest(visit: Visit, text: bytes) -> AsyncGenerator[Found]:
    manifest = _read(text, _Manifest)
    if manifest is None:
        yield None
        return
    for layer in reversed(manifest.layers):
        yield await _in_layer(visit, layer)


async def _in_layer(visit: Visit, layer: _Layer) -> Found:
    if layer.media_type not in (_SIMPLE, *_BUNDLES) or layer.size > LONGEST_PAYLOAD:
        return None
    shown = await visit.fetch(f"blobs/{layer.digest}", limit=LONGEST_PAYLOAD)
    if not shown.is_ok:
        return _trouble(visit, shown)
    return _signed(layer, shown.body) if _is(shown.body, layer.digest) else None


def _signed(layer: _Layer, body: bytes) -> Signed | None:
    """Return the signature of a layer: cosign keeps it beside the payload, or in a bundle with it."""
    found = _beside(layer, body) if layer.media_type == _SIMPLE else _bundled(body)
    return found if found and found.signature else None


def _beside(layer: _Layer, body: bytes) -> Signed:
    return Signed("simple", body, _bytes((layer.annotations or {}).get(_SIGNATURE, "")))


def _bundled(body: bytes) -> Signed | None:
    bundle = _read(body, _Bundle)
    if bundle is None or bundle.media_type not in _BUNDLES:
        return None
    return Signed("statement", _bytes(bundle.envelope.payload), _bytes(bundle.envelope.signatures[0].sig))


def _read(text: bytes, model: type[M]) -> M | None:
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is(body: bytes, digest: str) -> bool:
    return f"sha256:{hashlib.sha256(body).hexdigest()}" == digest


def _trouble(visit: Visit, answer: Answer) -> Trouble:
    why = answer.why_not if not answer.is_ok else "its list of what refers to the image cannot be read"
    return Trouble(f"{visit.source.registry} does not show all that may be a signature: {why}")
