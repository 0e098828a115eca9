"""What is read of Coolify on the Factory: its real files, odd ones, and none that is taken for "all as it was"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.hosts.factory.configured import Configured, configured, kind_of, normal
from ink_infra_mcp.hosts.factory.looking import (
    BASE,
    CUSTOM,
    POSTGRES_UPGRADE,
    PROD,
    AutoUpdate,
    Drill,
    Dump,
    FactoryFacts,
    Schedule,
    read_factory,
)

MARKER = "ink-0123456789abcdef"
IMAGE = "sha256:" + "1" * 64
DIGEST = "sha256:" + "2" * 64
FORK = "docker.io/example/coolify-fork:runtime-fix"
PINNED = f"docker.io/example/coolify-fork@{DIGEST}"
COOLIFYS = "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
REAL_BASE = """\
services:
    coolify:
        container_name: coolify
        restart: always
        working_dir: /var/www/html
        extra_hosts:
            - host.docker.internal:host-gateway
        depends_on:
            - postgres
    postgres:
        image: postgres:15-alpine
        container_name: coolify-db"""
REAL_PROD = """\
services:
  coolify:
    image: "${REGISTRY_URL:-docker.io}/coollabsio/coolify:${LATEST_IMAGE:-latest}"
    volumes:
      - type: bind
        source: /data/coolify/source/.env
        target: /var/www/html/.env
        read_only: true
    environment:
      - APP_ENV=${APP_ENV:-production}
    healthcheck:
      test: curl --fail http://127.0.0.1:8080/api/health || exit 1
      interval: 5s
  postgres:
    environment:
      POSTGRES_USER: "${DB_USERNAME}"
  soketi:
    image: '${REGISTRY_URL:-docker.io}/coollabsio/coolify-realtime:1.0.17'"""
"""Extracts of both files of coollabsio/coolify at v4.3.11, as they stand there."""
PLANNED = "docker.io/coollabsio/coolify:4.3.11\npostgres:15-alpine\ndocker.io/coollabsio/coolify-realtime:1.0.17"
GOOD: dict[str, tuple[str, int]] = {
    "clock": ("1795980732", 0),
    "running": (f'"{IMAGE}" "docker.io/coollabsio/coolify:4.3.11" "running"', 0),
    "digests": (f'["coollabsio/coolify@{DIGEST}"]', 0),
    "named": (f'"{IMAGE}"', 0),
    "constants": ("        'version' => env('COOLIFY_VERSION') ?: '4.3.11',", 0),
    "base": (REAL_BASE, 0),
    "prod": (REAL_PROD, 0),
    "custom": ("", 44),
    "postgres_upgrade": ("", 44),
    "env": ("LATEST_IMAGE=4.3.11\nREGISTRY_URL='docker.io'", 0),
    "images": (PLANNED, 0),
    "settings": ("t|0 0 * * *|UTC", 0),
    "schedule": ("t|0 0 * * *|1795900000\nf|0 * * * *|", 0),
    "kept": ("1795800000 8388608 /data/coolify/backups/ink/op-1/coolify.dump", 0),
    "drill": (f'{{"at": 1795800100, "backup": "op-1", "dump_sha256": "{"d" * 64}", "image": "{IMAGE}"}}', 0),
    "dumps": ("1795900007 8388608 /data/coolify/backups/coolify/coolify-db-172/pg-dump-coolify-1795900007.dmp", 0),
}
FACTS_OF = {
    **{"running": "image", "constants": "base", "base": "images", "prod": "images", "custom": "images"},
    **{"postgres_upgrade": "images", "images": "planned", "settings": "auto_update", "schedule": "schedules"},
    "drill": "drills",
}


def read(**sections: tuple[str, int]) -> FactoryFacts:
    """Return what is read where these sections are otherwise than those of an official Coolify."""
    return _read({**GOOD, **sections})


def _read(sections: dict[str, tuple[str, int]]) -> FactoryFacts:
    framed = (f"{MARKER} begin {n}\n{text}\n{MARKER} end {n} {status}\n" for n, (text, status) in sections.items())
    return read_factory("factory", "".join(framed), MARKER)


def custom(text: str, planned: str, **more: tuple[str, int]) -> Configured:
    """Return what is configured with an override, where Compose names the image `planned`."""
    return configured(read(custom=(text, 0), images=(f"{planned}\npostgres:15-alpine", 0), **more))


def test_all_of_it_is_read() -> None:
    """The real files of a release, and what Docker, Compose, psql and the disk say beside them."""
    assert read() == FactoryFacts(
        host="factory",
        clock=1_795_980_732,
        image=IMAGE,
        reference="docker.io/coollabsio/coolify:4.3.11",
        state="running",
        digests=(f"coollabsio/coolify@{DIGEST}",),
        named=IMAGE,
        base="4.3.11",
        images={BASE: "", PROD: COOLIFYS},
        env={"LATEST_IMAGE": "4.3.11", "REGISTRY_URL": "docker.io"},
        planned=tuple(PLANNED.split()),
        auto_update=AutoUpdate(on=True, cron="0 0 * * *", zone="UTC"),
        schedules=(Schedule(enabled=True, last=1_795_900_000), Schedule(enabled=False)),
        dumps=(Dump(at=1_795_900_007, size=8_388_608),),
        kept=(Dump(at=1_795_800_000, size=8_388_608),),
        drills=(Drill(at=1_795_800_100, backup="op-1", dump_sha256="d" * 64, image=IMAGE),),
    )
    assert configured(read()) == Configured(image="docker.io/coollabsio/coolify:4.3.11", file=PROD)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_what_is_cut_off_or_fails_is_not_known(name: str) -> None:
    """A section that is missing, failed, or says something else makes its fact unknown, with the reason."""
    fact = FACTS_OF.get(name, name)
    missing = _read({key: section for key, section in GOOD.items() if key != name})
    for found in (missing, read(**{name: ("E: broken", 100)}), read(**{name: ("what is *this?", 0)})):
        assert (getattr(found, fact), fact in found.unknown or fact == "image") == (None, True), found


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), st.tuples(st.text(), st.integers(0, 255))))
def test_whatever_a_factory_prints_nothing_breaks(sections: dict[str, tuple[str, int]]) -> None:
    """A server is not trusted: garbage in any section is a fact that is not known, and never an error."""
    found = read(**sections)
    assert (found.host, configured(found).file in ("", BASE, PROD, CUSTOM, POSTGRES_UPGRADE)) == ("factory", True)


@pytest.mark.parametrize(
    ("sections", "facts"),
    [
        ({"digests": ("[]", 0)}, {"digests": ()}),
        ({"digests": ("null", 0)}, {"digests": ()}),
        ({"named": (f"[]\nError response from daemon: No such image: {FORK}", 1)}, {"named": ""}),
        ({"named": ("Error: No such image: x:1", 1)}, {"named": ""}),
        ({"env": ("", 1)}, {"env": {}}),
        ({"schedule": ("", 0)}, {"schedules": ()}),
        ({"dumps": ("", 44)}, {"dumps": ()}),
        ({"kept": ("", 44), "drill": ("", 44)}, {"kept": (), "drills": ()}),
        ({"constants": ("        'version' => '4.0.0-beta.463',", 0)}, {"base": "4.0.0-beta.463"}),
    ],
)
def test_what_there_is_none_of_is_known_to_be_none(
    sections: dict[str, tuple[str, int]], facts: dict[str, object]
) -> None:
    """No digest, no such image, no key, no schedule and no dump are answers; and older releases say their version."""
    assert read(**sections) == read().model_copy(update=facts)


@pytest.mark.parametrize(
    "env", ["LATEST_IMAGE=1\nLATEST_IMAGE=2", "LATEST_IMAGE=$(id)", "LATEST_IMAGE=${OTHER}", "LATEST_IMAGE=\"1'"]
)
def test_an_env_that_readers_may_take_otherwise_is_not_known(env: str) -> None:
    """A key twice, variables in values, odd quotes: then what the files come to is not known either."""
    found = read(env=(env, 0))
    assert (found.env, configured(found).image) == (None, "")


def test_nothing_of_an_override_is_in_the_reason() -> None:
    """Others may keep a password in theirs: that it is not understood is said without its words."""
    found = read(custom=("services: {coolify: {environment: {A: s3cret}}, coolify: {}}", 0))
    assert (found.images, "s3cret" in str(found.unknown)) == (None, False)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (
            configured(read(prod=(REAL_PROD.replace(COOLIFYS, FORK), 0), images=(FORK, 0))),
            Configured(image=FORK, file=PROD, edited=True),
        ),
        (custom(f"services: {{coolify: {{image: '{PINNED}'}}}}", PINNED), Configured(image=PINNED, file=CUSTOM)),
        (
            custom("services: {coolify: {mem_limit: 2g}}", "docker.io/coollabsio/coolify:4.3.11"),
            Configured(image="docker.io/coollabsio/coolify:4.3.11", file=PROD),
        ),
        (
            custom(f"services: {{coolify: {{image: '{COOLIFYS}'}}}}", "docker.io/coollabsio/coolify", env=("", 1)),
            Configured(image="docker.io/coollabsio/coolify:latest", file=CUSTOM),
        ),
        (
            custom("services: {coolify: {image: 'a/b:${OTHER}'}}", "a/b:1"),
            Configured(file=CUSTOM, why="its image is written with a variable that was not read"),
        ),
        (
            custom("services: {coolify: {image: 'a/b:${LATEST_IMAGE:?no}'}}", "a/b:1"),
            Configured(file=CUSTOM, why="its image is written with a variable in a form that is not known here"),
        ),
        (
            custom(f"services: {{coolify: {{image: '{FORK}'}}}}", "docker.io/coollabsio/coolify:4.3.11"),
            Configured(file=CUSTOM, why="docker compose reads another image out of these files"),
        ),
        (
            configured(read(images=("docker compose does not take these files", 15))),
            Configured(file=PROD, why="the command for it failed: docker compose does not take these files"),
        ),
    ],
    ids=["edited", "override", "limits only", "no env", "own variable", "odd variable", "another reader", "refused"],
)
def test_the_last_file_that_names_an_image_decides(found: Configured, wanted: Configured) -> None:
    """As Compose merges them, with the values of .env; where Compose itself says otherwise it is not known."""
    assert found == wanted


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("coollabsio/coolify:4.3.11", "official"),
        ("docker.io/coollabsio/coolify", "official"),
        (f"ghcr.io/coollabsio/coolify@{DIGEST}", "official"),
        (FORK, "fork"),
        ("registry.example.com:5000/ink/coolify:1", "fork"),
        ("coolify:1", "fork"),
        ("registry.example.com/coollabsio/coolify:4.3.11", "?"),
        ("docker.io.example.com/coollabsio/coolify", "?"),
        (IMAGE, "?"),
    ],
)
def test_whose_image_it_is_is_told_by_registry_and_name(reference: str, kind: str) -> None:
    """What is called as Coolify's on another registry may be a mirror or a fork: nobody knows."""
    assert kind_of(reference) == kind


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("postgres", "docker.io/library/postgres:latest"),
        ("a/b:1", "docker.io/a/b:1"),
        (f"a/b:1@{DIGEST}", f"docker.io/a/b@{DIGEST}"),
        ("localhost/a", "localhost/a:latest"),
        ("r.example.com:5000/a/b", "r.example.com:5000/a/b:latest"),
    ],
)
def test_a_reference_is_completed_as_docker_completes_it(written: str, whole: str) -> None:
    """Two spellings of one image are no drift."""
    assert normal(written) == whole
