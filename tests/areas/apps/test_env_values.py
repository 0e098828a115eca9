"""Which variables a compose file hands on as they are, and what is said of those that come back or do not."""

import pytest

from ink_infra_mcp.areas.apps.env_values import agrees
from ink_infra_mcp.areas.apps.envs import EnvNow, env_steps, names_otherwise


@pytest.mark.parametrize(
    "line",
    ["A: ${A}", "A: '${A}'", 'A: "${A}"', "- A=${A}", "- 'A=${A}'", "A: other", "B: ${AB}", "# nothing", "X: $${A}"],
)
def test_a_variable_under_its_own_name_is_handed_on(line: str) -> None:
    """`NAME: ${NAME}` stays a reference in Coolify's file; so does a name that only looks alike."""
    assert not names_otherwise(f"services:\n  web:\n    environment:\n      {line}\n", "A")


@pytest.mark.parametrize(
    "line", ["B: ${A}", "A: ${A:-x}", "A: ${A-}", "A: pre-${A}", "- B=${A}", "A: $A", "command: run $A", "B: '${A?no}'"]
)
def test_a_variable_under_another_name_or_with_a_default_is_expanded_again(line: str) -> None:
    """Coolify writes the raw value into the file for these: whatever is not the plain reference counts as one."""
    assert names_otherwise(f"services:\n  web:\n    environment:\n      {line}\n", "A")


def test_containers_agree_only_when_one_has_the_value_and_none_has_another() -> None:
    """No container, no such variable, another value anywhere, or a value that is not known: none of it is agreement."""
    assert agrees([{"A": "1"}, {}], "A", "1")
    nothing: dict[str, str] = {}
    assert not agrees([], "A", "1")
    assert not agrees([nothing], "A", "1")
    assert not agrees([{"A": "1"}, {"A": "2"}], "A", "1")
    assert not agrees([{"A": ""}], "A", "")


def test_the_undo_says_of_each_variable_what_becomes_of_it() -> None:
    """Added ones go again, known ones come back, and the others are named as lost, before anything is approved."""
    was = {"value": "1", "is_literal": True}
    now = EnvNow(
        digests={"B": None, "C": None},
        wanted=dict.fromkeys("ABC", "x"),
        changed=("A", "B", "C"),
        uuids={"A": ("copy",)},
        earlier={"B": {**was}},
    )
    (step,) = env_steps(now, target="shop", app="uuid", new=False)
    assert step.undo is not None
    assert step.undo.summary == (
        "remove A again; put back B as before; C cannot be put back, for only Coolify has the earlier value"
    )
    assert step.undo.params == {
        "app": "uuid",
        "service": False,
        "added": ["A"],
        "kept": ["copy"],
        "earlier": {"B": was},
        "lost": ["C"],
    }
    assert step.undoes == ("set_env",)
    (fresh,) = env_steps(now, target="shop", app="uuid", new=True)
    assert (fresh.undo, fresh.undoes) == (None, ())
