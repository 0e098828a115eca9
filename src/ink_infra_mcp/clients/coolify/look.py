"""Reading from Coolify: one method for each question that the tools ask."""

from collections.abc import Mapping

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.coolify import runs
from ink_infra_mcp.clients.coolify.apps import Application, Service
from ink_infra_mcp.clients.coolify.buildlog import Deployment
from ink_infra_mcp.clients.coolify.era import Era, era_of
from ink_infra_mcp.clients.coolify.models import (
    Abilities,
    Destination,
    EnvVar,
    GithubApp,
    Known,
    PrivateKey,
    Project,
    Resource,
    RollbackImages,
    Server,
    ServerDomains,
    Storages,
)
from ink_infra_mcp.clients.coolify.reads import NOTHING
from ink_infra_mcp.clients.coolify.wire import M, bad_shape, parse, parse_all, path, record, rows
from ink_infra_mcp.clients.http import Http, Query
from ink_infra_mcp.core.errors import BadAnswer, Forbidden, Rejected, Unavailable, Unreachable
from ink_infra_mcp.core.fingerprint import Pinning
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.untrusted import clean

MAX_LOG_LINES = 10_000
_TOLD: Mapping[str | None, Known] = {"post_required": "yes", "missing_ability": "no"}
"""What a stub's refusal tells of the token's ability."""


class CoolifyLook:
    """Everything that reads. `http` has a base address that ends in /api/v1 and `classify_coolify`.

    Every method raises a VendorError when Coolify does not give a good answer; BadAnswer names path and field.
    """

    def __init__(self, http: Http) -> None:
        self._http = http
        self._service = http.service

    async def version(self) -> str:
        """Return Coolify's version as it says it, such as `4.3.10`; it is plain text and needs the ability read."""
        answer = await self._http.get("/version")
        text = clean(answer.text.strip().strip('"'), limit=64)
        if not text or "\n" in text:
            raise bad_shape(self._service, answer, "a version was expected")
        return text

    async def era(self) -> Era:
        """Return what this version of Coolify can do."""
        return era_of(await self.version())

    async def healthy(self) -> bool:
        """Return whether Coolify answers OK; it needs no token, and says nothing of its database (source, 4.3.11)."""
        try:
            answer = await self._http.get("/health")
        except (Unavailable, Unreachable, BadAnswer):
            return False
        return answer.text.strip().strip('"') == "OK"

    async def servers(self) -> tuple[Server, ...]:
        """Return the team's servers, without what only the detail has."""
        return await self._list(Server, "servers")

    async def server(self, uuid: str) -> Server:
        """Return one server in full."""
        return await self._one(Server, "servers", uuid)

    async def server_resources(self, uuid: str) -> tuple[Resource, ...]:
        """Return the apps, services and databases on a server."""
        return await self._list(Resource, "servers", uuid, "resources")

    async def server_domains(self, uuid: str) -> tuple[ServerDomains, ...]:
        """Return the host names of a server's apps by address. Never with `?uuid=`, which answers 404 (source)."""
        return await self._list(ServerDomains, "servers", uuid, "domains")

    async def destinations(self, server_uuid: str) -> tuple[Destination, ...]:
        """Return the Docker networks of a server that apps can be put into (since 4.2.0)."""
        return await self._list(Destination, "servers", server_uuid, "destinations")

    async def projects(self) -> tuple[Project, ...]:
        """Return the team's projects, without their environments."""
        return await self._list(Project, "projects")

    async def project(self, uuid: str) -> Project:
        """Return one project with its environments."""
        return await self._one(Project, "projects", uuid)

    async def applications(self) -> tuple[Application, ...]:
        """Return the team's apps, without their settings."""
        return await self._list(Application, "applications")

    async def application(self, uuid: str) -> Application:
        """Return one app with its settings."""
        return await self._one(Application, "applications", uuid)

    async def services(self) -> tuple[Service, ...]:
        """Return the team's services, without their containers."""
        return await self._list(Service, "services")

    async def service(self, uuid: str) -> Service:
        """Return one service with its containers."""
        return await self._one(Service, "services", uuid)

    async def generated_file(self, service_uuid: str) -> str:
        """Return the compose file that Coolify made of a service's and will start; empty where the token may not read
        it. It may hold values of variables.
        """
        return (await self.service(service_uuid)).docker_compose

    async def envs(self, app_uuid: str) -> tuple[EnvVar, ...]:
        """Return an app's variables, those for previews included (Coolify makes such a copy of each)."""
        return await self._list(EnvVar, "applications", app_uuid, "envs")

    async def service_envs(self, service_uuid: str) -> tuple[EnvVar, ...]:
        """Return a service's variables."""
        return await self._list(EnvVar, "services", service_uuid, "envs")

    async def would_run(self, uuid: str, pinning: Pinning, *, service: bool) -> dict[str, str]:
        """Return the facets of what would run of an app if it were started now (see `runs`)."""
        kind = "services" if service else "applications"
        row = record(self._service, await self._get(None, kind, uuid))
        variables = rows(self._service, await self._get(None, kind, uuid, "envs"))
        found = runs.of_service(row, pinning) if service else runs.of_application(row, pinning)
        found |= runs.of_variables(variables, pinning)
        if service or not (await self.era()).storages_api:
            return found
        mounted = record(self._service, await self._get(None, kind, uuid, "storages"))
        return found | runs.of_storages(mounted, pinning)

    async def running_deployments(self) -> tuple[Deployment, ...]:
        """Return the team's deployments that wait or run."""
        return await self._list(Deployment, "deployments")

    async def deployment(self, uuid: str) -> Deployment:
        """Return one deployment, with its log where the token may read it.

        Raises:
            NotFound: there is none, which also happens to a uuid that Coolify itself has just given (see `follow`).
        """
        return await self._one(Deployment, "deployments", uuid)

    async def deployments_of(self, app_uuid: str, *, take: int = 5) -> tuple[Deployment, ...]:
        """Return an app's last deployments, newest first. Each may carry a log of a megabyte: keep `take` small."""
        answer = await self._get({"skip": 0, "take": take}, "deployments", "applications", app_uuid)
        return parse_all(self._service, answer, Deployment, "deployments")

    async def app_logs(self, app_uuid: str, *, lines: int = 100) -> str:
        """Return the last lines (at most 10,000) that the app's first container wrote, cleaned; it is untrusted text.

        Raises:
            Rejected: `vendor_code` not_running.
        """
        answer = await self._get({"lines": max(1, min(lines, MAX_LOG_LINES))}, "applications", app_uuid, "logs")
        logs = record(self._service, answer).get("logs")
        if logs is not None and not isinstance(logs, str):
            raise bad_shape(self._service, answer, "field logs has another type")
        return clean(logs or "", limit=4_000_000)

    async def rollback_images(self, app_uuid: str) -> RollbackImages:
        """Return the images an app can go back to (since 4.3.0); none also when Coolify cannot reach the server."""
        return await self._one(RollbackImages, "applications", app_uuid, "rollback-images")

    async def storages(self, app_uuid: str) -> Storages:
        """Return what is mounted into an app that Coolify builds.

        Raises:
            NotFound: there is no such app. Rejected: Coolify is older than 4.0.0 and cannot tell.
        """
        return await self._one(Storages, "applications", app_uuid, "storages")

    async def private_keys(self) -> tuple[PrivateKey, ...]:
        """Return the team's keys, never their private half."""
        return await self._list(PrivateKey, "security", "keys")

    async def github_apps(self) -> tuple[GithubApp, ...]:
        """Return the GitHub Apps that the team can use."""
        return await self._list(GithubApp, "github-apps")

    async def resources(self) -> tuple[Resource, ...]:
        """Return every app, service and database of the team, with the number that Docker's labels carry."""
        return await self._list(Resource, "resources")

    async def abilities(self) -> Abilities:
        """Return what the token may do, found without changing anything.

        `read` shows in whether servers can be listed, `read_sensitive` in whether their settings carry a field that
        Coolify otherwise hides, `deploy` and `write` in which stub of 4.2.0 and later says "now a POST request" and
        which says that the ability is missing. What cannot be told so is unknown.

        Raises:
            VendorError: Coolify answers nobody, or not this token at all.
        """
        try:
            servers = rows(self._service, await self._http.get("/servers"))
        except Forbidden as error:
            if error.vendor_code != "missing_ability":
                raise
            return Abilities(read="no", read_sensitive="no", write="unknown", deploy="unknown")
        era = await self.era()
        return Abilities(
            read="yes",
            read_sensitive=_sees_secrets(servers),
            write=await self._may(era, path("servers", NOTHING, "validate")),
            deploy=await self._may(era, path("applications", NOTHING, "start")),
        )

    async def sees_secrets(self) -> Known:
        """Return whether the token may read sensitive fields, such as compose files and values of variables."""
        return _sees_secrets(rows(self._service, await self._http.get("/servers")))

    async def _may(self, era: Era, stub: str) -> Known:
        """Ask a stub that checks the ability and then refuses GET, whatever it is asked for (source, 4.2.0-4.3.11).

        In older versions the same GET would act, on a thing that is not there: they are not asked.
        """
        if not era.post_only:
            return "unknown"
        try:
            await self._http.get(stub)
        except (Rejected, Forbidden) as error:
            return _TOLD.get(error.vendor_code, "unknown")
        return "unknown"

    async def _get(self, query: Query | None, *parts: str) -> Answer:
        return await self._http.get(path(*parts), query)

    async def _one(self, model: type[M], *parts: str) -> M:
        answer = await self._get(None, *parts)
        return parse(self._service, answer, model, record(self._service, answer))

    async def _list(self, model: type[M], *parts: str) -> tuple[M, ...]:
        return parse_all(self._service, await self._get(None, *parts), model)


def _sees_secrets(servers: list[JsonObject]) -> Known:
    """Tell from a field that Coolify hides from tokens without `read:sensitive`, null or not."""
    shown = ["sentinel_token" in found for row in servers if isinstance(found := row.get("settings"), dict)]
    if not shown:
        return "unknown"
    return "yes" if any(shown) else "no"
