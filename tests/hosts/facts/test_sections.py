"""Whatever a server answers, nothing raises and nothing is invented: a fact is right, or unknown with a reason."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.container import Made, Mount
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import AREAS, Disk, HostFacts, read_facts
from ink_infra_mcp.hosts.facts.sections import Section, sections
from tests.hosts.facts.answers import (
    ANSWERS,
    FACT_NAMES,
    FIRST,
    FIRST_LINE,
    GOOD,
    IMAGE_ID,
    MARK,
    SECOND,
    answer,
    first_container,
    framed,
    read,
)


def test_a_whole_answer_gives_every_fact() -> None:
    """Each field has the unit and the form that its name promises."""

    def disk(mount: str, device: str) -> Disk:
        return Disk(mount=mount, device=device, size_bytes=1_024_000, used_bytes=409_600, free_bytes=614_400)

    first = ContainerFacts(
        id=FIRST,
        name="abc-1",
        image="test:1",
        image_id=IMAGE_ID,
        labels={"coolify.name": "abc", "coolify.serviceName": '"<&>'},
        host_config={
            "Runtime": "runsc",
            "Memory": 67_108_864,
            "PidsLimit": 50,
            "CapAdd": ["NET_ADMIN"],
            "NetworkMode": "coolify",
        },
        mounts=(Mount(type="bind", source="/etc", destination="/hostetc", propagation="rprivate"),),
        state="running",
        health="starting",
        exit_code=0,
        oom_killed=False,
        restart_count=0,
        started_at=datetime(2026, 11, 23, 14, 26, 24, 797838, tzinfo=UTC),
        ports=(),
        networks={"coolify": {"IPAddress": "10.0.1.7", "GlobalIPv6Address": "", "DNSNames": None}},
        volumes=(Made(name="abc_data", driver="local"),),
        server_networks=(Made(name="coolify", driver="bridge"),),
    ).model_copy(update={"ports": ("0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp")})
    assert (first.runtime, first.network_mode, first.addresses) == ("runsc", "coolify", ("10.0.1.7",))
    assert GOOD.model_copy(update={"containers": GOOD.containers[:1] if GOOD.containers else None}) == HostFacts(
        host="muscle-1",
        epoch_s=1_763_907_984,
        os_id="debian",
        os_version="12",
        kernel="6.1.0-37-amd64",
        cpus=8,
        memory_total_bytes=32_768_000_000,
        memory_available_bytes=28_672_000_000,
        load=(0.08, 0.12, 0.1),
        disk_root=disk("/", "/dev/sda1"),
        disk_docker=disk("/var/lib/docker", "overlay"),
        disk_data=disk("/data", "/dev/disk by id"),
        docker_version="28.5.1",
        docker_runtimes=("runc", "runsc"),
        docker_default_runtime="runc",
        docker_root="/var/lib/docker",
        runsc_version="release-20261012.0",
        containers=(first,),
        unknown={},
    )
    second = GOOD.containers[1] if GOOD.containers else None
    assert second
    assert (second.name, second.started_at, second.ports, second.labels) == ("def", None, (), {})


@pytest.mark.parametrize(
    ("changed", "lost", "why"),
    [
        ({"docker": ("", 127)}, "docker_version", "not installed"),
        ({"docker": ("", 124)}, "docker_runtimes", "did not answer in time"),
        (
            {"docker": ('{"version":"","runtimes":null}\nCannot connect to the Docker daemon', 1)},
            "docker_root",
            "Cannot connect",
        ),
        ({"docker": '{"version":"","runtimes":{},"default_runtime":"","root":""}'}, "docker_version", "not understood"),
        ({"runsc": "something else"}, "runsc_version", "not understood"),
        ({"os": "VERSION_ID=12"}, "os_id", "has no ID"),
        ({"memory": "MemTotal:       32000000 kB"}, "memory_available_bytes", "has no MemAvailable"),
        ({"clock": "+%s"}, "epoch_s", "not understood"),
        ({"cpus": "0"}, "cpus", "not understood"),
        ({"load": "a b c"}, "load", "not understood"),
        ({"disk_data": ("df: /data: No such file or directory", 1)}, "disk_data", "there is no /data"),
        ({"container_ids": ("permission denied", 1)}, "containers", "permission denied"),
        ({"container_ids": "garbage"}, "containers", "no id"),
        ({"containers": FIRST_LINE}, "containers", "every container"),
        ({"containers": FIRST_LINE + "\nnot json"}, "containers", "not understood"),
        ({"containers": ("template parsing error", 64)}, "containers", "template parsing error"),
        ({"containers": "[" * 100_000}, "containers", "not understood"),
    ],
)
def test_a_fact_that_cannot_be_read_is_unknown_with_its_reason(
    changed: dict[str, str | tuple[str, int]], lost: str, why: str
) -> None:
    """The others are not touched, and never does trouble look like "none"."""
    facts = read(answer(**changed))
    assert getattr(facts, lost) is None
    assert why in facts.unknown[lost]
    untouched = [name for name in FACT_NAMES if name not in facts.unknown]
    assert {name: getattr(facts, name) for name in untouched} == {name: getattr(GOOD, name) for name in untouched}


def test_a_container_that_went_away_while_we_looked_is_left_out() -> None:
    """Between the list and the look a container may end; Docker says so, and the others count."""
    for words in (
        "Error: No such container:",
        "Error response from daemon: No such container:",
        "error: no such object:",
    ):
        facts = read(answer(containers=(f"{FIRST_LINE}\n\n{words} {SECOND}", 1)))
        assert [container.id for container in facts.containers or ()] == [FIRST]


@pytest.mark.parametrize(
    ("name", "said", "read_as"),
    [
        ("volumes", ("", 127), None),
        ("volumes", "{damaged", None),
        ("volumes", "", ()),
        ("networks", ("Cannot connect to the Docker daemon", 124), None),
        ("volumes", ('{"name":"a","driver":"local","options":{"o":"bind"},"scope":"local"}\nError: no such volume', 1),
         (Made(name="a", driver="local", options={"o": "bind"}),)),
    ],
)  # fmt: skip
def test_how_volumes_and_networks_were_made_is_known_or_not(
    name: str, said: str | tuple[str, int], read_as: tuple[Made, ...] | None
) -> None:
    """What could not be asked is None and not "no options"; one that went away meanwhile hides no other."""
    facts = read(answer(**{name: said}))
    assert facts.containers
    field = {"volumes": "volumes", "networks": "server_networks"}[name]
    assert [getattr(container, field) for container in facts.containers] == [read_as] * 2


@pytest.mark.parametrize(("said", "own"), [("cgroup2fs", True), ("tmpfs", False), (("", 127), True)])
def test_only_a_server_with_the_old_cgroups_may_share_them(said: str | tuple[str, int], own: bool) -> None:
    """Unknown counts as new, which allows less."""
    facts = read(answer(cgroups=said))
    assert [container.own_cgroups for container in facts.containers or ()] == [own] * 2


def test_no_containers_are_none_only_when_docker_says_so() -> None:
    """An empty list from a Docker that answered is an empty list."""
    assert read(answer(container_ids="", containers=("", 127))).containers == ()


def test_an_area_that_was_not_asked_is_unknown() -> None:
    """A caller that asked for containers only cannot take the rest for nothing."""
    facts = read_facts("muscle-1", answer(), marker=MARK, areas=("containers",))
    assert facts.containers == GOOD.containers
    assert facts.unknown == dict.fromkeys(set(FACT_NAMES) - {"containers"}, "not asked")


def test_a_warning_of_dockers_client_does_no_harm() -> None:
    """The client warns on standard error, which comes in between."""
    warned = "WARNING: Error loading config file: /root/.docker/config.json: permission denied\n"
    with_warnings = {name: warned + ANSWERS[name] for name in ("docker", "container_ids", "containers")}
    assert read(answer(**with_warnings)) == GOOD


@given(cut=st.integers(min_value=0, max_value=len(answer())))
def test_an_answer_that_breaks_off_anywhere_keeps_what_was_whole(cut: int) -> None:
    """Each fact is the right one or unknown; none is a part taken for the whole."""
    facts = read(answer()[:cut])
    if facts.containers:
        around = {name: getattr(first_container(), name) for name in ("volumes", "server_networks")}
        assert all(getattr(c, name) in (None, whole) for c in facts.containers for name, whole in around.items())
        facts = facts.model_copy(update={"containers": tuple(c.model_copy(update=around) for c in facts.containers)})
    for name in FACT_NAMES:
        assert getattr(facts, name) == getattr(GOOD, name) or name in facts.unknown
        assert (getattr(facts, name) is None) == (name in facts.unknown)


@given(
    name=st.sampled_from(sorted(ANSWERS)),
    text=st.one_of(st.text(), st.sampled_from(["{", "{}", "null", "-1", "9" * 5000, '{"id":1}', FIRST_LINE[:-1]])),
    status=st.sampled_from([0, 1, 124, 125, 127, 255, 999]),
)
def test_garbage_in_any_section_never_raises(name: str, text: str, status: int) -> None:
    """A server may say anything; what we make of it is a fact or "unknown"."""
    facts = read(answer(**{name: (text, status)}))
    assert all((getattr(facts, fact) is None) == (fact in facts.unknown) for fact in FACT_NAMES)


@given(output=st.text())
def test_any_text_at_all_gives_no_fact(output: str) -> None:
    """Without our frame nothing is believed."""
    assert set(read(output).unknown) == set(FACT_NAMES)


@given(texts=st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(), max_size=3))
def test_sections_come_out_as_they_went_in(texts: dict[str, str]) -> None:
    """What a command says cannot close its section, because it does not know the marker."""
    output = "".join(framed(name, text, 3) for name, text in texts.items())
    assert sections(output, MARK) == {name: Section(text, 3) for name, text in texts.items()}


def test_every_area_is_one_that_the_script_knows() -> None:
    """The areas are the words that facts.sh takes."""
    assert AREAS == ("system", "docker", "containers")
