"""Steps put into a lane: ids and references move together, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.lanes import alone, given_to, in_lane, in_part, part_of, prefix_of
from ink_infra_mcp.core.plan import Step, Undo
from ink_infra_mcp.core.step import result_of

SAVE = Step(
    id="save",
    kind="hosts.save_firewall",
    target="s3",
    summary="Save",
    params={"host": "s3", "key": result_of("shared", "id")},
    undo=Undo(kind="hosts.revert_firewall", target="s3", summary="back", params={"change": result_of("save", "c")}),
)
KEEP = Step(
    id="keep",
    kind="hosts.keep_firewall",
    target="s3",
    summary="Keep",
    params={"change": result_of("save", "c"), "knocks": [{"address": result_of("save", "ip"), "port": 22}]},
    uses=("save", "shared"),
    undoes=("save",),
    undo_words="the undo of save",
)


def test_ids_and_what_refers_to_them_get_the_lane_before_them() -> None:
    """References inside lists and undos move too; those to a step before the lane stay."""
    save, keep = in_lane((SAVE, KEEP), "s-3")
    assert save == SAVE.model_copy(
        update={
            "id": "s_3__save",
            "lane": "s-3",
            "undo": Undo(
                kind="hosts.revert_firewall",
                target="s3",
                summary="back",
                params={"change": result_of("s_3__save", "c")},
            ),
            "undo_words": SAVE.undo_words,
        }
    )
    assert keep == KEEP.model_copy(
        update={
            "id": "s_3__keep",
            "lane": "s-3",
            "params": {
                "change": result_of("s_3__save", "c"),
                "knocks": [{"address": result_of("s_3__save", "ip"), "port": 22}],
            },
            "uses": ("s_3__save", "shared"),
            "undoes": ("s_3__save",),
            "undo_words": "the undo of s_3__save",
        }
    )


def test_a_part_runs_in_its_place_and_is_read_again_as_it_was_alone() -> None:
    """No lane is begun; without the name of its part each step is what it was, and others' steps are left out."""
    parts = (*in_part((SAVE, KEEP), "app1"), *in_part((SAVE, KEEP), "app2"), SAVE)
    assert [(step.id, part_of(step.id), step.lane) for step in parts] == [
        ("app1__save", "app1", ""),
        ("app1__keep", "app1", ""),
        ("app2__save", "app2", ""),
        ("app2__keep", "app2", ""),
        ("save", "", ""),
    ]
    assert parts[1].params["change"] == result_of("app1__save", "c")
    assert (alone(parts, "app2"), alone(parts, "")) == ((SAVE, KEEP), (SAVE,))


def test_parameters_for_all_steps_go_into_their_undos_too() -> None:
    """What a step says itself wins."""
    (step,) = given_to((SAVE,), {"newcomer": {"address": "192.0.2.9"}, "host": "other"})
    assert step.params == {"newcomer": {"address": "192.0.2.9"}, **SAVE.params}
    assert step.undo is not None
    assert step.undo.params == {
        "newcomer": {"address": "192.0.2.9"},
        "host": "other",
        "change": result_of("save", "c"),
    }


NAMES = st.from_regex(r"\A[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?\Z")
IDS = st.from_regex(r"\A[a-z](?:_?[a-z0-9]){0,8}\Z")


@given(one=st.tuples(NAMES, IDS), other=st.tuples(NAMES, IDS))
def test_no_two_steps_of_different_lanes_come_to_one_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Whatever servers are called, and whatever the steps are: one lane's step is never taken for another's."""
    ids = {prefix_of(lane) + step_id for lane, step_id in {one, other}}
    assert len(ids) == len({one, other})
