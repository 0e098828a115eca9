"""Placement: which Muscle an app goes to, and why not the others."""

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.placement import RESERVE_BYTES, Candidate, Placement, place, unfit

MIB = 2**20


def muscle(name: str, *, apps: int = 0, memory_mib: int = 4096, committed_mib: int = 0) -> Candidate:
    """Return a healthy Muscle with gVisor."""
    return Candidate(
        name=name,
        server_uuid=f"uuid-{name}",
        healthy=True,
        runsc=True,
        memory_bytes=memory_mib * MIB,
        committed_bytes=committed_mib * MIB,
        apps=apps,
    )


def test_the_muscle_with_the_fewest_apps_gets_the_next() -> None:
    """Apps are spread: of those that fit, the emptiest wins even where another has more memory."""
    pool = [muscle("s1", apps=3, memory_mib=65536), muscle("s2", apps=1, committed_mib=512)]
    assert place(pool, need_bytes=512 * MIB, need_runsc=True) == Placement(
        muscle="s2",
        server_uuid="uuid-s2",
        why="fewest apps (1) of 2 that fit; 2560 MiB stay free after the app's limit and the reserve",
    )


def test_memory_decides_between_equally_full_ones_then_the_name() -> None:
    """With as many apps, the most headroom wins; with as much headroom, the first by name."""
    pool = [muscle("s3"), muscle("s2", memory_mib=8192), muscle("s1", memory_mib=8192)]
    assert place(pool, need_bytes=MIB, need_runsc=True).muscle == "s1"


def test_each_muscle_that_is_out_says_why() -> None:
    """Sick, unisolated and full Muscles are rejected with their reasons, and the last one left is chosen."""
    pool = [
        muscle("s1").model_copy(update={"healthy": False, "why_not": "unreachable since 10 minutes"}),
        muscle("s2").model_copy(update={"healthy": False}),
        muscle("s3").model_copy(update={"runsc": False}),
        muscle("s4", committed_mib=3073),
        muscle("s5"),
    ]
    assert place(pool, need_bytes=512 * MIB, need_runsc=True) == Placement(
        muscle="s5",
        server_uuid="uuid-s5",
        why="the only one that fits; 3072 MiB stay free after the app's limit and the reserve",
        rejected={
            "s1": "unreachable since 10 minutes",
            "s2": "not healthy",
            "s3": "Docker has no runsc runtime",
            "s4": "no headroom: 1 MiB short",
        },
    )


def test_no_muscle_is_an_answer_too() -> None:
    """Where none fits, the placement says so and why each is out."""
    pool = [muscle("s1", memory_mib=512)]
    assert place(pool, need_bytes=1, need_runsc=False) == Placement(
        muscle=None, why="No Muscle can take the app.", rejected={"s1": "no headroom: 1 MiB short"}
    )


def test_an_app_that_just_fits_is_taken_and_no_free_memory_is_promised() -> None:
    """The last byte above the reserve may be used; a part of a MiB does not count as one that stays free."""
    need = 4096 * MIB - RESERVE_BYTES
    assert unfit(muscle("s1"), need_bytes=need, need_runsc=True) == ""
    assert unfit(muscle("s1"), need_bytes=need + 1, need_runsc=True) == "no headroom: 1 MiB short"
    assert "; 0 MiB stay free" in place([muscle("s1")], need_bytes=need - 1, need_runsc=True).why


def test_an_app_without_isolation_goes_where_there_is_none() -> None:
    """A Muscle without gVisor is out only for apps that need it."""
    bare = muscle("s1").model_copy(update={"runsc": False})
    assert place([bare], need_bytes=MIB, need_runsc=False).muscle == "s1"


CANDIDATES = st.builds(
    Candidate,
    name=st.sampled_from([f"s{n}" for n in range(6)]),
    server_uuid=st.just("uuid"),
    healthy=st.booleans(),
    runsc=st.booleans(),
    memory_bytes=st.integers(0, 4).map(lambda gib: gib * 1024 * MIB),
    committed_bytes=st.integers(0, 4).map(lambda gib: gib * 512 * MIB),
    apps=st.integers(0, 3),
)
POOLS = st.lists(CANDIDATES, max_size=6, unique_by=lambda candidate: candidate.name)


@given(POOLS.flatmap(lambda pool: st.tuples(st.just(pool), st.permutations(pool))), st.integers(0, 2**31))
def test_the_order_of_the_facts_does_not_matter(pools: tuple[list[Candidate], list[Candidate]], need: int) -> None:
    """The same Muscles in any order give the same placement, so that a plan stays the same."""
    one, other = (place(pool, need_bytes=need, need_runsc=True) for pool in pools)
    assert one == other


@given(POOLS, st.integers(0, 2**31))
def test_a_chosen_muscle_always_has_room(pool: list[Candidate], need: int) -> None:
    """The chosen Muscle is healthy, isolates, and keeps its reserve; every other one is fit or has its reason."""
    placed = place(pool, need_bytes=need, need_runsc=True)
    by_name = {candidate.name: candidate for candidate in pool}
    if placed.muscle is not None:
        chosen = by_name[placed.muscle]
        assert chosen.healthy
        assert chosen.runsc
        assert chosen.memory_bytes - chosen.committed_bytes - need >= RESERVE_BYTES
    else:
        assert placed.rejected.keys() == by_name.keys()
