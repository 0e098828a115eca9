"""An app that exists is rolled out again only where every reading of its run options isolates it."""

from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.sandbox.seed import ISOLATED
from tests.ink import Ink, ink, says_yes
from tests.tools.calls import app_named, call

ELSE = "--pids-limit=256 --cap-drop=ALL"


def set_options(it: Ink, text: str) -> None:
    """Let somebody have put these into Coolify."""
    with it.world.change() as state:
        app_named(state, "shop").columns["custom_docker_run_options"] = text


@pytest.mark.anyio
async def test_an_app_whose_options_are_read_in_two_ways_is_not_rolled_out(tmp_path: Path) -> None:
    """The fork runs the first value, hyphens included: a restart is refused, whatever Coolify would read."""
    with anyio.fail_after(60):
        async with ink(tmp_path) as it, it.client(says_yes()) as client:
            for text in (f"--runtime=runc --runtime=runsc {ELSE}", f"--runtime=runsc-kvm {ELSE}", "--runtime=runsc"):
                set_options(it, text)
                refused = await call(client, "control_app", app="shop", action="restart")
                assert "would run without gVisor: its run options lack --" in refused.text
            set_options(it, f"{ISOLATED} --ulimit=nofile=1024")
            refused = await call(client, "control_app", app="shop", action="restart")
            assert "of its run options `--ulimit=nofile=1024` stops the deployment" in refused.text
            assert it.journal == []
