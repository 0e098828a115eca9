"""What an upgrade does with each service beside Coolify: by what runs, what files name, and what a tag wants."""

from collections.abc import Mapping

import pytest

from ink_infra_mcp.areas.factory.beside import (
    Realtime,
    change_of,
    of_beside,
    of_gates,
    of_names,
    pull_steps,
    takes_along,
    told_of,
)
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.areas.factory.upgrade import UpgradeFacts
from ink_infra_mcp.areas.factory.upgrade_files import of_files
from ink_infra_mcp.areas.factory.upgrade_words import warnings_of
from ink_infra_mcp.core.compose.difference import Difference, differences
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD, FactoryFacts
from ink_infra_mcp.hosts.factory.siblings import Sibling
from ink_infra_mcp.hosts.factory.swapping import FileSeen, Ready
from ink_infra_mcp.sandbox.state_factory import BASE_TEXT, PROD_TEXT
from ink_infra_mcp.sandbox.state_github import coolify_files

VERSION = "4.3.11"
REALTIME = "docker.io/coollabsio/coolify-realtime"
OLD, NEW = f"{REALTIME}:1.0.17", f"{REALTIME}:1.0.18"
DIGESTS = {digit: f"sha256:{digit * 64}" for digit in "12345"}
RUNS = {"soketi": OLD, "postgres": "postgres:15-alpine", "redis": "redis:7-alpine"}


def sibling(reference: str, *, names: str | None = None, state: str = "running", digest: str = "1") -> Sibling:
    """Return a service as it runs, and as the files name it."""
    name = reference.partition(":")[0]
    return Sibling(
        image=DIGESTS["5"],
        state=state,
        health="healthy",
        reference=reference,
        names=reference if names is None else names,
        digests=(f"{name}@{DIGESTS[digest]}",),
    )


def meets(changes: Mapping[str, Sibling | None] | None = None, *, custom: str = "") -> Ready:
    """Return what stands on the Factory, with some of the services otherwise, or not known."""
    usual = {service: sibling(reference) for service, reference in RUNS.items()}
    beside = {service: each for service, each in {**usual, **(changes or {})}.items() if each is not None}
    return Ready(
        deployments=0,
        upgrade=False,
        left_over=(),
        under_way="",
        free_bytes=None,
        relying=(),
        files={PROD: FileSeen(sha256="none", text=PROD_TEXT), CUSTOM: FileSeen(sha256="none", text=custom)},
        base=FileSeen(sha256="none", text=BASE_TEXT),
        beside=beside,
    )


def seen(**env: str) -> Picture:
    """Return Coolify with what its .env sets."""
    return Picture(needless=False, wished="", facts=FactoryFacts(host="factory", base="4.3.10", env=env))


def release(realtime: str = "1.0.17", **texts: str) -> CoolifyRelease:
    """Return what a tag has that wants that realtime."""
    files = coolify_files(VERSION, PROD_TEXT.replace("realtime:1.0.17", f"realtime:{realtime}"))
    constants = files["config/constants.php"].replace("1.0.17", realtime)
    return CoolifyRelease(version=VERSION, commit="1" * 40, texts={**files, "config/constants.php": constants, **texts})


def newer(image: str = f"{REALTIME}@{DIGESTS['2']}", *, why: str = "", state: str = "running") -> Realtime:
    """Return realtime as it is exchanged."""
    return Realtime(runs=sibling(OLD, state=state), tag=NEW, image=image, why=why)


@pytest.mark.parametrize(
    ("there", "wants", "realtime", "reasons"),
    [
        (meets(), release(), None, []),
        (meets(), release("1.0.18"), newer(), []),
        (
            meets({"soketi": None}),
            release(),
            None,
            ["realtime runs as what is not known, and 4.3.11 wants 1.0.17"],
        ),
        (meets(), release("1.0.18"), newer(state="exited"), ["realtime is exited, and must run: "]),
        (meets(), release("1.0.18"), newer("", why="it did not answer"), [f"which image {NEW} is cannot be told: it "]),
        (
            meets(custom=f"services:\n  soketi:\n    image: {OLD}\n"),
            release("1.0.18"),
            None,
            [f"its files would name realtime {OLD}, and the source of 4.3.11 wants 1.0.18: "],
        ),
        (
            meets(custom="services:\n  soketi:\n    image: ${MINE}\n"),
            release(),
            None,
            ["which realtime its files would name is not known"],
        ),
        (
            meets(),
            release("1.0.18", **{"config/constants.php": release().texts["config/constants.php"]}),
            newer(),
            [f"its files would name realtime {NEW}, and the source of 4.3.11 wants 1.0.17: "],
        ),
        (
            meets({"postgres": sibling("postgres:18-alpine", names="postgres:15-alpine")}),
            release(),
            None,
            ["Postgres runs as postgres:18-alpine, and its files name postgres:15-alpine, which the next `up` "],
        ),
        (meets({"redis": None}), release(), None, ["which Redis runs, and which one its files name, is not known"]),
        (
            meets({"redis": sibling("redis:7-alpine", names="")}),
            release(),
            None,
            ["which Redis runs, and which one its files name, is not known"],
        ),
    ],
)
def test_each_service_beside_coolify_is_known_and_agrees_with_its_files_or_nothing_begins(
    there: Ready, wants: CoolifyRelease, realtime: Realtime | None, reasons: list[str]
) -> None:
    """An old database image that the next `up` would start on another volume is found before, and so is a mix-up."""
    told = list(of_beside(seen(), wants, there, realtime))
    assert len(told) == len(reasons), told
    assert all(why.startswith(reason) for why, reason in zip(told, reasons, strict=True)), told


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("postgres:15-alpine", "postgres:18-alpine", "one major version of Postgres does not read the data of another"),
        ("postgres:15-alpine", "postgres:latest", "one major version of Postgres does not read the data of another"),
        ("postgres:15-alpine", "postgres:15.9-alpine", "a person exchanges it by Coolify's own upgrade"),
        ("redis:7-alpine", "redis:8-alpine", "an older Redis does not read what a newer one saved"),
    ],
)
def test_a_database_of_another_name_is_brought_by_a_person_and_it_is_said_how(
    before: str, after: str, words: str
) -> None:
    """Its data have no way back here, whatever the new image makes of them."""
    base = BASE_TEXT.replace(before, after)
    (told,) = of_names(differences(BASE_TEXT, base), VERSION)
    assert (f"and {before} stands here" in told, words in told) == (True, True), told
    assert list(of_files(release(**{BASE: base}), meets(), None)) == [told]


def test_only_realtimes_image_and_health_check_go_along_and_only_where_it_is_exchanged() -> None:
    """A port or a folder of its own would be new to the way back."""
    ports = Difference(path=("services", "soketi", "ports"))
    image, checked = (
        Difference(path=("services", "soketi", *rest)) for rest in (("image",), ("healthcheck", "retries"))
    )
    assert [takes_along(each, newer()) for each in (image, checked, ports)] == [True, True, False]
    assert [takes_along(each, None) for each in (image, checked, ports)] == [False, False, False]
    assert list(of_files(release("1.0.18"), meets(), newer())) == []
    assert len(list(of_files(release("1.0.18"), meets(), None))) == 1


def test_policys_list_of_digests_is_asked_of_realtime_as_of_coolify() -> None:
    """Both run on the Factory; of one that stays nobody asks."""
    rules = ImageRules(digests=(DIGESTS["3"],))
    assert len(list(of_gates(rules, newer()))) == 1
    assert [*of_gates(rules, None), *of_gates(ImageRules(digests=(DIGESTS["2"],)), newer())] == []


def test_of_each_service_it_is_told_by_digest_what_becomes_of_it() -> None:
    """Before a yes, also of those that nobody touches."""
    stays, goes = (" ".join(told_of(release(), meets(), each)) for each in (None, newer()))
    assert f"Realtime stays: {OLD} ({DIGESTS['1']})" in stays
    assert f"Realtime goes from {OLD} ({DIGESTS['1']}) to {NEW} ({DIGESTS['2']})" in goes
    assert f"Postgres postgres:15-alpine ({DIGESTS['1']}), Redis redis:7-alpine ({DIGESTS['1']})" in goes
    assert [(each.before, each.after) for each in change_of(newer())] == [
        (f"{OLD} ({DIGESTS['1']})", f"{REALTIME}@{DIGESTS['2']}")
    ]
    assert (change_of(None), pull_steps("factory", None, 0)) == ((), ())


def test_one_that_was_never_pulled_from_a_registry_is_told_by_its_id() -> None:
    """Docker keeps no digest of what was built or loaded there."""
    built = sibling(OLD).model_copy(update={"digests": ()})
    assert DIGESTS["5"] in " ".join(told_of(release(), meets({"soketi": built}), None))


@pytest.mark.parametrize(
    ("names", "constants", "words"),
    [
        ((), None, "Builds use the helper 1.0.15, the tag's own"),
        (("HELPER_IMAGE",), None, ".env sets HELPER_IMAGE: builds use that image, with the tag 1.0.15."),
        ((), "<?php\n", "Which helper builds use is not known"),
    ],
)
def test_which_helper_builds_use_is_told(names: tuple[str, ...], constants: str | None, words: str) -> None:
    """Coolify reads its version out of its own source, and of .env no more than its name."""
    wants = release() if constants is None else release(**{"config/constants.php": constants})
    there = meets().model_copy(update={"env_names": names})
    told = warnings_of(UpgradeFacts(wants, f"x.example.com/a@{DIGESTS['1']}", "", seen(), there))
    assert words in " ".join(told)
