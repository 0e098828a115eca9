"""What proves a restored Coolify: what is not known is a fault, and one server that lets it in is enough."""

import pytest

from ink_infra_mcp.hosts.factory.restoring import Secrets, read_secrets
from ink_infra_mcp.hosts.factory.serving import faults
from ink_infra_mcp.hosts.factory.swapping import Service

GOOD = Secrets(keys=3, decrypted=3, files=3, reached=("sv0",), unreached=("sv1",), own="sv0")


def test_what_the_script_tells_is_read_and_what_is_damaged_is_unknown() -> None:
    """Lines of another form are no answer."""
    facts = [
        ("keys", "3 3"),
        ("files", "3"),
        ("server", "0 sv0 yes"),
        ("server", "7 sv1 no"),
        ("server", "8 sv2 perhaps"),
        ("done", ""),
    ]
    assert read_secrets(facts) == GOOD
    assert read_secrets([("keys", ""), ("files", "many"), ("done", "")]) == Secrets()


@pytest.mark.parametrize(
    ("seen", "wrong"),
    [
        (GOOD, []),
        (GOOD.model_copy(update={"keys": None, "decrypted": None}), ["whether Coolify decrypts its keys is not known"]),
        (GOOD.model_copy(update={"keys": 0, "decrypted": 0}), ["whether Coolify decrypts its keys is not known"]),
        (GOOD.model_copy(update={"decrypted": 2}), ["Coolify decrypts 2 of 3 keys"]),
        (GOOD.model_copy(update={"files": 1}), ["of 3 keys 1 lie in /data/coolify/ssh/keys as Coolify wants them"]),
        (
            GOOD.model_copy(update={"files": None}),
            ["of 3 keys None lie in /data/coolify/ssh/keys as Coolify wants them"],
        ),
        (GOOD.model_copy(update={"reached": ()}), ["no server lets Coolify in with its key"]),
    ],
)
def test_each_thing_that_is_not_so_or_not_known_is_a_fault(seen: Secrets, wrong: list[str]) -> None:
    """A restore is kept only where there is none."""
    assert list(seen.faults) == wrong


@pytest.mark.parametrize(
    ("now", "wanted", "wrong"),
    [
        (True, True, ""),
        (False, True, "auto-update is off"),
        (None, True, "auto-update is not known to be on"),
        (True, False, "auto-update is on"),
        (None, False, "auto-update is not known to be off"),
    ],
)
def test_auto_update_shall_be_as_it_was(now: bool | None, wanted: bool, wrong: str) -> None:
    """On or off: a backup may have it otherwise."""
    told = [fault for fault in faults(Service(auto_update=now), "", auto_update=wanted) if "auto-update" in fault]
    assert told == ([wrong] if wrong else [])
