"""A rotation is not prepared where Docker Compose takes neither the files as they shall be, nor those of a way back."""

from hashlib import sha256
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import Orders
from tests.hosts.factory.test_swap_script import NEW, NEW_ID, SOURCE, factory, named, orders, told

REFUSED = "# refused by compose\n"
FORK = named("registry.example.com/ink/coolify:1")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (CUSTOM, f"{REFUSED}{FORK}"),
        (PROD, f"{REFUSED}services: {{}}\n"),
        ("docker-compose.yml", f"{REFUSED}services: {{}}\n"),
        ("docker-compose.postgres-upgrade.yml", REFUSED),
        (".env", f"{REFUSED}AUTOUPDATE=true\n"),
    ],
)
def test_where_compose_does_not_take_the_files_nothing_is_begun(tmp_path: Path, file: str, text: str) -> None:
    """The unit's `up` would fail, and that of its way back too: Coolify would be away until a person came."""
    root = factory(tmp_path)
    root.write(f"{SOURCE}/{file}", text)
    before = root.read("now")
    said = told(root, "prepare", data=orders(root))
    assert (said.status, "as they are, which the way back needs" in said.words) == (3, True), said
    assert (root.read("now"), root.read("started"), root.read(f"{SOURCE}/{file}")) == (before, None, text)


def test_where_compose_would_not_take_the_new_files_nothing_is_begun(tmp_path: Path) -> None:
    """What shall be there is tried where nobody reads it yet."""
    root = factory(tmp_path)
    before = root.read("now")
    sums = {name: sha256((root.folder / SOURCE / name).read_bytes()).hexdigest() for name in (CUSTOM, PROD)}
    wanted = Orders(
        image=NEW,
        image_id=NEW_ID,
        migrates=True,
        health_s=60,
        confirm_s=600,
        sums=sums,
        texts={CUSTOM: f"{REFUSED}{FORK}", PROD: None},
    )
    said = told(root, "prepare", data=wanted.lines())
    assert (said.status, "as they shall be" in said.words) == (3, True), said
    assert (root.read("now"), root.read("started")) == (before, None)
