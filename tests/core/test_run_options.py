"""Run options that two programs read in two ways: both find our isolation in a text, or it is refused."""

import re

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.run_options import lacking, run_options, weakening

POLICY = Isolation(runtime="runsc", pids_limit=512, cap_drop=("ALL",), cap_add=("CHOWN",), forbidden={"--device": "w"})
OURS = run_options(POLICY)
PIECES = st.sampled_from(
    [
        *("--runtime", "--runtime=", "--runtime=runc", "--runtime=runsc", "--runtime=runsc-kvm", "--runtime runc"),
        *("--runtime  runc", "--runtime\t=runc", '--runtime="runsc"', "---runtime=runc", "--x--runtime=runc"),
        *("--runtimes=runc", "--hostname=a--runtime=runc", "--entrypoint '--runtime=runc'", "--entrypoint"),
        *("--pids-limit", "--pids-limit=9999", "--pids-limit=64", "--pids-limit=64-9999", "--pids-limit  0"),
        *("--cap-drop", "--cap-drop=ALL", "--cap-drop=CHOWN", "--cap-add=CHOWN", "--cap-add=ALL", "--init"),
        *("--cap-add", "--hostname", "--Runtime=x", "--shm-size=1g", "--ulimit=nofile=1:2", "runc", "=", "-", "--"),
        *("'", '"', "\n", "\u00a0", "\v"),
    ]
)
TEXTS = st.lists(PIECES | st.text(alphabet="-=runsc \"'\t", max_size=6), max_size=6).flatmap(
    lambda pieces: st.sampled_from(["", " ", "  "]).map(lambda between: between.join(pieces))
)
_GENERIC = re.compile(r"(--\w+(?:-\w+)*)(?:\s|=)?([^\s-]+)?", re.ASCII)
_FIRST = {name: re.compile(rf"{name}(?:=|\s+)([^\s]+)", re.ASCII) for name in ("--runtime", "--pids-limit")}


def generic(text: str) -> dict[str, list[str] | None]:
    """Return what Coolify's expression alone makes of a text; None stands for an option whose values are all lost."""
    found: dict[str, list[str] | None] = {}
    for name, value in _GENERIC.findall(text):
        found[name] = [*(found.get(name) or []), value] if value else None
    return found


def forks(text: str) -> dict[str, list[str] | None]:
    """Return what pull request 8113 makes of it: for two options the first value in the text goes before all others."""
    found: dict[str, list[str] | None] = {}
    for name, value in _GENERIC.findall(text):
        first = _FIRST[name].search(text) if name in _FIRST else None
        values = [*(found.get(name) or []), *([first[1]] if first else [])]
        found[name] = [*values, value] if value else None
    return found


@given(TEXTS)
def test_what_is_taken_is_read_as_our_isolation_by_both(text: str) -> None:
    """Behind our own options, as deploy_app sends it: no text that passes moves runtime, limit or capabilities."""
    whole = f"{OURS} {text}"
    if weakening(whole, POLICY):
        return
    for read in (generic(whole), forks(whole)):
        assert (read["--runtime"] or [""])[0] == "runsc"
        assert (read["--pids-limit"] or [""])[0] == "512"
        assert "ALL" in (read["--cap-drop"] or [])
        assert set(read["--cap-add"] or []) <= {"CHOWN"}


@given(TEXTS)
def test_an_app_that_exists_lacks_isolation_unless_both_find_it(text: str) -> None:
    """As start, set_app_env, rollback and resume ask: a text of whoever is enough only where every reading says so."""
    if lacking(text, POLICY):
        return
    for read in (generic(text), forks(text)):
        assert set(read["--runtime"] or [""]) == {"runsc"}
        assert {1 <= int(limit) <= 512 for limit in read["--pids-limit"] or ["0"]} == {True}
        assert "ALL" in (read["--cap-drop"] or [])


def test_texts_that_pass_are_not_rare() -> None:
    """What deploy_app sends is read by both as it was meant; else the two tests above would show nothing."""
    for more in ("", "--init", "--shm-size=1g --ulimit nofile=1:2", "--hostname=shop-1 --entrypoint 'a --b=c'"):
        assert weakening(f"{OURS} {more}", POLICY) == ()
        assert lacking(f"{OURS} {more}", POLICY) == ()


def test_options_that_docker_refuses_are_refused_before_it_does() -> None:
    """A capability that there is none of, and a soft limit above the hard one, would stop the deployment."""
    assert weakening(f"{OURS} --cap-drop=FOO --ulimit=nofile=5:1", POLICY) == (
        "`--cap-drop=FOO` stops the deployment: write a capability's name",
        "`--ulimit=nofile=5:1` stops the deployment: write a limit's name, =, the soft limit, : and the hard one, "
        "which is not less, such as nofile=1024:2048",
    )
    assert weakening(f"{OURS} --cap-drop=cap_net_raw --ulimit=nofile=5:5", POLICY) == ()
