"""The tools that this server shows: contracts, narrowed by toolsets and by --read-only. No tool is imported for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from mcp import types

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.operation import Toolset
from ink_infra_mcp.server.contracts import Contract
from ink_infra_mcp.server.icons import icon_of

HANDSHAKE = "2025-11-25"
"""The only protocol that has tasks itself (SEP-1686)."""
_AS_TASK = {"execution": {"taskSupport": "optional"}}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What tools/list answers, and which names may be called."""

    contracts: Mapping[str, Contract]

    def tools(self, version: str) -> list[types.Tool]:
        """Return the tools as the SDK's values, sorted by name, with what that version has beside the contract.

        A client from before icons passes them over.
        """
        as_task = self.changing if version == HANDSHAKE else frozenset[str]()
        return [
            types.Tool.model_validate(
                {
                    **contract,
                    "icons": [icon_of(contract["_meta"]["ink-infra/toolset"])],
                    **(_AS_TASK if name in as_task else {}),
                }
            )
            for name, contract in self.contracts.items()
        ]

    @property
    def changing(self) -> frozenset[str]:
        """Return the names of the shown tools that change something: what a task can be made of."""
        return frozenset(c["name"] for c in self.contracts.values() if not c["annotations"]["readOnlyHint"])

    def input_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return a shown tool's input schema, or None."""
        contract = self.contracts.get(name)
        return contract["inputSchema"] if contract else None


def narrowed(contracts: Iterable[Contract], *, toolsets: frozenset[str], read_only: bool) -> Catalogue:
    """Return the catalogue of the contracts in `toolsets` (empty: all), without those that change when `read_only`.

    Raises:
        ConfigError: there is no toolset of that name; showing nothing would look like a server without tools.
    """
    if unknown := sorted(toolsets - set(get_args(Toolset))):
        raise ConfigError(
            f"There is no toolset {unknown[0]!r}.", next=f"The toolsets are {', '.join(sorted(get_args(Toolset)))}."
        )
    shown = (contract for contract in contracts if _is_shown(contract, toolsets, read_only=read_only))
    return Catalogue(contracts={contract["name"]: contract for contract in shown})


def _is_shown(contract: Contract, toolsets: frozenset[str], *, read_only: bool) -> bool:
    if read_only and not contract["annotations"]["readOnlyHint"]:
        return False
    return not toolsets or contract["_meta"]["ink-infra/toolset"] in toolsets
