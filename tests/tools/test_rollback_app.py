"""rollback_app: what there is to go back to, going back in both Coolify eras, and what cannot go back."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import AppImage
from ink_infra_mcp.sandbox.state_github import commit_sha
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import ROLLOUT, app_named, call, deploy

OLD, NEW = "4.0.0-beta.463", "4.3.10"
NOW, BEFORE = commit_sha("example/hello main"), commit_sha("example/hello main, a week ago")
DIGEST = "c" * 64


def images(it: Ink, name: str) -> list[str]:
    """Return the images that containers of an app run."""
    uuid = app_named(it.state, name).uuid
    return [c.image for host in it.state.hosts.values() for c in host.containers if uuid in c.name]


@pytest.mark.anyio
async def test_a_git_app_goes_back_to_an_image_that_is_left(tmp_path: Path) -> None:
    """Without `to` it lists and changes nothing; going back is proved at that commit; twice is once."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            listed = await call(client, "rollback_app", app="shop")
            missing = await call(client, "rollback_app", app="shop", to="0" * 40)
            odd = await call(client, "rollback_app", app="shop", to="$(reboot)")
            assert it.journal == []
            said = await call(client, "rollback_app", app="shop", to=BEFORE, wait_s=60)
            writes, image = it.journal, images(it, "shop")
            again = await call(client, "rollback_app", app="shop", to=BEFORE, wait_s=60)
            forward = await deploy(client, name="shop")

    assert listed.outcome == "already_so"
    assert f"shop runs {NOW}. Earlier images: {BEFORE} (" in listed.text
    assert (
        f"shop has no image {'0' * 40} left that it ever ran. Nothing was changed. It has: {NOW}, {BEFORE}."
        in missing.text
    )
    assert odd.text.startswith("[invalid_input] Nothing was done. to: must be of the form ^")
    assert (said.outcome, said.checks["deployment"], image) == ("applied", "passed", [f"{SHOP}:{BEFORE}"])
    assert writes == [f"coolify POST /api/v1/applications/{SHOP}/rollback"]
    assert (again.outcome, forward.outcome, forward.data["result"]["commit"]) == ("already_so", "applied", NOW)


@pytest.mark.anyio
async def test_an_old_coolify_goes_back_by_holding_the_commit(tmp_path: Path) -> None:
    """Before 4.3 there is no rollback: the app is held at the commit and built anew, and the proof is the same."""

    def old(state: WorldState) -> None:
        state.coolify.version = OLD

    person = says_yes()
    with anyio.fail_after(90):
        async with ink(tmp_path, change_world=old) as it, it.client(person) as client:
            listed = await call(client, "rollback_app", app="shop")
            said = await call(client, "rollback_app", app="shop", to=BEFORE, wait_s=60)
            image, held = images(it, "shop"), app_named(it.state, "shop").columns["git_commit_sha"]
            again = await call(client, "rollback_app", app="shop", to=BEFORE, wait_s=60)
            unknown = [entry for entry in it.journal if "UNKNOWN" in entry]

    assert "Earlier images: none that Coolify lists; name a tag or commit yourself." in listed.text
    assert (said.outcome, said.checks["deployment"], image, held) == (
        "applied",
        "passed",
        [f"{SHOP}:{BEFORE}"],
        BEFORE,
    )
    assert f"      before: HEAD\n      after: {BEFORE}\n" in person.asked[0]
    assert (again.outcome, unknown) == ("already_so", [])


@pytest.mark.anyio
@pytest.mark.parametrize("release", [OLD, NEW])
async def test_an_image_app_goes_back_to_a_tag_or_a_digest(tmp_path: Path, release: str) -> None:
    """Coolify would deploy the present tag whatever it is told: the tag is set, and a digest has its own spelling."""

    def version(state: WorldState) -> None:
        state.coolify.version = release

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=version) as it, it.client(says_yes()) as client:
            ran: dict[str, list[str]] = {}
            for to in ("1.3", DIGEST, "1.4"):
                said = await call(client, "rollback_app", app="docs", to=to, wait_s=60)
                again = await call(client, "rollback_app", app="docs", to=to, wait_s=60)
                assert (said.outcome, again.outcome) == ("applied", "already_so"), said.text
                ran[to] = images(it, "docs")

    base = "registry.example.com/docs"
    assert ran == {"1.3": [f"{base}:1.3"], DIGEST: [f"{base}@sha256:{DIGEST}"], "1.4": [f"{base}:1.4"]}


@pytest.mark.anyio
async def test_only_what_the_app_ran_is_offered(tmp_path: Path) -> None:
    """Coolify lists every tag on the server: another app's, and one that a person pulled, are none to go back to."""

    def pulled(state: WorldState) -> None:
        for name, repository in (("docs", "registry.example.com/docs"), ("shop", SHOP)):
            app_named(state, name).images.append(AppImage(repository=repository, tag="nobodys", created_at=1.0))

    with anyio.fail_after(120):
        async with ink(tmp_path, change_world=pulled) as it, it.client(says_yes()) as client:
            await deploy(client, name="other", image="registry.example.com/docs:9.9", port=80, muscle="muscle-1")
            for to in ("1.5", "1.6"):
                await call(client, "rollback_app", app="docs", to=to, wait_s=60)
            docs, shop = [await call(client, "rollback_app", app=name) for name in ("docs", "shop")]
            refused = await call(client, "rollback_app", app="shop", to="nobodys")

    assert "Earlier images: 1.5 (" in docs.text
    assert "1.4 (" in docs.text
    assert [text for text in (docs.text, shop.text) if "nobodys" in text or "9.9" in text] == []
    assert "shop has no image nobodys left that it ever ran. Nothing was changed." in refused.text


@pytest.mark.anyio
async def test_an_image_that_does_not_exist_leaves_the_app_as_it_runs(tmp_path: Path) -> None:
    """The pull fails, the old container stays, the cause is named; going back again mends the tag."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            said = await call(client, "rollback_app", app="docs", to="missing-1", wait_s=60)
            ran = images(it, "docs")
            same = await call(client, "rollback_app", app="docs", to="missing-1", wait_s=60)
            back = await call(client, "rollback_app", app="docs", to="1.4", wait_s=60)

    assert (said.outcome, ran) == ("failed", ["registry.example.com/docs:1.4"])
    assert said.problem["probable_cause"] == "The image or its tag does not exist in the registry."
    assert [step["id"] for step in same.data["steps"]] == ROLLOUT
    assert (same.outcome, back.outcome) == ("failed", "applied")


@pytest.mark.anyio
async def test_what_cannot_go_back_says_so(tmp_path: Path) -> None:
    """Dockerfiles have one image, compose files no images of ours, and a Factory without the option may not start any
    app; the list is shown there all the same."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            await deploy(client, name="inline", dockerfile="FROM registry.example.com/web:1\n")
            await deploy(client, name="stack", compose="services:\n  web: {image: 'registry.example.com/web:1'}\n")
            inline = await call(client, "rollback_app", app="inline", to="1")
            stack = await call(client, "rollback_app", app="stack")
            with it.world.change() as state:
                state.coolify.supports_runtime_option = False
            listed = await call(client, "rollback_app", app="shop")
            refused = await call(client, "rollback_app", app="shop", to=BEFORE)

    assert "inline comes from an inline Dockerfile, whose image is always `latest`." in inline.text
    assert "stack is a compose app. Nothing was changed. Deploy its earlier compose file" in stack.text
    assert BEFORE in listed.text
    assert refused.text.startswith("[refused_by_policy] The Coolify image in service does not know --runtime")
