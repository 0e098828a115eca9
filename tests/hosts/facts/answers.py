"""What a server answered to `facts.sh`, as text and as the facts that must come out."""

from ink_infra_mcp.hosts.facts.container_facts import ContainerFacts
from ink_infra_mcp.hosts.facts.gathering import HostFacts, read_facts

MARK = "ink-0123456789abcdef"
FIRST = "de7f5ae40438207c4e2a735f14f33ce55fa0ec42d498769d5377150274b8b4fe"
SECOND = "32a904b35b85b02e7218c6407d734b82c6df0ac12f891e742f0d7055e723294a"
IMAGE_ID = "sha256:d4f9c6ad6c66f0a567d46cb05865bdb47a753b9740fcda7969bad44cbcadf7a3"

# As Docker 26.1.5 answered the template of facts.sh.
FIRST_LINE = (
    f'{{"id":"{FIRST}","name":"/abc-1","image":"test:1","image_id":"{IMAGE_ID}",'
    '"labels":{"coolify.name":"abc","coolify.serviceName":"\\"<&>","":""},"host_config":{"Runtime":"runsc","Memory":67108864,'
    '"PidsLimit":50,"CapAdd":["NET_ADMIN"],"NetworkMode":"coolify"},"mounts":[{"Destination":"/hostetc","Mode":"ro",'
    '"Propagation":"rprivate","RW":false,"Source":"/etc","Type":"bind"}],"state":"running",'
    '"health":"starting","exit_code":0,"oom_killed":false,"restart_count":0,'
    '"started_at":"2026-11-23T14:26:24.797838401Z","ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"},'
    '{"HostIp":"::","HostPort":"8080"}],"443/tcp":null},'
    '"networks":{"coolify":{"IPAddress":"10.0.1.7","GlobalIPv6Address":"","DNSNames":null}}}'
)
SECOND_LINE = (
    f'{{"id":"{SECOND}","name":"/def","image":"test:1","image_id":"{IMAGE_ID}","labels":{{"":""}},'
    '"host_config":{"Runtime":"runc","Memory":0,"PidsLimit":null,"CapAdd":null,"NetworkMode":"default"},'
    '"mounts":[],"state":"created","health":"",'
    '"exit_code":0,"oom_killed":false,"restart_count":0,"started_at":"0001-01-01T00:00:00Z","ports":{},'
    '"networks":{"bridge":{"IPAddress":"","GlobalIPv6Address":""}}}'
)
ANSWERS: dict[str, str] = {
    "clock": "1763907984",
    "os": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\nHOME_URL=""',
    "kernel": "6.1.0-37-amd64",
    "cpus": "8",
    "memory": "MemTotal:       32000000 kB\nMemFree:        20000000 kB\nMemAvailable:   28000000 kB",
    "load": "0.08 0.12 0.10 1/240 4711",
    "disk_root": "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 400 600 40% /",
    "disk_docker": "Filesystem 1024-blocks Used Available Capacity Mounted on\noverlay 1000 400 600 - /var/lib/docker",
    "disk_data": "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/disk by id 1000 400 600 40% /data",
    "docker": '{"version":"28.5.1","runtimes":{"runsc":{},"runc":{}},"default_runtime":"runc",'
    '"root":"/var/lib/docker"}',
    "runsc": "runsc version release-20261012.0\nspec: 1.1.0-rc.1",
    "container_ids": f"{FIRST}\n{SECOND}",
    "containers": f"{FIRST_LINE}\n{SECOND_LINE}",
    "volumes": '{"name":"abc_data","driver":"local","options":null,"scope":"local"}',
    "networks": '{"name":"coolify","driver":"bridge","options":{},"scope":"local"}',
    "cgroups": "cgroup2fs",
}
FACT_NAMES = sorted(set(HostFacts.model_fields) - {"host", "unknown"})


def framed(name: str, text: str, status: int = 0) -> str:
    """Return a section as the script prints it."""
    return f"{MARK} begin {name}\n{text}\n{MARK} end {name} {status}\n"


def answer(**changed: str | tuple[str, int]) -> str:
    """Return a whole answer, with some sections said otherwise."""
    parts: dict[str, str | tuple[str, int]] = {**ANSWERS, **changed}
    framed_parts = (
        framed(name, part, 0) if isinstance(part, str) else framed(name, *part) for name, part in parts.items()
    )
    return "".join(framed_parts) + f"{MARK} done\n"


def read(output: str) -> HostFacts:
    """Return what is read out of it."""
    return read_facts("muscle-1", output, marker=MARK)


GOOD = read(answer())


def first_container() -> ContainerFacts:
    """Return the first of the two containers."""
    assert GOOD.containers
    return GOOD.containers[0]
