"""What every tool promises in its contract, whatever it does: few words, honest annotations, strict small schemas."""

import re
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ink_infra_mcp.core.arguments import OPTIONS
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.server.contracts import contract_of
from tests.contract.catalog import MUTATIONS, NAMES, TOOLS, contracts
from tests.server.backends import Echo, Stop

VERBS = frozenset(
    {
        *("add", "apply", "backup", "build", "cancel", "check", "connect", "control", "delete", "deploy", "diagnose"),
        *(
            "get",
            "list",
            "move",
            "patch",
            "reboot",
            "remove",
            "repair",
            "restore",
            "resume",
            "roll",
            "rollback",
            "rotate",
        ),
        *("set", "setup", "upgrade"),
    }
)
NAME = re.compile(r"^[a-z]+(?:_[a-z]+)+$")
SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z`~?]|$)")
APPROVING = re.compile(
    r"(?:^|_)(?:approv\w*|confirm\w*|consent|yes|force|sure|token|password|secret|authori[sz]\w*|otp|override|skip_\w+)"
    r"(?:_|$)"
)
ANNOTATIONS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
UNPORTABLE = {"additionalProperties", "anyOf", "oneOf", "allOf", "const", "$ref", "$defs", "not", "patternProperties"}
"""What at least one host's converter loses or refuses in arguments (tests/converters); a name here is no argument's."""
MAX_NAME = 64 - len("mcp__ink-infra-mcp__")
"""Clients put their own prefix before a name, and some models take 64 characters in all."""


def nodes(schema: object) -> Iterator[dict[str, Any]]:
    """Yield every object inside a JSON schema, itself included."""
    if isinstance(schema, list):
        for part in cast(list[object], schema):
            yield from nodes(part)
    if isinstance(schema, dict):
        held = cast(dict[str, Any], schema)
        yield held
        for part in held.values():
            yield from nodes(part)


def argument_names(schema: dict[str, Any]) -> set[str]:
    """Return the names of the arguments in an input schema, those of nested objects included."""
    return {name for node in nodes(schema) if isinstance(node.get("properties"), dict) for name in node["properties"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_named_by_a_verb_and_a_noun(name: str) -> None:
    """The name says the act first, in lower case, short enough for the prefixes that clients put before it."""
    assert NAME.match(name)
    assert name.split("_", 1)[0] in VERBS
    assert len(name) <= MAX_NAME


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_says_in_few_words_what_it_is(name: str) -> None:
    """Each argument has one of at most twelve words, those inside an object too; in `options` each line has."""
    schema = contracts()[name]["inputSchema"]
    arguments = [each for node in nodes(schema) if "properties" in node for each in node["properties"].items()]
    for argument, said in arguments:
        for part in said["description"].split("; ") if argument == OPTIONS else [said["description"]]:
            assert 1 <= len(part.split()) <= 12, (argument, part)


@pytest.mark.parametrize("name", NAMES)
def test_a_description_has_at_most_three_sentences(name: str) -> None:
    """A model reads what the tool does, when to use it and what it will not do, and no more."""
    description = contracts()[name]["description"]
    assert 1 <= len(SENTENCE_END.findall(description)) <= 3, description
    assert description.endswith(".")
    assert "\n" not in description


def test_sentences_are_counted_as_people_count_them() -> None:
    """A dot inside a name ends no sentence; a mark before a capital does."""
    assert [len(SENTENCE_END.findall(t)) for t in ("A b.c d.", "A. B!", "Use v4.3. Then? Stop.")] == [1, 2, 3]


@pytest.mark.parametrize("name", NAMES)
def test_every_annotation_is_set(name: str) -> None:
    """No annotation is left to the client's default, and a title is there for people."""
    contract = contracts()[name]
    assert set(contract["annotations"]) == ANNOTATIONS
    assert all(isinstance(value, bool) for value in contract["annotations"].values())
    assert contract["title"]


@pytest.mark.parametrize("name", NAMES)
def test_both_schemas_are_sound_and_portable(name: str) -> None:
    """Schemas are JSON Schema 2020-12 objects. No unknown result field is possible; that no unknown argument is, the
    tool itself says: Google's converter refuses a schema that does.
    """
    contract = contracts()[name]
    for schema in (contract["inputSchema"], contract["outputSchema"]):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        assert not {"anyOf", "oneOf", "allOf", "$ref"} & set(schema)
    assert contract["outputSchema"]["additionalProperties"] is False
    assert [key for node in nodes(contract["inputSchema"]) for key in UNPORTABLE & node.keys()] == []


@pytest.mark.parametrize("name", NAMES)
def test_choices_are_texts(name: str) -> None:
    """Every enum and const holds texts only: several providers refuse numbers and null there."""
    contract = contracts()[name]
    choices = [
        choice
        for schema in (contract["inputSchema"], contract["outputSchema"])
        for node in nodes(schema)
        for choice in [*(node.get("enum") or ()), *([node["const"]] if "const" in node else [])]
    ]
    assert [choice for choice in choices if not isinstance(choice, str)] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_limit_fits_the_type_that_it_stands_on(name: str) -> None:
    """A bound that JSON Schema ignores on its type (a text's length on an object) would be no bound."""
    fitting = {
        **dict.fromkeys(("minLength", "maxLength", "pattern"), "string"),
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), "integer"),
        **dict.fromkeys(("minItems", "maxItems", "uniqueItems"), "array"),
        **dict.fromkeys(("minProperties", "maxProperties"), "object"),
    }
    for node in nodes(contracts()[name]["inputSchema"]):
        assert [word for word, kind in fitting.items() if word in node and node.get("type") != kind] == [], node


@pytest.mark.parametrize("name", NAMES)
def test_no_argument_can_approve(name: str) -> None:
    """No argument is named for a yes, a token or a secret: approval comes from a person, secrets from a store."""
    [tool] = [tool for tool in TOOLS if tool.name == name]
    named = argument_names(contracts()[name]["inputSchema"]) | argument_names(tool.args.model_json_schema())
    assert {found for found in named if APPROVING.search(found)} == set()


@pytest.mark.parametrize("word", ["confirm", "approved", "approval_token", "force", "skip_approval", "api_token"])
def test_an_approving_argument_is_found(word: str) -> None:
    """The search knows the usual names of such an argument, at any depth."""
    schema: dict[str, Any] = {"properties": {"a": {"items": {"properties": {word: {}}}}}}
    assert {found for found in argument_names(schema) if APPROVING.search(found)} == {word}


def test_reading_tools_are_read_only_and_the_others_are_not() -> None:
    """Exactly the tools without a plan are called read-only, so that --read-only keeps exactly those."""
    read_only = {name for name, contract in contracts().items() if contract["annotations"]["readOnlyHint"]}
    assert read_only == {tool.name for tool in TOOLS} - {tool.name for tool in MUTATIONS}


RISKS = {f"seeded.{risk.value}": risk for risk in Risk}


@given(st.lists(st.sampled_from(sorted(RISKS)), min_size=1, unique=True))
def test_annotations_come_from_the_worst_step(kinds: list[str]) -> None:
    """Whatever steps a tool can plan, its annotations are those of the most harmful one, and never read-only."""

    class Seeded(Stop):
        """Stop an app."""

        kinds: ClassVar[tuple[str, ...]]

    Seeded.kinds = tuple(kinds)
    worst = max((Risk.SAFE, *(RISKS[kind] for kind in kinds)), key=lambda risk: risk.rank)
    contract = contract_of(Seeded(), RISKS)
    assert contract["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": worst in {Risk.DISRUPTIVE, Risk.DESTRUCTIVE, Risk.CRITICAL},
        "idempotentHint": True,
        "openWorldHint": True,
    }
    assert contract["_meta"]["ink-infra/risk"] == worst.value


@given(st.lists(st.sampled_from(sorted(RISKS)), min_size=1, unique=True), st.sampled_from(sorted(RISKS)))
def test_one_more_step_kind_never_makes_a_tool_look_safer(kinds: list[str], more: str) -> None:
    """Adding a step kind can raise the risk that a client is told, and never lowers it."""

    class Fewer(Stop):
        """Stop an app."""

    class More(Stop):
        """Stop an app."""

    Fewer.kinds, More.kinds = tuple(kinds), (*kinds, more)
    before, after = (Risk(contract_of(t(), RISKS)["_meta"]["ink-infra/risk"]) for t in (Fewer, More))
    assert after.rank >= before.rank


def test_a_query_is_always_read_only() -> None:
    """A tool without a plan is told to be harmless, and its world open or closed as it says."""

    class Closed(Echo):
        """Say the words again."""

        open_world: ClassVar[bool] = False

    found = [contract_of(tool, {})["annotations"] for tool in (Echo(), Closed())]
    safe = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True}
    assert found == [{**safe, "openWorldHint": True}, {**safe, "openWorldHint": False}]
