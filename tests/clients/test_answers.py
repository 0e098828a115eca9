"""A good answer that is not as the vendor documents it: what it means for what was asked."""

import pytest
from pydantic import BaseModel, JsonValue

from ink_infra_mcp.clients.answers import Answer, shaped
from ink_infra_mcp.clients.envelope import Envelope
from ink_infra_mcp.core.errors import MAYBE_DONE, NOTHING_DONE, BadAnswer, OutcomeUnknown, unsettled


class Thing(BaseModel):
    """What is documented."""

    id: int


def answer(method: str, json: JsonValue, *, permitted: bool = False) -> Answer:
    """Return a good answer with a vendor's name for the request."""
    return Answer(method, "/things", 200, {"x-correlation-id": "c-1"}, "", json, permitted)


def refused(given: Answer) -> BadAnswer:
    """Return the error for a thing that is not there."""
    with pytest.raises(BadAnswer) as error:
        Envelope("Vendor").parsed(given, "thing", Thing)
    return error.value


def test_a_strange_answer_to_a_write_leaves_it_open() -> None:
    """Nobody may say that it failed or that nothing was changed, whatever the method was."""
    for given in (answer("POST", {}), answer("DELETE", {"thing": {}}), answer("GET", {}, permitted=True)):
        error = refused(given)
        open_ = unsettled(error, acted=False)
        assert (error.done, error.service, error.request_id) == (MAYBE_DONE, "Vendor", "c-1")
        assert isinstance(open_, OutcomeUnknown)
        assert open_.done == MAYBE_DONE


def test_a_strange_answer_to_a_read_leaves_open_only_what_was_sent_before_it() -> None:
    """By itself it changed nothing; after a write it is a look that failed."""
    error = refused(answer("GET", {"thing": {"id": "x"}}))
    assert (error.done, unsettled(error, acted=False)) == (NOTHING_DONE, None)
    assert isinstance(unsettled(error, acted=True), OutcomeUnknown)


@pytest.mark.parametrize(
    ("json", "why"),
    [
        ({}, "things is missing"),
        ({"things": {}}, "things is not a list"),
        ({"things": [{"id": 1}, {}]}, "Thing.id is missing or of another shape"),
        ([], "things is missing"),
    ],
)
def test_what_is_wrong_with_a_list_is_told(json: JsonValue, why: str) -> None:
    """The place is named, and never what stood there."""
    with pytest.raises(BadAnswer) as error:
        Envelope("Vendor").listed(answer("GET", json), "things", Thing)
    assert error.value.failed == f"Vendor answered GET /things with something else than documented: {why}."


def test_what_is_as_documented_is_taken() -> None:
    """More than that may stand there."""
    assert shaped("Vendor", answer("GET", None), {"id": 1, "new": "x"}, Thing) == Thing(id=1)
