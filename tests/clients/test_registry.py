"""Which image a tag names: asked of the pretend registries, of one that means harm, and of Docker's own registry."""

import json
import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import anyio
import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ink_infra_mcp.clients.registry.asking import Visit
from ink_infra_mcp.clients.registry.look import ImageSeen, RegistryLook
from ink_infra_mcp.core.fleet import Images
from ink_infra_mcp.core.images import source_of
from ink_infra_mcp.sandbox.listen import listen
from ink_infra_mcp.sandbox.tls import edge_tls
from tests.clock import FakeClock
from tests.ink import ink
from tests.programs import program

pytestmark = pytest.mark.anyio

LIMIT_S = 120
HOST = "registry.example.com"
DIGEST = f"sha256:{'5' * 64}"
Answers = Callable[[Request], Response]
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(name: str, tag: str) -> str:
    """Return what the pretend registries say of a tag that nobody moved."""
    return f"sha256:{sha256(f'{name}:{tag}'.encode()).hexdigest()}"


@pytest.mark.parametrize(
    ("reference", "seen"),
    [
        (f"{HOST}/docs:1.4", ImageSeen(digest_of(f"{HOST}/docs", "1.4"))),
        (f"{HOST}/docs", ImageSeen(digest_of(f"{HOST}/docs", "latest"))),
        ("nginx:1", ImageSeen(digest_of("registry-1.docker.io/library/nginx", "1"))),
        ("docker.io/nginx:1", ImageSeen(digest_of("registry-1.docker.io/library/nginx", "1"))),
        ("index.docker.io/example/web:2", ImageSeen(digest_of("registry-1.docker.io/example/web", "2"))),
        (f"ghcr.io/example/web@{DIGEST}", ImageSeen(DIGEST)),
        (f"{HOST}/missing:1", ImageSeen(why=f"{HOST}: it shows nobody such an image without a login")),
        (f"{HOST}/secret:1", ImageSeen(why=f"{HOST}: it shows that image to nobody without a login")),
        ("evil.example.org/a:1", ImageSeen(why="evil.example.org is not among the registries of fleet.toml")),
        ("quay.io/example/web:1", ImageSeen(why="quay.io is none of the sandbox's registries")),
        ("../a:1", ImageSeen(why=".. is not among the registries of fleet.toml")),
        ("a b", ImageSeen(why="it is no reference of an image")),
    ],
)
async def test_a_tag_is_looked_up_where_docker_looks(tmp_path: Path, reference: str, seen: ImageSeen) -> None:
    """Names lead where Docker finds them; what a registry does not tell has its reason; no other one is asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path) as it:
            with it.world.change() as state:
                state.registry.private.append(f"{HOST}/secret")
            assert await it.app.look.registries.image(reference) == seen


@asynccontextmanager
async def served(answers: Answers, *, host: str = HOST) -> AsyncGenerator[RegistryLook]:
    """Give a client of a registry that answers so."""

    async def answer(request: Request) -> Response:
        return answers(request)

    context, authority = edge_tls([host])
    app = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "HEAD"])])
    port, close = await listen(app, tls=context)
    trust = ssl.create_default_context(cadata=authority)
    try:
        yield RegistryLook(Images(registries=(host,)), FakeClock(), {(host, 443): ("127.0.0.1", port)}, trust)
    finally:
        await close()


def challenge(text: str) -> Answers:
    """Return a registry that sends everybody to a realm, and answers whatever comes with a token."""

    def answers(request: Request) -> Response:
        if request.url.path == "/token":
            return Response('{"access_token": "given"}')
        if request.headers.get("authorization") == "Bearer given":
            return Response(headers={"docker-content-digest": DIGEST})
        return Response(status_code=401, headers={"www-authenticate": text})

    return answers


def says(status: int, **headers: str) -> Answers:
    """Return a registry that says the same to everything."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(status_code=status, headers=named)


def large(request: Request) -> Response:
    """Say a megabyte where a token is asked for."""
    if request.url.path == "/token":
        return Response(json.dumps({"token": "x" * 2**20}))
    return challenge(f'Bearer realm="https://{HOST}/token"')(request)


LOGIN = ImageSeen(why=f"{HOST}: it shows that image to nobody without a login")


@pytest.mark.parametrize(
    ("answers", "seen"),
    [
        (challenge(f'Bearer realm="https://{HOST}/token",service="x",scope="everything"'), ImageSeen(DIGEST)),
        (challenge(f'bearer realm="https://{HOST}/token"'), ImageSeen(DIGEST)),
        (challenge(f'Bearer realm="http://{HOST}/token"'), LOGIN),
        (challenge(f'Bearer realm="https://user:pw@{HOST}/token"'), LOGIN),
        (challenge("Bearer"), LOGIN),
        (challenge('Basic realm="x"'), LOGIN),
        (challenge(""), LOGIN),
        (large, LOGIN),
        (says(200), ImageSeen(why=f"{HOST} names no digest")),
        (says(200, docker_content_digest="sha256:short"), ImageSeen(why=f"{HOST} names no digest")),
        (says(200, docker_content_digest=f"{DIGEST} x"), ImageSeen(why=f"{HOST} names no digest")),
        (says(302, location="https://evil.example.org/"), ImageSeen(why=f"{HOST}: it answered 302")),
        (says(429), ImageSeen(why=f"{HOST}: it answers no more requests for now")),
        (says(503), ImageSeen(why=f"{HOST}: it answered 503")),
    ],
)
async def test_what_a_registry_says_is_taken_for_no_more_than_it_is(answers: Answers, seen: ImageSeen) -> None:
    """Only a whole digest is one; a realm is asked over TLS alone, without a login; nothing is followed."""
    with anyio.fail_after(LIMIT_S):
        async with served(answers) as look:
            assert await look.image(f"{HOST}/docs:1") == seen


async def test_a_realm_inside_is_not_asked() -> None:
    """A registry cannot send us to a server of the private network, nor to the metadata of the machine."""
    with anyio.fail_after(LIMIT_S):
        for inner in ("127.0.0.1", "169.254.169.254", "10.0.0.1", "localhost"):
            async with served(challenge(f'Bearer realm="https://{inner}/token"')) as look:
                assert await look.image(f"{HOST}/docs:1") == ImageSeen(why=f"{inner} has no public address")


@pytest.mark.parametrize("name", [f"{'a' * 70}.example.com", "a..example.com"])
async def test_a_realm_that_dns_cannot_have_is_not_asked(name: str) -> None:
    """A registry that sends us to a name which is none gets no further."""
    with anyio.fail_after(LIMIT_S):
        async with served(challenge(f'Bearer realm="https://{name}/token"')) as look:
            seen = await look.image(f"{HOST}/docs:1")
    assert seen in (LOGIN, ImageSeen(why=f"{name} has no public address"))


@pytest.mark.parametrize("port", ["65536", "99999", "-1"])
async def test_a_port_that_nobody_has_is_asked_by_nobody(port: str) -> None:
    """A realm and a redirect there are what is none: the registry has said something, and nothing of ours breaks."""
    at = {(HOST, int(port)): ("127.0.0.1", int(port))}
    with anyio.fail_after(LIMIT_S):
        async with served(challenge(f'Bearer realm="https://{HOST}:{port}/token"')) as look:
            there = replace(look, connect_to={**look.connect_to, **at})
            assert await there.image(f"{HOST}/docs:1") == LOGIN
        async with served(says(307, location=f"https://{HOST}:{port}/blob")) as look:
            there = replace(look, connect_to={**look.connect_to, **at})
            answer = await Visit(there, source_of(f"{HOST}/docs")).fetch(f"blobs/{DIGEST}", limit=1)
            assert answer.status == 307


async def test_a_certificate_that_nobody_signed_is_no_registry() -> None:
    """What the answer of a stranger is worth nothing is known of."""
    with anyio.fail_after(LIMIT_S):
        async with served(says(200, docker_content_digest=DIGEST)) as look:
            stranger = RegistryLook(look.images, look.clock, look.connect_to)
            seen = await stranger.image(f"{HOST}/docs:1")
    assert (seen.digest, seen.why.partition(":")[0]) == ("", f"{HOST} cannot be reached")


@asynccontextmanager
async def real_registry(folder: Path) -> AsyncGenerator[str]:
    """Give the address of Docker's own registry, which keeps its images in a folder."""
    command = program("docker-registry")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder)}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    file = folder / "registry.yml"
    await anyio.Path(file).write_text(json.dumps(settings))
    async with await anyio.open_process([command, "serve", str(file)], stdout=None, stderr=None) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


async def put(client: httpx2.AsyncClient, repository: str, tag: str, kind: str, body: object) -> bytes:
    """Put a manifest under a tag; return its bytes."""
    text = json.dumps(body).encode()
    answer = await client.put(f"/v2/{repository}/manifests/{tag}", content=text, headers={"content-type": kind})
    assert answer.status_code == 201, answer.text
    return text


async def blob(client: httpx2.AsyncClient, repository: str, content: bytes) -> dict[str, object]:
    """Put a blob; return what a manifest says of it."""
    begun = await client.post(f"/v2/{repository}/blobs/uploads/")
    digest = f"sha256:{sha256(content).hexdigest()}"
    done = await client.put(f"{begun.headers['location']}&digest={digest}", content=content)
    assert done.status_code == 201, done.text
    return {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(content)}


async def answering(client: httpx2.AsyncClient) -> None:
    """Wait until the registry answers."""
    while True:
        try:
            return (await client.get("/v2/")).raise_for_status() and None
        except httpx2.TransportError:
            await anyio.sleep(0.05)


async def test_docker_s_own_registry_names_what_docker_would_pull(tmp_path: Path) -> None:
    """Of one platform it is the digest of its manifest, of several that of their index; a moved tag names the new."""
    with anyio.fail_after(LIMIT_S):
        async with real_registry(tmp_path) as base, httpx2.AsyncClient(base_url=base) as client:
            await answering(client)
            config = await blob(client, "example/web", b"{}")
            manifest: dict[str, object] = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}
            one = await put(client, "example/web", "1", MANIFEST, manifest)
            entry = {"mediaType": MANIFEST, "digest": f"sha256:{sha256(one).hexdigest()}", "size": len(one)}
            platforms = [{**entry, "platform": {"os": "linux", "architecture": name}} for name in ("amd64", "arm64")]
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": platforms}
            both = await put(client, "example/web", "2", INDEX, index)

            def forwarded(request: Request) -> Response:
                named = {"accept": request.headers["accept"]}
                said = httpx2.request(request.method, f"{base}{request.url.path}", headers=named)
                return Response(status_code=said.status_code, headers=dict(said.headers))

            async with served(forwarded) as look:
                seen = [await look.image(f"{HOST}/example/web:{tag}") for tag in ("1", "2", "3")]
                await put(client, "example/web", "1", INDEX, index)
                moved = await look.image(f"{HOST}/example/web:1")
    assert seen == [
        ImageSeen(f"sha256:{sha256(one).hexdigest()}"),
        ImageSeen(f"sha256:{sha256(both).hexdigest()}"),
        ImageSeen(why=f"{HOST}: it shows nobody such an image without a login"),
    ]
    assert moved == seen[1]
