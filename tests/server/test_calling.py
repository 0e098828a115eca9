"""tools/call: strict arguments, errors that a model can act on, and faults that tell nobody anything."""

import logging

import anyio
import pytest
from mcp.types import CallToolResult
from pydantic import BaseModel, ConfigDict

from ink_infra_mcp.core.errors import InkError, NotFound, UnknownName, VendorError
from ink_infra_mcp.core.redact import mask
from ink_infra_mcp.server.build import build_server
from tests.ink import ERAS, Era, data, text
from tests.server.backends import (
    PASSWORD,
    Desk,
    Echo,
    EchoArgs,
    EchoReport,
    Stop,
    client_of,
    question,
    settings_of,
    stop_plan,
)
from tests.server.raw import raw

pytestmark = pytest.mark.anyio


async def called(
    desk: Desk, arguments: dict[str, object] | None, *, tool: str = "get_echo", era: Era = "auto"
) -> CallToolResult:
    """Return what a client gets for one call."""
    with anyio.fail_after(30):
        async with client_of(desk, era=era) as client:
            return await client.call_tool(tool, arguments)


def raising(error: Exception) -> Desk:
    """Return an application whose reading tool raises."""

    async def observe(args: EchoArgs) -> EchoReport:
        raise error

    return Desk([Echo(observe), Stop()])


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_answers_with_text_and_data(era: Era) -> None:
    """A person gets a short text and a program the same as structured content, in both eras."""
    result = await called(Desk([Echo()]), {"words": "good day"}, era=era)
    assert (result.is_error, text(result), data(result)) == (False, "good day", {"words": "good day"})


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_without_arguments_takes_the_defaults(era: Era) -> None:
    """A client may leave the arguments out altogether."""
    assert data(await called(Desk([Echo()]), None, era=era)) == {"words": "hello"}


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_argument_is_refused_by_name(era: Era) -> None:
    """An argument that the tool does not have stops the call, and is named: nothing is silently ignored."""
    result = await called(Desk([Echo()]), {"words": "hello", "dry_run": True}, era=era)
    assert result.is_error
    assert text(result) == "[invalid_input] Nothing was done. dry_run: there is no such argument"


async def test_an_unknown_argument_never_reaches_a_change() -> None:
    """A mutation with an argument too many is not even planned."""
    desk = Desk([Stop()])
    result = await called(desk, {"app": "shop", "confirm": True}, tool="stop_app")
    assert (result.is_error, desk.callers) == (True, [])
    assert "confirm: there is no such argument" in text(result)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"words": "x" * 21}, "words: has more than 20 characters"),
        ({"times": 9}, "times: must be at most 3"),
        ({"labels": {"a": "b"}}, "labels.a: must be a whole number"),
        ({"words": ["hello"]}, "words: must be text, in quotes"),
        ({"word": "hello"}, "word: there is no such argument; did you mean `words`?"),
        ({"times": 1.5}, "times: must be a whole number"),
    ],
)
async def test_a_bad_value_is_named_and_not_repeated(arguments: dict[str, object], said: str) -> None:
    """The answer says which argument is wrong and what would be right, and never shows the value itself."""
    result = await called(Desk([Echo()]), arguments)
    assert (result.is_error, text(result)) == (True, f"[invalid_input] Nothing was done. {said}")


async def test_a_secret_in_the_place_of_a_name_is_masked() -> None:
    """A secret that a model put where a name belongs does not come back in the refusal."""
    result = await called(Desk([Echo()]), {"labels": {PASSWORD: "x"}, PASSWORD: 1})
    assert result.is_error
    assert PASSWORD not in text(result)
    assert f"labels.{mask(len(PASSWORD))}: must be a whole number" in text(result)


async def test_many_faults_are_told_in_few_words() -> None:
    """A call that is wrong all over gets a bounded answer."""
    result = await called(Desk([Echo()]), {f"unknown_{number}": 1 for number in range(500)})
    assert text(result).count("there is no such argument") == 10


async def test_control_characters_do_not_come_back() -> None:
    """An argument name with escape sequences is shown without them."""
    result = await called(Desk([Echo()]), {"\x1b[31mred\u202e": 1})
    assert text(result) == "[invalid_input] Nothing was done. red<U+202E>: there is no such argument"


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_a_result_that_lists_the_known_ones(era: Era) -> None:
    """A model that misremembers a name can correct itself; the application is not opened for it."""
    result = await called(Desk([Echo(), Stop()]), {}, tool="destroy_everything", era=era)
    assert result.is_error
    assert text(result) == (
        "[unknown_name] There is no tool 'destroy_everything' here. Nothing was done. Known: get_echo, stop_app."
    )


async def test_an_error_has_three_parts() -> None:
    """An expected failure says what failed, what was done, and what to do next, behind its stable code."""
    error = UnknownName("There is no app 'shop'.", done="Nothing was changed.", next="See list_apps.")
    result = await called(raising(error), {})
    assert result.is_error
    assert text(result) == "[unknown_name] There is no app 'shop'. Nothing was changed. See list_apps."


@pytest.mark.parametrize(
    "error",
    [
        InkError(f"The login with {PASSWORD} failed.", next=f"Do not use {PASSWORD}."),
        NotFound(f"No {PASSWORD} there.", service="Coolify", body={"password": PASSWORD}),
        VendorError("Refused: Authorization: Bearer abcdefgh12345678", service="Coolify"),
    ],
    ids=["known value", "vendor", "shape"],
)
async def test_an_error_shows_no_secret(error: InkError) -> None:
    """Known secrets and what looks like one are masked in every error, whatever raised it."""
    said = text(await called(raising(error), {}))
    assert "characters hidden)" in said
    assert PASSWORD not in said
    assert "abcdefgh12345678" not in said


@pytest.mark.parametrize("era", ERAS)
async def test_a_crash_hides_its_text_and_is_logged(era: Era, caplog: pytest.LogCaptureFixture) -> None:
    """A fault of ours tells the model its kind and where to look, the log all of it, and the server goes on."""
    desk = raising(ZeroDivisionError("the inside of things"))
    with caplog.at_level(logging.ERROR), anyio.fail_after(30):
        async with client_of(desk, era=era) as client:
            result = await client.call_tool("get_echo", {})
            after = await client.call_tool("get_echo", {"times": 7})

    assert result.is_error
    assert text(result).startswith("[bug] ink-infra-mcp broke with ZeroDivisionError.")
    assert "the inside of things" not in text(result)
    assert [(r.name, r.levelname) for r in caplog.records] == [("ink_infra_mcp.server.binding", "ERROR")]
    assert "the inside of things" in (caplog.records[0].exc_text or caplog.text)
    assert text(after).startswith("[invalid_input]")


class Numbers(BaseModel):
    """A vendor's answer, in a test."""

    model_config = ConfigDict(frozen=True)

    count: int


async def test_a_client_that_goes_while_its_person_is_asked_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """The question is taken back, and the log tells of nothing that broke."""
    desk = Desk([Stop()], asked=question(stop_plan("shop")))
    with caplog.at_level(logging.WARNING), anyio.fail_after(30):
        async with raw(build_server(settings_of(desk))) as client:
            await client.handshake("2025-11-25", {"elicitation": {}})
            await client.begin("tools/call", {"name": "stop_app", "arguments": {"app": "shop"}})
            asked = await client.hear()
            await client.hang_up()
            await anyio.wait_all_tasks_blocked()
    assert asked["method"] == "elicitation/create"
    assert (desk.left, caplog.records) == (["ap-0000000001"], [])


async def test_a_fault_inside_a_tool_is_not_blamed_on_the_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """A value that does not validate inside a tool is our fault: it is not told as `nothing was done`."""

    async def observe(args: EchoArgs) -> EchoReport:
        return EchoReport(words=str(Numbers.model_validate({"count": "many"}).count))

    result = await called(Desk([Echo(observe)]), {})
    assert text(result).startswith("[bug] ink-infra-mcp broke with ValidationError.")
    assert "many" not in text(result)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("era", ERAS)
async def test_every_result_fits_its_published_shape(era: Era) -> None:
    """A client that checks answers against the output schema accepts them, filled or not."""

    async def observe(args: EchoArgs) -> EchoReport:
        return EchoReport(words="", lines=("a",) * args.times, labels={"a": "b"} if args.times > 1 else {})

    with anyio.fail_after(30):
        async with client_of(Desk([Echo(observe)]), era=era) as client:
            await client.list_tools()
            found = [data(await client.call_tool("get_echo", {"times": times})) for times in (1, 2)]
    assert found == [{"words": "", "lines": ["a"]}, {"words": "", "lines": ["a", "a"], "labels": {"a": "b"}}]
