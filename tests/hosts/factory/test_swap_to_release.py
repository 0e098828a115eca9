"""The unit that puts a release of Coolify into service, in a real shell: its file and .env go there and come back."""

from hashlib import sha256
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import BASE, CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Orders, read_ready
from tests.hosts.factory.test_swap_script import (
    BEFORE,
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    ROTATION,
    SOURCE,
    Left,
    begun,
    factory,
    left,
    named,
    told,
)
from tests.hosts.pretend_root import Root

ENV = "APP_KEY=base64:bm90\nexport LATEST_IMAGE=4.3.10\nAUTOUPDATE=true\n"
THERE = "APP_KEY=base64:bm90\nAUTOUPDATE=false\nCOOLIFY_VERSION=4.3.11\nLATEST_IMAGE=4.3.11\n"
OLD_PROD = "services: {}\n"
RELEASED = "# of the release\nservices:\n  coolify:\n    healthcheck:\n      retries: 24\n"
FOLDERS = ["data/coolify/images/avatars", "data/coolify/images/project-icons"]


def released(root: Root, *, confirm_s: int = 600, folder: bool = False, base: str = "") -> str:
    """Return the orders for a fork on a new release: its digest in the override, the release's file, both keys.

    With `base` they also say what docker-compose.yml was when it was planned, as a sum.
    """
    sums = {name: sha256((root.folder / SOURCE / name).read_bytes()).hexdigest() for name in (CUSTOM, PROD)}
    sums |= {BASE: base} if base else {}
    return Orders(
        image=NEW,
        image_id=NEW_ID,
        migrates=False,
        health_s=60,
        confirm_s=confirm_s,
        sums=sums,
        texts={CUSTOM: named(NEW), PROD: RELEASED},
        env={"LATEST_IMAGE": "4.3.11", "COOLIFY_VERSION": "4.3.11"},
        folder=folder,
    ).lines()


def older(folder: Path) -> Root:
    """Return a Factory with the release before in its files."""
    root = factory(folder)
    root.write(f"{SOURCE}/.env", ENV)
    return root


def test_the_releases_file_and_env_are_there_with_its_image(tmp_path: Path) -> None:
    """Each key once, also where it was exported; by hand all of it comes back."""
    root = older(tmp_path)
    begun(root, data=released(root))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    assert left(root) == Left("confirmed", "", NEW_ID, named(NEW), BEFORE)
    assert root.read(f"{SOURCE}/{PROD}") == RELEASED
    assert sorted((root.read(f"{SOURCE}/.env") or "").splitlines()) == sorted(THERE.splitlines())
    assert told(root, "back").status == 0
    assert (root.read(f"{SOURCE}/{PROD}"), root.read(f"{SOURCE}/.env"), left(root).serves) == (OLD_PROD, ENV, OLD_ID)


@pytest.mark.parametrize(("state", "why"), [("swapping", "it was interrupted"), ("", "nobody confirmed it within 0 s")])
def test_a_unit_that_is_killed_or_that_nobody_confirms_puts_the_old_file_and_env_back(
    tmp_path: Path, state: str, why: str
) -> None:
    """With the release's file in place already."""
    root = older(tmp_path)
    begun(root, data=released(root, confirm_s=0))
    if state:
        root.write(f"{SOURCE}/{PROD}", RELEASED)
        root.write(f"{SOURCE}/.env", THERE)
        root.write(f"{ROTATION}/state", f"{state}\n")
    assert told(root, "run").status == 0
    assert left(root) == Left("reverted", why, OLD_ID, named(OLD), BEFORE)
    assert (root.read(f"{SOURCE}/{PROD}"), root.read(f"{SOURCE}/.env")) == (OLD_PROD, ENV)


@pytest.mark.parametrize(("folder", "made"), [(False, []), (True, FOLDERS)])
def test_the_folder_that_a_release_mounts_is_made_for_coolifys_user_where_it_is_ordered(
    tmp_path: Path, *, folder: bool, made: list[str]
) -> None:
    """Docker would make it as root's, and Coolify could not write there; nobody else gets in."""
    root = older(tmp_path)
    root.programs({"chown": 'echo "$*" >"$ROOT/owned"'})
    begun(root, data=released(root, folder=folder))
    assert (told(root, "confirm").status, told(root, "run").status) == (0, 0)
    there = [root.folder / name for name in FOLDERS if (root.folder / name).is_dir()]
    assert [str(each.relative_to(root.folder)) for each in there] == made
    assert {each.stat().st_mode & 0o777 for each in there} == ({0o700} if folder else set())
    assert (root.read("owned") or "").split() == (["-R", "9999:root", "/data/coolify/images"] if folder else [])


@pytest.mark.parametrize("sum_", ["", sha256(OLD_PROD.encode()).hexdigest()])
@pytest.mark.parametrize("file", [BASE, "docker-compose.postgres-upgrade.yml"])
def test_a_file_that_nobody_here_writes_and_that_changes_after_it_was_prepared_ends_it_untouched(
    tmp_path: Path, file: str, sum_: str
) -> None:
    """The unit compares what `up` would read, at the last moment; so does a rotation, which plans nothing of it."""
    root = older(tmp_path)
    begun(root, data=released(root, base=sum_))
    root.write(f"{SOURCE}/{file}", "services: {redis: {image: theirs}}\n")
    assert told(root, "run").status == 0
    why = "docker-compose.yml or that of a database's upgrade was changed meanwhile"
    assert left(root) == Left("refused", why, OLD_ID, named(OLD), BEFORE)


def test_a_file_that_is_not_as_planned_is_not_even_prepared(tmp_path: Path) -> None:
    """Between the last look and the first word to the unit somebody can write it."""
    root = older(tmp_path)
    said = told(root, "prepare", data=released(root, base="0" * 64))
    assert (said.status, f"{BASE} was changed meanwhile" in said.words) == (3, True)
    assert left(root) == Left("", "", OLD_ID, named(OLD), BEFORE)


def test_a_file_that_is_too_large_to_compare_is_said(tmp_path: Path) -> None:
    """More than 64 KiB is no file of Coolify's."""
    root = older(tmp_path)
    root.write(f"{SOURCE}/{BASE}", "# x\n" * 17_000)
    said = told(root, "ready")
    assert (said.status, f"{BASE} is larger than 64 KiB" in said.words) == (3, True)


def test_what_is_compared_is_told_and_of_env_nothing_but_names(tmp_path: Path) -> None:
    """Coolify's docker-compose.yml whole, and which keys .env has: none of their values leaves the Factory."""
    root = older(tmp_path)
    root.write(f"{SOURCE}/.env", f"{ENV}# NOT=1\nDB_PASSWORD='hunter2'\n")
    said = told(root, "ready")
    parted = (line.partition(" ") for line in said.facts.splitlines())
    seen = read_ready("factory", [(first, rest) for first, _, rest in parted])
    text = root.read(f"{SOURCE}/{BASE}") or ""
    assert (seen.base.text, seen.base.sha256) == (text, sha256(text.encode()).hexdigest())
    assert seen.env_names == ("APP_KEY", "AUTOUPDATE", "DB_PASSWORD", "LATEST_IMAGE")
    assert "hunter2" not in said.facts
