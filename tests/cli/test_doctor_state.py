"""What the doctor says of the state store: what waits in it, and what would wait for ever."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.cli.doctor_checks import check_state
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Section
from ink_infra_mcp.core.redact import Redactor
from tests.cli.stores import Shelf
from tests.state.stores import rewrite


@pytest.mark.anyio
async def test_an_operation_that_nobody_can_go_on_with_is_warned_of(tmp_path: Path) -> None:
    """One that another version began is named with the way out; one that can go on is only counted."""
    shelf = Shelf(tmp_path)
    shelf.operation("op-strange", at=1.0)
    rewrite(tmp_path, "update ink_operations set step_format = '0'")
    shelf.operation("op-fine", at=2.0)
    ground = Ground(
        state_url=shelf.url, secrets={}, redact=Redactor(), section=Section(name="configuration", findings=())
    )
    with anyio.fail_after(30):
        found = await check_state(ground)
    first, second = found.findings
    assert (first.level, first.text.endswith("0 approvals waiting, 2 operations running.")) == ("ok", True)
    assert (second.level, second.text, second.next) == (
        "warning",
        "op-strange was begun by another version, and this one cannot go on with it.",
        "Start that version once, or `ink-infra-mcp operations abandon op-strange --reason TEXT`.",
    )
