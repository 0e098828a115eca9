"""What the Factory says of a rotation is read whole or not at all, and orders are words that no shell reads."""

import base64
import re
import shlex
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.relying import Relier
from ink_infra_mcp.hosts.factory.siblings import Sibling
from ink_infra_mcp.hosts.factory.swapping import (
    SCRIPT,
    FileSeen,
    Orders,
    Ready,
    Rotation,
    Seen,
    Service,
    read_ready,
    read_rotation,
    read_service,
)
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.hosts.scripts import packaged

ID = "sha256:" + "a" * 64
IMAGE = "registry.example.com/ink/coolify@sha256:" + "d" * 64
HOST = "factory"
WORDS = st.sampled_from(
    ["state", "why", "downtime_ms", "runs", "said", "file", "free_kb", "upgrade", "container", "done"]
)
FACTS = st.lists(st.tuples(WORDS, st.text(max_size=40)), max_size=12)


def coded(text: str) -> str:
    """Return text as the script sends it."""
    return base64.b64encode(text.encode()).decode()


def orders(**more: object) -> Orders:
    """Return orders with some of them changed."""
    usual: dict[str, object] = {
        "image": IMAGE,
        "image_id": ID,
        "migrates": True,
        "health_s": 120,
        "confirm_s": 1800,
        "sums": {CUSTOM: "none", PROD: "b" * 64},
        "texts": {CUSTOM: "services: {}\n", PROD: None},
    }
    return Orders.model_validate({**usual, **more})


@given(st.text(min_size=1), st.text(min_size=1))
def test_whatever_a_file_holds_the_orders_are_words_of_harmless_letters(custom: str, prod: str) -> None:
    """Quotes, line breaks and ends of data in somebody's file stay inside of it; the text comes back as it was."""
    lines = orders(texts={CUSTOM: custom, PROD: prod}).lines().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.:-]+ [A-Za-z0-9+/=_.:@-]*", line) for line in lines)
    told = dict(line.split(" ", 1) for line in lines)
    assert [base64.b64decode(told[f"text:{name}"]).decode() for name in (CUSTOM, PROD)] == [custom, prod]
    assert base64.b64decode(told["script"]).decode() == packaged("factory/swap.sh")


def test_a_file_that_stays_is_not_sent() -> None:
    """`same` is no text in base64 of any file: it is three bytes that are none in UTF-8."""
    assert "text:docker-compose.prod.yml same\n" in orders().lines()
    with pytest.raises(UnicodeDecodeError):
        base64.b64decode("same").decode()


def test_a_file_that_goes_and_what_env_sets_are_said_in_words_of_their_own() -> None:
    """`gone` is no text in base64 of any file; updates go off whatever else is ordered."""
    lines = orders(
        texts={CUSTOM: "", PROD: None}, tag="docker.io/a/b:1", env={"LATEST_IMAGE": "1", "AUTOUPDATE": "true"}
    )
    said = [line for line in lines.lines().splitlines() if line.startswith(("text:", "tag ", "env:"))]
    assert said == [
        f"text:{CUSTOM} gone",
        f"text:{PROD} same",
        "tag docker.io/a/b:1",
        "env:LATEST_IMAGE 1",
        "env:AUTOUPDATE false",
    ]
    with pytest.raises(UnicodeDecodeError):
        base64.b64decode("gone").decode()


@pytest.mark.parametrize("verb", ["look", "ready", "prove", "prepare", "start", "confirm", "abort", "release"])
def test_only_what_looks_passes_the_gate_without_a_permit(verb: str) -> None:
    """By its words and its script to the byte; with orders behind it, it is none of them."""
    reads = verb in ("look", "ready", "prove")
    plain, laden = (
        SCRIPT.command(verb, "op-1", as_root=True),
        SCRIPT.command(verb, "op-1", as_root=True, data="image x\n"),
    )
    assert (plain in READINGS, laden in READINGS, plain.changes) == (reads, False, not reads)
    assert shlex.split(plain.line)[-2:] == [verb, "op-1"]


def test_an_answer_is_read_as_it_is_meant() -> None:
    """All three of them, with everything in it."""
    rotation = [
        ("state", "reverted"),
        ("why", coded("nobody confirmed it\n")),
        ("downtime_ms", "1840"),
        ("runs", f"{ID} running"),
        ("restored", "yes"),
        ("said", coded("a\nb\n")),
    ]
    assert read_rotation(HOST, rotation) == Rotation(
        state="reverted",
        why="nobody confirmed it",
        downtime_ms=1840,
        image=ID,
        container="running",
        restored=True,
        untrusted_log=("a", "b"),
    )
    ready = [
        ("deployments", "2"),
        ("upgrade", "no"),
        ("left_over", "0123456789ab_coolify "),
        ("held", "6001=? 8000=web "),
        ("under_way", "op-2"),
        ("free_kb", "9000 7000"),
        ("relying_known", "yes"),
        ("relying", f"standalone_postgresqls pg1 {coded('orders')}"),
        ("file", f"{CUSTOM} none "),
        ("file", f"{PROD} {'b' * 64} {coded('services: {}')}"),
        ("base", f"{'c' * 64} {coded('volumes: {}')}"),
        ("env_names", "APP_KEY AUTOUPDATE "),
        ("beside", f"soketi {ID} running healthy docker.io/a/realtime:1"),
        ("digests", f"soketi a/realtime@{ID} rubbish "),
        ("names", "soketi docker.io/a/realtime:1 "),
        ("beside", f"postgres {ID} running none postgres:15-alpine"),
        ("digests", "postgres "),
        ("names", "postgres postgres:15-alpine redis:7-alpine "),
        ("beside", "redis "),
        ("names", "redis redis:7-alpine"),
    ]
    assert read_ready(HOST, ready) == Ready(
        deployments=2,
        upgrade=False,
        left_over=("0123456789ab_coolify",),
        under_way="op-2",
        free_bytes=7000 * 1024,
        relying=(Relier(table="standalone_postgresqls", uuid="pg1", name="orders"),),
        files={CUSTOM: FileSeen(sha256="none"), PROD: FileSeen(sha256="b" * 64, text="services: {}")},
        base=FileSeen(sha256="c" * 64, text="volumes: {}"),
        env_names=("APP_KEY", "AUTOUPDATE"),
        held=("6001=?", "8000=web"),
        beside={
            "soketi": Sibling(
                image=ID,
                state="running",
                health="healthy",
                reference="docker.io/a/realtime:1",
                names="docker.io/a/realtime:1",
                digests=(f"a/realtime@{ID}",),
            ),
            "postgres": Sibling(image=ID, state="running", health="none", reference="postgres:15-alpine"),
        },
    )
    service = [
        ("container", f"{ID} running 1 healthy"),
        ("realtime", f"{ID} running 0 unhealthy"),
        ("reaches", "no"),
        ("migrations", f"0 {coded('list')}"),
        ("horizon", f"2 {coded('inactive')}"),
        ("auto_update", "f"),
        ("failed_jobs", "0"),
    ]
    assert read_service(HOST, service) == Service(
        image=ID,
        container="running",
        health="healthy",
        restarts=1,
        migrations_status=0,
        untrusted_migrations="list",
        horizon_status=2,
        untrusted_horizon="inactive",
        auto_update=False,
        failed_jobs=0,
        realtime=Seen(image=ID, container="running", health="unhealthy", restarts=0),
        reaches=False,
    )


@given(FACTS)
def test_rubbish_is_not_understood_and_never_a_state(facts: list[tuple[str, str]]) -> None:
    """What is damaged ends as an error that says so, or as nothing known: no answer is made up."""
    told, files = dict(facts), {text.split(" ")[0] for first, text in facts if first == "file"}
    with suppress(HostError):
        assert read_rotation(HOST, facts).state == told["state"]
    with suppress(HostError):
        assert read_ready(HOST, facts).files.keys() == files == {CUSTOM, PROD}
    with suppress(HostError):
        assert read_service(HOST, facts).container in ("", *told.get("container", "").split(" "))


@pytest.mark.parametrize("missing", ["free_kb", "deployments"])
def test_what_is_missing_is_not_known(missing: str) -> None:
    """No room and no deployments are never the default."""
    facts = [
        ("deployments", "0"),
        ("upgrade", "no"),
        ("free_kb", "9000 7000"),
        ("file", f"{CUSTOM} none "),
        ("file", f"{PROD} none "),
    ]
    found = read_ready(HOST, [fact for fact in facts if fact[0] != missing])
    assert {"free_kb": found.free_bytes, "deployments": found.deployments}[missing] is None
