"""What a rotation is refused for on a real Factory before anything stops, and files of others that it keeps."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import anyio
import pytest

from ink_infra_mcp.areas.factory.exchange import of_work
from ink_infra_mcp.areas.factory.ground import of_ground
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.hosts.factory import swapping
from ink_infra_mcp.hosts.factory.configured import configured
from ink_infra_mcp.hosts.factory.looking import CUSTOM, POSTGRES_UPGRADE, PROD, look_at_coolify
from tests.lab.bed import meanwhile
from tests.lab.ground.hosts import COOLIFY, Server
from tests.lab.ground.stand_in.catalogue import GOOD_1, GOOD_2, MORE, SLOW
from tests.lab.ground.stand_in.factory import IMAGE
from tests.lab.rotation_bed import BACK_S, LIMIT_S, Ground, probed

pytestmark = [pytest.mark.anyio, pytest.mark.xdist_group("the stand-in"), pytest.mark.timeout(1200)]

TINY = "registry.lab:5000/library/tiny:1"
LEFT = "0123456789ab_coolify"
NO_YAML = "services:\n  coolify: [\n"
UNKNOWN_KEY = "services:\n  coolify:\n    no_such_key: 1\n"
OTHERS = """\
# somebody else's
services:
  coolify:
    image: {image}
    labels:
      lab.others: kept
  redis:
    labels: {{lab.others: kept}}
"""
UPGRADED = "services:\n  coolify:\n    labels:\n      lab.upgrade: kept\n"


async def reasons(ground: Ground) -> list[str]:
    """Return why a rotation would be refused; room is not looked at: the lab's disks are small."""
    with anyio.fail_after(LIMIT_S):
        meets = await swapping.ready(ground.pool, "factory")
    plenty = meets.model_copy(update={"free_bytes": 2**40})
    return [*of_work(plenty), *of_ground(plenty)]


def _listens(stack: ExitStack, factory: Server, port: int) -> None:
    """Let a program outside of Docker listen."""
    words = ("--quiet", "--unit", "taker", "systemd-socket-activate", "-l", f"0.0.0.0:{port}", "cat")
    factory.say("systemd-run", *words)
    stack.callback(factory.say, "systemctl", "stop", "taker")


def _runs(stack: ExitStack, factory: Server, name: str, *ports: int) -> None:
    published = (word for port in ports for word in ("-p", f"{port}:{port}"))
    factory.say("docker", "run", "-d", "--name", name, *published, TINY, "sleep", "600")
    stack.callback(factory.say, "docker", "rm", "-f", name)


def _left(stack: ExitStack, factory: Server) -> None:
    factory.say("docker", "create", "--name", LEFT, TINY, "sleep", "1")
    stack.callback(factory.say, "docker", "rm", LEFT)


def _env_names_another_port(stack: ExitStack, factory: Server) -> None:
    """The container of the lab's app holds 8888."""
    env = factory.say("cat", f"{COOLIFY}/.env")
    factory.write(f"{COOLIFY}/.env", f"{env}APP_PORT=8888\n")
    stack.callback(factory.write, f"{COOLIFY}/.env", env)


def _realtime_gone(stack: ExitStack, factory: Server, *, to: str) -> None:
    """Coolify's realtime service has ended, and who takes one of its ports is a program or a container."""
    factory.say("docker", "stop", "coolify-realtime")
    stack.callback(factory.say, "docker", "start", "coolify-realtime")
    if to == "a program":
        _listens(stack, factory, 6001)
    else:
        _runs(stack, factory, "taker", 6002)


def _proxy_gone(stack: ExitStack, factory: Server) -> None:
    """Coolify's proxy is there and does not run; somebody's web server has its ports."""
    ports = ("-p", "80:80", "-p", "443:443", "-p", "443:443/udp")
    factory.say("docker", "create", "--name", "coolify-proxy", *ports, TINY, "sleep", "1")
    stack.callback(factory.say, "docker", "rm", "coolify-proxy")
    _runs(stack, factory, "web", 80)
    _listens(stack, factory, 443)


@pytest.mark.parametrize(
    ("meets", "why"),
    [
        (_left, [f"containers are left of an earlier try: {LEFT}"]),
        (_env_names_another_port, ["port 8888 is held by app"]),
        (partial(_realtime_gone, to="a program"), ["port 6001 is held by a program outside of Docker"]),
        (partial(_realtime_gone, to="a container"), ["port 6002 is held by taker"]),
        (_proxy_gone, ["port 443 is held by a program outside of Docker", "port 80 is held by web"]),
    ],
)
async def test_what_would_keep_a_container_of_coolify_from_starting_is_seen_first(
    ground: Ground, meets: Callable[[ExitStack, Server], None], why: list[str]
) -> None:
    """Left-over containers and ports that somebody else holds; where nothing is in the way, nothing is said."""
    before = ground.seen()
    assert await reasons(ground) == []
    with ExitStack() as stack:
        meets(stack, ground.factory)
        assert await reasons(ground) == why
    assert (await reasons(ground), ground.seen()) == ([], before)


@pytest.mark.parametrize("text", [NO_YAML, UNKNOWN_KEY])
async def test_an_override_that_compose_does_not_take_is_seen_first(ground: Ground, text: str) -> None:
    """Docker Compose itself is asked; what the next `up` would start is not known then, and nothing is begun."""
    before = ground.factory.say("cat", f"{COOLIFY}/{CUSTOM}")
    ground.factory.write(f"{COOLIFY}/{CUSTOM}", text)
    try:
        with anyio.fail_after(LIMIT_S):
            seen = await look_at_coolify(ground.pool, "factory")
            with pytest.raises(InkError):
                await ground.swap(GOOD_2)
    finally:
        ground.factory.write(f"{COOLIFY}/{CUSTOM}", before)
    assert (seen.planned, configured(seen).image, "planned" in seen.unknown) == (None, "", True)


async def test_files_of_others_are_kept_and_an_edited_file_gets_its_own_line_back(ground: Ground) -> None:
    """The image stood in Coolify's own file; an override of others and the one of an upgrade stay, and are in force."""
    factory, pinned = ground.factory, ground.images[GOOD_2].pinned
    texts = {name: factory.say("cat", f"{COOLIFY}/{name}") for name in (CUSTOM, PROD)}
    fork = ground.images[GOOD_1].pinned
    edited = texts[PROD].replace(IMAGE, fork)
    assert edited != texts[PROD]
    written = {PROD: edited, CUSTOM: OTHERS.format(image=fork), POSTGRES_UPGRADE: UPGRADED}
    for name, text in written.items():
        factory.write(f"{COOLIFY}/{name}", text)
    try:
        before = ground.seen()
        with anyio.fail_after(LIMIT_S), probed(factory) as lost:
            pulled = await ground.run("factory.pull_image", image=pinned, option=True, least_age_h=0)
            files = (await swapping.ready(ground.pool, "factory")).files
            swap = await ground.run(
                "factory.swap_image",
                image=pinned,
                image_id=pulled["id"],
                images={CUSTOM: pinned, PROD: IMAGE},
                sums={file: seen.sha256 for file, seen in files.items()},
                migrations=[MORE],
                migrated_s=1.0,
            )
            await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
            await ground.run("factory.confirm_image")
        labels = factory.say("docker", "inspect", "--format", "{{json .Config.Labels}}", "coolify")
        assert (lost, '"lab.others":"kept"' in labels, '"lab.upgrade":"kept"' in labels) == ([], True, True)
        now = {name: factory.say("cat", f"{COOLIFY}/{name}") for name in written}
        assert (IMAGE in now[PROD], fork in now[PROD]) == (True, False)
        assert [words in now[CUSTOM] for words in (pinned, "# somebody else's", "redis:")] == [True, True, True]
        assert now[POSTGRES_UPGRADE] == UPGRADED
        with anyio.fail_after(LIMIT_S):
            back = partial(factory.say, "sh", "/data/coolify/ink/rollback", "--with-database", limit_s=BACK_S)
            await meanwhile(back)
        assert {name: factory.say("cat", f"{COOLIFY}/{name}") for name in written} == written
        assert ground.seen() == before
    finally:
        for name, text in texts.items():
            factory.write(f"{COOLIFY}/{name}", text)
        factory.say("rm", "-f", f"{COOLIFY}/{POSTGRES_UPGRADE}")


async def test_an_image_that_starts_slowly_serves_in_the_end(ground: Ground) -> None:
    """What takes longer to answer than its first looks is waited for, and goes back as any other."""
    before = ground.seen()
    with anyio.fail_after(LIMIT_S):
        swap = await ground.swap(SLOW)
        await ground.run("factory.prove_image", image_id=swap["id"], migrated_s=1.0)
        await ground.run("factory.swap_back")
    assert (ground.seen(), ground.state()) == (before, "reverted")
