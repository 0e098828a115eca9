"""Which parts of a service Coolify takes for databases (read in docker.php of coollabsio/coolify 4.3.11)."""

from ink_infra_mcp.sandbox.coolify.php import Php, get, pairs_of, text

DATABASES = frozenset(
    {
        *("mariadb", "mongodb", "redis", "mysql", "mysql-server", "postgis", "postgres", "postgresql", "mongo"),
        *("memcached", "couchdb", "neo4j", "influxdb", "clickhouse-server", "timescaledb", "timescaledb-ha"),
        "pgvector",
    }
)
APPS = (
    *("supertokens/supertokens-mysql", "supertokens/supertokens-postgresql", "supertokens/supertokens-mongodb"),
    *("registry.supertokens.io/supertokens", "metabase/metabase", "amancevice/superset", "nocodb/nocodb"),
    *("ghcr.io/umami-software/umami", "infisical/infisical", "postgrest/postgrest", "supabase/postgres-meta"),
    "bluewaveuptime/uptime_redis",
)
PORTS = ("3306", "5432", "27017", "6379", "8086", "9200", "7687", "8123")
SECRETS = ("MYSQL_ROOT_PASSWORD", "POSTGRES_PASSWORD", "MONGO_INITDB_ROOT_PASSWORD", "REDIS_PASSWORD")
APP_VARIABLES = ("SERVICE_FQDN", "API_KEYS", "APP_", "APPLICATION_")
APP_CHECKS = ("CURL", "WGET", "HTTP://", "HTTPS://", "/HEALTH", "/API/", "/HELLO")
DATABASE_CHECKS = ("PG_ISREADY", "MYSQLADMIN PING", "MONGO", "REDIS-CLI PING")
NEEDED = ("mysql", "postgres", "mongo", "redis", "mariadb")


def is_database(service: Php) -> bool:
    """Return whether a part is a database: by the name of its image, then by what stands around it.

    Raises:
        Broken: its image is one, and it has ports or variables in a form that PHP cannot make a text of.
    """
    name = text(get(service, "image")).partition(":")[0]
    if name.rpartition("/")[2] not in DATABASES or any(app in name for app in APPS):
        return False
    ports = _has(_items(service, "ports"), PORTS)
    variables = _items(service, "environment")
    test = get(service, "healthcheck.test")
    check = (" ".join(map(text, pairs_of(test).values())) if isinstance(test, dict | list) else text(test)).upper()
    needs_one = _has([str(key) for key in pairs_of(get(service, "depends_on"))], NEEDED)
    if (_has(variables, APP_VARIABLES) and needs_one) or _has([check], APP_CHECKS):
        return False
    is_one = (ports and _has([check], DATABASE_CHECKS)) or _has(variables, SECRETS)
    return is_one or not needs_one


def _items(service: Php, name: str) -> list[str]:
    """Of a map only the values are looked at."""
    value = get(service, name)
    return [text(part).upper() for part in pairs_of(value).values()] if isinstance(value, dict | list) else []


def _has(texts: list[str], words: tuple[str, ...]) -> bool:
    return any(word in one for one in texts for word in words)
