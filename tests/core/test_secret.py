"""Secrets are shown by nothing but `reveal`."""

import copy
import json
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from ink_infra_mcp.core.secret import MASK, Secret

VALUE = "correct-horse-battery"


class Login(BaseModel):
    """A model with a secret in it."""

    user: str
    password: Secret


def test_only_reveal_gives_the_value() -> None:
    """Printing, formatting and joining show the mask, `reveal` the value, `source` where it came from."""
    secret = Secret(VALUE, source="environment INK_X")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", format(secret, "x"), f"{[secret]}"]
    assert not any(VALUE in text for text in shown)
    assert (secret.reveal(), secret.source) == (VALUE, "environment INK_X")


def test_a_model_shows_the_mask_and_keeps_the_value() -> None:
    """Dumping a model to Python or JSON masks the secret; the model itself still has it."""
    login = Login(user="root", password=Secret(VALUE))
    assert login.model_dump() == {"user": "root", "password": MASK}
    assert json.loads(login.model_dump_json()) == {"user": "root", "password": MASK}
    assert (VALUE in repr(login), login.password.reveal()) == (False, VALUE)


def test_a_model_takes_text_and_names_itself_write_only() -> None:
    """Plain text becomes a secret, anything else is an error, and the schema says `writeOnly`."""
    assert Login.model_validate({"user": "root", "password": VALUE}).password == Secret(VALUE)
    assert Login.model_json_schema()["properties"]["password"] == {
        "type": "string",
        "writeOnly": True,
        "title": "Password",
    }
    with pytest.raises(ValidationError, match="a secret must be text"):
        Login.model_validate({"user": "root", "password": 7})


def test_a_secret_is_not_pickled() -> None:
    """Nothing that persists objects can persist a secret."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(VALUE))


def test_copies_are_the_same_object() -> None:
    """Copying makes no second place where the value lives."""
    secret = Secret(VALUE)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_equal_values_are_equal_secrets_and_hash_alike() -> None:
    """Two secrets with one value are one in a set, whatever their source; text is never equal to a secret."""
    assert {Secret(VALUE), Secret(VALUE, source="keyring")} == {Secret(VALUE)}
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert Secret(VALUE) != VALUE
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
