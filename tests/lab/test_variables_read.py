"""Which variables a compose file reads is what a real Docker Compose demands and misses where none of them is set."""

import json
import random
import re

import pytest

from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.compose.reads import reads_of
from tests.lab.bed import Bed
from tests.lab.composing import FILE, Said, config_of

NAMES = ("A", "b_1", "_C", "Dd", "PASSWORD", "x", "SERVICE_PASSWORD_DB", "COOLIFY_URL")
FORMS = (
    *("${N}", "$N", "${N}", "$N", "${N:-x}", "${N-a b}", "${N:-}", "${N-}", "${N:-http://x:1/?a=b}"),
    *("${N:?say it}", "${N?m}", "${N:?}", "${N:+x}", "${N+x}", "$$N", "$${N}", "$$${N}", "$$$$N"),
    *("$1", "$ ", "}", "{N}", "plain", "a: b", "%N%", "$N-x", "${N}_", "-"),
)
COOLIFYS = ("SERVICE_", "COOLIFY_")
"""What Coolify fills in: the file reads it, and nobody has to give it a value."""
FILES = 25


def text(chance: random.Random) -> str:
    """Return a text of several forms with names in them."""
    forms = chance.choices(FORMS, k=chance.randint(1, 4))
    return "".join(form.replace("N", chance.choice(NAMES), 1) for form in forms)


def compose_file(number: int) -> str:
    """Return a file that reads variables in many places, the same one for the same number."""
    chance = random.Random(number)  # noqa: S311 - not for secrets
    web = {
        "image": "a:1",
        "command": [text(chance) for _ in range(chance.randint(0, 2))],
        "environment": {"K": text(chance), "L": text(chance)},
        "healthcheck": {"test": ["CMD", text(chance)]},
        "configs": ["c"],
    }
    other = {"image": "b:${TAG:-1}", "environment": [f"K={text(chance)}"], "hostname": text(chance)}
    return json.dumps({"services": {"web": web, "other": other}, "configs": {"c": {"content": f"x {text(chance)}"}}})


def missed(said: Said) -> set[str]:
    """Return the names that Compose warns of, but for those that Coolify fills in."""
    names = re.findall(r'The \\"(\w+)\\" variable is not set', said.err)
    return {name for name in names if not name.startswith(COOLIFYS)}


def demanded(said: Said) -> str:
    """Return the name without which Compose refuses the file; it names the first, in no order of the file."""
    found = re.search(r"required variable (\w+) is missing a value", said.err)
    assert (found is None) == (said.status == 0), said.err
    return found[1] if found else ""


def projects(number: int, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the file with all that it needs, and with all but each one of it."""
    file = compose_file(number)
    given = [[name for name in needed if name != left_out] for left_out in ("", *needed)]
    return [{FILE: file, ".env": "".join(f"{name}=1\n" for name in names)} for names in given]


@pytest.mark.parametrize("first", [0, FILES])
def test_the_names_that_a_file_reads_are_those_that_docker_compose_asks_for(bed: Bed, first: int) -> None:
    """Without a needed one it starts nothing and names it; the plain ones are empty, and no other name is missed."""
    numbers = range(first, first + FILES)
    reads = {number: reads_of(read_compose(compose_file(number))) for number in numbers}
    needs = {number: tuple({*read.needed} | coolifys_needed(number)) for number, read in reads.items()}
    said = iter(config_of(bed.clean("muscle-1"), [one for at in numbers for one in projects(at, needs[at])]))
    for number, read in reads.items():
        whole = next(said)
        assert (number, demanded(whole), missed(whole)) == (number, "", {*read.plain})
        assert [demanded(next(said)) for _ in needs[number]] == [*needs[number]]
    assert sum(bool(read.needed) for read in reads.values()) > FILES / 4
    assert sum(bool(read.plain) for read in reads.values()) > FILES / 2


def coolifys_needed(number: int) -> set[str]:
    """Return the names of Coolify's that the file demands a value of."""
    return {name for name in re.findall(r"\$\{(\w+):?\?", compose_file(number)) if name.startswith(COOLIFYS)}
