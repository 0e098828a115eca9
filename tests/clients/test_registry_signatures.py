"""Who signed an image, as its registry shows it: signatures that others' tools made, and registries that mean harm."""

import base64
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from ink_infra_mcp.clients.registry.look import RegistryLook
from ink_infra_mcp.clients.registry.signatures import LONGEST_PAYLOAD, MOST
from ink_infra_mcp.core.signing import SigningKey, Verdict, signing_key
from tests.clients.test_registry import DIGEST, HOST, INDEX, MANIFEST, answering, blob, real_registry, served
from tests.signing import Signer, bundle, layer_of, simple, statement

pytestmark = pytest.mark.anyio

LIMIT_S = 120
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "signatures.json").read_text(encoding="utf-8"))
"""What registries held after others' tools had signed; the file says which."""
KEYS = {name: signing_key(f"{name}.pub", text) for name, text in RECORDED["keys"].items()}
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
OURS = Signer()
UNSIGNED = Verdict(why="there is no signature of it")


class Stored:
    """A registry that shows what is stored in it, under the path that it is asked for by."""

    def __init__(self) -> None:
        self.shown: dict[str, Response] = {}
        self.manifest(DIGEST, {"mediaType": INDEX, "manifests": []}, kind=INDEX)

    def manifest(self, reference: str, body: object, *, kind: str = MANIFEST) -> str:
        """Store a manifest; return its digest."""
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        digest = f"sha256:{sha256(text).hexdigest()}"
        self.shown[f"manifests/{reference or digest}"] = Response(text, media_type=kind)
        return digest

    def blob(self, text: bytes) -> str:
        """Store a blob; return its digest."""
        digest = f"sha256:{sha256(text).hexdigest()}"
        self.shown[f"blobs/{digest}"] = Response(text)
        return digest

    def signed(self, *layers: dict[str, Any]) -> None:
        """Store what is behind the tag of signatures."""
        self.manifest(f"{DIGEST.replace(':', '-')}.sig", {"mediaType": MANIFEST, "layers": [*layers]})

    def layer(self, payload: bytes, signature: bytes, **more: Any) -> dict[str, Any]:
        """Store a payload; return the layer of a signature of it."""
        return layer_of(payload, signature) | {"digest": self.blob(payload)} | more

    def referring(self, *digests: str, listed: bool = True, **more: Any) -> None:
        """List manifests as what refers to the image, or put the list behind the tag for it."""
        entries = [
            {"mediaType": MANIFEST, "digest": each, "size": 1, "artifactType": BUNDLE} | more for each in digests
        ]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
        where = f"referrers/{DIGEST}" if listed else f"manifests/{DIGEST.replace(':', '-')}"
        self.shown[where] = Response(json.dumps(body), media_type=INDEX)

    def attached(self, text: bytes) -> str:
        """Store a bundle with the manifest of it; return the manifest's digest."""
        layer = {"mediaType": BUNDLE, "digest": self.blob(text), "size": len(text)}
        return self.manifest("", {"mediaType": MANIFEST, "artifactType": BUNDLE, "layers": [layer]})

    def __call__(self, request: Request) -> Response:
        """Answer."""
        return self.shown.get(request.url.path.removeprefix("/v2/docs/"), Response(status_code=404))


async def seen(stored: Callable[[Request], Response], *keys: SigningKey) -> Verdict:
    """Return who signed the image there."""
    with anyio.fail_after(LIMIT_S):
        async with served(stored) as look:
            return await look.signer(f"{HOST}/docs@{DIGEST}", keys or (OURS.key,))


@asynccontextmanager
async def recorded(folder: Path) -> AsyncGenerator[RegistryLook]:
    """Give a client of Docker's own registry that holds what was recorded."""
    async with real_registry(folder) as base, httpx2.AsyncClient(base_url=base) as client:
        await answering(client)
        for text in RECORDED["blobs"].values():
            await blob(client, "ink/coolify", text.encode())
        await _all_blobs(client)
        for reference in sorted(RECORDED["manifests"], key=_lists_last):
            stored = RECORDED["manifests"][reference]
            named = {"content-type": stored["mediaType"]}
            answer = await client.put(f"/v2/ink/coolify/manifests/{reference}", content=stored["text"], headers=named)
            assert answer.status_code == 201, answer.text

        def forwarded(request: Request) -> Response:
            named = {"accept": request.headers["accept"]}
            said = httpx2.request(request.method, f"{base}{request.url.path}", headers=named)
            return Response(said.content, status_code=said.status_code, headers=dict(said.headers))

        async with served(forwarded) as look:
            yield look


def _lists_last(reference: str) -> tuple[bool, str]:
    return RECORDED["manifests"][reference]["mediaType"] == INDEX, reference


async def _all_blobs(client: httpx2.AsyncClient) -> None:
    """A registry takes a manifest only where it has what it names."""
    for text in RECORDED["others"].values():
        await blob(client, "ink/coolify", base64.b64decode(text))


NO_STATEMENT = Verdict(why="no signature is good: 1 of another kind of statement")


@pytest.mark.parametrize(
    ("image", "by", "verdict"),
    [
        *((form, name, Verdict(by=KEYS[name])) for form in ("bundles", "simple") for name in KEYS),
        ("provenance", "p256", NO_STATEMENT),
        ("bare", "p256", UNSIGNED),
    ],
)
async def test_what_others_tools_signed_is_known_for_what_it_is(
    tmp_path: Path, image: str, by: str, verdict: Verdict
) -> None:
    """Bundles of sigstore's own library, payloads signed by OpenSSL, each kind of key, in Docker's own registry."""
    with anyio.fail_after(LIMIT_S):
        async with recorded(tmp_path) as look:
            found = await look.signer(f"{HOST}/ink/coolify@{RECORDED['images'][image]}", (KEYS[by],))
    assert found == verdict


async def test_one_of_several_keys_and_one_of_several_signatures_will_do() -> None:
    """Good and bad ones stand beside each other: nobody can take a signature away by adding another."""
    stored, other = Stored(), Signer()
    good, bad = simple(DIGEST), simple(f"sha256:{'6' * 64}")
    stored.signed(
        stored.layer(good, other.sign(good)),
        stored.layer(good, OURS.sign(good)),
        stored.layer(bad, OURS.sign(bad)),
        {"mediaType": SIMPLE, "digest": "sha256:" + "0" * 64, "size": LONGEST_PAYLOAD + 1},
    )
    assert await seen(stored, Signer().key, OURS.key) == Verdict(by=OURS.key)


@pytest.mark.parametrize("listed", [True, False])
async def test_what_refers_to_the_image_is_found_by_the_registry_s_list_or_behind_its_tag(listed: bool) -> None:
    """Registries that list nothing answer 404, and cosign keeps the list behind a tag there."""
    stored = Stored()
    text = bundle(statement(DIGEST), OURS)
    stored.referring(stored.attached(b"{}"), stored.attached(text), listed=listed)
    assert await seen(stored) == Verdict(by=OURS.key)


def _bad(payload: bytes, **more: Any) -> Stored:
    stored = Stored()
    stored.signed(stored.layer(payload, OURS.sign(payload), **more))
    return stored


def _by_another() -> Stored:
    stored, payload = Stored(), simple(DIGEST)
    stored.signed(stored.layer(payload, Signer().sign(payload)))
    return stored


def _swapped() -> Stored:
    """The signature is good, and of what the blob does not hold: its digest is another."""
    stored, payload = Stored(), simple(DIGEST)
    layer = stored.layer(payload, OURS.sign(payload))
    stored.shown[f"blobs/{layer['digest']}"] = Response(payload + b" ")
    stored.signed(layer)
    return stored


def _large() -> Stored:
    stored, payload = Stored(), simple(DIGEST) + b" " * LONGEST_PAYLOAD
    stored.signed(stored.layer(payload, OURS.sign(payload), size=1))
    return stored


def _attached(text: bytes, **more: Any) -> Stored:
    stored = Stored()
    stored.referring(stored.attached(text), **more)
    return stored


def _swapped_referrer() -> Stored:
    stored = Stored()
    digest = stored.attached(bundle(statement(DIGEST), OURS))
    stored.shown[f"manifests/{'sha256:' + '7' * 64}"] = stored.shown[f"manifests/{digest}"]
    stored.referring("sha256:" + "7" * 64)
    return stored


def _many() -> Stored:
    stored, payload = Stored(), simple(DIGEST)
    other = Signer().sign(payload)
    stored.signed(stored.layer(payload, OURS.sign(payload)), *([stored.layer(payload, other)] * MOST))
    return stored


def _text(text: bytes) -> Stored:
    stored = Stored()
    stored.manifest(f"{DIGEST.replace(':', '-')}.sig", text)
    return stored


OTHER = f"sha256:{'6' * 64}"
BARE = statement(DIGEST)
NOT_UNDERSTOOD = "no signature is good: 1 not understood"
OF_ANOTHER = "no signature is good: 1 of another image"
OF_ANOTHER_KIND = "no signature is good: 1 of another kind of statement"
BY_ANOTHER = "no signature is good: 1 by another key"


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (Stored(), UNSIGNED.why),
        (_by_another(), BY_ANOTHER),
        (_bad(simple(OTHER)), OF_ANOTHER),
        (_bad(simple(DIGEST).replace(b"cosign container image", b"atomic container")), OF_ANOTHER_KIND),
        (_bad(b"{}"), OF_ANOTHER_KIND),
        (_bad(b"[" * 5000), OF_ANOTHER_KIND),
        (_bad(DIGEST.encode()), OF_ANOTHER_KIND),
        (_bad(simple(DIGEST), mediaType="application/vnd.example+json"), NOT_UNDERSTOOD),
        (_bad(simple(DIGEST), annotations={}), NOT_UNDERSTOOD),
        (_bad(simple(DIGEST), annotations={"dev.cosignproject.cosign/signature": "no base64"}), NOT_UNDERSTOOD),
        (_bad(simple(DIGEST), annotations={"dev.cosignproject.cosign/signature": "AAAA"}), BY_ANOTHER),
        (_swapped(), NOT_UNDERSTOOD),
        (_large(), NOT_UNDERSTOOD),
        (_text(b"no json"), NOT_UNDERSTOOD),
        (
            _text(b'{"layers": [{"digest": "../../x", "mediaType": "' + SIMPLE.encode() + b'", "size": 1}]}'),
            NOT_UNDERSTOOD,
        ),
        (_text(b" " * 2**20), NOT_UNDERSTOOD),
        (_many(), f"none of the first {MOST} signatures is good: {MOST} by another key"),
        (_attached(bundle(statement(OTHER), OURS)), OF_ANOTHER),
        (_attached(bundle(statement(DIGEST), Signer())), BY_ANOTHER),
        (_attached(bundle(statement(DIGEST, of="https://slsa.dev/provenance/v1"), OURS)), OF_ANOTHER_KIND),
        (_attached(bundle(simple(DIGEST), OURS)), OF_ANOTHER_KIND),
        (_attached(bundle(BARE, OURS, kind="text/plain")), NOT_UNDERSTOOD),
        (_attached(bundle(BARE, OURS, times=2)), NOT_UNDERSTOOD),
        (_attached(bundle(BARE, OURS, times=0)), NOT_UNDERSTOOD),
        (_attached(bundle(BARE, OURS, media="application/vnd.dev.sigstore.bundle.v9+json")), NOT_UNDERSTOOD),
        (_attached(bundle(BARE, OURS), artifactType="application/spdx+json"), UNSIGNED.why),
        (_attached(bundle(BARE, OURS), mediaType=INDEX), UNSIGNED.why),
        (_swapped_referrer(), NOT_UNDERSTOOD),
    ],
)
async def test_what_is_no_good_signature_of_this_image_is_none(stored: Stored, why: str) -> None:
    """Another key, image, statement or type, a lie about a digest, garbage, more than is looked at: each is said."""
    assert await seen(stored) == Verdict(why=why)


def _failing(path: str, answer: Response) -> Stored:
    stored = _by_another()
    stored.shown[path] = answer
    return stored


SIG = f"manifests/{DIGEST.replace(':', '-')}.sig"
SHOWS = f"{HOST} does not show all that may be a signature"


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (_failing(SIG, Response(status_code=503)), f"{SHOWS}: it answered 503"),
        (_failing(SIG, Response(status_code=429)), f"{SHOWS}: it answers no more requests for now"),
        (_failing(f"referrers/{DIGEST}", Response(status_code=500)), f"{SHOWS}: it answered 500"),
        (_failing(f"referrers/{DIGEST}", Response(b"[]", media_type=INDEX)), f"{SHOWS}: its list of what refers"),
        (
            _failing(f"manifests/{DIGEST}", Response(status_code=404)),
            f"{HOST}: it shows nobody such an image without a login",
        ),
        (
            _failing(f"manifests/{DIGEST}", Response(status_code=401)),
            f"{HOST}: it shows that image to nobody without a login",
        ),
    ],
)
async def test_what_a_registry_does_not_show_is_no_missing_signature(stored: Stored, why: str) -> None:
    """Trouble of the registry is told as such: whether the image is signed is not known then."""
    verdict = await seen(stored)
    assert (verdict.by, verdict.known, verdict.why.startswith(why)) == (None, False, True), verdict.why


async def test_a_blob_that_lies_elsewhere_is_fetched_from_there_without_the_token() -> None:
    """Registries keep blobs in stores of their own; who is sent there shows nothing, and goes to no inner address."""
    stored, payload, asked = Stored(), simple(DIGEST), list[str]()
    layer = stored.layer(payload, OURS.sign(payload))
    stored.signed(layer)
    where = f"blobs/{layer['digest']}"

    def answers(request: Request) -> Response:
        if request.url.path == "/token":
            return Response('{"token": "given"}')
        if request.url.path == "/store":
            asked.append(request.headers.get("authorization", "none"))
            return Response(payload)
        if request.headers.get("authorization") != "Bearer given":
            realm = f'Bearer realm="https://{HOST}/token"'
            return Response(status_code=401, headers={"www-authenticate": realm})
        return stored(request)

    stored.shown[where] = Response(status_code=307, headers={"location": f"https://{HOST}/store"})
    assert (await seen(answers), asked) == (Verdict(by=OURS.key), ["none"])
    stored.shown[where] = Response(status_code=307, headers={"location": "https://169.254.169.254/x"})
    assert await seen(answers) == Verdict(why="169.254.169.254 has no public address", known=False)
    stored.shown[where] = Response(status_code=307, headers={"location": f"http://{HOST}/store"})
    assert await seen(answers) == Verdict(why=f"{SHOWS}: it answered 307", known=False)


async def test_a_tag_is_never_looked_at_for_a_signature() -> None:
    """What is not named by its digest may be another image by the time that it is pulled."""
    with anyio.fail_after(LIMIT_S):
        async with served(Stored()) as look:
            seen_by_tag = await look.signer(f"{HOST}/docs:1", (OURS.key,))
            stranger = await look.signer(f"evil.example.org/docs@{DIGEST}", (OURS.key,))
    assert seen_by_tag == Verdict(why="it is not named by its digest", known=False)
    assert stranger == Verdict(why="evil.example.org is not among the registries of fleet.toml", known=False)
