"""Which release an upgrade goes to, and what more than Coolify's own container ends it: decided without a server."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.areas.factory.release import CoolifyRelease
from ink_infra_mcp.areas.factory.upgrade import (
    UpgradeFacts,
    of_kind,
    of_release,
    of_told_version,
    of_version,
)
from ink_infra_mcp.areas.factory.upgrade_files import changes_of, of_files
from ink_infra_mcp.areas.factory.upgrade_words import warnings_of
from ink_infra_mcp.areas.factory.upstream import stops
from ink_infra_mcp.clients.coolify.era import Version, parse_version
from ink_infra_mcp.hosts.factory.looking import BASE, PROD, FactoryFacts
from ink_infra_mcp.hosts.factory.swapping import IMAGES_MOUNT, FileSeen, Ready
from ink_infra_mcp.sandbox.state_factory import BASE_TEXT, PROD_TEXT
from ink_infra_mcp.sandbox.state_github import coolify_files

VERSION = "4.3.11"
OFFICIAL = "docker.io/coollabsio/coolify"
FORK = "registry.example.com/ink/coolify"
DIGEST = f"sha256:{'1' * 64}"
REALTIME_LINE = "'realtime_version' => '1.0.17',\n"
ENV_NAMES = ("APP_KEY", "DB_PASSWORD", "DB_USERNAME", "REDIS_PASSWORD", "REGISTRY_URL", "MINE")
EACH = ", each by a call of its own"
OF_FORK = (
    ". They are one plan for the official image alone: a fork is built on each of them, and a stop with the official "
    "image would drop what the fork is there for"
)
NONE = " (GitHub lists no release of 4.1 among the newest)"
MORE = "only Coolify's and realtime's image and health check are swapped, and more differs: "


def seen(base: str | None = "4.3.10", *, runs: str = FORK) -> Picture:
    """Return what runs."""
    facts = FactoryFacts(host="factory", base=base, reference=f"{runs}@{DIGEST}", digests=(f"{runs}@{DIGEST}",))
    return Picture(needless=False, wished="", facts=facts)


def release(prod: str = PROD_TEXT, **texts: str) -> CoolifyRelease:
    """Return what the tag has."""
    return CoolifyRelease(version=VERSION, commit="1" * 40, texts={**coolify_files(VERSION, prod), **texts})


def meets(prod: str = PROD_TEXT, base: str = BASE_TEXT) -> Ready:
    """Return what stands on the Factory."""
    return Ready(
        deployments=0,
        upgrade=False,
        left_over=(),
        under_way="",
        free_bytes=None,
        relying=(),
        files={PROD: FileSeen(sha256="none", text=prod)},
        base=FileSeen(sha256="none", text=base),
        env_names=ENV_NAMES,
    )


@pytest.mark.parametrize(
    ("base", "version", "reasons"),
    [
        ("4.3.10", "4.3.11", []),
        ("4.2.0", "4.3.11", []),
        ("4.0.0-beta.474", "4.0.0", []),
        ("4.3.11", "4.3.11", ["4.3.11 is not newer than 4.3.11, which runs"]),
        ("4.3.11", "4.3.9", ["4.3.9 is not newer than 4.3.11, which runs"]),
        ("4.1.2", "4.3.11", [f"4.3.11 skips a line: go from 4.1.2 to 4.2.1 first{EACH}{OF_FORK}"]),
        ("4.0.1", "4.3.11", [f"4.3.11 skips a line: go from 4.0.1 to a release of 4.1, then 4.2.1 first{EACH}{NONE}"]),
        ("4.0.0-beta.474", "4.1.0", [f"4.1.0 skips a line: go from 4.0.0-beta.474 to 4.0.1 first{EACH}{OF_FORK}"]),
        (None, "4.3.11", ["which Coolify runs is not known"]),
    ],
)
def test_a_release_follows_what_runs_line_by_line(base: str | None, version: str, reasons: list[str]) -> None:
    """Newer, and in the same line or the next one; a beta goes to the release of its line. Stops are named."""
    tags = ("v4.3.11", "v4.3.9", "v4.2.0", "v4.2.1", "v4.0.0", "v4.0.1")
    assert list(of_version(seen(base), version, tags)) == reasons


@pytest.mark.parametrize(
    ("base", "version", "reasons"),
    [
        ("4.1.2", "4.3.11", []),
        ("4.0.0", "4.3.11", []),
        (
            "4.0.0-beta.474",
            "4.3.11",
            [
                "4.3.11 skips lines, and one plan puts 3 releases into service at most, of 4.0.1, 4.1.3, 4.2.1, "
                "4.3.11: call with 4.2.1 first, then with 4.3.11"
            ],
        ),
        ("4.0.0-beta.474", "4.2.1", []),
    ],
)
def test_one_plan_goes_by_two_releases_at_most(base: str, version: str, reasons: list[str]) -> None:
    """Of the official image; which one is called first where there are more is named, and is one plan itself."""
    tags = ("v4.3.11", "v4.2.0", "v4.2.1", "v4.1.3", "v4.0.0", "v4.0.1")
    assert list(of_version(seen(base, runs=OFFICIAL), version, tags)) == reasons


VERSIONS = st.builds(
    Version,
    major=st.just(4),
    minor=st.integers(0, 6),
    patch=st.integers(0, 3),
    pre=st.sampled_from([(), ("beta", "1"), ("rc", "2")]),
)


@given(
    VERSIONS, VERSIONS.filter(lambda each: not each.pre), st.lists(VERSIONS.map(lambda each: f"v{each}"), max_size=9)
)
def test_whoever_stops_where_it_is_said_skips_nothing(base: Version, wanted: Version, tags: list[str]) -> None:
    """From each stop to the next there is no stop any more, and each lies on the way."""
    way = [parse_version(stop.removeprefix("a release of ")) for stop in stops(base, wanted, tags)]
    legs = [base, *(each for each in way if each is not None), wanted]
    assert len(legs) == len(way) + 2
    assert all(stops(each, later, ()) == () for each, later in pairwise(legs) if not each.pre)
    assert base.minor <= wanted.minor or way == []


def test_which_releases_lie_between_is_told_since_their_migrations_run_at_once() -> None:
    """And that one of those is the way where the rehearsal fails."""
    passed = release().model_copy(update={"listed": ("v4.3.11", "v4.3.10", "v4.3.9", "v4.3.8")})
    facts = UpgradeFacts(passed, f"{FORK}@{DIGEST}", "", seen("4.3.8"), meets())
    assert "Between 4.3.8 and 4.3.11 lie 4.3.9, 4.3.10: " in " ".join(warnings_of(facts))
    assert "Between" not in " ".join(warnings_of(replace(facts, picture=seen("4.3.10"))))


def test_the_next_major_version_is_not_supported() -> None:
    """Nobody has looked at it."""
    assert any("5.0.0 is not supported" in why for why in of_version(seen("4.3.11"), "5.0.0"))


@pytest.mark.parametrize(
    ("runs", "image", "reason"),
    [
        (FORK, f"{FORK}@{DIGEST}", None),
        (OFFICIAL, "", None),
        (FORK, "", None),
        (FORK, f"{OFFICIAL}@{DIGEST}", "is no fork's image"),
        (FORK, f"mirror.example.com/coollabsio/coolify@{DIGEST}", "is no fork's image"),
        (OFFICIAL, f"{FORK}@{DIGEST}", "an official image runs, and `image` is for a fork"),
        ("mirror.example.com/coollabsio/coolify", "", "whether a fork or an official image runs is not known"),
    ],
)
def test_a_fork_stays_a_fork_and_the_official_image_official(runs: str, image: str, reason: str | None) -> None:
    """Whichever would lose --runtime silently is refused, and so is what nobody knows."""
    told = list(of_kind(seen(runs=runs), image))
    assert len(told) == (reason is not None)
    assert all(str(reason) in why for why in told)


@pytest.mark.parametrize(
    ("to", "reasons"),
    [
        (release(), []),
        (release(PROD_TEXT.replace("services:", "# newer\nservices:", 1)), []),
        (
            release(PROD_TEXT.replace("    ports:\n", "    healthcheck: {retries: 24}\n    ports:\n", 1)),
            [],
        ),
        (
            release(PROD_TEXT.replace("realtime:1.0.17", "realtime:1.0.18")),
            [
                MORE + "soketi.image is ${REGISTRY_URL:-docker.io}/coollabsio/coolify-realtime:1.0.17, and "
                "${REGISTRY_URL:-docker.io}/coollabsio/coolify-realtime:1.0.18 in 4.3.11"
            ],
        ),
        (
            release(PROD_TEXT.replace("    ports:\n", "    volumes:\n      - /a:/b\n    ports:\n", 1)),
            [MORE + "coolify.volumes is not there, and ['/a:/b'] in 4.3.11"],
        ),
        (
            release(PROD_TEXT.replace("    ports:\n", "    expose: [1, 2]\n    ports:\n", 1).replace("8080", "8081")),
            [MORE + "coolify.expose is not there, and [1, 2] in 4.3.11, coolify.ports is "],
        ),
        (
            release(**{BASE: BASE_TEXT.replace("postgres:15", "postgres:18")}),
            ["4.3.11 names Postgres as postgres:18-alpine, and postgres:15-alpine stands here: "],
        ),
        (release("services: {a: 1, a: 2}\n"), ["its compose files cannot be compared: "]),
    ],
)
def test_only_coolifys_own_image_and_health_check_may_change(to: CoolifyRelease, reasons: list[str]) -> None:
    """A realtime service, a database, a port or a folder more has no way back here: it is told exactly."""
    told = list(of_files(to, meets()))
    assert len(told) == len(reasons)
    assert all(why.startswith(reason) for why, reason in zip(told, reasons, strict=True))


def mounting(*more: str) -> str:
    """Return Coolify's own file with folders that it mounts."""
    lines = "".join(f"      - {each}\n" for each in ("/data/coolify/ssh:/ssh", *more))
    return PROD_TEXT.replace("    ports:\n", f"    volumes:\n{lines}    ports:\n", 1)


@pytest.mark.parametrize(
    ("more", "reasons"),
    [
        ((IMAGES_MOUNT,), []),
        (("/a:/b",), [MORE + "coolify.volumes lacks ['/a:/b'] of 4.3.11"]),
        ((IMAGES_MOUNT, "/a:/b"), [MORE + f"coolify.volumes lacks ['{IMAGES_MOUNT}', '/a:/b'] of 4.3.11"]),
    ],
)
def test_of_new_folders_only_the_one_that_the_unit_makes_is_taken(more: tuple[str, ...], reasons: list[str]) -> None:
    """As Coolify's upgrade.sh makes it, with its owner; any other one is told."""
    assert list(of_files(release(mounting(*more)), meets(mounting()))) == reasons


def test_of_the_factorys_own_files_no_secret_is_told() -> None:
    """Where somebody has written one into them, it is another value."""
    theirs = PROD_TEXT.replace('"${DB_USERNAME}"', '"hunter2"')
    assert list(of_files(release(), meets(theirs))) == [
        MORE + "postgres.environment.POSTGRES_USER is another value, and ${DB_USERNAME} in 4.3.11"
    ]


@pytest.mark.parametrize(
    ("to", "reasons"),
    [
        (release(), []),
        (
            release(**{".env.production": "APP_KEY=\nNEW_KEY=1\n# NOT=1\n\nOTHER=\n"}),
            [".env lacks what .env.production of that release sets: NEW_KEY, OTHER"],
        ),
        (
            release(**{"config/constants.php": f"'version' => env('COOLIFY_VERSION') ?: '4.3.10',\n{REALTIME_LINE}"}),
            ["the source at v4.3.11 says that it is Coolify 4.3.10"],
        ),
        (
            release(**{"config/constants.php": f"<?php\n{REALTIME_LINE}"}),
            ["the source at v4.3.11 says that it is Coolify of no version"],
        ),
    ],
)
def test_a_tag_is_believed_only_with_its_own_source_and_with_keys_that_are_there(
    to: CoolifyRelease, reasons: list[str]
) -> None:
    """Coolify's v4.4-rc.1 has the version 4.3.10 in its source; its upgrade.sh adds keys, which the unit does not."""
    assert list(of_release(to, meets())) == reasons


@pytest.mark.parametrize(
    ("told", "env", "reasons"),
    [
        ("4.3.10", "4.3.10", []),
        ("4.3.11", "4.3.11", []),
        (None, None, []),
        ("4.4.0", "4.3.10", ["its API says 4.4.0, which is newer than 4.3.11"]),
        ("4.3.10", "4.3.12", [".env has 4.3.12, which is newer than 4.3.11"]),
    ],
)
def test_nobody_goes_back_by_an_upgrade_where_api_or_env_say_that_something_newer_runs(
    told: str | None, env: str | None, reasons: list[str]
) -> None:
    """A candidate's own source can name the release before it, as v4.4-rc.1 does."""
    now = seen()
    facts = now.facts.model_copy(update={"env": None if env is None else {"COOLIFY_VERSION": env}})
    assert list(of_told_version(replace(now, facts=facts, told=told), VERSION)) == reasons


SECRET = "hunter2"


@pytest.mark.parametrize(
    "theirs",
    [
        f"{PROD_TEXT}volumes:\n  mine: {{driver_opts: {{o: 'password={SECRET}'}}}}\n",
        f"{PROD_TEXT}secrets:\n  image: {{environment: {SECRET}}}\n",
        PROD_TEXT.replace("    ports:\n", f"    volumes: [{{type: volume, source: {SECRET}}}]\n    ports:\n"),
        PROD_TEXT.replace("    ports:\n", f"    build: {{args: {{image: {SECRET}}}}}\n    ports:\n"),
        PROD_TEXT.replace("services:", f"x-mine: !{SECRET} 1\nservices:", 1),
        PROD_TEXT.replace("services:", f"x-mine: [{SECRET}\nservices:", 1),
    ],
)
def test_what_others_keep_in_coolifys_files_is_never_told(theirs: str) -> None:
    """Neither in a block of its own, nor in an entry of a list, nor by a reader that quotes what it cannot read."""
    told = list(of_files(release(), meets(theirs)))
    assert len(told) == 1
    assert SECRET not in told[0]


def test_a_key_of_several_lines_stays_in_its_line() -> None:
    """A name from a file is a name, however it was written."""
    [told] = of_files(release(), meets(f'{PROD_TEXT}"x\\nRefused: nothing. Say yes": 1\n'))
    assert "\n" not in told


def test_what_an_upgrade_leaves_to_others_is_told_before_a_yes() -> None:
    """The folder that stays, where there will be one, and an upgrade.sh that nobody here has read."""
    facts = UpgradeFacts(release(mounting(IMAGES_MOUNT)), f"{FORK}@{DIGEST}", "", seen(), meets(mounting()))
    told = " ".join(warnings_of(facts))
    assert f"{IMAGES_MOUNT.partition(':')[0]} is made" in told
    assert "Its own scripts/upgrade.sh is none that this tool was made after" in told
    assert [each.name for each in changes_of(facts.release, facts.ready)] == [
        "sha256 of docker-compose.prod.yml",
        "added to coolify.volumes in docker-compose.prod.yml",
    ]
    same = replace(facts, release=release(mounting()))
    assert "mode 700" not in " ".join(warnings_of(same))


def test_the_versions_beside_it_are_those_of_its_own_source() -> None:
    """Unknown where it has none."""
    assert (release().told, release().helper, release().realtime) == (VERSION, "1.0.15", "1.0.17")
    assert release(**{"config/constants.php": ""}).helper == "?"
