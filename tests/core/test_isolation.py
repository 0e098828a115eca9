"""Isolation: what Coolify reads out of run options, what weakens them, and overlays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.isolation import (
    CAPABILITIES,
    AllowedRule,
    DropRule,
    Isolation,
    IsolationRules,
    NetworksRule,
    PidsRule,
    RuntimeRule,
    SettleRule,
    baseline,
    drops,
    tighten,
)
from ink_infra_mcp.core.policy import Loosens
from ink_infra_mcp.core.run_options import APPLIED_OPTIONS, Option, lacking, parse_options, run_options, weakening

POLICY = Isolation(
    runtime="runsc",
    pids_limit=512,
    cap_drop=("ALL",),
    cap_add=("CHOWN", "NET_BIND_SERVICE"),
    forbidden={"--privileged": "every device", "--security-opt": "switches protections off"},
)
ULIMIT = (
    "stops the deployment: write a limit's name, =, the soft limit, : and the hard one, which is not less, "
    "such as nofile=1024:2048"
)
HIDDEN = (
    "`--privileged` is forbidden: every device",
    "`--privileged` is read as an option though it stands inside the value of another",
)
NAMES = st.sampled_from(sorted(CAPABILITIES))
POLICIES = st.builds(
    Isolation,
    runtime=st.from_regex(r"[A-Za-z0-9_.]{1,12}", fullmatch=True),
    pids_limit=st.integers(1, 4_194_304),
    cap_drop=st.just(("ALL",)) | st.lists(NAMES, unique=True, max_size=3).map(tuple),
    cap_add=st.lists(NAMES, unique=True, max_size=5).map(tuple),
    forbidden=st.just({}),
)


def test_the_options_of_a_policy_are_one_plain_text() -> None:
    """The text for Coolify holds runtime, process limit and capabilities, each as name, = and value."""
    assert run_options(POLICY) == (
        "--runtime=runsc --pids-limit=512 --cap-drop=ALL --cap-add=CHOWN --cap-add=NET_BIND_SERVICE"
    )


@given(POLICIES)
def test_the_options_of_any_policy_survive_coolifys_parser(policy: Isolation) -> None:
    """What Coolify reads out of our text is what we meant: nothing is cut, weak or lacking."""
    text = run_options(policy)
    assert [f"{name}={value}" for name, value in parse_options(text)] == text.split()
    assert (weakening(text, policy), lacking(text, policy)) == ((), ())


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ()),
        ("--runtime=runsc --pids-limit 256", (("--runtime", "runsc"), ("--pids-limit", "256"))),
        ("--cap-add=NET_ADMIN", (("--cap-add", "NET_ADMIN"),)),
        ("--security-opt=no-new-privileges:true", (("--security-opt", "no"),)),
        ("--security-opt apparmor=docker-default", (("--security-opt", "apparmor=docker"),)),
        ("--init --cap-drop=ALL", (("--init", None), ("--cap-drop", "ALL"))),
        ("--init true", (("--init", "true"),)),
        ("--runtime  runsc", (("--runtime", None),)),
        ("--hostname=a--privileged", (("--hostname", "a"), ("--privileged", None))),
        ("-v /:/host", ()),
        ("--ulimit nofile=1024:2048", (("--ulimit", "nofile=1024:2048"),)),
        ("---runtime=runc", (("--runtime", "runc"),)),
    ],
)
def test_options_are_read_as_coolify_reads_them(text: str, read: tuple[Option, ...]) -> None:
    """A value ends at the first space or hyphen, one separator is allowed, and options hide inside values."""
    assert parse_options(text) == read


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("--runtime=runsc --pids-limit=100 --cap-drop=ALL --cap-add=CHOWN --init", ()),
        ("--cap-add=cap_chown --shm-size=1g --ulimit nofile=1024:2048 --dns 192.0.2.53", ()),
        ("--entrypoint 'node --max-old-space-size=512 app.js' --hostname=shop-1", ()),
        ("--privileged", ("`--privileged` is forbidden: every device",)),
        ("--hostname=a--privileged", HIDDEN),
        ("--entrypoint \"sh -c '--privileged'\"", HIDDEN),
        (
            "--security-opt=no-new-privileges",
            (
                "`--security-opt` is forbidden: switches protections off",
                "`--security-opt=no-new-privileges` does not arrive as written: Coolify reads `no`",
            ),
        ),
        ("--runtime=runc", ("`--runtime=runc` is not the isolating runtime runsc",)),
        (
            "--runtime=runsc-debug",
            (
                "`--runtime=runsc-debug` does not arrive as written: Coolify reads `runsc`",
                "`--runtime` is not read in one way: Coolify and the fork make `runsc`, `runsc-debug` of it",
            ),
        ),
        (
            "--runtime  runsc",
            (
                "`--runtime=runsc` does not arrive as written: Coolify reads no value",
                "`--runtime` is not read in one way: Coolify and the fork make no value, `runsc` of it",
            ),
        ),
        ("--runtime", ("`--runtime` has no value: Coolify would drop it or write an invalid compose file",)),
        (
            "--runtime=runsc --runtime=runsc",
            (
                "`--runtime` is given 2 times: only one of them counts",
                "`--runtime` is not read in one way: Coolify and the fork make `runsc` of it",
            ),
        ),
        ("--pids-limit=513", ("`--pids-limit=513` is not between 1 and 512",)),
        ("--pids-limit=0", ("`--pids-limit=0` is not between 1 and 512",)),
        (
            "--pids-limit=-1",
            (
                "`--pids-limit=-1` does not arrive as written: Coolify reads no value",
                "`--pids-limit` is not read in one way: Coolify and the fork make no value, `-1` of it",
            ),
        ),
        ("--cap-add SYS_ADMIN", ("`--cap-add=SYS_ADMIN` adds a capability that policy does not allow",)),
        ("--cap-add=CHOWN,SYS_ADMIN", ("`--cap-add=CHOWN,SYS_ADMIN` adds a capability that policy does not allow",)),
        ("--memory 2g", ("`--memory` is dropped by Coolify without a word",)),
        (
            "-v data:/x",
            ("`-v` is no long option: Coolify ignores it", "`data:/x` is no long option: Coolify ignores it"),
        ),
        ("--init true", ("`--init` takes no value here: Coolify would write an invalid compose file",)),
        ("--ulimit nofile", (f"`--ulimit=nofile` {ULIMIT}",)),
        ("--ulimit nofile=1024", (f"`--ulimit=nofile=1024` {ULIMIT}",)),
        ("--ulimit rtprio=99:99", (f"`--ulimit=rtprio=99:99` {ULIMIT}",)),
        ('--shm-size="1g"', ('`--shm-size="1g"` stops the deployment: write a size without quotes, such as 64m',)),
        ("--dns=example.com", ("`--dns=example.com` stops the deployment: write an address",)),
        ("--hostname='shop'", ("`--hostname='shop'` stops the deployment: write a name",)),
        ("--hostname", ("`--hostname` has no value: Coolify would drop it or write an invalid compose file",)),
        (
            "--entrypoint 'x --cap-drop' --cap-add=CHOWN",
            ("`--cap-drop` is read as an option though it stands inside the value of another",),
        ),
        (
            "--cap-add=CHOWN\u00a0--x",
            (
                "`--cap-add=CHOWN\u00a0--x` does not arrive as written: Coolify reads `CHOWN\u00a0`",
                "`--cap-add=CHOWN\u00a0` adds a capability that policy does not allow",
            ),
        ),
    ],
)
def test_what_weakens_isolation_or_gets_lost_is_named(text: str, reasons: tuple[str, ...]) -> None:
    """Each option that weakens isolation, and each that does not arrive as written, has its own reason."""
    assert sorted(weakening(text, POLICY)) == sorted(reasons)


@given(
    st.text(alphabet="-=ab \t'\"", max_size=30), st.sampled_from(["--privileged", "--cap-add=SYS_ADMIN", "--runtime=x"])
)
def test_no_text_around_it_hides_a_weakening_option(around: str, option: str) -> None:
    """Whatever stands before a weakening option, if Coolify would read it then it is named."""
    text = f"{around} {option}"
    name, _, value = option.partition("=")
    if (name, value or None) in parse_options(text):
        assert any(name in reason for reason in weakening(text, POLICY))


def test_what_isolation_lacks_is_listed_as_options_to_add() -> None:
    """A text without runtime, limit or dropped capabilities is reported; fewer added capabilities are fine."""
    assert lacking("--cap-add=CHOWN", POLICY) == ("--runtime=runsc", "--pids-limit=512", "--cap-drop=ALL")
    assert lacking("--runtime=runsc --pids-limit=64 --cap-drop=ALL", POLICY) == ()
    assert lacking("--runtime=runc --pids-limit --cap-drop=CHOWN", POLICY) == (
        "--runtime=runsc",
        "--pids-limit=512",
        "--cap-drop=ALL",
    )


ENOUGH = "--pids-limit=64 --cap-drop=ALL"


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (f"--runtime=runc --runtime=runsc {ENOUGH}", ("--runtime=runsc",)),
        (f"--runtime=runsc --runtime=runc {ENOUGH}", ("--runtime=runsc",)),
        (f"--runtime=runsc-kvm {ENOUGH}", ("--runtime=runsc",)),
        (f"--runtime  runc --runtime=runsc {ENOUGH}", ("--runtime=runsc",)),
        (f"--runtime=runsc {ENOUGH} --runtime", ("--runtime=runsc",)),
        (f"--hostname=a--runtime=runc --runtime=runsc {ENOUGH}", ("--runtime=runsc",)),
        (f'--runtime="runsc" {ENOUGH}', ("--runtime=runsc",)),
        ("--runtime=runsc --pids-limit=64-0 --cap-drop=ALL", ("--pids-limit=512",)),
        ("--runtime=runsc --pids-limit=9999 --cap-drop=ALL", ("--pids-limit=512",)),
        ("--runtime=runsc --pids-limit=64 --pids-limit=65 --cap-drop=ALL", ("--pids-limit=64",)),
        (f"--runtime=runsc {ENOUGH} --cap-drop", ("--cap-drop=ALL",)),
    ],
)
def test_where_one_of_two_readings_is_weaker_isolation_is_lacking(text: str, missing: tuple[str, ...]) -> None:
    """The fork takes the first value with its hyphens, Coolify's expression cuts it: both must say the same."""
    assert lacking(text, POLICY) == missing


@pytest.mark.parametrize("runtime", ["runsc-kvm", "run sc", "", "runsc;"])
def test_a_runtime_that_coolify_would_cut_is_no_policy(runtime: str) -> None:
    """A name with a hyphen or a space cannot be said in run options, so it is refused when the policy is read."""
    with pytest.raises(ValueError, match="Coolify cuts"):
        RuntimeRule(value=runtime, why="a test")


def allowed(*, yes: bool, override: str = "") -> AllowedRule:
    """Return a rule that allows something or not."""
    return AllowedRule(allowed=yes, why="a test", override=override)


def test_an_overlay_takes_away_capabilities_and_options() -> None:
    """A stricter overlay needs no reason and holds at once."""
    overlay = IsolationRules(
        pids_limit=PidsRule(value=100, why="small apps"),
        capabilities={"cap_chown": allowed(yes=False)},
        options={"--dns": allowed(yes=False)},
    )
    assert tighten(POLICY, overlay) == Isolation(
        runtime="runsc",
        pids_limit=100,
        cap_drop=("ALL",),
        cap_add=("NET_BIND_SERVICE",),
        forbidden={**POLICY.forbidden, "--dns": "a test"},
    )


def looser(override: str) -> IsolationRules:
    """Return an overlay that loosens everything that there is."""
    return IsolationRules(
        runtime=RuntimeRule(value="runc", why="w", override=override),
        pids_limit=PidsRule(value=513, why="w", override=override),
        allow_without=allowed(yes=True, override=override),
        cap_drop=DropRule(value=("NET_RAW",), why="w", override=override),
        settle_s=SettleRule(value=1, why="w", override=override),
        networks=NetworksRule(value=("coolify", "lan"), why="w", override=override),
        capabilities={"SYS_ADMIN": allowed(yes=True, override=override)},
        options={"--privileged": allowed(yes=True, override=override)},
    )


def test_every_loosening_needs_its_reason() -> None:
    """Runtime, limit, refusal, capabilities and freed options are each named when no reason is given."""
    with pytest.raises(Loosens) as caught:
        tighten(POLICY, looser(""))
    assert [str(entry) for entry in caught.value.entries] == [
        "runtime: runsc -> runc ()",
        "pids_limit: 512 -> 513 ()",
        "cap_drop: ALL -> NET_RAW ()",
        "settle_s: 10 -> 1 ()",
        "networks: coolify -> coolify lan ()",
        "allow_without: not allowed -> allowed ()",
        "capabilities.SYS_ADMIN: not allowed -> allowed ()",
        "options.--privileged: not allowed -> allowed ()",
    ]


def test_a_reason_loosens_openly() -> None:
    """With reasons the looser isolation holds and every loosened entry is listed."""
    found = tighten(POLICY, looser("lab"))
    assert found == Isolation(
        runtime="runc",
        pids_limit=513,
        cap_drop=("NET_RAW",),
        cap_add=("CHOWN", "NET_BIND_SERVICE", "SYS_ADMIN"),
        forbidden={"--security-opt": "switches protections off"},
        allow_without=True,
        overrides=found.overrides,
        settle_s=1,
        networks=("coolify", "lan"),
    )
    assert len(found.overrides) == 8
    assert all(words.endswith("(lab)") for words in found.overrides)


RULES = st.builds(allowed, yes=st.booleans())
OVERLAYS = st.builds(
    IsolationRules,
    pids_limit=st.none() | st.builds(PidsRule, value=st.integers(1, 1000), why=st.just("w")),
    allow_without=st.none() | RULES,
    cap_drop=st.none()
    | st.builds(DropRule, value=st.sampled_from([("ALL",), ("CHOWN",), ("ALL", "CHOWN")]), why=st.just("w")),
    capabilities=st.dictionaries(st.sampled_from(["CHOWN", "SYS_ADMIN", "KILL"]), RULES),
    options=st.dictionaries(st.sampled_from(["--privileged", "--dns"]), RULES),
)


@given(OVERLAYS)
def test_no_overlay_without_a_reason_weakens_isolation(overlay: IsolationRules) -> None:
    """Whatever an overlay without overrides says, it is refused or isolates at least as well as before."""
    try:
        found = tighten(POLICY, overlay)
    except Loosens:
        return
    assert found.pids_limit <= POLICY.pids_limit
    assert set(found.cap_add) <= set(POLICY.cap_add)
    assert "ALL" in found.cap_drop
    assert found.forbidden.keys() >= POLICY.forbidden.keys()
    assert (found.allow_without, found.runtime, found.overrides) == (False, "runsc", ())


def test_a_baseline_with_a_hole_is_refused() -> None:
    """A packaged file without one of the four values is no isolation."""
    with pytest.raises(ValueError, match="all needed"):
        baseline(IsolationRules(allow_without=allowed(yes=False)))


def test_only_long_options_are_known() -> None:
    """The options that Coolify applies are all long ones, as its parser sees no others."""
    assert all(parse_options(name) == ((name, None),) for name in APPLIED_OPTIONS)


@pytest.mark.parametrize(
    ("dropped", "needed", "enough"),
    [
        (["ALL"], ["ALL"], True),
        (["ALL"], ["NET_RAW"], True),
        (["NET_RAW", "KILL"], ["NET_RAW"], True),
        (["NET_RAW"], ["NET_RAW"], True),
        (["NET_RAW"], ["NET_RAW", "KILL"], False),
        (["NET_RAW"], ["ALL"], False),
    ],
)
def test_dropping_more_is_enough(dropped: list[str], needed: list[str], enough: bool) -> None:
    """ALL takes away every capability; otherwise each needed one must be named."""
    assert drops(dropped, needed) is enough
