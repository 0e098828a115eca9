"""The steps of a first login as a person reads them, and what each one is told."""

import pytest

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.login import steps
from ink_infra_mcp.core.login.judging import judge
from ink_infra_mcp.core.login.steps import KeyWanted
from ink_infra_mcp.core.plan import JsonObject, Plan, Undo
from ink_infra_mcp.core.step import result_of
from tests.core.login.seen import INCLUDE, POLICY, seen

NEW: JsonObject = {"name": "muscle-9", "address": "192.0.2.19", "host_key": "SHA256:" + "a" * 43}
KEY = "ssh-ed25519 " + "A" * 68


def test_a_new_server_is_planned_from_the_first_answer_to_the_last_password() -> None:
    """The whole order fits together as one plan, and its lines say who is trusted and what changes."""
    key = KeyWanted(public_key=KEY, marker="ink-control", prove=True)
    make, rotate = steps.rotate_host_keys("muscle-9", NEW)
    known: JsonObject = {**NEW, "host_key": result_of(rotate.id, "host_key")}
    every = (
        steps.await_ready("muscle-9", NEW),
        steps.admit_key("muscle-9", key, NEW),
        make,
        rotate,
        steps.harden_new_sshd("muscle-9", POLICY, known),
    )
    plan = Plan(tool="add_muscle", title="t", target="muscle-9", locks=("muscle-9",), steps=every)
    assert [step.summary for step in plan.steps] == [
        f"Wait until muscle-9 answers over SSH to root at 192.0.2.19, port 22, with the host key SHA256:{'a' * 43} and "
        "its first boot is over",
        "Let our key log in to muscle-9 as root",
        "Make new host keys on muscle-9, beside those in use",
        "Put the new host keys of muscle-9 in place of the earlier ones, and prove a new login with them",
        "Let only keys log in to muscle-9, on probation until a new login is proved",
    ]


def test_a_limited_key_says_from_where_and_its_undo_takes_exactly_it_away() -> None:
    """The undo is told the marker and the user, never the key of somebody else."""
    key = KeyWanted(public_key=KEY, marker="ink-coolify", sources=("192.0.2.10",), options=("restrict", "pty"))
    step = steps.admit_key("muscle-9", key, of="Coolify's key")
    assert step.summary == "Let Coolify's key log in to muscle-9 as root from 192.0.2.10 only"
    assert step.params == {
        "host": "muscle-9",
        "user": "root",
        "marker": "ink-coolify",
        "public_key": KEY,
        "sources": ["192.0.2.10/32"],
        "options": ["restrict", "pty"],
        "prove": False,
    }
    assert step.undo == Undo(
        kind="hosts.remove_key",
        target="muscle-9",
        summary="take Coolify's key out of the keys of root on muscle-9",
        params={"host": "muscle-9", "user": "root", "marker": "ink-coolify"},
    )


@pytest.mark.parametrize("source", ["192.0.2.1/8", 'x",command="sh', "*", ""])
def test_a_source_that_is_no_network_is_refused(source: str) -> None:
    """Nothing but addresses and networks gets between the quotes of an option."""
    with pytest.raises(InputError):
        steps.admit_key("muscle-9", KeyWanted(public_key=KEY, marker="ink-coolify", sources=(source,)))


def test_a_hardening_shows_what_is_and_what_will_be_and_needs_no_step_where_nothing_differs() -> None:
    """Before and after stand side by side, and the summary names each file that changes."""
    (step,) = steps.harden_sshd(judge(seen(("PasswordAuthentication yes", INCLUDE)), POLICY), POLICY)
    assert step.summary == (
        "Let only keys log in to muscle-1, on probation until a new login is proved, in "
        "/etc/ssh/sshd_config.d/00-ink-infra.conf and the first line of /etc/ssh/sshd_config"
    )
    assert (step.changes[0].name, step.changes[0].before, step.changes[0].after) == (
        "PasswordAuthentication",
        "yes",
        "no",
    )
    assert (step.params["first_line"], step.undoes) == (True, (step.id,))
    good = judge(seen(), POLICY)
    assert steps.harden_sshd(good, POLICY) != ()


def test_what_a_person_has_to_settle_is_no_step() -> None:
    """A Match block that loosens stops the plan, and names itself."""
    with pytest.raises(InputError, match="line 3, under `Match User x` says PasswordAuthentication yes"):
        steps.harden_sshd(judge(seen((INCLUDE, "Match User x", "PasswordAuthentication yes")), POLICY), POLICY)
