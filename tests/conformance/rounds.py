"""The suite's tools and prompt that answer with questions first (protocol 2026-07-28)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from mcp import types

from tests.conformance.plain import Content, Context, one_text, text


@dataclass(frozen=True)
class Round:
    """What a retried call brings: the client's answers, and the state that was given out with the questions."""

    answers: dict[str, Any]
    state: str | None

    def field(self, question: str, name: str) -> str | None:
        """Return a text that a person typed, or None when that question was not answered with it."""
        answer = self.answers.get(question)
        value = (answer.content or {}).get(name) if isinstance(answer, types.ElicitResult) else None
        return value if isinstance(value, str) else None


Asked = types.InputRequiredResult
Turn = Callable[[Context, Round], Awaitable[Content | Asked]]


def form(message: str, field: str, kind: str = "string") -> types.ElicitRequest:
    """Return a question to the person with one required field."""
    schema = one_text(field) | {"properties": {field: {"type": kind}}}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int = 100) -> types.CreateMessageRequest:
    """Return a question to the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text=prompt))
    return types.CreateMessageRequest(
        params=types.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def sampled(answer: object) -> str:
    """Return the text of a model's answer."""
    content = answer.content if isinstance(answer, types.CreateMessageResult) else None
    return content.text if isinstance(content, types.TextContent) else "no text"


async def person(_: Context, turn: Round) -> Content | Asked:
    """Ask for a name, then greet."""
    name = turn.field("user_name", "name")
    if name is None:
        return Asked(input_requests={"user_name": form("What is your name?", "name")})
    return text(f"Hello, {name}!")


async def model(_: Context, turn: Round) -> Content | Asked:
    """Ask the client's model, then repeat what it said."""
    if "capital_question" not in turn.answers:
        return Asked(input_requests={"capital_question": sample("What is the capital of France?")})
    return text(sampled(turn.answers["capital_question"]))


async def roots(_: Context, turn: Round) -> Content | Asked:
    """Ask for the client's roots, then list them."""
    answer = turn.answers.get("client_roots")
    if not isinstance(answer, types.ListRootsResult):
        return Asked(input_requests={"client_roots": types.ListRootsRequest()})
    return text(f"roots: {[str(root.uri) for root in answer.roots]}")


async def state(_: Context, turn: Round) -> Content | Asked:
    """Give out a state with the question, and want it back with the answer."""
    if turn.state != "asked" or "confirm" not in turn.answers:
        return Asked(input_requests={"confirm": form("Please confirm", "ok", "boolean")}, request_state="asked")
    return text("state-ok")


async def several(_: Context, turn: Round) -> Content | Asked:
    """Ask three different things at once."""
    name = turn.field("user_name", "name")
    if turn.state != "asked" or name is None or not {"greeting", "client_roots"} <= set(turn.answers):
        questions = {
            "user_name": form("What is your name?", "name"),
            "greeting": sample("Generate a greeting", 50),
            "client_roots": types.ListRootsRequest(),
        }
        return Asked(input_requests=questions, request_state="asked")
    return text(f"{sampled(turn.answers['greeting'])}, {name}")


async def in_turn(_: Context, turn: Round) -> Content | Asked:
    """Ask two things one after the other; the first answer is carried in the state."""
    name, color = turn.field("step1", "name"), turn.field("step2", "color")
    if turn.state is not None and turn.state.startswith("name:") and color is not None:
        return text(f"{turn.state.removeprefix('name:')} likes {color}")
    if turn.state == "first" and name is not None:
        question = form("Step 2: What is your favorite color?", "color")
        return Asked(input_requests={"step2": question}, request_state=f"name:{name}")
    return Asked(input_requests={"step1": form("Step 1: What is your name?", "name")}, request_state="first")


async def what_the_client_can(ctx: Context, turn: Round) -> Content | Asked:
    """Ask only what the client declared that it can answer."""
    declared = ctx.session.client_capabilities or types.ClientCapabilities()
    questions: dict[str, types.ElicitRequest | types.CreateMessageRequest | types.ListRootsRequest] = {}
    if declared.sampling is not None:
        questions["model"] = sample("Say hello")
    if declared.elicitation is not None:
        questions["person"] = form("What is your name?", "name")
    if questions and not turn.answers:
        return Asked(input_requests=dict(questions))
    return text(f"answered: {sorted(turn.answers)}")


TURNS: dict[str, Turn] = {
    "test_input_required_result_elicitation": person,
    "test_input_required_result_sampling": model,
    "test_input_required_result_list_roots": roots,
    "test_input_required_result_request_state": state,
    "test_input_required_result_tampered_state": state,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": in_turn,
    "test_input_required_result_capabilities": what_the_client_can,
    "test_streaming_elicitation": person,
}


def prompt(turn: Round) -> types.GetPromptResult | Asked:
    """Ask what a prompt is about, then give it."""
    about = turn.field("user_context", "context")
    if about is None:
        return Asked(input_requests={"user_context": form("What context should the prompt use?", "context")})
    message = types.PromptMessage(role="user", content=types.TextContent(text=f"Consider: {about}"))
    return types.GetPromptResult(messages=[message])
