"""Realtime moves into Coolify's container: when it does, what of the files comes with it, and what is in the way."""

import pytest

from ink_infra_mcp.areas.factory.beside import of_beside, told_of
from ink_infra_mcp.areas.factory.moving_in import (
    change_of_moving,
    comes_along,
    files_of,
    moved_in,
    of_line,
    of_moving,
    withdrawn,
)
from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.areas.factory.upgrade_files import changes_of, of_files
from ink_infra_mcp.core.compose.difference import Difference
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import FileSeen, Ready
from ink_infra_mcp.sandbox.state_factory import PROD_TEXT
from ink_infra_mcp.sandbox.state_github import moved_in_files
from tests.areas.factory.test_beside import OLD, meets, release, seen, sibling

VERSION = "4.4.0"
FILES = moved_in_files(VERSION)
INSIDE = CoolifyRelease(version=VERSION, commit="1" * 40, texts=FILES)


def later(**files: str) -> Ready:
    """Return a Factory on which realtime is inside already, with its old container asleep or gone."""
    there = meets({"soketi": sibling(OLD, state="exited")})
    texts = {
        PROD: FileSeen(sha256="none", text=FILES[PROD]),
        **{k: FileSeen(sha256="1", text=v) for k, v in files.items()},
    }
    return there.model_copy(
        update={"files": {**there.files, **texts}, "base": FileSeen(sha256="none", text=FILES[BASE])}
    )


@pytest.mark.parametrize(
    ("prod", "moved"),
    [
        (PROD_TEXT, False),
        (FILES[PROD], True),
        (PROD_TEXT.partition("  soketi:")[0], True),
        ("services: [", False),
        (f"{PROD_TEXT}    profiles: []\n", False),
    ],
)
def test_realtime_is_inside_where_its_name_is_gone_or_never_started(prod: str, *, moved: bool) -> None:
    """A file that cannot be read says nothing."""
    assert moved_in(prod) is moved


def test_what_the_move_changes_in_both_files_is_known_value_by_value_and_told() -> None:
    """Nothing of it is in the way, each of it is shown, and both files go along."""
    there = meets()
    assert (list(of_files(INSIDE, there)), list(of_beside(seen(), INSIDE, there, None))) == ([], [])
    assert files_of(INSIDE, there) == {PROD: FILES[PROD], BASE: FILES[BASE]}
    names = [each.name for each in changes_of(INSIDE, there)]
    assert {f"sha256 of {PROD}", f"sha256 of {BASE}", f"added to coolify.ports in {PROD}"} <= {*names}
    runs = withdrawn(INSIDE, there)
    assert runs == there.beside["soketi"]
    assert [(each.name, each.after) for each in change_of_moving(runs)] == [
        ("container coolify-realtime", "stopped, and kept for the way back")
    ]
    assert "is stopped just before, never starts by itself again" in " ".join(told_of(INSIDE, there, None))


def test_where_it_is_inside_already_nothing_is_withdrawn_and_one_that_sleeps_is_in_nobodys_way() -> None:
    """The next release after that is an upgrade as any other."""
    there = later()
    assert (withdrawn(INSIDE, there), files_of(INSIDE, there), change_of_moving(None)) == (None, {}, ())
    assert [*of_moving(INSIDE, there), *of_files(INSIDE, there), *of_beside(seen(), INSIDE, there, None)] == []
    assert "goes with it to 4.4.0" in " ".join(told_of(INSIDE, there, None))


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (meets({"soketi": None}), "realtime runs as what is not known"),
        (meets({"soketi": sibling(OLD, state="exited")}), "realtime is exited, and must run"),
        (meets(custom="services:\n  soketi:\n    image: x\n"), f"{CUSTOM} speaks of soketi"),
        (meets(custom="services: [\n"), f"{CUSTOM} cannot be read"),
        (meets().model_copy(update={"env_names": ("APP_KEY", "REVERB_PORT")}), ".env sets REVERB_PORT: "),
    ],
)
def test_a_move_that_is_another_one_than_is_known_is_refused_by_name(there: Ready, reason: str) -> None:
    """What is not known is a reason."""
    (told,) = of_moving(INSIDE, there)
    assert told.startswith(reason), told


def difference(*path: str, before: object = None, after: object = None) -> Difference:
    """Return a difference of the service coolify."""
    return Difference.model_validate({"path": ("services", "coolify", *path), "before": before, "after": after})


@pytest.mark.parametrize(
    ("each", "known"),
    [
        (difference("ports", before=[], after=["6002:6002"]), True),
        (difference("ports", before=[], after=["6002:6002", "6003:6003"]), False),
        (difference("ports", before=["80:8080"], after=["6002:6002"]), False),
        (difference("ports", before=[], after=[6002]), False),
        (difference("expose", after=["6001", "6002"]), True),
        (difference("environment", before=[], after=["PUSHER_BACKEND_PORT=${PUSHER_BACKEND_PORT:-6001}"]), True),
        (difference("environment", before=[], after=["APP_DEBUG=true"]), False),
        (difference("networks", after={"coolify": {"aliases": ["coolify-realtime"]}}), True),
        (difference("networks", after={"other": None}), False),
        (difference("depends_on", before=["soketi"], after=[]), True),
        (difference("depends_on", before=["soketi", "redis"], after=[]), False),
        (difference("depends_on", "soketi", before={"condition": "service_healthy"}), True),
        (difference("depends_on", "redis", before={"condition": "service_healthy"}), False),
        (difference("volumes", before=[], after=["/:/host"]), False),
        (difference("healthcheck", "test", after="6001"), False),
        (Difference(path=("services", "soketi", "ports"), before=["6001:6001"]), True),
        (Difference(path=("services", "redis", "image"), before="redis:7-alpine", after="redis:8-alpine"), False),
        (Difference(path=("networks",)), False),
    ],
)
def test_only_what_realtime_needs_comes_along_and_only_where_it_moves(each: Difference, *, known: bool) -> None:
    """By the very lines that are known; every other one is a person's to look at."""
    assert comes_along(each, INSIDE) is known
    assert not comes_along(each, release())


def test_an_override_that_sets_ports_of_coolify_is_told() -> None:
    """Whether realtime is reached from outside is decided there."""
    custom = "services:\n  coolify:\n    ports: !override\n      - '127.0.0.1:8000:8080'\n"
    assert f"{CUSTOM} sets ports of the service coolify" in " ".join(told_of(INSIDE, meets(custom=custom), None))


@pytest.mark.parametrize(
    ("version", "prod", "fits"),
    [
        ("4.3.24", PROD_TEXT, True),
        ("4.4.0", PROD_TEXT, False),
        ("4.4-rc.1", PROD_TEXT, False),
        ("5.0.0", PROD_TEXT, False),
        ("4.4.0", FILES[PROD], True),
        ("none", PROD_TEXT, True),
    ],
)
def test_an_image_that_has_it_inside_does_not_go_with_files_that_have_it_beside(
    version: str, prod: str, *, fits: bool
) -> None:
    """Two realtimes would run, and browsers would hear the one that Coolify does not speak to."""
    told = " ".join(of_line(version, prod))
    assert (told == "", "by upgrade_coolify" in told) == (fits, not fits)
