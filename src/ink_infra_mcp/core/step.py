"""What a step handler receives, and its promise."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.operation import Results
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject

Say = Callable[[str], None]
"""Tells whoever follows the operation what is going on, in one short line."""


@dataclass(frozen=True, slots=True)
class StepCall:
    """One run of one step: its parameters, what earlier steps returned, and the permit to write."""

    operation_id: str
    step_id: str
    kind: str
    target: str
    params: JsonObject
    results: Results
    permit: Permit
    clock: Clock
    say: Say

    def text(self, name: str) -> str:
        """Return the text parameter `name`.

        Raises:
            KeyError, TypeError: the plan that made this step is wrong.
        """
        value = self.params[name]
        if not isinstance(value, str):
            raise TypeError(f"step {self.step_id}: {name} is not text")
        return value

    def number(self, name: str) -> int:
        """Return the whole number `name`.

        Raises:
            KeyError, TypeError: the plan that made this step is wrong.
        """
        value = self.params[name]
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"step {self.step_id}: {name} is no number")
        return value

    def given(self, name: str) -> str:
        """Return the text parameter `name`, or what an earlier step returned where it is `{"step": id, "field": f}`.

        Raises:
            KeyError, TypeError: the plan that made this step is wrong.
        """
        value = self.params[name]
        if isinstance(value, dict):
            value = self.results[str(value["step"])][str(value["field"])]
        if not isinstance(value, str):
            raise TypeError(f"step {self.step_id}: {name} is not text")
        return value

    def filled(self, name: str) -> JsonValue:
        """Return the parameter with every `{"step": id, "field": f}` in it replaced by what that step returned.

        Raises:
            KeyError: the plan that made this step is wrong.
        """
        return _filled(self.params[name], self.results)


def _filled(value: JsonValue, results: Results) -> JsonValue:
    if isinstance(value, list):
        return [_filled(part, results) for part in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"step", "field"}:
        return results[str(value["step"])][str(value["field"])]
    return {name: _filled(part, results) for name, part in value.items()}


def result_of(step_id: str, name: str) -> JsonObject:
    """Return the parameter value that stands for field `name` of what step `step_id` will return."""
    return {"step": step_id, "field": name}


Handler = Callable[[StepCall], Awaitable[JsonObject]]
"""Runs one step: looks first, acts only if needed, looks again, returns JSON.

Safe to run twice: creation looks for its own marker (`ink-operation=<id>`) before it creates. Raises `StepFailed` or
another `InkError` when the step did not reach its end; no secret is ever in what it returns.
"""
