"""What every exchange of Coolify's image has in common: what is in its way, and its steps, there and back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from ink_infra_mcp.areas.apps.built_apps import BuiltApp
from ink_infra_mcp.areas.factory.beside import Realtime
from ink_infra_mcp.areas.factory.findings import drift_of
from ink_infra_mcp.areas.factory.ground import of_ground
from ink_infra_mcp.areas.factory.image import Picture
from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.image_rules import ImageRules
from ink_infra_mcp.core.plan import Change, Step
from ink_infra_mcp.core.step import result_of
from ink_infra_mcp.hosts.factory.configured import configured, normal
from ink_infra_mcp.hosts.factory.looking import FactoryFacts
from ink_infra_mcp.hosts.factory.siblings import Sibling
from ink_infra_mcp.hosts.factory.swapping import Ready

SOAK_S = 900
SERVICE = "coolify"
UNISOLATED = "factory.swap_unisolated"
"""The kind of the swap after which apps that a person has named run without isolation."""
KINDS = (
    "registry.signed_image",
    "factory.pull_image",
    "factory.backup_coolify",
    "factory.copy_backup",
    "factory.rehearse",
    "factory.swap_image",
    "factory.prove_image",
    "coolify.validate_server",
    "coolify.create_project",
    "coolify.create_environment",
    "coolify.create_application",
    "coolify.discard_application",
    "registry.same_image",
    "coolify.note_deployments",
    "hosts.note_containers",
    "coolify.first_deploy",
    "hosts.prove_isolation",
    "factory.confirm_image",
    "factory.watch_image",
    "factory.release_images",
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """`image`, a reference by digest, in place of what `picture` and `ready` show.

    `images` is what each file that changes shall name, None: no image any more. Where the files name it by a `tag`,
    that is it, and `env` is what `.env` sets for it. With `option` the image must accept --runtime; `unisolated` are
    the apps that may run without isolation. `canary` proves it; `rules` say how old the image must be.

    Files in `whole` become that text, of which `more` tells what it changes. With a `version` the image must be that
    Coolify, and be `built_on` that commit, where one is said. Of an image that the steps in `first` build, `image` is
    the tag, and what the step `pushed_by` returns is its digest. `helper` is the version that the image's own source
    has to name for builds. `realtime` is exchanged with it, where it is given. With `inside` realtime has to answer in
    Coolify's own container; the container that it has until now is what it `withdraws`. One that others follow in the
    same plan is a `part` of it, and is watched for a shorter `soak_s`.
    """

    image: str
    picture: Picture
    ready: Ready
    images: Mapping[str, str | None]
    canary: BuiltApp | None
    option: bool
    rules: ImageRules
    tag: str = ""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    unisolated: tuple[str, ...] = ()
    whole: Mapping[str, str] = field(default_factory=dict[str, str])
    more: tuple[Change, ...] = ()
    version: str = ""
    built_on: str = ""
    first: tuple[Step, ...] = ()
    pushed_by: str = ""
    helper: str = ""
    realtime: Realtime | None = None
    inside: bool = False
    withdraws: Sibling | None = None
    part: str = ""
    soak_s: int = SOAK_S

    @property
    def of_part(self) -> dict[str, JsonValue]:
        """Return what tells the steps of this exchange which of several on the Factory is theirs."""
        return {"part": self.part} if self.part else {}

    def rehearsed(self, name: str) -> JsonValue:
        """Return what stands for something that the rehearsal returns of this image."""
        return result_of("rehearse", f"{name}_{self.part}" if self.part else name)

    @property
    def reference(self) -> JsonValue:
        """Return the image by digest, or what stands for it until it is built."""
        return result_of(self.pushed_by, "reference") if self.pushed_by else self.image

    @property
    def host(self) -> str:
        """Return the Factory's name."""
        return self.picture.facts.host


def relying(seen: Picture, meets: Ready) -> tuple[str, ...] | None:
    """Return the names of all that Coolify starts with --runtime, sorted; None: not known.

    Its database knows databases and other teams' apps too, which its API does not show to our token.
    """
    if meets.relying is None or seen.apps is None:
        return None
    stored = [each.name for each in meets.relying]
    return tuple(sorted([*stored, *({*seen.relying} - {*stored})]))


def needs_option(seen: Picture, meets: Ready) -> bool:
    """Return whether an image must accept --runtime: where policy wants it, or anything has it of its own."""
    return not seen.needless or relying(seen, meets) != ()


def common_reasons(seen: Picture, meets: Ready) -> Iterator[str]:
    """Yield every reason not to begin that holds for whichever image; what is not known is one."""
    yield from _of_configuration(seen)
    yield from of_work(meets)
    yield from of_ground(meets)


def check_files(meets: Ready, images: Mapping[str, str | None]) -> None:
    """Try in here what shall become of the files.

    Raises:
        InputError: one is written in a way in which that cannot be done to its text.
    """
    for name, image in images.items():
        text = meets.files[name].text
        if image is None:
            without_image(text, SERVICE)
        else:
            with_image(text, SERVICE, image)


def _of_configuration(seen: Picture) -> Iterator[str]:
    if seen.facts.state != "running":
        yield f"its container is {seen.facts.state or 'not known'}, and must run"
    yield from of_files(seen.facts)
    if seen.facts.planned is None:
        yield f"Docker Compose does not take its files ({seen.facts.unknown.get('planned', 'it did not say')})"
    if seen.facts.auto_update is None:
        yield "whether Coolify updates itself is not known"


def of_files(facts: FactoryFacts) -> Iterator[str]:
    """Yield why files and container do not agree: the way back starts what runs, and the next `up` what they name."""
    wanted, runs = configured(facts), facts.reference
    if not wanted.image or runs is None:
        yield f"what its files name is not known ({wanted.why or 'the container did not say what it runs'})"
    elif normal(wanted.image) != normal(runs):
        yield f"its files name {wanted.image}, and {runs} runs: make them agree first"


def of_work(meets: Ready) -> Iterator[str]:
    """Yield what is under way on the Factory that a swap would break off, or that would break it."""
    if meets.deployments is None:
        yield "whether deployments run is not known"
    elif meets.deployments:
        yield f"{meets.deployments} deployments run or wait"
    if meets.upgrade:
        yield "an upgrade of Coolify's own runs"
    if meets.under_way:
        yield f"another rotation is under way ({meets.under_way})"


def serves(seen: Picture, image: str) -> bool:
    """Return whether that digest runs, and the next `up` would start the same."""
    digests = {digest.partition("@")[2] for digest in seen.facts.digests or ()}
    return seen.facts.state == "running" and image.partition("@")[2] in digests and drift_of(seen) == ""


def is_off(seen: Picture) -> bool:
    """Return whether Coolify does not update itself, now and after its next start."""
    update, env = seen.facts.auto_update, (seen.facts.env or {}).get("AUTOUPDATE", "")
    return update is not None and not update.on and env.lower() in ("false", "0")
