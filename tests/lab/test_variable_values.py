"""Values of variables, written into `.env` as Coolify writes them, are to a real Docker Compose what is foretold."""

import json
import random
from typing import Any

import pytest

from ink_infra_mcp.core.dotenv import arrived, unfit
from ink_infra_mcp.sandbox.coolify import dotenv
from ink_infra_mcp.sandbox.state_coolify import EnvVar
from tests.lab.bed import Bed
from tests.lab.composing import FILE, Said, config_of

PIECES = (
    *"'\"\\$#{}[]:,=`%!~|&; \n\t\r\v\f\0aAnt01éß世🙂\x1c\x7f\x85\xa0\u200b\u2028\u3000",
    *("plain", " #", "# ", "$$", "${A}", "$A", "${A:-x}", "${A:?no}", "\\'", "\\n", "\\\\", "''", "\n\n", "\r\n"),
    *("KEY=", "\nX=1", "export ", "{{team.A}}", "{{ a }}", "true", "null", "-----BEGIN KEY-----"),
)
VALUES, MOST_PIECES = 500, 7
SINGLY = 60
"""Files that may be unreadable are asked about one by one."""


def chosen(chance: random.Random) -> str:
    """Return a value: a text of odd pieces, or JSON with such texts inside."""
    text = "".join(chance.choices(PIECES, k=chance.randint(0, MOST_PIECES)))
    if chance.random() > 0.2:
        return text
    document = chance.choice([[text], {"a": text}, {"a": [1, {text: None}]}, [chance.random(), "b"]])
    return json.dumps(document, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, None, 1]))


def values(number: int) -> list[str]:
    """Return values as few people write them, the same ones for the same number."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    return [*dict.fromkeys(chosen(chance) for _ in range(VALUES))]


def line(value: str, *, literal: bool = False, multiline: bool = False, key: str = "KEY") -> str:
    """Return the line that Coolify writes for it."""
    return dotenv.line(EnvVar(id=1, uuid="u", key=key, value=value, is_literal=literal, is_multiline=multiline))


def lines(value: str, *, literal: bool = False, multiline: bool = False) -> tuple[str, ...]:
    """Return the line of a variable between those of two others, which it may spill over into."""
    return ("BEFORE=1", line(value, literal=literal, multiline=multiline), "AFTER=2")


def files_of(written: list[tuple[str, ...]]) -> dict[str, str]:
    """Return a project with a service for each of the files of variables."""
    services = {f"s{at}": {"image": "a:1", "env_file": [f"{at}.env"]} for at in range(len(written))}
    files = {f"{at}.env": "\n".join(file) for at, file in enumerate(written)}
    return {FILE: json.dumps({"services": services}), **files}


def environments(said: Said) -> list[dict[str, Any]]:
    """Return the variables of each service, in the order of the file."""
    assert said.document is not None, said.err
    services = said.document["services"]
    return [services[f"s{at}"]["environment"] for at in range(len(services))]


@pytest.mark.parametrize("number", range(3))
def test_a_value_arrives_as_it_is_foretold_and_the_lines_beside_it_do_too(bed: Bed, number: int) -> None:
    """Quotes, backslashes, dollar signs, `#`, line breaks, JSON, whatever the flags: a foretold text arrives."""
    all_values = values(number)
    for flags in ({}, {"literal": True}, {"multiline": True}):
        literal = bool(flags)
        foretold = {value: text for value in all_values if (text := arrived(value, literal=literal)) is not None}
        (said,) = config_of(bed.clean("muscle-1"), [files_of([lines(value, **flags) for value in foretold])])
        found = dict(zip(foretold, environments(said), strict=True))
        assert found == {value: {"BEFORE": "1", "KEY": text, "AFTER": "2"} for value, text in foretold.items()}
        assert len(foretold) > VALUES / 8


@pytest.mark.parametrize("number", range(3, 6))
def test_a_value_without_a_reason_against_it_arrives_exactly(bed: Bed, number: int) -> None:
    """All of them in one `.env`, as literal or multi-line: in `env_file` and where the file reads `${NAME}`."""
    fit = [value for value in values(number) if not unfit(value)]
    named = {f"K{at}": value for at, value in enumerate(fit)}
    for flags in ({"literal": True}, {"multiline": True}):
        service = {"image": "a:1", "env_file": [".env"], "environment": {f"READ_{key}": f"${{{key}}}" for key in named}}
        env = "\n".join(line(value, key=key, **flags) for key, value in named.items())
        (said,) = config_of(bed.clean("muscle-1"), [{FILE: json.dumps({"services": {"s0": service}}), ".env": env}])
        assert environments(said) == [named | {f"READ_{key}": value for key, value in named.items()}]
    assert len(fit) > VALUES / 5


@pytest.mark.parametrize("literal", [False, True], ids=["plain", "literal"])
def test_the_pretend_compose_reads_a_file_of_variables_as_the_real_one_does(bed: Bed, literal: bool) -> None:
    """What breaks the file breaks it in both, with the same words; what spills over spills over in both."""
    written = [lines(value, literal=literal)[: 2 + at % 2] for at, value in enumerate(values(99)[:SINGLY])]
    real = config_of(bed.clean("muscle-1"), [files_of([file]) for file in written])
    assert [told(said) for said in real] == [*map(pretended, written)]


def told(said: Said) -> dict[str, Any] | str:
    """Return the variables that Compose reads, or the last line of its words, which is the error."""
    return environments(said)[0] if said.document else said.err.splitlines()[-1]


def pretended(file: tuple[str, ...]) -> dict[str, str] | str:
    """Return what the pretend Compose reads, or its words."""
    try:
        return dotenv.read(file)
    except dotenv.Unreadable as error:
        return str(error)
