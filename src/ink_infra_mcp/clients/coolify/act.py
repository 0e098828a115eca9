"""Changing Coolify: one method for each write, which can be had only with a permit."""

from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.coolify.bodies import EnvSpec, Source, env_flags, service_env_flags
from ink_infra_mcp.clients.coolify.look import CoolifyLook
from ink_infra_mcp.clients.coolify.models import Created, DeployQueued
from ink_infra_mcp.clients.coolify.wire import parse, path, record, rows, uuid_word
from ink_infra_mcp.clients.http import Http, Query
from ink_infra_mcp.core.errors import Conflict, Forbidden, NotFound
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.secret import Secret


class CoolifyAct(CoolifyLook):
    """Everything that writes, under one permit.

    A write is never repeated blindly: look for what it makes before calling it again. Each raises a VendorError, whose
    `done` says whether the change may have happened, and WriteRefused when the permit has ended. No request carries a
    query named `uuid`, which would pick another resource than the path does (source, version 4.3.11).
    """

    def __init__(self, http: Http, permit: Permit) -> None:
        super().__init__(http)
        self._permit = permit

    async def create_project(self, name: str, *, description: str = "") -> str:
        """Make a project, with an environment named production in it; return its uuid. Names need not be unique."""
        body: JsonObject = {"name": name, **({"description": description} if description else {})}
        return (await self._create(body, "projects")).uuid

    async def create_environment(self, project_uuid: str, name: str) -> str:
        """Make an environment in a project; return its uuid.

        Raises:
            Conflict: the project has one of that name.
        """
        return (await self._create({"name": name}, "projects", project_uuid, "environments")).uuid

    async def create_application(self, source: Source, body: JsonObject) -> Created:
        """Make an app from what `bodies.create_body` returned; return its uuid and domains.

        Raises:
            Conflict: `vendor_code` domain_conflict; `body` is a tuple of DomainConflict.
        """
        return await self._create(body, "applications", source)

    async def clone_application(self, uuid: str, destination_uuid: str, name: str) -> Created:
        """Make a copy of an app on the server of a destination, by another name; its volumes are new and empty (4.3.0).

        Settings, variables and their values, tags and scheduled tasks are copied inside Coolify. Its domain is one that
        Coolify makes up, or that of the original: set it before the first deployment (clone_application, 4.3.11).
        """
        body: JsonObject = {"destination_uuid": destination_uuid, "name": name, "clone_volumes": False}
        return await self._create(body, "applications", uuid, "clone")

    async def create_service(self, body: JsonObject) -> Created:
        """Make a service from what `bodies.create_service_body` returned; return its uuid and domains."""
        return await self._create(body, "services")

    async def update_application(self, uuid: str, body: JsonObject) -> None:
        """Change an app by what `bodies.update_body` returned. After a 5xx some of the fields may have changed."""
        await self._send("PATCH", body, "applications", uuid)

    async def update_service(self, uuid: str, body: JsonObject) -> None:
        """Change a service by what `bodies.update_service_body` returned."""
        await self._send("PATCH", body, "services", uuid)

    async def delete_application(
        self,
        uuid: str,
        *,
        delete_volumes: bool,
        delete_connected_networks: bool = True,
        delete_configurations: bool = True,
        docker_cleanup: bool = False,
    ) -> None:
        """Ask Coolify to delete an app, which it does later: look until it is gone.

        Every flag is sent, because those left out would be true, volumes included. `docker_cleanup` prunes unused
        images on the whole server, those that other apps could go back to included.
        """
        flags = {
            "delete_volumes": delete_volumes,
            "delete_connected_networks": delete_connected_networks,
            "delete_configurations": delete_configurations,
            "docker_cleanup": docker_cleanup,
        }
        await self._send("DELETE", None, "applications", uuid, query=flags)

    async def delete_service(
        self,
        uuid: str,
        *,
        delete_volumes: bool,
        delete_connected_networks: bool = True,
        delete_configurations: bool = True,
        docker_cleanup: bool = False,
    ) -> None:
        """Ask Coolify to delete a service; the flags are those of `delete_application`."""
        flags = {
            "delete_volumes": delete_volumes,
            "delete_connected_networks": delete_connected_networks,
            "delete_configurations": delete_configurations,
            "docker_cleanup": docker_cleanup,
        }
        await self._send("DELETE", None, "services", uuid, query=flags)

    async def start(self, uuid: str) -> DeployQueued:
        """Deploy an app that is stopped. When the queue is full, Coolify still names a deployment that never comes."""
        return await self._queued(await self._send("POST", None, "applications", uuid, "start"))

    async def restart(self, uuid: str) -> DeployQueued:
        """Restart an app: from its image where nothing of the build changed, else by a new build."""
        return await self._queued(await self._send("POST", None, "applications", uuid, "restart"))

    async def stop(self, uuid: str, *, docker_cleanup: bool = False) -> None:
        """Ask Coolify to stop an app, which it does later. `docker_cleanup` as in `delete_application`."""
        await self._send("POST", None, "applications", uuid, "stop", query={"docker_cleanup": docker_cleanup})

    async def start_service(self, uuid: str) -> None:
        """Ask Coolify to start a service; raises Rejected, `vendor_code` already_running, when it runs."""
        await self._send("POST", None, "services", uuid, "start")

    async def restart_service(self, uuid: str, *, pull_latest: bool = False) -> None:
        """Ask Coolify to restart a service, with newer images of the same tags if asked."""
        await self._send("POST", None, "services", uuid, "restart", query={"latest": pull_latest})

    async def stop_service(self, uuid: str, *, docker_cleanup: bool = False) -> None:
        """Ask Coolify to stop a service; raises Rejected, `vendor_code` already_stopped, when it does not run."""
        await self._send("POST", None, "services", uuid, "stop", query={"docker_cleanup": docker_cleanup})

    async def deploy(self, uuid: str, *, force: bool) -> DeployQueued:
        """Queue a deployment of an app, or start a service. `force` builds without cache, and even if one runs.

        Without `force`, a deployment of the same commit that waits or runs makes Coolify drop this one, and still name
        a uuid (source, version 4.3.11): hand the answer to `follow`.

        Raises:
            Forbidden: the token's user may not deploy this.
            NotFound: there is nothing with that uuid.
            RateLimited: `vendor_code` queue_full.
        """
        answer = await self._send("POST", {"uuid": uuid_word(uuid), "force": force}, "deploy")
        found = rows(self._service, answer, "deployments")
        queued = parse(self._service, answer, DeployQueued, found[0] if found else {})
        if queued.deployment_uuid is None and queued.message.startswith("Unauthorized"):
            raise Forbidden(
                f"{self._service} does not let the token's user deploy {uuid}.",
                service=self._service,
                next="Use the token of an admin or owner of the team.",
                status=answer.status,
                vendor_code="policy",
            )
        return queued

    async def cancel_deployment(self, uuid: str) -> None:
        """Stop a deployment that waits or runs; raises Rejected, `vendor_code` not_cancellable, when it has ended."""
        await self._send("POST", None, "deployments", uuid, "cancel")

    async def rollback(self, uuid: str, commit: str) -> DeployQueued:
        """Queue a deployment of an earlier image or commit of an app built from git (since 4.3.0).

        Look at `rollback_images` first: without the image Coolify builds that commit anew. For apps from an image it
        deploys the present tag, whatever the commit (source, version 4.3.11).
        """
        return await self._queued(await self._send("POST", {"commit": commit}, "applications", uuid, "rollback"))

    async def upsert_env(self, app_uuid: str, env: EnvSpec, *, exists: bool = False) -> None:
        """Make a variable of an app so. `exists` says which way is tried first; the other one follows if need be."""
        await self._upsert_env("applications", app_uuid, _with_value(env_flags(env), env), exists=exists)

    async def upsert_service_env(self, service_uuid: str, env: EnvSpec, *, exists: bool = False) -> None:
        """Make a variable of a service so, as `upsert_env` does."""
        await self._upsert_env("services", service_uuid, _with_value(service_env_flags(env), env), exists=exists)

    async def delete_env(self, app_uuid: str, env_uuid: str) -> None:
        """Remove a variable of an app; its copy for previews is a row of its own."""
        await self._send("DELETE", None, "applications", app_uuid, "envs", env_uuid)

    async def delete_service_env(self, service_uuid: str, env_uuid: str) -> None:
        """Remove a variable of a service."""
        await self._send("DELETE", None, "services", service_uuid, "envs", env_uuid)

    async def create_private_key(self, name: str, private_key: Secret, *, description: str = "") -> str:
        """Hand a private key (OpenSSH or PEM, without passphrase) to Coolify; return its uuid.

        Raises:
            Rejected: it is no such key, or the team has it already (a fingerprint is unique in a team; source, 4.3.11).
        """
        body: JsonObject = {"name": name, "description": description, "private_key": private_key.reveal()}
        return (await self._create(body, "security", "keys")).uuid

    async def delete_private_key(self, uuid: str) -> None:
        """Delete a key pair; raises Rejected, `vendor_code` key_in_use, while a server or an app uses it."""
        await self._send("DELETE", None, "security", "keys", uuid)

    async def create_server(self, body: JsonObject) -> str:
        """Enter a server, which is not validated by that; return its uuid.

        Raises:
            Rejected: `vendor_code` address_taken: a server of any team has that address, compared as text.
            NotFound: the team has no such key.
        """
        return (await self._create(body, "servers")).uuid

    async def update_server(self, uuid: str, body: JsonObject) -> None:
        """Change fields and settings of a server; one that the version does not know makes it refuse all of them."""
        await self._send("PATCH", body, "servers", uuid)

    async def set_docker_cleanup(self, uuid: str, body: JsonObject) -> None:
        """Change when a server is cleaned up (since 4.3.0)."""
        await self._send("PATCH", body, "servers", uuid, "docker-cleanup")

    async def validate_server(self, uuid: str, *, by_post: bool) -> None:
        """Queue the validation of a server, without installing anything. Before 4.2.0 a GET is the only way to it.

        With `install` Coolify would set up Docker anew where it holds it missing, rewrite /etc/docker/daemon.json and
        restart Docker (ValidateAndInstallServerJob, since 4.2.0): it is never asked for.
        """
        if by_post:
            await self._send("POST", {"install": False}, "servers", uuid, "validate")
        else:
            await self._send("GET", None, "servers", uuid, "validate")

    async def restart_proxy(self, uuid: str) -> None:
        """Queue a start of a server's proxy, which first removes the one that is there (since 4.3.0)."""
        await self._send("POST", None, "servers", uuid, "proxy", "restart")

    async def delete_server(self, uuid: str) -> None:
        """Take a server out of Coolify. The machine stays, with all that runs on it, wherever it is rented.

        It is never forced: Coolify refuses while it has apps, services or databases there.
        """
        await self._send("DELETE", None, "servers", uuid)

    async def _upsert_env(self, kind: str, uuid: str, body: JsonObject, *, exists: bool) -> None:
        first, missed = ("PATCH", NotFound) if exists else ("POST", Conflict)
        try:
            await self._send(first, body, kind, uuid, "envs")
        except missed:
            await self._send("POST" if exists else "PATCH", body, kind, uuid, "envs")

    async def _create(self, body: JsonObject, *parts: str) -> Created:
        answer = await self._send("POST", body, *parts)
        return parse(self._service, answer, Created, record(self._service, answer))

    async def _queued(self, answer: Answer) -> DeployQueued:
        return parse(self._service, answer, DeployQueued, record(self._service, answer))

    async def _send(self, method: str, body: JsonValue, *parts: str, query: Query | None = None) -> Answer:
        return await self._http.send(method, path(*parts), permit=self._permit, body=body, query=query)


def _with_value(flags: JsonObject, env: EnvSpec) -> JsonObject:
    return {**flags, "value": env.value.reveal()}
