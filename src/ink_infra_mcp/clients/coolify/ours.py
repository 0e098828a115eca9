"""Telling our deployments of an app from those of webhooks, of Coolify's UI, and of other clients of its API."""

from collections.abc import Iterable
from dataclasses import dataclass

from ink_infra_mcp.clients.coolify.buildlog import FINISHED, Deployment
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean_name

MARKER = "ink-operation="
"""What stands before our operation's id in the description of what it made."""
_UNRESOLVED = frozenset({"", "HEAD"})
"""The commit of a deployment that has not looked at its branch yet."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for. An empty `commit` is any."""

    commit: str = ""
    force: bool = False
    restart_only: bool = False
    rollback: bool = False

    def is_met_by(self, deployment: Deployment) -> bool:
        """Return whether a deployment is what a request of ours makes of this wish, as far as Coolify shows it.

        Coolify marks what came over its API, in every version since 4.0.0-beta.463, and what a webhook asked for;
        what a person asks for at its UI has neither mark (source).
        """
        same_way = (deployment.force_rebuild, deployment.restart_only, deployment.rollback) == (
            self.force,
            self.restart_only,
            self.rollback,
        )
        commits = {self.commit, deployment.commit} - _UNRESOLVED
        return came_over_api(deployment) and same_way and len(commits) < 2


def wish_of(kind: str, params: JsonObject) -> Wish:
    """Return the wish of a step that rolls an app out."""
    return Wish(
        commit=str(params.get("commit") or ""),
        force=params.get("force") is True,
        restart_only=kind == "coolify.restart",
        rollback=kind == "coolify.rollback",
    )


@dataclass(frozen=True, slots=True)
class Claim:
    """What may be taken for ours: a deployment that meets the wish and is none of the `known`, which came before."""

    known: frozenset[str]
    wish: Wish

    def ours(self, recent: Iterable[Deployment]) -> Deployment | None:
        """Return the newest deployment that may be taken for ours."""
        mine = [d for d in self._fresh(recent) if self.wish.is_met_by(d)]
        return max(mine, key=_age, default=None)

    def foreign(self, recent: Iterable[Deployment]) -> Deployment | None:
        """Return the newest one that is not ours and changes what runs; one that failed has replaced nothing."""
        others = [d for d in self._fresh(recent) if not self.wish.is_met_by(d)]
        return max((d for d in others if d.status == FINISHED or not d.is_over), key=_age, default=None)

    def _fresh(self, recent: Iterable[Deployment]) -> list[Deployment]:
        return [d for d in recent if d.uuid not in self.known and not d.is_preview]


def came_over_api(deployment: Deployment) -> bool:
    """Return whether a call of Coolify's API asked for a deployment, and no webhook."""
    return deployment.is_api and not deployment.is_webhook


def described(deployment: Deployment) -> str:
    """Return a deployment in words: its uuid, who asked for it, and its commit."""
    who = "another call of its API" if deployment.is_api else "somebody at its UI"
    commit = "" if deployment.commit in _UNRESOLVED else f" at commit {clean_name(deployment.commit, limit=40)}"
    return f"{deployment.uuid} of the app, which {'a webhook' if deployment.is_webhook else who} asked for{commit}"


def _age(deployment: Deployment) -> float:
    return deployment.created_at.timestamp() if deployment.created_at else 0.0
