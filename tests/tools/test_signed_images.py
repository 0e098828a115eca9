"""Where policy names keys, an image of Coolify is put into service only if one of them signed it: asked twice."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.bare import make_bare
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_factory import ImageKind
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.sandbox.state_registry import Content
from tests.clock import FakeClock
from tests.ink import ink
from tests.signing import Signer, bundle, layer_of, simple, statement
from tests.tools.arrivals import approved
from tests.tools.calls import Before, Said, call
from tests.tools.exchanges import LIMIT_S, NEW, Change, in_service
from tests.tools.test_image_rules import swaps
from tests.tools.test_rotate_fork_image import ROTATE

pytestmark = pytest.mark.anyio
NAME, _, DIGEST = NEW.partition("@")
OTHER = f"sha256:{'1' * 64}"
MANIFEST, INDEX = "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json"
RULE = 'signed_by = { value = ["keys/ink.pub"], why = "built elsewhere" }\n'
TOOLS: list[tuple[str, dict[str, Any]]] = [
    (ROTATE, {"image": NEW}),
    ("upgrade_coolify", {"image": NEW, "version": "4.3.11"}),
]


def policies(folder: Path, signer: Signer) -> Path:
    """Return a folder of policies whose images.toml names that signer's key."""
    found = folder / "policies"
    (found / "keys").mkdir(parents=True)
    (found / "keys" / "ink.pub").write_text(signer.pem)
    (found / "images.toml").write_text(RULE)
    return found


def content(state: WorldState) -> Content:
    """Return what the fork's repository holds; the image itself is there."""
    state.coolify.factory.images[NEW] = ImageKind(
        version="4.3.11", built_on=commit_sha("coollabsio/coolify v4.3.11"), option=True
    )
    found = state.registry.contents.setdefault(NAME, Content())
    found.manifests[DIGEST] = json.dumps({"mediaType": INDEX, "manifests": []})
    return found


def unsigned(state: WorldState) -> None:
    """Let the image be there without a signature."""
    content(state)


def private(state: WorldState) -> None:
    """Let the registry show it to nobody without a login."""
    state.registry.private.append(NAME)


def signed(signer: Signer, *, of: str = DIGEST) -> Change:
    """Return a change after which the image has a signature behind the tag for it."""

    def changed(state: WorldState) -> None:
        payload, found = simple(of), content(state)
        layer = layer_of(payload, signer.sign(payload))
        found.blobs[layer["digest"]] = payload.decode()
        found.manifests[f"{DIGEST.replace(':', '-')}.sig"] = json.dumps({"mediaType": MANIFEST, "layers": [layer]})

    return changed


def attached(signer: Signer) -> Change:
    """Return a change after which a bundle refers to the image, as cosign 3 leaves it."""

    def changed(state: WorldState) -> None:
        text, found = bundle(statement(DIGEST), signer), content(state)
        kind = "application/vnd.dev.sigstore.bundle.v0.3+json"
        layer: dict[str, Any] = layer_of(text, b"") | {"mediaType": kind, "annotations": {}}
        found.lists, found.blobs[layer["digest"]] = True, text.decode()
        referrer: dict[str, Any] = {
            "mediaType": MANIFEST,
            "artifactType": kind,
            "layers": [layer],
            "subject": {"digest": DIGEST},
        }
        shown = json.dumps(referrer)
        found.manifests[f"sha256:{_sum(shown)}"] = shown

    return changed


def _sum(text: str) -> str:
    return str(layer_of(text.encode(), b"")["digest"]).removeprefix("sha256:")


async def said_of(
    folder: Path, signer: Signer, change: Change, tool: str, arguments: dict[str, Any], *, wrap: Before | None = None
) -> tuple[Said, bool, list[str]]:
    """Return what came of it after a yes, whether what serves is what served, and what was done to the Factory."""
    rules, clock = policies(folder, signer), FakeClock(datetime.now(UTC))
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(folder / "it", policies=rules, change_world=change, clock=clock, wrap_handler=wrap) as it,
            it.client() as client,
        ):
            before = in_service(it.state)
            said = await call(client, tool, **arguments)
            if not said.is_error:
                said = await approved(it, client, tool, **arguments, wait_s=3600)
            return said, in_service(it.state) == before, swaps(it)


@pytest.mark.parametrize(("tool", "arguments"), TOOLS)
@pytest.mark.parametrize("form", [signed, attached])
async def test_a_signed_image_goes_into_service(
    tmp_path: Path, form: Any, tool: str, arguments: dict[str, Any]
) -> None:
    """In either form that cosign writes; which key it was is in the step's answer."""
    signer = Signer()
    said, same, _ = await said_of(tmp_path, signer, form(signer), tool, arguments)
    assert (said.outcome, same) == ("applied", False), said.text


@pytest.mark.parametrize(("tool", "arguments"), TOOLS)
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (unsigned, "is not signed by keys/ink.pub (SHA-256 {key}), as policies/images.toml wants it: there is no"),
        (signed(Signer()), "no signature is good: 1 by another key"),
        (signed(SIGNER := Signer(), of=OTHER), "no signature is good: 1 of another image"),
        (private, "is not known: registry.example.com: it shows"),
    ],
)
async def test_an_image_that_is_not_known_to_be_signed_is_refused_before_anybody_is_asked(
    tmp_path: Path, change: Change, reason: str, tool: str, arguments: dict[str, Any]
) -> None:
    """No signature, one of others, one of another image; a registry that does not show it is another reason."""
    said, same, done = await said_of(tmp_path, SIGNER, change, tool, arguments)
    told = " ".join(said.text.split())
    assert (said.is_error, same, done) == (True, True, []), told
    assert reason.format(key=SIGNER.key.fingerprint[:12]) in told, told


async def test_an_official_image_is_signed_by_no_key_of_an_operator(tmp_path: Path) -> None:
    """The way back to it is refused as well, and says why."""
    said, same, done = await said_of(
        tmp_path, Signer(), unsigned, "restore_official_coolify", {"version": "4.3.11", "accept_unisolated": ["x"]}
    )
    assert (said.is_error, same, done) == (True, True, []), said.text
    assert "is signed by keys/ink.pub" in " ".join(said.text.split()), said.text


def _gone(state: WorldState) -> None:
    state.registry.contents[NAME].manifests.pop(f"{DIGEST.replace(':', '-')}.sig")


def _away(state: WorldState) -> None:
    state.faults.append(Fault(system="registry", match="/v2/", kind="status", status=503, times=1000))


@pytest.mark.parametrize(("change", "reason"), [(_gone, "there is no signature of it"), (_away, "it answered 503")])
async def test_a_signature_that_is_gone_after_the_yes_ends_it_before_anything_is_pulled(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """It is looked for again as the first step: a key that was withdrawn has a last word."""
    signer = Signer()
    wrap = Before(tmp_path / "it", "registry.signed_image", change)
    said, same, done = await said_of(tmp_path, signer, signed(signer), ROTATE, {"image": NEW}, wrap=wrap)
    assert (said.outcome, same, done) == ("failed", True, []), said.text
    told = " ".join(said.text.split())
    assert "is not known to be signed by a key of policies/images.toml" in told
    assert reason in told, told


async def test_where_policy_names_no_key_the_plan_says_that_no_signature_was_looked_for(tmp_path: Path) -> None:
    """Nothing else of the plan is another one, and no registry is asked."""
    with anyio.fail_after(LIMIT_S):
        async with ink(tmp_path, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            asked = await call(client, ROTATE, image=NEW)
    told = " ".join(asked.text.replace("...", " ").split())
    assert "No signature of the image was looked for" in told, told
    assert "signed by" not in told.replace("signed_by", "")


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (RULE, "as policies/images.toml wants it"),
        (f'digests = {{ value = ["{OTHER}"], why = "released" }}\n', "is not among the digests"),
        (
            'least_age_h = { value = 24, why = "stolen releases" }\n',
            "the age of a first one is not known: list sha256:",
        ),
    ],
)
async def test_what_policy_lets_in_nowhere_is_not_installed_either(tmp_path: Path, rule: str, why: str) -> None:
    """A first Coolify comes under the rules of every later one: nobody is asked, and nothing is begun."""
    rules = policies(tmp_path, Signer())
    (rules / "images.toml").write_text(rule)
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path / "it", policies=rules, change_world=make_bare, unset=frozenset({"coolify_token"})) as it,
            it.client() as client,
        ):
            said = await call(client, "setup_factory", parts=["coolify"])
            told = " ".join(said.text.split())
            assert (said.is_error, why in told, it.state.coolify.factory.installs) == (True, True, {}), told


async def test_a_first_coolify_whose_digest_is_listed_needs_no_age(tmp_path: Path) -> None:
    """Its installer pulls and starts it in one go: the refusal names the digest, which stands for the age then."""
    age = 'least_age_h = { value = 24, why = "stolen releases" }\n'
    rules = policies(tmp_path, Signer())

    async def asked(folder: str, text: str) -> tuple[bool, str]:
        (rules / "images.toml").write_text(text)
        async with (
            ink(tmp_path / folder, policies=rules, change_world=make_bare, unset=frozenset({"coolify_token"})) as it,
            it.client() as client,
        ):
            said = await call(client, "setup_factory", parts=["coolify"])
            return said.is_error, said.text

    with anyio.fail_after(LIMIT_S):
        refused, told = await asked("refused", age)
        (digest,) = {*re.findall("sha256:[0-9a-f]{64}", " ".join(told.split()))}
        listed = f'{age}digests = {{ value = ["{digest}"], why = "judged by us" }}\n'
        let_in, plan = await asked("listed", listed)
    # the plan breaks long words over lines
    assert (refused, let_in, digest[:36] in plan) == (True, False, True), plan
