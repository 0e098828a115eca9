"""A container is isolated only where all that Docker says of it is known and fine: an allow list, whatever is new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.core.container import Made, Mount, Promised, Told, problems
from ink_infra_mcp.core.host_config import MASKED, READ_ONLY, is_empty
from tests.core.told import APP, ENDPOINT, HOST_CONFIG, NETWORK_ID, PLAIN, POLICY, VOLUME, told

PROMISED = Promised(app=APP)
UNKNOWN = st.from_regex(r"[A-Z][A-Za-z]{2,12}", fullmatch=True).filter(lambda key: key not in HOST_CONFIG)
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
WEAKENED: dict[str, list[JsonValue]] = {
    "AutoRemove": [True],
    "Binds": [["/root/.ssh:/root/.ssh:rw"], ["./x:/x"], ["~:/x"], ["data:/x:rshared"], ["data"], "data:/x", [5]],
    "BlkioDeviceReadBps": [[{"Path": "/dev/sda", "Rate": 1}]],
    "BlkioDeviceReadIOps": [[{"Path": "/dev/sda", "Rate": 1}]],
    "BlkioDeviceWriteBps": [[{"Path": "/dev/sda", "Rate": 1}]],
    "BlkioDeviceWriteIOps": [[{"Path": "/dev/sda", "Rate": 1}]],
    "BlkioWeight": [-1],
    "BlkioWeightDevice": [[{"Path": "/dev/sda", "Weight": 1}]],
    "CapAdd": [["SYS_ADMIN"], ["ALL"], ["CAP_CHOWN", "CAP_NET_RAW"], "CHOWN"],
    "CapDrop": [None, [], ["CHOWN"], "ALL"],
    "Cgroup": ["container:x"],
    "CgroupParent": ["/system.slice"],
    "CgroupnsMode": ["host"],
    "ContainerIDFile": ["/etc/passwd"],
    "CpuCount": [1],
    "CpuPercent": [1],
    "CpuPeriod": [-1],
    "CpuQuota": [-1],
    "CpuRealtimePeriod": [1],
    "CpuRealtimeRuntime": [1],
    "CpuShares": [-1],
    "DeviceCgroupRules": [["a *:* rwm"]],
    "DeviceRequests": [[{"Driver": "nvidia", "Count": -1}]],
    "Devices": [[{"PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm"}]],
    "GroupAdd": [["docker"]],
    "IOMaximumBandwidth": [1],
    "IOMaximumIOps": [1],
    "IpcMode": ["host", "container:x", "shareable"],
    "Isolation": ["hyperv"],
    "Links": [["/other:/app/other"]],
    "LogConfig": [
        None,
        {"Type": "syslog", "Config": {}},
        {"Type": "json-file", "Config": {"env": "SECRET"}},
        {"Type": "fluentd", "Config": {"fluentd-address": "tcp://198.51.100.1:24224"}},
    ],
    "MaskedPaths": [None, [], *([*MASKED[:n], *MASKED[n + 1 :]] for n in range(len(MASKED)))],
    "Memory": [0, -1, None, "1g"],
    "MemoryReservation": [-1],
    "MemorySwap": [-1],
    "MemorySwappiness": [101],
    "Mounts": [
        [{"Type": "bind", "Source": "/root", "Target": "/x"}],
        [{"Type": "volume", "Source": "/root", "Target": "/x"}],
        [{"Type": "image", "Source": "x", "Target": "/x"}],
        [{"Type": "volume", "Source": "x", "Target": "/x", "BindOptions": {"Propagation": "rshared"}}],
        [
            {
                "Type": "volume",
                "Source": "x",
                "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"o": "bind"}}},
            }
        ],
        [{"Type": "volume", "Source": "x", "VolumeOptions": {"DriverConfig": {"Name": "nfs"}}}],
        [{"Type": "volume", "Source": "x", "VolumeOptions": {"Subpath": "../.."}}],
        [{"Type": "tmpfs", "Target": "/x", "TmpfsOptions": {"Options": [["dev"]]}}],
        [{}],
    ],
    "NanoCpus": [-1],
    "NetworkMode": ["host", "bridge", "default", "container:x", "", None],
    "OomKillDisable": [True],
    "OomScoreAdj": [-500],
    "PidMode": ["host", "container:x"],
    "PidsLimit": [None, 0, -1, 513, True],
    "PortBindings": [{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, {"80/tcp": [{"HostIp": "", "HostPort": ""}]}],
    "Privileged": [True, "yes"],
    "PublishAllPorts": [True],
    "ReadonlyPaths": [None, [], *([*READ_ONLY[:n], *READ_ONLY[n + 1 :]] for n in range(len(READ_ONLY)))],
    "ReadonlyRootfs": ["no"],
    "RestartPolicy": [{"Name": "sometimes", "MaximumRetryCount": 0}],
    "Runtime": ["runc", "runsc-kvm", "", None, "RUNSC"],
    "SecurityOpt": [
        ["seccomp=unconfined"],
        ["apparmor:unconfined"],
        ["label=disable"],
        ["no-new-privileges:false"],
        ["no-new-privileges", "seccomp=/x.json"],
    ],
    "ShmSize": [-1],
    "Tmpfs": [{"/x": "dev,suid"}, {"/x": "rw,shared"}, ["/x"]],
    "UTSMode": ["host"],
    "Ulimits": [[{"Name": "rtprio", "Soft": 99, "Hard": 99}], [{"Name": "nofile", "Soft": 1, "Else": 1}]],
    "UsernsMode": ["host"],
    "VolumeDriver": ["nfs"],
    "VolumesFrom": [["other"]],
}
BRIDGE_NAME = "com.docker.network.bridge.name"
FREE = {"ConsoleSize", "CpusetCpus", "CpusetMems", "Dns", "DnsOptions", "DnsSearch", "ExtraHosts"}
"""Keys that say nothing of the server, whatever they hold."""


def found(seen: Told, **promised: object) -> tuple[str, ...]:
    """Return the problems of a container of the app."""
    return problems(seen, POLICY, PROMISED.model_copy(update=promised))


def test_what_docker_says_of_a_plain_app_is_fine() -> None:
    """Word for word as Docker 26.1 said it, with a volume, a tmpfs, and limits."""
    assert found(PLAIN) == ()


@pytest.mark.parametrize("key", sorted(HOST_CONFIG.keys() - FREE - {"Init"}))
def test_every_key_of_docker_has_its_place(key: str) -> None:
    """Each weaker value of each key is one named problem; a key without one would not be judged at all."""
    for weaker in WEAKENED[key]:
        (words,) = found(told(**{key: weaker}))
        assert words, (key, weaker)


@pytest.mark.parametrize("key", sorted({*HOST_CONFIG, "Sysctls", "StorageOpt", "Annotations", "KernelMemory"} - FREE))
def test_a_value_of_a_shape_that_docker_never_says_is_no_pass(key: str) -> None:
    """Where a table or a list of tables stands for a plain value, or the other way round, it is a problem."""
    assert all(found(told(**{key: odd})) for odd in ([{"x": "y"}], "odd", {"x": {"y": "z"}}))


@given(UNKNOWN, VALUES)
def test_a_key_that_nobody_has_judged_may_only_be_empty(key: str, value: JsonValue) -> None:
    """A newer Docker says more: whatever says something is a problem named by its key."""
    words = found(told(**{key: value}))
    assert words == (() if is_empty(value) else words[:1])
    assert is_empty(value) or key in words[0]


@given(st.data())
def test_one_weaker_value_among_all_is_always_named(data: st.DataObject) -> None:
    """However many are weakened, each is a problem of its own."""
    keys = data.draw(st.lists(st.sampled_from(sorted(WEAKENED)), unique=True, min_size=1, max_size=6))
    changed = {key: data.draw(st.sampled_from(WEAKENED[key])) for key in keys}
    assert len(found(told(**changed))) == len(keys)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("Binds", [f"{APP}_data:/data:rw", "cache:/x", "logs:/y:ro,z"]),
        ("CapAdd", ["CAP_CHOWN"]),
        ("CapAdd", None),
        ("CapDrop", ["all"]),
        ("NetworkMode", APP),
        ("NetworkMode", NETWORK_ID),
        ("NetworkMode", "none"),
        ("LogConfig", {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}),
        ("Ulimits", [{"Name": "nofile", "Soft": 1024, "Hard": 2048}]),
        ("Tmpfs", {"/cache": "rw,noexec,nosuid,size=64m"}),
        ("Sysctls", None),
        ("OomKillDisable", None),
        ("PidsLimit", 1),
        ("Init", True),
        ("MaskedPaths", [*MASKED, "/proc/interrupts"]),
        ("ExtraHosts", ["db:192.0.2.1"]),
    ],
)
def test_what_an_app_may_have_is_no_problem(key: str, value: JsonValue) -> None:
    """An allow list that refuses ordinary apps would be switched off."""
    assert found(told(**{key: value})) == ()


def test_a_server_without_namespaces_for_cgroups_shares_its_own() -> None:
    """Docker has no other default there (version 1 of cgroups)."""
    assert found(told(CgroupnsMode="host").model_copy(update={"own_cgroups": False})) == ()


def with_mount(**changed: object) -> Told:
    """Return the plain container with its volume mounted otherwise."""
    return PLAIN.model_copy(update={"mounts": (VOLUME.model_copy(update=changed),)})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"type": "bind", "source": "/root/.ssh"}, "it reaches /root/.ssh of the server at /data (a bind mount)"),
        ({"type": "", "source": ""}, "it reaches something of the server at /data (a nameless mount)"),
        ({"type": "tmpfs", "source": "/etc"}, "it reaches /etc of the server at /data (a tmpfs mount)"),
        ({"name": "other_data"}, "the volume other_data at /data is not one of its own"),
        ({"name": f"{APP}x_data"}, f"the volume {APP}x_data at /data is not one of its own"),
        ({"driver": "nfs"}, f"the volume {APP}_data at /data is not a plain one of the local driver"),
        ({"propagation": "rshared"}, f"the volume {APP}_data at /data is not a plain one of the local driver"),
        ({"name": f"{APP}_gone"}, f"how the volume {APP}_gone was made could not be read"),
        ({"name": "a" * 64}, f"how the volume {'a' * 64} was made could not be read"),
    ],
)
def test_each_mount_that_is_no_volume_of_its_own_is_named(changed: dict[str, object], words: str) -> None:
    """Folders, sockets, volumes of neighbours and of other drivers."""
    assert found(with_mount(**changed)) == (words,)


@pytest.mark.parametrize(
    "made",
    [
        {"options": {"type": "none", "o": "bind", "device": "/root"}},
        {"options": {"type": "nfs", "o": "addr=192.0.2.1", "device": ":/x"}},
        {"driver": "rclone"},
        {"scope": "global"},
    ],
)
def test_a_volume_that_was_made_as_something_else_is_named(made: dict[str, object]) -> None:
    """Docker says "local" of the mount though the volume is a folder of the server: how it was made counts."""
    odd = Made(name=f"{APP}_data", driver="local").model_copy(update=made)
    (words,) = found(PLAIN.model_copy(update={"volumes": (odd,)}))
    assert words.startswith(f"the volume {APP}_data at /data is made with driver")


@pytest.mark.parametrize("volumes", [None, ()])
def test_volumes_that_could_not_be_read_are_no_pass(volumes: tuple[Made, ...] | None) -> None:
    """Unknown is a problem."""
    assert found(PLAIN.model_copy(update={"volumes": volumes})) == (
        f"how the volume {APP}_data was made could not be read",
    )


def in_network(name: str, network: Made | None = None, **endpoint: JsonValue) -> Told:
    """Return the plain container in another network."""
    others = (network,) if network else ()
    config = {**HOST_CONFIG, "NetworkMode": name}
    changed = {"host_config": config, "networks": {name: {**ENDPOINT, **endpoint}}}
    return PLAIN.model_copy(update={**changed, "server_networks": (*others, *(PLAIN.server_networks or ()))})


@pytest.mark.parametrize("name", ["coolify", APP, f"{APP}_back"])
def test_its_own_networks_and_coolifys_are_fine(name: str) -> None:
    """Coolify puts an application into its destination's network, a compose app into one of its own."""
    assert found(in_network(name, Made(name=name, driver="bridge"))) == ()


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (in_network("bridge"), "it is in the network bridge, which is neither its own nor Coolify's"),
        (in_network("other"), "it is in the network other, which is neither its own nor Coolify's"),
        (in_network("coolify", DriverOpts={"x": "y"}), "it is in the network coolify with DriverOpts of its own"),
        (in_network("coolify", Links=["x:y"]), "it is in the network coolify with Links of its own"),
        (
            in_network("coolify", IPAMConfig={"IPv4Address": "10.0.1.9"}),
            "it is in the network coolify with IPAMConfig of its own",
        ),
        (in_network(f"{APP}_x"), f"how the network {APP}_x was made could not be read"),
        (
            in_network(f"{APP}_x", Made(name=f"{APP}_x", driver="macvlan", options={"parent": "eth0"})),
            f"the network {APP}_x is made with driver macvlan, scope local, options parent",
        ),
        (
            in_network(f"{APP}_x", Made(name=f"{APP}_x", driver="bridge", options={BRIDGE_NAME: "br0"})),
            f"the network {APP}_x is made with driver bridge, scope local, options com.docker.network.bridge.name",
        ),
    ],
)  # fmt: skip
def test_each_other_network_is_named(seen: Told, words: str) -> None:
    """Neighbours' networks, addresses of one's own, and networks that reach the server's cards."""
    assert found(seen) == (words,)


@pytest.mark.parametrize(
    ("promised", "fine"),
    [
        ((), False),
        (None, True),
        (("8080->80/tcp",), True),
        (("0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp"), True),
        (("0.0.0.0:8080->80/tcp",), False),
        (("8081->80/tcp",), False),
        (("8080->80/udp",), False),
    ],
)
def test_only_promised_ports_are_published(promised: tuple[str, ...] | None, fine: bool) -> None:
    """A port that nobody asked for is a problem, on each address that it is open on."""
    asked = told(PortBindings={"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}) if promised is not None else PLAIN
    seen = asked.model_copy(update={"ports": ("0.0.0.0:8080->80/tcp", "[::]:8080->80/tcp")})
    assert (found(seen, ports=promised) == ()) is fine


def test_mounts_are_read_as_docker_writes_them() -> None:
    """Docker's own spelling of an entry, and fields that it may add."""
    read = Mount.model_validate({"Type": "volume", "Name": "x", "Source": "/s", "RW": True, "New": 1})
    assert read == Mount(type="volume", name="x", source="/s", writable=True)
