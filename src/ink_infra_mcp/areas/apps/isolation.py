"""Whether an app would run isolated when it is rolled out now; without that nothing may be rolled out."""

import base64
import re
from collections.abc import Iterable, Iterator

from ink_infra_mcp.areas.apps.app import App, host_of
from ink_infra_mcp.areas.apps.limits import limit_bytes
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.core.compose.judging import compose_problems
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError, RefusedByPolicy
from ink_infra_mcp.core.isolation import Isolation
from ink_infra_mcp.core.routing import Routes, odd_labels
from ink_infra_mcp.core.run_options import lacking, weakening
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.docker.containers import containers_of, is_preview, isolation_problems
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts

_BLIND = "run from a compose file that this Coolify token may not read, so that nobody could judge it"
_DROPPED = "run without gVisor: Coolify applies no run options to an app"


async def factory_isolates(look: Look) -> bool:
    """Return whether apps can be isolated by a run option there, or policy lets them go without.

    Raises:
        HostError: the Factory cannot be asked, so that nothing is known.
    """
    return look.isolation.allow_without or await knows_runtime_option(look.hosts, look.fleet.factory.name)


async def check_rollout(look: Look, app: App) -> None:
    """Return when an app that exists would come up isolated as it is configured, and that can be proved.

    Otherwise the proof after the rollout would fail and stop an app that serves users now.

    Raises:
        InputError: its server is not in fleet.toml. RefusedByPolicy: it would run without gVisor.
        HostError: the Factory or its Muscle cannot be asked, so that nothing could be proved.
    """
    _refuse_unknown_server(app)
    there = await containers_of(look.hosts, app.muscle, app.uuid)
    if look.isolation.allow_without:
        return
    if claims := tuple(_claims(look, app, there)):
        raise RefusedByPolicy(
            f"{app.name} would claim what is not its own: {'; '.join(claims)}.",
            next="Take the label out of its image, or of the app in Coolify, and deploy it anew.",
        )
    if app.kind == "application" and not await factory_isolates(look):
        raise refuse_factory()
    if why := await _weak(look, app):
        raise RefusedByPolicy(
            f"{app.name} would {why}.",
            next="Call deploy_app for it, which sets its isolation, then this again.",
        )


async def check_judgeable(look: Look) -> None:
    """Return when what Coolify makes of a compose file can be read back, as it must be before anything starts.

    Raises:
        RefusedByPolicy: the token may not read it, so that no rollout of a compose app could end well.
    """
    if not look.isolation.allow_without and await look.coolify.sees_secrets() == "no":
        raise RefusedByPolicy(
            f"A compose app would {_BLIND}.", next="Give the token the ability read:sensitive, then call again."
        )


def weaknesses(look: Look, app: App, container: ContainerFacts) -> tuple[str, ...]:
    """Return in words what of a running container is beyond what the app may have; its ports are not judged here."""
    return isolation_problems(container, look.isolation, app=app.uuid, hosts=frozenset(app.domains))


def _claims(look: Look, app: App, found: Iterable[ContainerFacts]) -> Iterator[str]:
    """Yield in words which labels of containers are not the app's to have; the proof would judge previews, too."""
    hosts, networks = frozenset(app.domains), look.isolation.networks
    for container in found:
        routes = Routes(app.uuid, hosts, networks, is_preview(container, app.uuid))
        yield from (
            f"{container.name}: {clean_name(words, limit=300)}" for words in odd_labels(container.labels, routes)
        )


def _refuse_unknown_server(app: App) -> None:
    if not app.muscle:
        raise InputError(
            f"{app.name} runs on a server that fleet.toml does not name, where nothing can be proved.",
            next="Add the server as a Muscle.",
        )


def refuse_factory() -> RefusedByPolicy:
    """Return the refusal: the image in service drops --runtime silently (every official one up to 4.3.11 does)."""
    return RefusedByPolicy(
        "The Coolify image in service does not know --runtime: it would drop the option silently and run the app "
        "without gVisor.",
        next="Put the fork's image back into service, or give the app as a compose file, which names its runtime.",
    )


async def beyond_settings(look: Look, application: Application) -> str:
    """Return what an app would do that its policy forbids and that no setting of ours changes, or an empty text."""
    return _beyond(application, look.isolation) or await _mounted_from_server(look, application.uuid)


def _beyond(application: Application, isolation: Isolation) -> str:
    if application.build_pack == "dockercompose":
        return f"{_DROPPED} whose compose file is in its repository"
    if application.is_consistent_container_name_enabled and application.custom_internal_name:
        # issue 11478 of Coolify
        return f"{_DROPPED} with a consistent and a custom container name"
    if application.ports_mappings:
        return f"publish {application.ports_mappings} on its Muscle, past the proxy"
    return _stored_labels(application, isolation)


def _stored_labels(application: Application, isolation: Isolation) -> str:
    """Coolify takes the labels that it has stored for an app, which somebody may have changed (4.3.11)."""
    if not application.custom_labels:
        return ""
    hosts = frozenset(host for url in application.urls if (host := host_of(url)))
    try:
        lines = re.split(r"\r\n|\n|\r", base64.b64decode(application.custom_labels, validate=True).decode())
    except ValueError:
        return "have container labels that nobody can read"
    labels = {name: value for name, _, value in (line.partition("=") for line in lines)}
    if by_variable := next((name for name in labels if "$" in name), ""):
        return f"have a label whose name a variable makes: {clean_name(by_variable)}"
    odd = next(odd_labels(labels, Routes(application.uuid, hosts, isolation.networks)), "")
    return f"claim what is not its own: {clean_name(odd, limit=300)}" if odd else ""


async def _weak(look: Look, app: App) -> str:
    if app.kind == "service":
        return _weak_file(await look.coolify.service(app.uuid), look.isolation, look.ports().publishable())
    application = await look.coolify.application(app.uuid)
    return _weak_options(application, look.isolation) or await beyond_settings(look, application)


async def _mounted_from_server(look: Look, uuid: str) -> str:
    """Return what of its server an app would mount as somebody set it in Coolify, or an empty text.

    A Coolify that cannot tell (before 4.0.0) leaves it to the proof, which stops the app.
    """
    if not (await look.coolify.era()).storages_api:
        return ""
    storages = await look.coolify.storages(uuid)
    folders = (storage for storage in storages.persistent_storages if storage.host_path)
    first = next(iter((*folders, *storages.file_storages)), None)
    return f"mount {clean_name(first.source)} of its server at {clean_name(first.mount_path)}" if first else ""


def _weak_options(application: Application, isolation: Isolation) -> str:
    options = application.custom_docker_run_options
    if missing := lacking(options, isolation):
        return f"run without gVisor: its run options lack {', '.join(missing)}"
    if reasons := weakening(options, isolation):
        return f"run without gVisor: of its run options {reasons[0]}"
    return "" if limit_bytes(application.limits_memory) else "run without a memory limit"


def _weak_file(service: Service, isolation: Isolation, publishable: frozenset[str]) -> str:
    if not service.docker_compose_raw:
        return _BLIND
    try:
        problems = compose_problems(read_compose(service.docker_compose_raw), isolation, published=publishable)
    except InputError as error:
        return f"not run as policy wants: {error}"
    return f"not run as policy wants: in its compose file {'; '.join(problems)}" if problems else ""
