"""Others' errors in our words: no number of the system, no file of OpenSSL's, no frame of pydantic's."""

import re
from typing import Annotated, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from ink_infra_mcp.core.words import of_connection, of_fault, own_words

RAW = re.compile(
    r"Value error|Extra inputs|Input should|should be|should have|valid (?:string|integer)|Errno|_ssl\.c|\[SSL"
)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("[Errno -2] Name or service not known", "no name server knows that name"),
        ("[Errno 8] nodename nor servname provided, or not known", "no name server knows that name"),
        (
            "[Errno -3] Temporary failure in name resolution",
            "the name could not be looked up: no name server answered",
        ),
        ("[Errno 111] Connection refused", "the connection is refused"),
        ("[Errno 111] Connect call failed ('192.0.2.1', 22)", "the connection is refused"),
        ("[Errno 113] Connect call failed ('192.0.2.1', 22)", "no way leads there"),
        ("[Errno 9999] Connect call failed ('192.0.2.1', 22)", "no connection could be made"),
        ("All connection attempts failed", "no connection could be made"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)",
            "its certificate is not trusted: self-signed certificate",
        ),
        (
            "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)",
            "what stands there speaks no TLS (https to a port of plain http?)",
        ),
        (
            "[SSL: RECORD_LAYER_FAILURE] record layer failure (_ssl.c:1006)",
            "what stands there speaks no TLS (https to a port of plain http?)",
        ),
        ("[SSL: TLSV1_ALERT_INTERNAL_ERROR] tlsv1 alert internal error (_ssl.c:1006)", "tlsv1 alert internal error"),
        ("[Errno 28] No space left on device", "No space left on device"),
        ("Server disconnected without sending a response.", "Server disconnected without sending a response"),
        ("", ""),
    ],
)
def test_an_error_of_a_connection_is_told_in_our_words(said: str, means: str) -> None:
    """What is known is told as what it means; what is not loses its numbers and keeps its words."""
    assert of_connection(said) == means


class Inner(BaseModel):
    """A part of the arguments."""

    kind: Literal["a", "b"]


class Model(BaseModel):
    """One argument for each thing that can be wrong."""

    model_config = ConfigDict(extra="forbid")

    needed: str
    text: Annotated[str, Field(min_length=1, max_length=3, pattern=r"^[a-z]*$")] = "x"
    long: Annotated[str, Field(min_length=4)] = "long"
    number: Annotated[int, Field(ge=1, le=3)] = 1
    flag: bool = False
    names: tuple[str, ...] = ()
    labels: dict[str, int] = {}
    inner: Inner | None = None
    at: AwareDatetime | None = None
    checked: str = ""

    @field_validator("checked")
    @classmethod
    def _check(cls, value: str) -> str:
        if value:
            raise ValueError("write nothing here")
        return value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["is missing"]),
        ({"needed": "x", "other": 1}, ["there is no such argument"]),
        ({"needed": ["x"]}, ["must be text, in quotes"]),
        ({"needed": "x", "text": ""}, ["is empty"]),
        ({"needed": "x", "text": "abcd"}, ["has more than 3 characters"]),
        ({"needed": "x", "text": "A"}, ["must be of the form ^[a-z]*$"]),
        ({"needed": "x", "long": "abc"}, ["has fewer than 4"]),
        ({"needed": "x", "number": 0}, ["must be at least 1"]),
        ({"needed": "x", "number": 4}, ["must be at most 3"]),
        ({"needed": "x", "number": "many"}, ["must be a whole number"]),
        ({"needed": "x", "flag": "perhaps"}, ["must be true or false"]),
        ({"needed": "x", "names": "one"}, ["must be a list"]),
        ({"needed": "x", "labels": []}, ["must be an object"]),
        ({"needed": "x", "inner": {"kind": "c"}}, ["must be `a` or `b`"]),
        ({"needed": "x", "inner": "a"}, ["must be an object"]),
        ({"needed": "x", "at": "2026-01-01T00:00:00"}, ["must have a zone, such as Z or +01:00"]),
        ({"needed": "x", "checked": "x"}, ["write nothing here"]),
    ],
)
def test_a_fault_of_an_argument_is_told_in_our_words(arguments: dict[str, object], words: list[str]) -> None:
    """Each kind of fault says what would be right, without pydantic's phrases and without the value."""
    with pytest.raises(ValidationError) as caught:
        Model.model_validate(arguments)
    found = [of_fault(fault) for fault in caught.value.errors()]
    assert (found, [word for word in found if RAW.search(word)]) == (words, [])


def test_a_kind_of_fault_that_nobody_knows_keeps_its_words() -> None:
    """A message of a newer pydantic comes through without the frame."""
    assert of_fault({"type": "new_kind", "msg": "Input should be green"}) == "must be green"
    assert own_words("Value error, each name once") == "each name once"
