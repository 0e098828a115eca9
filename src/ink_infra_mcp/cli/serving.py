"""The whole of `serve`, which takes a session over that may have begun."""

import argparse
import logging
import sys

import anyio

from ink_infra_mcp.cli.logs import log_to_stderr
from ink_infra_mcp.cli.opening import Opener
from ink_infra_mcp.cli.terminal import operator
from ink_infra_mcp.cli.waiting import Teller, waiting_words
from ink_infra_mcp.core.errors import ConfigError, StateError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.server.ahead import Begun
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import load
from ink_infra_mcp.server.prompts import instructions
from ink_infra_mcp.server.stdio import Life, serve_stdio
from ink_infra_mcp.settings.paths import not_configured

log = logging.getLogger(__name__)
RECOVER_AFTER_S = 0.5
RECOVER_EVERY_S = 5.0


def run(arguments: argparse.Namespace, begun: Begun) -> int:
    """Serve until the client goes away; the exit status after a signal is 128 and its number, as shells expect."""
    redact = Redactor()
    log_to_stderr(arguments.log_level, redact)
    ended_by = anyio.run(_serve, arguments, redact, begun)
    return 128 + ended_by if ended_by else 0


async def _serve(arguments: argparse.Namespace, redact: Redactor, begun: Begun) -> int:
    opener = Opener(arguments, redact)
    teller, missing = Teller(redact), not_configured(arguments.config, sandbox=arguments.sandbox)
    toolsets = frozenset(name.strip() for name in str(arguments.toolsets).split(",") if name.strip())
    settings = ServerSettings(
        catalogue=narrowed(load(), toolsets=toolsets, read_only=arguments.read_only),
        open=opener.open,
        principal=f"local:{operator()}",
        instructions=instructions(configured=missing is None),
        note=opener.note,
    )

    if missing is not None:
        teller.trouble(missing)
    if sys.stdin.isatty():
        teller.tell(waiting_words())

    async def at_start() -> None:
        # the client's first list must not wait for this
        await anyio.sleep(RECOVER_AFTER_S)
        if not arguments.read_only:
            await _recover(opener, teller)

    life = Life(at_start=at_start, at_end=opener.drain, close=opener.close)
    return await serve_stdio(build_server(settings), life, begun)


async def _recover(opener: Opener, teller: Teller) -> None:
    """Go on with what dead processes left, those included that die while this one lives.

    A configuration that cannot be used is told once: when it was mended, this begins without a new start.
    """
    while True:
        try:
            await opener.recover()
        except StateError as error:
            log.warning("looking for operations to take over: %s", error)
        except ConfigError as error:
            teller.trouble(error)
        await anyio.sleep(RECOVER_EVERY_S)
