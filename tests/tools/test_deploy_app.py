"""deploy_app: from a call to a proved app, and everything that must not happen on the way."""

from pathlib import Path

import anyio
import pytest

from tests.ink import ERAS, Era, data, ink, says, says_yes, text

HELLO = {"name": "hello", "repository": "https://github.com/example/hello", "wait_s": 60}
CREATES = "coolify POST /api/v1/applications/public"
DEPLOYS = "coolify POST /api/v1/deploy"


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
async def test_an_approved_deployment_ends_proved_and_is_made_once(tmp_path: Path, era: Era) -> None:
    """One yes gives one app, one deployment and five passed proofs; the same call again changes nothing."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it, it.client(says_yes(), era=era) as client:
            first = data(await client.call_tool("deploy_app", HELLO))
            again = data(await client.call_tool("deploy_app", HELLO))
            journal = it.journal

    assert first["outcome"] == "applied", first
    assert {check["name"]: check["status"] for check in first["checks"]} == {
        "deployment": "passed",
        "isolation": "passed",
        "variables": "passed",
        "dns": "passed",
        "tls": "passed",
        "http": "passed",
    }
    assert again["outcome"] == "already_so"
    assert [w for w in journal if CREATES in w or DEPLOYS in w] == [CREATES, DEPLOYS]


@pytest.mark.anyio
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_refusal_changes_nothing(tmp_path: Path, era: Era, action: str) -> None:
    """A person who says no leaves the world as it was, and the answer says so."""
    with anyio.fail_after(90):
        async with ink(tmp_path) as it:
            person = says("decline" if action == "decline" else "cancel")
            before = it.journal
            async with it.client(person, era=era) as client:
                result = await client.call_tool("deploy_app", HELLO)
            assert it.journal == before

    assert data(result)["outcome"] == "not_approved"
    assert "Nothing was changed." in text(result)
    assert len(person.asked) == 1
