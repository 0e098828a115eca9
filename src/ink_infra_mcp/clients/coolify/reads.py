"""What is read of Coolify: each address whose GET acts in no version since 4.0.0-beta.463, of those that we ask."""

from ink_infra_mcp.clients.reading import Reads

NOTHING = "none"
"""In place of a uuid. Coolify's have at least 7 characters (source, 4.0.0-beta.463 to 4.3.11): it names nothing."""

READS = Reads(
    "/version",
    "/health",
    "/servers",
    "/servers/{uuid}",
    "/servers/{uuid}/resources",
    "/servers/{uuid}/domains",
    "/servers/{uuid}/destinations",
    "/projects",
    "/projects/{uuid}",
    "/applications",
    "/applications/{uuid}",
    "/applications/{uuid}/envs",
    "/applications/{uuid}/logs?lines",
    "/applications/{uuid}/rollback-images",
    "/applications/{uuid}/storages",
    "/services",
    "/services/{uuid}",
    "/services/{uuid}/envs",
    "/deployments",
    "/deployments/{uuid}",
    "/deployments/applications/{uuid}?skip&take",
    "/security/keys",
    "/github-apps",
    "/resources",
    # what says whether the token may write and deploy, of nothing that there is
    f"/servers/{NOTHING}/validate",
    f"/applications/{NOTHING}/start",
)
"""Before 4.2.0 the GETs of /deploy, /enable, /disable, /servers/{uuid}/validate and of start, stop and restart of apps,
services and databases act (routes/api.php). Laravel decodes a path once and cuts slashes from its end; a uuid in the
query or in a JSON body comes before that of the path."""
