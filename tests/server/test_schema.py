"""Schemas of arguments as they go over the wire: one shape that every host's converter keeps whole."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from ink_infra_mcp.core.arguments import Mark
from ink_infra_mcp.server.schema import input_schema


class Bought(BaseModel):
    """Bought; this docstring is ours."""

    kind: Literal["bought"]
    size: Literal["small", "large"]
    place: Annotated[str, Field(description="Where")]
    days: int = 7
    colour: Annotated[Literal["red", "blue"], Field(description="of the box"), Mark.OPTION] = "red"
    weight: Annotated[int | None, Mark.OPTION] = None


class Found(BaseModel):
    """Found."""

    kind: Literal["found"]
    size: Literal["tiny", "small"]


class Other(BaseModel):
    """Another thing that is called days."""

    kind: Literal["other"]
    days: str


class Wanted(BaseModel):
    """What a tool takes."""

    source: Annotated[Bought | Found, Field(discriminator="kind", description="From where")]
    part: Annotated[Found | None, Field(description="One of these")] = None


class Torn(BaseModel):
    """A tool whose union cannot be said as one object."""

    source: Annotated[Bought | Other, Field(discriminator="kind")]


def test_a_union_is_one_object_that_says_what_belongs_to_which_kind() -> None:
    """Nothing of a part is lost: its arguments with their words and their kinds, all choices, and its options."""
    size = {"type": "string", "enum": ["small", "large", "tiny"]}
    kind = {"type": "string", "enum": ["bought", "found"]}
    words = "NAME=value: colour (red|blue, of the box); weight"
    options = {"type": "array", "items": {"type": "string"}, "description": words}
    place = {"type": "string", "description": "bought: Where"}
    days = {"type": "integer", "default": 7, "description": "[bought]"}
    assert input_schema(Wanted) == {
        "type": "object",
        "properties": {
            "source": {
                "type": "object",
                "properties": {"kind": kind, "size": size, "place": place, "days": days, "options": options},
                "required": ["kind", "size"],
                "description": "From where",
            },
            "part": {
                "type": "object",
                "properties": {
                    "kind": {"type": "string", "enum": ["found"]},
                    "size": {"type": "string", "enum": ["tiny", "small"]},
                },
                "required": ["kind", "size"],
                "description": "One of these",
            },
        },
        "required": ["source"],
    }


def test_a_union_that_one_object_cannot_say_is_refused() -> None:
    """One name that means two things is found when the contract is made, not by a model that guesses."""
    with pytest.raises(ValueError, match="days is one thing in one part of a union and another in the next"):
        input_schema(Torn)
