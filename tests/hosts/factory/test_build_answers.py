"""What a build host says of a build is read strictly: what is damaged is unknown or an error, and never fine."""

import base64

import pytest

from ink_infra_mcp.areas.factory.fork_build import reasons_against
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.hosts.factory.building import Build, BuildGround, PushedBuild, read_build, read_ground

DIGEST = f"sha256:{'d' * 64}"
BASE, PATCH = "b" * 40, "c" * 40
GOOD = {
    "docker": "linux/amd64",
    "buildx": "0.13.1",
    "git": "2.47.3",
    "systemd": "yes",
    "free_kb": "40000000 50000000",
    "memory_kb": "6000000",
    "wanted_kb": "10485760 3145728",
    "under_way": "",
}


def coded(text: str) -> str:
    """Return text as the script sends it."""
    return base64.b64encode(text.encode()).decode()


def test_a_build_is_read_whole() -> None:
    """State, why, the files that conflict, and the end of its log."""
    told = [
        ("state", "failed"),
        ("stage", "patch"),
        ("why", coded("it does not fit\n")),
        ("id", ""),
        ("digest", ""),
        ("conflicts", coded("a.php\nb c.php\n")),
        ("said", coded("#1\n#2\n")),
    ]
    assert read_build("factory", told) == Build(
        state="failed",
        stage="patch",
        why="it does not fit",
        conflicts=("a.php", "b c.php"),
        untrusted_log="#1\n#2\n",
    )


@pytest.mark.parametrize(
    "told", [[], [("state", "done")], [("state", "built"), ("why", "no base64!")], [("stage", "push")]]
)
def test_a_state_that_nobody_knows_is_an_error(told: list[tuple[str, str]]) -> None:
    """It is taken for none of those that there are."""
    with pytest.raises(HostError, match="is not understood"):
        read_build("factory", told)


@pytest.mark.parametrize("digest", ["latest", "sha256:abc", f"{DIGEST} x", DIGEST.upper()])
def test_a_digest_of_another_form_is_none(digest: str) -> None:
    """What is no digest is handed to nobody."""
    assert read_build("factory", [("state", "pushed"), ("digest", digest)]).digest == ""
    assert read_ground([*GOOD.items(), ("pushed", f"registry.example.com/a/b:1 {digest} {BASE} {PATCH}")]).pushed == {}


def test_the_newest_of_two_pushes_of_one_tag_counts() -> None:
    """The script tells the newest first."""
    lines = [("pushed", f"a/b:1 {DIGEST} {BASE} {PATCH}"), ("pushed", f"a/b:1 sha256:{'e' * 64} {PATCH} {BASE}")]
    assert read_ground([*GOOD.items(), *lines]).pushed == {
        "a/b:1": PushedBuild(digest=DIGEST, base_commit=BASE, patch_commit=PATCH)
    }


def test_a_host_that_has_all_of_it_is_refused_for_nothing() -> None:
    """Its platform, programs, room and memory are there, and no other build is under way."""
    assert [*reasons_against(read_ground(GOOD.items()))] == []


@pytest.mark.parametrize("missing", [name for name in GOOD if name != "under_way"])
def test_what_is_not_told_is_a_reason_against_it(missing: str) -> None:
    """Unknown is not enough, in each of them."""
    told = read_ground((name, value) for name, value in GOOD.items() if name != missing)
    assert len([*reasons_against(told)]) >= 1
    assert len([*reasons_against(BuildGround())]) >= 6
