"""The images of the stand-in: Coolify as it is published, forks of it, good and bad ones, and what runs beside it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.lab.ground.site import Site
from tests.lab.ground.stand_in.layers import COMMON, PHP, POSTGRES, REDIS, Layer, layer_from, layers
from tests.lab.ground.stand_in.migrations import Broken
from tests.lab.ground.stand_in.pushing import Published, Recipe, publish
from tests.lab.ground.stand_in.tars import tar_of

VERSION = "4.3.11"
OFFICIAL = "official"
GOOD_1, GOOD_2 = "good-1", "good-2"
NEXT, NEXT_VERSION, NEXT_COMMIT = "next", "4.3.12", "12" * 20
"""A fork on a release that nobody has made yet: its source says so, and its label names the commit."""
MOVED, MOVED_VERSION, MOVED_COMMIT = "moved", "4.4.0", "44" * 20
MOVED_DEAF = "moved-deaf"
"""A fork on a release that has realtime inside of Coolify's own container, and one in which that never listens."""
UNHEALTHY, CRASHING, SLOW, NO_OPTION, WRONG_ARCH = "unhealthy", "crashing", "slow", "no-option", "wrong-arch"
FORK = "example/coolify-fork"
SLOW_S = 15
"""Docker calls the first of them unhealthy after three minutes (its start_period, then 24 failures, 5 s apart).

How long the slow one does nothing at all; the first look of Docker at its health comes some seconds later."""
POSTGRES_IMAGE, REDIS_IMAGE = "library/postgres:15-alpine", "library/redis:7-alpine"
REALTIME_IMAGE = "coollabsio/coolify-realtime:1.0.17"
REALTIME_NEXT, REALTIME_SICK = "coollabsio/coolify-realtime:1.0.18", "coollabsio/coolify-realtime:1.0.19"
"""Realtime of a release that nobody has made yet; the second of them never answers that it is ready."""
MORE = "2026_09_02_000000_add_last_validated_at_to_servers_table"
"""The migration that only good-2 has."""

HERE = Path(__file__).resolve().parent
_HTML = HERE / "html"
_ROOT = "var/www/html"
_OPTIONS, _ROUTES = f"{_ROOT}/bootstrap/helpers/docker.php", f"{_ROOT}/routes/api.php"
_EARLY = "etc/cont-init.d/50-image.sh"
"""What is done by a start, and not by a command that is run in a container of the image."""
_ENTRYPOINT = "usr/local/bin/docker-php-serversideup-entrypoint"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MORE = """\
<?php

use Illuminate\\Database\\Migrations\\Migration;
use Illuminate\\Database\\Schema\\Blueprint;
use Illuminate\\Support\\Facades\\Schema;

return new class extends Migration
{
    public function up(): void
    {
        Schema::table('servers', function (Blueprint $table) {
            $table->timestamp('last_validated_at')->nullable();
        });
    }
};
"""


def published(site: Site) -> dict[str, Published]:
    """Return all images but those with broken migrations, by name, after putting them into the lab's registry.

    Raises:
        LabError: the layers could not be made.
        OSError: the registry does not take them.
    """
    recipes = {OFFICIAL: coolify(site, f"coollabsio/coolify:{VERSION}", {})}
    recipes |= {tag: coolify(site, f"{FORK}:{tag}", changes) for tag, changes in _forks().items()}
    recipes[NEXT] = coolify(site, f"{FORK}:{NEXT}", _next(), built_on=NEXT_COMMIT)
    for name in (MOVED, MOVED_DEAF):
        recipes[name] = coolify(site, f"{FORK}:{name}", _moved(name), built_on=MOVED_COMMIT)
    recipes[WRONG_ARCH] = coolify(site, f"{FORK}:{WRONG_ARCH}", _with_option(), arm=True)
    realtimes = (_realtime(site, name) for name in (REALTIME_IMAGE, REALTIME_NEXT, REALTIME_SICK))
    recipes |= {recipe.name: recipe for recipe in (_postgres(site), _redis(site), *realtimes)}
    return {name: publish(recipe, registry=site.registry) for name, recipe in recipes.items()}


def broken(site: Site, migration: Broken) -> Published:
    """Return the image that is good-1 with one migration more, after putting it into the lab's registry."""
    text = migration.text.replace("{registry}", site.registry)
    file = f"{_ROOT}/database/migrations/{migration.file}.php"
    recipe = coolify(site, f"{FORK}:broken-{migration.name.replace('_', '-')}", {**_with_option(), file: text})
    return publish(recipe, registry=site.registry)


def again(site: Site) -> Published:
    """Return an image that differs from good-1 in nothing that anybody runs, after putting it into the registry."""
    recipe = coolify(site, f"{FORK}:again", {**_with_option(), f"{_ROOT}/AGAIN": "good-1, once more\n"})
    return publish(recipe, registry=site.registry)


def coolify(site: Site, name: str, changes: Mapping[str, str], *, arm: bool = False, built_on: str = "") -> Recipe:
    """Return an image of Coolify whose files differ from the published one in `changes`, path -> text.

    With `arm` it says that it is for linux/arm64, and for nothing else; `built_on` is a commit that its label names.
    """
    below = _debian(site)
    lowest = (below[COMMON], below[PHP], _application())
    return Recipe(
        name=name,
        layers=(*lowest, layer_from(tar_of(changes, owner=9999))) if changes else lowest,
        entrypoint=(f"/{_ENTRYPOINT}",),
        command=("/init",),
        environment={"PATH": _PATH, "COOLIFY_VERSION": VERSION},
        folder=f"/{_ROOT}",
        user="www-data",
        ports=("8080/tcp",),
        labels={"ink-infra.base": built_on} if built_on else {},
        architecture="arm64" if arm else "amd64",
    )


def _forks() -> dict[str, dict[str, str]]:
    option = _with_option()
    routes = (_HTML / "routes/api.php").read_text(encoding="utf-8")
    sick = routes.replace("fn () => 'OK'", "fn () => response('no', 500)")
    return {
        GOOD_1: option,
        GOOD_2: {**option, f"{_ROOT}/database/migrations/{MORE}.php": _MORE},
        UNHEALTHY: {**option, _ROUTES: sick},
        CRASHING: {**option, _EARLY: "echo 'cannot start: a file of the image is missing' >&2\nexit 1\n"},
        SLOW: {**option, _EARLY: f"sleep {SLOW_S}\n"},
        NO_OPTION: {f"{_ROOT}/FORK": "a fork, and not the one with the option\n"},
    }


def _moved(name: str) -> dict[str, str]:
    """Reverb's /up on port 6001, and the terminal server's /ready on 6002 (docker/production of coollabsio/coolify)."""
    start = "httpd -p 6002 -h /srv/terminal\n" + ("" if name == MOVED_DEAF else "httpd -p 6001 -h /srv/reverb\n")
    served = {"srv/reverb/up": "OK\n", "srv/terminal/ready": "OK\n"}
    return {**_next(MOVED_VERSION), **served, _EARLY: start}


def _next(version: str = NEXT_VERSION) -> dict[str, str]:
    told = (_HTML / "config/constants.php").read_text(encoding="utf-8").replace(VERSION, version)
    more = {f"{_ROOT}/database/migrations/{MORE}.php": _MORE, f"{_ROOT}/config/constants.php": told}
    return {**_with_option(), **more}


def _with_option() -> dict[str, str]:
    """Return the file in which the fork of pull request 8113 differs."""
    text = (_HTML / "bootstrap/helpers/docker.php").read_text(encoding="utf-8")
    last = "        '--entrypoint' => 'entrypoint',\n"
    return {_OPTIONS: text.replace(last, f"{last}        '--runtime' => 'runtime',\n")}


@cache
def _application() -> Layer:
    """Return the layer with Coolify's own files, of the user that they have in its image."""
    files = {
        f"{_ROOT}/{file.relative_to(_HTML)}": file.read_text(encoding="utf-8")
        for file in sorted(_HTML.rglob("*"))
        if file.is_file()
    }
    written = ("app/ssh", "framework/cache/data", "framework/views", "logs")
    folders = (f"{_ROOT}/bootstrap/cache", *(f"{_ROOT}/storage/{name}" for name in written))
    return layer_from(
        tar_of({**files, _ENTRYPOINT: _start("entrypoint"), "init": _start("coolify")}, owner=9999, folders=folders)
    )


@cache
def _debian(site: Site) -> dict[str, Layer]:
    return layers(site)


def _start(name: str) -> str:
    return (HERE / "starts" / name).read_text(encoding="utf-8")


def _beside(
    site: Site, name: str, start: str, packages: tuple[str, ...], files: Mapping[str, str]
) -> tuple[Layer, ...]:
    below = _debian(site)
    return (*(below[package] for package in (COMMON, *packages)), layer_from(tar_of({**files, start: _start(name)})))


def _postgres(site: Site) -> Recipe:
    data = "/var/lib/postgresql/data"
    return Recipe(
        name=POSTGRES_IMAGE,
        layers=_beside(site, "postgres", "usr/local/bin/docker-entrypoint.sh", (POSTGRES,), {}),
        entrypoint=("docker-entrypoint.sh",),
        command=("postgres",),
        environment={"PATH": f"/usr/lib/postgresql/15/bin:{_PATH}", "PGDATA": data, "LANG": "C.UTF-8"},
        # told to end it would wait for its clients; interrupted, as by the official image, it sends them away
        stop="SIGINT",
        volumes=(data,),
        ports=("5432/tcp",),
    )


def _redis(site: Site) -> Recipe:
    return Recipe(
        name=REDIS_IMAGE,
        layers=_beside(site, "redis", "usr/local/bin/docker-entrypoint.sh", (REDIS,), {}),
        entrypoint=("docker-entrypoint.sh",),
        command=("redis-server",),
        environment={"PATH": _PATH},
        folder="/data",
        volumes=("/data",),
        ports=("6379/tcp",),
    )


def _realtime(site: Site, name: str) -> Recipe:
    """Each version is an image of its own, by the file in which it says which one it is."""
    files = {"www/version": f"{name}\n"} | ({} if name == REALTIME_SICK else {"www/ready": "OK\n"})
    return Recipe(
        name=name,
        layers=_beside(site, "realtime", "init", (), files),
        entrypoint=("/init",),
        environment={"PATH": _PATH},
        ports=("6001/tcp", "6002/tcp"),
    )
