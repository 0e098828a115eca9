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
    if not _has_database_image(service):
        return False
    ports = _items(service, "ports")
    variables = _items(service, "environment")
    check = _health_check(service)
    needs_one = _has([str(key) for key in pairs_of(get(service, "depends_on"))], NEEDED)
    if _acts_as_app(variables, check, needs_one=needs_one):
        return False
    return _acts_as_database(ports, variables, check) or not needs_one


def _has_database_image(service: Php) -> bool:
    name = text(get(service, "image")).partition(":")[0]
    return name.rpartition("/")[2] in DATABASES and not any(app in name for app in APPS)


def _health_check(service: Php) -> str:
    test = get(service, "healthcheck.test")
    command = " ".join(map(text, pairs_of(test).values())) if isinstance(test, dict | list) else text(test)
    return command.upper()


def _acts_as_app(variables: list[str], check: str, *, needs_one: bool) -> bool:
    return (_has(variables, APP_VARIABLES) and needs_one) or _has([check], APP_CHECKS)


def _acts_as_database(ports: list[str], variables: list[str], check: str) -> bool:
    return (_has(ports, PORTS) and _has([check], DATABASE_CHECKS)) or _has(variables, SECRETS)


def _items(service: Php, name: str) -> list[str]:
    """Of a map only the values are looked at."""
    value = get(service, name)
    return [text(part).upper() for part in pairs_of(value).values()] if isinstance(value, dict | list) else []


def _has(texts: list[str], words: tuple[str, ...]) -> bool:
    return any(word in one for one in texts for word in words)
