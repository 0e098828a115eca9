"""A backup that was brought from another machine is tried as it will be restored: in its place, and with both keys."""

import shutil
from pathlib import Path

import pytest

from tests.hosts.factory.backup_factory import KEPT, KEY, SOURCE, factory, ran
from tests.hosts.pretend_root import Root

BURNT = "data/coolify/backups/burnt"
NEW_KEY, OLDER = "base64:" + "n" * 43 + "=", "base64:" + "o" * 43 + "="
KEEP = """*' artisan tinker '*)
  { cat "$ROOT/data/coolify/backups/ink/.rehearsal-op-1/env"; echo; } >>"$ROOT/envs"
"""


@pytest.fixture(params=["dash", "busybox"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Root:
    """Return a Factory to which the backup of another one was brought."""
    made = factory(tmp_path, str(request.param))
    made.write(f"{SOURCE}/.env", f"APP_KEY={KEY}\nAPP_PREVIOUS_KEYS={OLDER}\nDB_PASSWORD=x\nREDIS_PASSWORD=y\n")
    assert ran(made, "make", "op-0").status == 0
    shutil.move(tmp_path / KEPT / "op-0", tmp_path / BURNT)
    made.write("broken", f"case $* in {KEEP} ;; esac\n")
    return made


def envs(root: Root) -> list[list[str]]:
    """Return what each look at a secret had for keys."""
    parts = (root.read("envs") or "").split("\n\n")
    return [[line for line in part.splitlines() if line.startswith("APP_")] for part in parts if part]


def test_it_is_checked_and_tried_where_it_lies_and_recorded_by_its_own_name(root: Root) -> None:
    """Its path is taken as a name is."""
    place = f"{root.folder}/{BURNT}"
    assert ran(root, "check", place).status == 0
    said = ran(root, "rehearse", "op-1", place, "-", "60")
    assert (said.status, said.words) == (0, "")
    assert '"backup": "op-0"' in (root.read(f"{KEPT}/last-drill.json") or "")


def test_with_another_key_here_it_has_to_decrypt_as_it_will_be_restored_too(root: Root) -> None:
    """First alone with its own, then with the one of this machine, and its own among the earlier ones."""
    root.write(f"{SOURCE}/.env", f"APP_KEY={NEW_KEY}\nDB_PASSWORD=x\n")
    assert ran(root, "rehearse", "op-1", f"{root.folder}/{BURNT}", "-", "60").status == 0
    assert envs(root) == [
        [f"APP_KEY={KEY}", f"APP_PREVIOUS_KEYS={OLDER}"],
        [f"APP_KEY={NEW_KEY}", f"APP_PREVIOUS_KEYS={KEY},{OLDER}"],
    ]


def test_with_the_same_key_here_once_is_enough(root: Root) -> None:
    """Nothing of .env changes then."""
    assert ran(root, "rehearse", "op-1", f"{root.folder}/{BURNT}", "-", "60").status == 0
    assert len(envs(root)) == 1


@pytest.mark.parametrize("place", ["/elsewhere", f"/{BURNT}/../../../elsewhere", f"/{BURNT}/link", "op-none"])
def test_what_lies_elsewhere_or_where_a_link_leads_out_is_none(root: Root, place: str) -> None:
    """The folder is whole, and not among the backups."""
    shutil.copytree(root.folder / BURNT, root.folder / "elsewhere")
    (root.folder / BURNT / "link").symlink_to(root.folder / "elsewhere")
    where = f"{root.folder}{place}" if place.startswith("/") else place
    assert [ran(root, "check", where).status, ran(root, "rehearse", "op-1", where, "-", "60").status] == [3, 3]
