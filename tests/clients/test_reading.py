"""What may be read of a vendor without a permit: listed addresses as they are sent, and no other spelling of any."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ink_infra_mcp.clients import github, hetzner_cloud
from ink_infra_mcp.clients.coolify.reads import NOTHING, READS
from ink_infra_mcp.clients.hetzner_robot import door
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import RateLimited, Unavailable, Unreachable
from tests.clients.ordered import Call, ordered, permit

BASE = "/api/v1/"
UUID = "a0app4pp4pp4pp4pp4pp4pp4"
ACTING = (
    "/deploy",
    "/enable",
    "/disable",
    f"/servers/{UUID}/validate",
    *(
        f"/{kind}/{UUID}/{verb}"
        for kind in ("applications", "services", "databases")
        for verb in ("start", "stop", "restart")
    ),
)
"""Each path that Coolify acts on when it is asked with GET, in any version from 4.0.0-beta.463 (routes/api.php)."""
ACTS = re.compile(
    r"/api/v1/(?:deploy|enable|disable|servers/[^/]+/validate|(?:applications|services|databases)/[^/]+/(?:start|stop|restart))"
)
HARMLESS = {f"/api/v1/servers/{NOTHING}/validate", f"/api/v1/applications/{NOTHING}/start"}
PIECES = (
    *("/", "//", "..", ".", ";", "?", "#", "%2e", "%2F", "%25", "\n", " ", "\\", "none", "servers", "validate"),
    *(
        "applications",
        "services",
        "databases",
        "start",
        "stop",
        "deploy",
        "deployments",
        "logs",
        "lines=1",
        "uuid=x",
        UUID,
    ),
)


def allowed(target: str) -> bool:
    """Return whether Coolify may be asked for it without a permit."""
    return READS.allow(target, below=BASE)


def respelt(path: str, cuts: list[int], codes: list[int]) -> Iterator[str]:
    """Give other spellings of a path that some server or proxy reads as the same one."""
    encoded = "".join(f"%{ord(letter):02x}" if at in codes else letter for at, letter in enumerate(path))
    yield encoded if encoded != path else f"{path}/"
    for cut in cuts:
        at = cut % (len(path) + 1)
        yield from (
            path[:at] + extra + path[at:] for extra in ("/", "/.", "/./", "/x/..", "/%2e", ";a=b", "%00", "%20")
        )
    yield from (f"{path}{end}" for end in ("/", "//", "/.", "/index.php", "?", "#", ".json", "%2f", "\\"))
    yield from (f"/servers/..{path}", f"/%2e%2e/v1{path}", f"/{path}", path.upper(), path.title())


@pytest.mark.parametrize("path", ACTING)
@pytest.mark.parametrize("query", ["", "?uuid=x", "?force=1", "?tag=blue", "?"])
def test_what_acts_in_some_version_is_no_read(path: str, query: str) -> None:
    """Whichever version answers, the path of an act is not on the list, with any query and below any base."""
    assert not allowed(f"{BASE.rstrip('/')}{path}{query}")
    assert not READS.allow(f"/api{path}{query}", below="/api/")


@given(
    path=st.sampled_from(ACTING),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    codes=st.lists(st.integers(0, 60), max_size=60),
)
def test_no_spelling_of_an_act_is_a_read(path: str, cuts: list[int], codes: list[int]) -> None:
    """Encoded in part or wholly, with dot segments, parameters, more slashes or in other letters: it stays refused."""
    for other in respelt(path, cuts, codes):
        assert not allowed(f"{BASE.rstrip('/')}{other}")


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=9), query=st.sampled_from(["", "?lines=5", "?uuid=x"]))
@example(pieces=["applications", "/", f"{UUID}%2Fstop"], query="")
@example(pieces=["servers", "/", "none", "/", "validate"], query="")
def test_whatever_is_a_read_is_none_of_the_acts_for_laravel(pieces: list[str], query: str) -> None:
    """Laravel decodes a path once and cuts slashes from its end: nothing that is allowed is an act after that."""
    target = BASE + "".join(pieces) + query
    if allowed(target):
        read = unquote(target.partition("?")[0]).rstrip("/")
        assert read in HARMLESS or ACTS.fullmatch(read) is None


def test_what_tells_abilities_names_nothing_and_carries_nothing() -> None:
    """The two stubs that are asked are of a uuid that cannot be; with a query, which may name one, they are none."""
    assert all(allowed(path) for path in HARMLESS)
    assert not any(allowed(f"{path}?uuid={UUID}") for path in HARMLESS)


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/version",
        f"/api/v1/applications/{UUID}/logs?lines=100",
        f"/api/v1/deployments/applications/{UUID}?skip=0&take=5",
    ],
)
def test_listed_reads_pass(target: str) -> None:
    """The list is no wall: what the client asks for passes, below its base only."""
    assert allowed(target)
    assert not READS.allow(target, below="/api/v2/")
    assert not READS.allow(target.removeprefix("/api/v1"), below=BASE)


@pytest.mark.parametrize(
    ("reads", "target", "good"),
    [
        (hetzner_cloud.READS, "/v1/zones/ml.ink/rrsets/%2A.s1/A", True),
        (hetzner_cloud.READS, "/v1/zones/ml.ink/rrsets/@/TXT", True),
        (hetzner_cloud.READS, "/v1/zones/ml.ink/rrsets/../../servers", False),
        (hetzner_cloud.READS, "/v1/zones/%2e%2e/rrsets/x/A", False),
        (hetzner_cloud.READS, "/v1/actions?id=1&id=2", True),
        (hetzner_cloud.READS, "/v1/actions?id=1&&id=2", False),
        (hetzner_cloud.READS, "/v1/servers/42/metrics", False),
        (door.READS, "/v1/firewall/321", True),
        (door.READS, "/v1/boot/321/rescue", False),
        (github.READS, "/v1/repos/example/hello/branches/feature%2Fx", True),
        (github.READS, "/v1/repos/example/../../user", False),
        (github.READS, "/v1/repos/example/..", False),
    ],
)
def test_the_other_vendors_have_lists_of_their_own(reads: Reads, target: str, good: bool) -> None:
    """Names are taken as they are quoted; dot segments, other addresses and odd queries are not."""
    assert reads.allow(target, below="/v1") is good


def test_a_list_with_a_part_of_no_kind_is_no_list() -> None:
    """A template that means nothing is found when it is made, not when it lets something through."""
    with pytest.raises(KeyError):
        Reads("/servers/{anything}")
    assert not Reads().allow("/v1/servers", below="/v1")


@pytest.mark.anyio
@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_get_that_acts_is_sent_once(status: int) -> None:
    """A GET with a permit is a write: an answer that says too little is never followed by a second one."""
    unsure = pytest.raises(Unavailable, match="It is not known whether the change happened")
    with ordered(Call("GET", "/deploy?uuid=x", status=status, answer={})) as wire, unsure:
        await wire.http.send("GET", "/deploy", permit=permit(), query={"uuid": "x"})


@pytest.mark.anyio
async def test_a_get_that_acts_and_is_cut_off_may_have_acted() -> None:
    """Its connection broke after it was sent: it is not repeated, and nobody says that nothing was changed."""
    lost = Call("GET", "/deploy", breaks=httpx2.ReadError)
    with ordered(lost) as wire, pytest.raises(Unreachable, match="It is not known whether the change happened"):
        await wire.http.send("GET", "/deploy", permit=permit())


@pytest.mark.anyio
async def test_a_get_that_was_not_taken_is_sent_again() -> None:
    """A rate limit says that nothing was done: then the same act may be asked for once more, as with any write."""
    busy = Call("GET", "/deploy", status=429, answer={}, headers={"retry-after": "1"})
    with ordered(busy, Call("GET", "/deploy", answer={"deployments": []})) as wire:
        assert (await wire.http.send("GET", "/deploy", permit=permit())).only_read is False
    with ordered(*[busy] * 4) as wire, pytest.raises(RateLimited):
        await wire.http.send("GET", "/deploy", permit=permit())
