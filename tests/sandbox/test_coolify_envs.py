"""Variables in the pretend Coolify: preview twins, flags that reset themselves, and a bulk that is not atomic."""

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from ink_infra_mcp.sandbox.seed import SHOP
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Token
from tests.sandbox.test_coolify_services import BODY, CHECKED_S
from tests.sandbox.worlds import PretendCoolify, fields, items, pretend_coolify

pytestmark = pytest.mark.anyio

ENVS = f"/applications/{SHOP}/envs"
FLAGS = ("is_literal", "is_multiline", "is_shown_once", "is_runtime", "is_buildtime")


async def named(coolify: PretendCoolify, key: str) -> list[dict[str, JsonValue]]:
    """Return the rows of that name as the API lists them."""
    _, rows = await coolify.ask("GET", ENVS)
    return [row for row in items(rows) if row["key"] == key]


async def test_a_new_variable_brings_a_twin_for_previews(tmp_path: Path) -> None:
    """201 with one uuid, two rows; a second POST is 409; the twin outlives the deletion of the first."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made(ENVS, {"key": "A", "value": "1", "is_buildtime": False})
        rows = await named(coolify, "A")
        assert [(row["value"], row["is_preview"], row["is_buildtime"]) for row in rows] == [
            ("1", False, False),
            ("1", True, False),
        ]
        assert rows[0]["uuid"] == uuid
        again = await coolify.ask("POST", ENVS, {"key": "A", "value": "2"})
        assert again == (409, {"message": "Environment variable already exists. Use PATCH request to update it."})
        assert await coolify.ask("DELETE", f"{ENVS}/{uuid}") == (200, {"message": "Environment variable deleted."})
        assert [row["is_preview"] for row in await named(coolify, "A")] == [True]


async def test_an_update_resets_every_flag_that_it_does_not_send(tmp_path: Path) -> None:
    """`is_literal` becomes false, runtime and buildtime stay; the other two would be null, which is 500."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.made(ENVS, {"key": "A", "value": "1", "is_literal": True, "is_runtime": False})
        status, row = await coolify.ask("PATCH", ENVS, {"key": "A", "value": "2"})
        assert (status, [fields(row)[flag] for flag in FLAGS]) == (201, [False, False, False, False, True])
        for flag in ("is_multiline", "is_shown_once"):
            await coolify.made(ENVS, {"key": flag, "value": "1", flag: True})
            assert (await coolify.ask("PATCH", ENVS, {"key": flag, "value": "2"}))[0] == 500
            assert (await coolify.ask("PATCH", ENVS, {"key": flag, "value": "2", flag: True}))[0] == 201


async def test_an_update_never_creates(tmp_path: Path) -> None:
    """And it looks among previews only when told."""
    missing = (404, {"message": "Environment variable not found."})
    async with pretend_coolify(tmp_path) as coolify:
        assert await coolify.ask("PATCH", ENVS, {"key": "NEW", "value": "1"}) == missing
        status, row = await coolify.ask("PATCH", ENVS, {"key": "GREETING", "value": "pr", "is_preview": True})
        assert (status, fields(row)["value"]) == (201, "pr")
        assert [row["value"] for row in await named(coolify, "GREETING")] == ["hello", "pr"]


async def test_bulk_makes_and_changes_and_never_deletes(tmp_path: Path) -> None:
    """201 with a list; extra fields of an item are ignored; an empty list is 400."""
    data = [{"key": "GREETING", "value": "hi"}, {"key": "B", "value": "2", "uuid": "ignored"}]
    async with pretend_coolify(tmp_path) as coolify:
        status, rows = await coolify.ask("PATCH", f"{ENVS}/bulk", {"data": data})
        assert (status, [(row["key"], row["value"]) for row in items(rows)]) == (201, [("GREETING", "hi"), ("B", "2")])
        assert len(coolify.app(SHOP).envs) == 6
        empty = await coolify.ask("PATCH", f"{ENVS}/bulk", {"data": []})
        assert empty == (400, {"message": "Bulk data is required."})


async def test_bulk_keeps_what_came_before_a_wrong_item(tmp_path: Path) -> None:
    """422 midway, and half of it is done."""
    data = [{"key": "GOOD", "value": "1"}, {"key": "not good", "value": "2"}, {"key": "LATE", "value": "3"}]
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("PATCH", f"{ENVS}/bulk", {"data": data})
        assert (status, fields(answer)["errors"]) == (422, {"key": ["The key field format is invalid."]})
        assert [len(await named(coolify, key)) for key in ("GOOD", "LATE")] == [2, 0]


async def test_wrong_fields_of_a_variable_are_named(tmp_path: Path) -> None:
    """A removed field name is refused like any other unknown one."""
    async with pretend_coolify(tmp_path) as coolify:
        status, answer = await coolify.ask("POST", ENVS, {"key": "1A", "is_build_time": True, "is_literal": "maybe"})
        assert (status, fields(answer)["errors"]) == (
            422,
            {
                "key": ["The key field format is invalid."],
                "is_literal": ["The is literal field must be true or false."],
                "is_build_time": ["This field is not allowed."],
            },
        )


async def test_values_are_for_those_who_may_read_secrets(tmp_path: Path) -> None:
    """And those shown once for nobody; a member's `read:sensitive` would not help."""

    def reader(state: WorldState) -> None:
        state.coolify.tokens.append(Token(id=9, secret="s", abilities=["read"]))

    async with pretend_coolify(tmp_path, reader) as coolify:
        await coolify.made(ENVS, {"key": "ONCE", "value": "x", "is_shown_once": True})
        first = [(await named(coolify, key))[0] for key in ("ONCE", "GREETING")]
        assert [row.get("value") for row in first] == [None, "hello"]
    async with pretend_coolify(tmp_path, token="9|s") as plain:
        assert {"value", "real_value"} & (await named(plain, "GREETING"))[0].keys() == set()


async def test_literal_values_are_quoted_in_what_is_written(tmp_path: Path) -> None:
    """`real_value` is what goes into the file."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.made(ENVS, {"key": "A", "value": "$x", "is_literal": True})
        row = (await named(coolify, "A"))[0]
        assert (row["value"], row["real_value"]) == ("$x", "'$x'")


@pytest.mark.parametrize(
    ("value", "plain", "literal"),
    [
        ("$HOME and $$", " and $", "$HOME and $$"),
        ("p$ss}w{rd$", "p}w{rd$", "p$ss}w{rd$"),
        ("a #b", "a", "a #b"),
        ('say "x" C:\\d', 'say \\"x\\" C:\\\\d', 'say "x" C:\\d'),
        ("  spaces  ", "spaces", "spaces"),
        ('{"a": "b"}', '{"a": "b"}', '{"a": "b"}'),
        ("`x` 100%", "`x` 100%", "`x` 100%"),
        ("", "", ""),
    ],
)
async def test_the_flags_of_a_variable_decide_what_arrives(
    tmp_path: Path, value: str, plain: str, literal: str
) -> None:
    """As it was seen on a real one: expanded, cut and escaped where it is not literal, exact where it is."""
    async with pretend_coolify(tmp_path) as coolify:
        await coolify.made(ENVS, {"key": "PLAIN", "value": value})
        await coolify.made(ENVS, {"key": "LITERAL", "value": value, "is_literal": True})
        await coolify.made(ENVS, {"key": "MULTI", "value": value, "is_multiline": True})
        await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
        coolify.clock.advance(30)
        (container,) = coolify.containers("muscle-1", SHOP)
        assert [container.env[key] for key in ("PLAIN", "LITERAL", "MULTI")] == [plain, literal, literal]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("it's", 'unexpected character "\'" in variable name "s\'"'),
        ("ends\\", "unterminated quoted value 'ends\\'"),
    ],
)
async def test_a_broken_file_of_variables_fails_every_deployment_until_it_is_mended(
    tmp_path: Path, value: str, words: str
) -> None:
    """A quote inside a literal value, or a backslash at its end: Compose names the line; the old container stays."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made(ENVS, {"key": "ZBROKEN", "value": value, "is_literal": True})
        (before,) = coolify.containers("muscle-1", SHOP)
        for _ in range(2):
            _, answer = await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
            deployment = str(items(fields(answer)["deployments"])[0]["deployment_uuid"])
            coolify.clock.advance(30)
            ended = await coolify.row(f"/deployments/{deployment}")
            assert ended["status"] == "failed"
            assert f"failed to read /artifacts/{deployment}/.env: line " in str(json.loads(str(ended["logs"])))
            assert words in " ".join(str(line["output"]) for line in json.loads(str(ended["logs"])))
        assert [c.id for c in coolify.containers("muscle-1", SHOP)] == [before.id]
        await coolify.ask("DELETE", f"{ENVS}/{uuid}")
        await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
        coolify.clock.advance(30)
        assert [c.id for c in coolify.containers("muscle-1", SHOP)] != [before.id]


TWO_LINES = "line one\nline two"
ONE_WORD_EACH = "one\ntwo"
HOW: dict[str, dict[str, bool]] = {"plain": {}, "literal": {"is_literal": True}, "multiline": {"is_multiline": True}}


async def deployed(coolify: PretendCoolify, value: str, how: str) -> tuple[str, str, str | None]:
    """Give the shop a variable; return how its deployment ends, its log, and what the newest container has of it."""
    await coolify.made(ENVS, {"key": "LINES", "value": value, **HOW[how]})
    _, answer = await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
    uuid = str(items(fields(answer)["deployments"])[0]["deployment_uuid"])
    coolify.clock.advance(30)
    ended = await coolify.row(f"/deployments/{uuid}")
    log = " ".join(str(line["output"]) for line in json.loads(str(ended["logs"])))
    return str(ended["status"]), log, coolify.containers("muscle-1", SHOP)[-1].env.get("LINES")


@pytest.mark.parametrize(
    ("value", "plain", "arrives"),
    [(TWO_LINES, "failed", None), (ONE_WORD_EACH, "finished", "one")],
    ids=["with spaces", "one word each"],
)
async def test_a_line_break_in_a_value_of_an_app_ends_it_unless_it_is_quoted(
    tmp_path: Path, value: str, plain: str, arrives: str | None
) -> None:
    """The next line is no variable: with a space Compose reads nothing at all, as it was seen; without one it passes
    over it, and the rest of the value is lost (locateKeyName of compose-go)."""
    async with pretend_coolify(tmp_path / "plain") as coolify:
        status, log, found = await deployed(coolify, value, "plain")
        assert (status, found) == (plain, arrives)
        assert ("key cannot contain a space" in log) == (plain == "failed")
    for how in ("literal", "multiline"):
        async with pretend_coolify(tmp_path / how) as coolify:
            status, _, found = await deployed(coolify, value, how)
            assert (status, found) == ("finished", value)


@pytest.mark.parametrize("how", HOW)
async def test_a_line_break_breaks_a_dockerfile_unless_the_variable_is_multi_line(tmp_path: Path, how: str) -> None:
    """Coolify puts `ARG KEY=value` below FROM: the rest of the value is an instruction that nobody knows. A variable
    that is not for builds is not put there."""

    def built(state: WorldState) -> None:
        next(app for app in state.coolify.applications if app.uuid == SHOP).columns["build_pack"] = "dockerfile"

    async with pretend_coolify(tmp_path, built) as coolify:
        status, log, _ = await deployed(coolify, ONE_WORD_EACH, how)
        assert (status == "finished") == (how == "multiline")
        assert ("dockerfile parse error on line 3: unknown instruction: two" in log) == (status == "failed")
        (row,) = [row for row in await named(coolify, "LINES") if not row["is_preview"]]
        await coolify.ask("DELETE", f"{ENVS}/{row['uuid']}")
        await coolify.made(ENVS, {"key": "OTHER", "value": ONE_WORD_EACH, "is_buildtime": False, **HOW[how]})
        await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
        coolify.clock.advance(30)
        (container,) = coolify.containers("muscle-1", SHOP)
        assert container.env["OTHER"] == ("one" if how == "plain" else ONE_WORD_EACH)


@pytest.mark.parametrize("value", [TWO_LINES, ONE_WORD_EACH], ids=["with spaces", "one word each"])
@pytest.mark.parametrize("how", HOW)
async def test_a_line_break_in_a_value_of_a_service_starts_nothing_unless_it_is_quoted(
    tmp_path: Path, value: str, how: str
) -> None:
    """As it was seen. At the end of the file what follows is a value without a name, which Docker refuses to give to a
    container (compose-go, and opts.ValidateEnv of moby)."""
    async with pretend_coolify(tmp_path) as coolify:
        uuid = await coolify.made("/services", BODY)
        await coolify.made(f"/services/{uuid}/envs", {"key": "LINES", "value": value, **HOW[how]})
        await coolify.ask("POST", f"/services/{uuid}/start")
        coolify.clock.advance(CHECKED_S)
        found = {c.env.get("LINES") for c in coolify.containers("muscle-1", uuid)}
        assert found == (set() if how == "plain" else {value})


@pytest.mark.parametrize(("by_name", "second"), [(True, "first"), (False, "")], ids=["by name", "as they were made"])
async def test_a_value_refers_to_what_stands_above_it(tmp_path: Path, by_name: bool, second: str) -> None:
    """Coolify's own variables stand above all, those of the app in the order of their names or as they were made, and
    the port below (source, 4.3.11)."""

    def ordered(state: WorldState) -> None:
        app = next(app for app in state.coolify.applications if app.uuid == SHOP)
        app.settings["is_env_sorting_enabled"] = by_name

    async with pretend_coolify(tmp_path, ordered) as coolify:
        given = {"B": "$A", "A": "first", "AT": "at $COOLIFY_URL", "NO": "<$HOST>"}
        for key, value in given.items():
            await coolify.made(ENVS, {"key": key, "value": value})
        await coolify.ask("POST", "/deploy", query={"uuid": SHOP})
        coolify.clock.advance(30)
        (container,) = coolify.containers("muscle-1", SHOP)
        url = coolify.app(SHOP).text("fqdn")
        assert {key: container.env[key] for key in given} == {"B": second, "A": "first", "AT": f"at {url}", "NO": "<>"}
