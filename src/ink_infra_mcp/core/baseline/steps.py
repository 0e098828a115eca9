"""The steps that give a server its baseline: only those that differ, each with its way back."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from ink_infra_mcp.core.baseline.engines import EngineWanted
from ink_infra_mcp.core.baseline.files import DAEMON, FileWanted
from ink_infra_mcp.core.baseline.judging import Finding, Judgement
from ink_infra_mcp.core.baseline.policy import Part
from ink_infra_mcp.core.plan import CANNOT_BE_UNDONE, Change, JsonObject, Step, Undo

KINDS = (
    "hosts.finish_packages",
    "hosts.remove_packages",
    "hosts.install_packages",
    "hosts.set_files",
    "hosts.enable_units",
    "hosts.set_swap",
    "hosts.add_repository",
    "hosts.install_docker",
    "hosts.install_runsc",
    "hosts.set_docker_daemon",
    "hosts.prove_gvisor",
)
"""The kinds that a plan for a baseline may hold, beside those of undos."""
_RELOADS: dict[Part, str] = {"kernel": "sysctl", "journal": "journald", "updates": "apt"}
MOST_SHOWN = 8


def steps_of(
    judgement: Judgement, *, image: str = "", prefix: str | None = None, newcomer: JsonObject | None = None
) -> tuple[Step, ...]:
    """Return the steps that mend what differs; none where nothing does.

    `image` proves gVisor in place of the policy's. `prefix` begins the steps' ids, by default with the server's name.
    `newcomer` says how a server is reached that the fleet does not have yet, and goes into each step's parameters.

    Raises:
        ValueError: something is refused: nothing may be planned.
    """
    if judgement.refusals:
        raise ValueError("; ".join(judgement.refusals))
    start = f"{judgement.host.replace('-', '_')}_" if prefix is None else prefix
    return tuple(_Steps(judgement, start, newcomer).all(image or judgement.image))


@dataclass(frozen=True, slots=True)
class _Steps:
    judgement: Judgement
    prefix: str
    newcomer: JsonObject | None

    def all(self, image: str) -> Iterator[Step]:
        """Yield the steps in the order in which each finds what it needs."""
        it, host = self.judgement, self.judgement.host
        if it.finish:
            words = f"Finish what was interrupted of {_listed(it.finish)} on {host}"
            yield self._step("finish", "hosts.finish_packages", words, before="half-installed", after="installed")
        if it.packages:
            yield self._packages(it.packages)
        for file in it.files:
            yield self._files(file)
        if it.units:
            words = f"Start {_listed(it.units)} on {host}, now and at each boot"
            params: JsonObject = {"units": [*it.units]}
            yield self._step("units", "hosts.enable_units", words, params, undo="hosts.restore_units")
        if it.swap_mib:
            words = f"Make a swap file of {it.swap_mib} MiB on {host}"
            yield self._step(
                "swap", "hosts.set_swap", words, {"mib": it.swap_mib}, undo="hosts.remove_swap", before="none"
            )
        yield from self._engines(image)

    def _engines(self, image: str) -> Iterator[Step]:
        it, host = self.judgement, self.judgement.host
        for repository in it.repositories:
            yield self._repository(repository.name)
        if it.foreign:
            yield self._foreign()
        if it.gvisor:
            yield self._engine("runsc", "hosts.install_runsc", it.gvisor)
        # containers live on through an upgrade of Docker where its settings say so before it
        settings = [] if it.settings is None else [self._daemon(it.settings)]
        docker = [self._engine("docker", "hosts.install_docker", it.docker)] if it.docker else []
        yield from (*settings, *docker) if it.settings_first else (*docker, *settings)
        if image and (it.touches_docker or it.gvisor):
            words = f"Prove on {host} that the kernel of a container of {image} is gVisor's"
            yield self._step(
                "gvisor", "hosts.prove_gvisor", words, {"image": image}, undo_words="leaves nothing behind"
            )

    def _packages(self, names: tuple[str, ...]) -> Step:
        words = f"Install {_listed(names)} on {self.judgement.host}"
        params: JsonObject = {"packages": [*names]}
        return self._step("packages", "hosts.install_packages", words, params, undo="hosts.restore_packages")

    def _files(self, file: FileWanted) -> Step:
        settings: JsonObject = dict(file.settings)
        params: JsonObject = {"path": file.path, "settings": settings, "reload": _RELOADS.get(file.part, "")}
        found = [finding for finding in self.judgement.findings if finding.part == file.part]
        named = [f for f in found if f.now and f.wanted not in {"installed", "enabled, active"}]
        named = [f for f in named if not f.name.startswith("/")]
        changes = tuple(Change(name=f.name, before=f.now, after=f.wanted) for f in named)
        words = f"Write {file.path} on {self.judgement.host}"
        return self._step(file.part, "hosts.set_files", words, params, undo="hosts.restore_files", changes=changes)

    def _repository(self, name: str) -> Step:
        one = next(each for each in self.judgement.repositories if each.name == name)
        instead = f", in place of {_listed(one.replaces)}" if one.replaces else ""
        params: JsonObject = one.model_dump(mode="json")
        return self._step(
            f"{name}_repository",
            "hosts.add_repository",
            f"Let {self.judgement.host} take packages from {one.uri} {one.suite}{instead}, signed by {one.fingerprint}",
            params,
            undo="hosts.restore_files",
        )

    def _foreign(self) -> Step:
        names, host = self.judgement.foreign, self.judgement.host
        versions = [f"{f.name} {f.now}" for f in self.judgement.findings if f.name in names]
        return self._step(
            "foreign",
            "hosts.remove_packages",
            f"Take {_listed(versions)} off {host}; images, volumes and containers stay",
            {"packages": [*names]},
            undo="hosts.restore_packages",
            before="the distribution's Docker",
            after="no Docker, until the next step",
        )

    def _engine(self, name: str, kind: str, wanted: EngineWanted) -> Step:
        title = {"docker": "Docker", "runsc": "gVisor"}[name]
        before = next((f.now for f in self.judgement.findings if f.name in wanted.packages and f.now), "not installed")
        packages: list[JsonValue] = [f"{name}={given}" if given else name for name, given in wanted.packages.items()]
        earlier = (f"{self.prefix}foreign",) if name == "docker" and self.judgement.foreign else ()
        return self._step(
            name,
            kind,
            f"Install {title} {wanted.version} on {self.judgement.host} and hold it there",
            {"packages": packages, "version": wanted.version},
            undo="hosts.restore_packages",
            before=before,
            after=wanted.version,
            undoes=earlier,
        )

    def _daemon(self, settings: JsonObject) -> Step:
        host = self.judgement.host
        return self._step(
            "daemon",
            "hosts.set_docker_daemon",
            f"Merge settings into {DAEMON} of {host} and restart Docker; what ran has to run again, or all goes back",
            {"settings": settings},
            undo="hosts.restore_files",
            changes=self.judgement.changes,
        )

    def _step(
        self,
        name: str,
        kind: str,
        summary: str,
        params: JsonObject | None = None,
        *,
        undo: str = "",
        undo_words: str = "what was installed stays, whole",
        before: str | None = None,
        after: str | None = None,
        changes: tuple[Change, ...] = (),
        undoes: tuple[str, ...] = (),
    ) -> Step:
        host, id_ = self.judgement.host, f"{self.prefix}{name}"
        where: JsonObject = {"host": host, "part": name.replace("_", "-")}
        if self.newcomer is not None:
            where["newcomer"] = self.newcomer
        back = Undo(kind=undo, target=host, summary=_BACK[undo].format(host=host), params=where) if undo else None
        given: dict[str, JsonValue] = {**where, **(params or {})}
        return Step(
            id=id_,
            kind=kind,
            target=host,
            summary=summary,
            servers=(host,),
            before=before,
            after=after,
            changes=changes,
            params=given,
            undo=back,
            undo_words=CANNOT_BE_UNDONE if back else undo_words,
            undoes=(*undoes, *((id_,) if back else ())),
        )


_BACK = {
    "hosts.restore_packages": "give {host} the packages back that it had",
    "hosts.restore_files": "put the files of {host} back as they were",
    "hosts.restore_units": "put the units of {host} back as they were",
    "hosts.remove_swap": "take the swap file of {host} away",
}


def _listed(names: Iterable[str]) -> str:
    found = [*names]
    more = f" and {len(found) - MOST_SHOWN} more" if len(found) > MOST_SHOWN else ""
    return ", ".join(found[:MOST_SHOWN]) + more


def told(findings: Iterable[Finding]) -> str:
    """Return findings in words, the first few of them."""
    return _listed([f"{f.name} ({f.now or 'not there'}, not {f.wanted})" for f in findings])
