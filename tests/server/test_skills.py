"""Skills: every runbook of prompts/ is one, with the digest of exactly what is read, and its text is the prompt's."""

import hashlib
import re
from typing import Any

import anyio
import pytest
import yaml
from mcp.types import INVALID_PARAMS, METHOD_NOT_FOUND

from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.prompts import PromptFile, load, parse
from ink_infra_mcp.server.skills import Skill
from tests.server.backends import INSTRUCTIONS, unopened
from tests.server.raw import Raw, envelope, raw

EXTENSION = "io.modelcontextprotocol/skills"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PROMPTS = load()
UNSERVED = (
    "skill://deploy",
    "skill://deploy/SKILL.MD",
    "skill://deploy/../deploy/SKILL.md",
    "skill://none/SKILL.md",
    "",
)
Params = dict[str, Any]


def server() -> Any:
    """Return a server whose application is never opened."""
    catalogue = narrowed([], toolsets=frozenset(), read_only=False)
    return build_server(
        ServerSettings(catalogue=catalogue, open=unopened, principal="local:tester", instructions=INSTRUCTIONS)
    )


async def asked(client: Raw, method: str, **params: str) -> Params:
    """Return the whole answer, asked as a client of 2026-07-28 does."""
    return await client.request(method, {**params, "_meta": envelope({"extensions": {EXTENSION: {}}})})


def made(**changed: str) -> PromptFile:
    """Return a prompt with an odd text."""
    head = {"name": "look", "title": "Look", "description": "Look at an app.", **changed}
    lines = [f"{name} = '''{value}'''" for name, value in head.items()]
    more = "tools = ['get_app']\n[arguments.app]\ndescription = 'Its name'\n[arguments.why]\nrequired = false\n"
    return parse("\n".join(["+++", *lines, f"{more}description = 'A reason'", "+++", "Look at {{app}}: {{why}}"]))


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_a_skill_is_named_and_described_as_agent_skills_are(name: str) -> None:
    """A name of small letters, digits and hyphens, at most 64, which is also its folder's; at most 1,024 characters of
    description and 500 of what it needs: the limits of agentskills.io.
    """
    skill = Skill(PROMPTS[name])
    assert (skill.uri, skill.head["name"]) == (f"skill://{name}/SKILL.md", name)
    assert NAME.fullmatch(name)
    assert len(name) <= 64
    assert 0 < len(skill.head["description"]) <= 1024
    assert 0 < len(skill.head["compatibility"]) <= 500


def test_a_skill_is_its_runbook_word_for_word() -> None:
    """The text is the prompt's, and before it stands what a host would have asked for as arguments."""
    assert Skill(made()).text == (
        "---\n"
        'name: "look"\n'
        'description: "Look at an app."\n'
        'compatibility: "Needs the tools of ink-infra-mcp: get_app"\n'
        "---\n\n"
        "# Look\n\n"
        "What the text leaves open:\n\n"
        "- `{{app}}`: Its name\n"
        "- `{{why}}`: A reason (may be left out)\n\n"
        "Look at {{app}}: {{why}}\n"
    )


@pytest.mark.parametrize(
    "words", ['a "quote" \\ and: # not a comment', "M\u00fcnchen --- \U0001f680 ", "- {a: b}", "yes"]
)
def test_what_yaml_would_read_otherwise_stays_what_it_is(words: str) -> None:
    """A description is read by a host's YAML as it is listed, whatever it holds."""
    skill = Skill(made(description=words))
    assert yaml.safe_load(skill.text.split("---\n", 2)[1]) == skill.entry["frontmatter"] == skill.head
    assert skill.head["description"] == words


@pytest.mark.anyio
async def test_every_skill_that_is_listed_is_read_with_its_digest_and_size() -> None:
    """A host that verifies finds in each file the bytes and the front matter that the entry names."""
    with anyio.fail_after(30):
        async with raw(server()) as client:
            listed = (await asked(client, "skills/list"))["result"]
            got = [(await asked(client, "skills/get", uri=entry["uri"]))["result"] for entry in listed["skills"]]
            read = [(await asked(client, "resources/read", uri=entry["uri"]))["result"] for entry in listed["skills"]]
    assert (listed["resultType"], listed["ttlMs"], listed["cacheScope"]) == ("complete", 3_600_000, "public")
    assert [entry["frontmatter"]["name"] for entry in listed["skills"]] == sorted(PROMPTS)
    for entry, one, result in zip(listed["skills"], got, read, strict=True):
        assert (one["skill"], one["resultType"], one["ttlMs"]) == (entry, "complete", 3_600_000)
        [content] = result["contents"]
        raw_bytes = content["text"].encode()
        digest = f"sha256:{hashlib.sha256(raw_bytes).hexdigest()}"
        assert entry["resources"] == [{"uri": entry["uri"], "digest": digest, "size": len(raw_bytes)}]
        assert (content["uri"], content["mimeType"]) == (entry["uri"], "text/markdown")
        assert yaml.safe_load(content["text"].split("---\n", 2)[1]) == entry["frontmatter"]
        assert content["text"].endswith(f"\n\n{PROMPTS[entry['frontmatter']['name']].body}\n")


@pytest.mark.anyio
async def test_a_client_is_told_of_the_extension_and_each_skill_is_a_resource_too() -> None:
    """On protocol 2026-07-28 the extension is declared; the list of resources has name and description of each."""
    with anyio.fail_after(30):
        async with raw(server()) as client:
            found = (await asked(client, "server/discover"))["result"]
            listed = (await asked(client, "resources/list"))["result"]["resources"]
    assert found["capabilities"]["extensions"] == {EXTENSION: {}}
    assert listed == [
        {
            "uri": f"skill://{name}/SKILL.md",
            "name": name,
            "title": prompt.title,
            "description": prompt.description,
            "mimeType": "text/markdown",
        }
        for name, prompt in PROMPTS.items()
    ]


@pytest.mark.anyio
async def test_an_older_client_has_the_skills_as_resources_alone() -> None:
    """Before 2026-07-28 there is no such extension: not declared, its methods unknown; the texts are there."""
    with anyio.fail_after(30):
        async with raw(server()) as client:
            hello = (await client.handshake("2025-11-25", {}))["result"]
            unknown = [
                await client.request("skills/list", {}),
                await client.request("skills/get", {"uri": "skill://deploy/SKILL.md"}),
            ]
            listed = (await client.request("resources/list", {}))["result"]["resources"]
            [content] = (await client.request("resources/read", {"uri": listed[0]["uri"]}))["result"]["contents"]
    assert "extensions" not in hello["capabilities"]
    assert [answer["error"]["code"] for answer in unknown] == [METHOD_NOT_FOUND] * 2
    assert [each["name"] for each in listed] == sorted(PROMPTS)
    assert content["text"] == Skill(PROMPTS[listed[0]["name"]]).text


@pytest.mark.anyio
@pytest.mark.parametrize("uri", UNSERVED)
async def test_what_is_no_skill_is_an_error(uri: str) -> None:
    """An address that is not exactly a skill's is refused by `skills/get` and by a read, and the server goes on."""
    with anyio.fail_after(30):
        async with raw(server()) as client:
            for method in ("skills/get", "resources/read"):
                answer = await asked(client, method, uri=uri)
                assert answer["error"]["code"] == INVALID_PARAMS, answer
            assert (await asked(client, "skills/get", uri="skill://deploy/SKILL.md"))["result"]["skill"]
